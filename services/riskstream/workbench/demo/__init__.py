"""The demo: the whole chain on this machine, driven by HTTP and by Kafka, with a summary of what
was measured.
"""
