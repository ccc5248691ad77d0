"""A record as librdkafka's own C interface sends it: with header names that are no UTF-8, which the
Python client refuses.
"""

import ctypes
from pathlib import Path

import confluent_kafka

_END, _TOPIC, _PARTITION, _VALUE, _KEY, _FLAGS, _HEADER, _COPY = 0, 1, 3, 4, 5, 7, 9, 2


def send_with_headers(
    kafka: str, topic: str, partition: int, record: tuple[bytes, bytes], names: list[bytes]
) -> None:
    """One (key, value) whose headers have these names; returns when the broker has it."""
    folder = Path(confluent_kafka.__file__).parent.parent / "confluent_kafka.libs"
    client = ctypes.CDLL(str(next(folder.glob("librdkafka*"))))
    client.rd_kafka_conf_new.restype = client.rd_kafka_new.restype = ctypes.c_void_p
    why = ctypes.create_string_buffer(512)
    settings = ctypes.c_void_p(client.rd_kafka_conf_new())
    client.rd_kafka_conf_set(settings, b"bootstrap.servers", kafka.encode(), why, len(why))
    producer = ctypes.c_void_p(client.rd_kafka_new(0, settings, why, len(why)))
    key, value = record
    asked: list[object] = [
        _TOPIC,
        topic.encode(),
        _PARTITION,
        ctypes.c_int32(partition),
        _VALUE,
        value,
        ctypes.c_size_t(len(value)),
        _KEY,
        key,
        ctypes.c_size_t(len(key)),
        _FLAGS,
        _COPY,
    ]
    for name in names:
        asked += [_HEADER, name, b"x", ctypes.c_ssize_t(1)]
    assert client.rd_kafka_producev(producer, *asked, _END) == 0
    assert client.rd_kafka_flush(producer, 20_000) == 0
    client.rd_kafka_destroy(producer)
