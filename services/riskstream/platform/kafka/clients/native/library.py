"""librdkafka as confluent-kafka has loaded it: functions of its C API, and the handle of a client.

Everything is checked before it is trusted. `Unfit` says what is not as it should be.
"""

import ctypes
import os
import sys
from collections.abc import Callable
from typing import Any

import confluent_kafka
import numpy as np
from confluent_kafka import Consumer, Producer, cimpl
from numpy.typing import NDArray

from riskstream.platform.kafka.clients.native.kernels import CALLS

MAJOR = 2
"""Of librdkafka: its C API keeps its structs within a major version."""
_POINTER, _TEXT = ctypes.c_void_p, ctypes.c_char_p
_FUNCTIONS: dict[str, tuple[Any, list[Any]]] = {
    "rd_kafka_version": (ctypes.c_int, []),
    "rd_kafka_opaque": (_POINTER, [_POINTER]),
    "rd_kafka_type": (ctypes.c_int, [_POINTER]),
    "rd_kafka_queue_new": (_POINTER, [_POINTER]),
    "rd_kafka_queue_get_partition": (_POINTER, [_POINTER, _TEXT, ctypes.c_int32]),
    "rd_kafka_queue_forward": (None, [_POINTER, _POINTER]),
    "rd_kafka_queue_destroy": (None, [_POINTER]),
    "rd_kafka_topic_new": (_POINTER, [_POINTER, _TEXT, _POINTER]),
    "rd_kafka_topic_name": (_TEXT, [_POINTER]),
    "rd_kafka_topic_destroy": (None, [_POINTER]),
    "rd_kafka_message_errstr": (_TEXT, [_POINTER]),
    "rd_kafka_message_destroy": (None, [_POINTER]),
}
"""What Python calls of it: result and arguments."""
_HEAD = object.__basicsize__
"""PyObject_HEAD: what every object begins with."""
_TYPES: dict[type, int] = {Producer: 0, Consumer: 1}
"""rd_kafka_type_t."""
_PROBED_BYTES = 4096
"""As far as rd_kafka_opaque reads in a handle, and more."""


class Unfit(Exception):
    """librdkafka or a client of it is not as we expect: the Python way serves."""


class Library:
    """`call[name]`: functions for Python. `calls` int64: addresses for kernels, in the order of
    `CALLS`. Raises Unfit.
    """

    def __init__(self, path: str = cimpl.__file__) -> None:
        if ctypes.sizeof(_POINTER) != 8 or sys.byteorder != "little":
            raise Unfit("the machine is not one of 64 bits with the low byte first")
        try:
            # its own extension module: names are looked up in what that one has loaded
            found = ctypes.CDLL(path)
            self.call = {name: getattr(found, name) for name in _FUNCTIONS}
            compiled = [getattr(found, name) for name in CALLS]
        except (OSError, AttributeError) as error:
            raise Unfit(f"librdkafka does not show a function: {error}") from None
        for name, (result, arguments) in _FUNCTIONS.items():
            self.call[name].restype, self.call[name].argtypes = result, arguments
        version, (text, expected) = self.call["rd_kafka_version"](), confluent_kafka.libversion()
        if version != expected or version >> 24 != MAJOR:
            raise Unfit(f"librdkafka is {text} ({version:#x}), not a version {MAJOR}")
        addresses = [ctypes.cast(each, _POINTER).value or 0 for each in compiled]
        self.calls: NDArray[np.int64] = np.array(addresses, np.int64)

    def handle(self, client: Consumer | Producer) -> int:
        """The rd_kafka_t of a client, the first field of its object. Raises Unfit.

        confluent-kafka gives librdkafka the object itself as opaque: who reads it back through the
        handle has found the right one.
        """
        kind = next((each for each in _TYPES if isinstance(client, each)), None)
        if kind is None:
            raise Unfit("the client is not one of confluent-kafka's")
        if kind.__basicsize__ < _HEAD + 8:
            raise Unfit("the client's object has no room for a handle")
        found = _POINTER.from_address(id(client) + _HEAD).value or 0
        if found % 8 or not _is_readable(found, _PROBED_BYTES):
            raise Unfit("the first field of the client's object is no handle")
        if self.call["rd_kafka_opaque"](found) != id(client):
            raise Unfit("the handle behind the client's object is not its own")
        if self.call["rd_kafka_type"](found) != _TYPES[kind]:
            raise Unfit("the handle behind the client's object is of another kind")
        return found

    def is_open(self, client: Consumer | Producer) -> bool:
        """False once the client is closed: its handle is gone then, with all that was made of
        it.
        """
        return bool(_POINTER.from_address(id(client) + _HEAD).value)


def _is_readable(address: int, size: int) -> bool:
    """Whether memory is there. The kernel says so of a buffer to be written: a wrong address is an
    error of the call, not a crash.
    """
    if not address:
        return False
    reader, writer = os.pipe()
    try:
        write: Callable[[int, int, int], int] = ctypes.CDLL(None).write
        write.argtypes, write.restype = [ctypes.c_int, _POINTER, ctypes.c_size_t], ctypes.c_ssize_t  # type: ignore[attr-defined]
        return write(writer, address, size) == size
    finally:
        os.close(reader)
        os.close(writer)
