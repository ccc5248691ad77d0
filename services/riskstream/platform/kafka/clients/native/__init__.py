"""The hot path of confluent-kafka's clients without a Python object a message: batches go between
librdkafka and joined buffers in compiled code.

The clients stay confluent-kafka's: groups, settings, callbacks and errors are theirs. We reach the
handle behind the Python object, and check it, as a client of our own on the C API would have to do
all of that again. Where a check fails, confluent-kafka's own calls serve (`choice.py`).
"""
