"""Calls of librdkafka's C API from compiled code, by the addresses that `library.py` found.

`calls` int64 holds these addresses in the order of `CALLS`. What a message's struct looks like is
part of the C API of librdkafka 2 (rdkafka.h, rd_kafka_message_t), on machines of 64 bits.
"""

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from riskstream.runtime.kernel import kernel

CALLS = (
    "rd_kafka_consume_batch_queue",
    "rd_kafka_message_destroy",
    "rd_kafka_message_timestamp",
    "rd_kafka_message_headers",
    "rd_kafka_header_get",
    "rd_kafka_produce",
)
_CONSUME, _DESTROY, _TIMESTAMP, _HEADERS, _HEADER_GET, _PRODUCE = range(6)
_ERROR, _TOPIC, _PARTITION, _VALUE, _VALUE_SIZE, _KEY, _KEY_SIZE, _OFFSET = (
    0, 8, 16, 24, 32, 40, 48, 56,
)  # fmt: skip
"""Where the fields of a rd_kafka_message_t stand."""
_COPY = 2
"""RD_KAFKA_MSG_F_COPY: the producer copies the value; it always copies the key."""
LONGEST_TRACE = 512
"""A longer `traceparent` is malformed, and not read."""
_U8 = "Array(uint8, 1, 'C', readonly=True)"


def _calling(result: Any) -> Any:
    """An intrinsic that calls the C function at an address with a tuple of arguments."""

    @intrinsic
    def call(typing, address, given):  # type: ignore[no-untyped-def]  # noqa: ARG001  numba passes all
        def generate(context, builder, signature, arguments):  # type: ignore[no-untyped-def]  # noqa: ARG001
            values = cgutils.unpack_tuple(builder, arguments[1])
            kind = ir.VoidType() if result is types.void else context.get_value_type(result)
            shape = ir.FunctionType(kind, [each.type for each in values])
            found = builder.call(builder.inttoptr(arguments[0], shape.as_pointer()), values)
            return context.get_dummy_value() if result is types.void else found

        return result(types.int64, given), generate

    return call


_call_long, _call_int, _call_void = (
    _calling(each) for each in (types.int64, types.int32, types.void)
)


@intrinsic
def _word(typing, address):  # type: ignore[no-untyped-def]  # noqa: ARG001
    """The int64 at an address."""

    def generate(context, builder, signature, given):  # type: ignore[no-untyped-def]  # noqa: ARG001
        return builder.load(builder.inttoptr(given[0], ir.IntType(64).as_pointer()))

    return types.int64(types.int64), generate


@intrinsic
def _half(typing, address):  # type: ignore[no-untyped-def]  # noqa: ARG001
    """The int32 at an address."""

    def generate(context, builder, signature, given):  # type: ignore[no-untyped-def]  # noqa: ARG001
        return builder.load(builder.inttoptr(given[0], ir.IntType(32).as_pointer()))

    return types.int32(types.int64), generate


@intrinsic
def _copy(typing, to, start, size):  # type: ignore[no-untyped-def]  # noqa: ARG001
    """`size` bytes from one address to another."""

    def generate(context, builder, signature, given):  # type: ignore[no-untyped-def]  # noqa: ARG001
        byte = ir.IntType(8).as_pointer()
        source, target = builder.inttoptr(given[1], byte), builder.inttoptr(given[0], byte)
        cgutils.raw_memcpy(builder, target, source, given[2], 1)
        return context.get_dummy_value()

    return types.void(types.int64, types.int64, types.int64), generate


@kernel("int64(int64[::1], int64, int64, int64[::1])", allocates=False, nogil=True)
def wait_kernel(calls, queue, timeout_ms, pointers):  # type: ignore[no-untyped-def]
    """One message into pointers[0], after `timeout_ms` at most; how many, 1 or 0."""
    # more at once: librdkafka then waits until all are there
    given = (queue, types.int32(timeout_ms), pointers.ctypes.data, types.uint64(1))
    return max(_call_long(calls[_CONSUME], given), 0)


@kernel(
    f"int64(int64[::1], int64, int64, int64, int64[::1], {_U8}, int64[:, ::1], int64[::1], "
    "int64[::1])",
    allocates=False,
    nogil=True,
)
def fetch_kernel(calls, queue, have, most, pointers, name, traces, topics, totals):  # type: ignore[no-untyped-def]
    """To the `have` pointers what has arrived behind them, `most` messages together; how many.

    `topics` is given the handle of each record's topic, 0 of an error. `totals`: bytes of their
    values, of their keys, and of their headers `name` (a C text), whose address and size `traces`
    [:, 2] gives by message, size 0 where it has none.
    """
    n, room = have, min(most, len(pointers), len(traces), len(topics)) - have
    if room > 0:
        rest = (queue, types.int32(0), pointers.ctypes.data + 8 * have, types.uint64(room))
        n += max(_call_long(calls[_CONSUME], rest), 0)
    totals[:] = 0
    for at in range(n):
        message = pointers[at]
        traces[at, 1] = topics[at] = 0
        if _half(message + _ERROR) != 0:
            continue
        topics[at] = _word(message + _TOPIC)
        totals[0] += _word(message + _VALUE_SIZE)
        totals[1] += _word(message + _KEY_SIZE)
        where = traces.ctypes.data + 16 * at
        if _call_int(calls[_HEADERS], (message, where)) != 0:
            continue
        first = (traces[at, 0], types.uint64(0), name.ctypes.data, where, where + 8)
        if _call_int(calls[_HEADER_GET], first) != 0 or traces[at, 1] > LONGEST_TRACE:
            traces[at, 1] = 0
        totals[2] += traces[at, 1]
    return n


@kernel(
    "int64(int64[::1], int64, int64[::1], uint8[::1], int64[::1], uint8[::1], uint8[::1], "
    "int64[::1], uint8[::1], int32[::1], int64[::1], int64[::1], int64[:, ::1], uint8[::1], "
    "int64[:, ::1])",
    allocates=False,
    nogil=True,
)
def take_kernel(  # type: ignore[no-untyped-def]
    calls,
    n,
    pointers,
    values,
    value_ends,
    value_nulls,
    keys,
    key_ends,
    key_nulls,
    partitions,
    offsets,
    times,
    traces,
    trace_data,
    trace_ends,
):
    """Copy the n messages that `fetch_kernel` gave, and destroy them; how many were records.

    The others, errors, are left in pointers[0..], not destroyed. `trace_ends` [:, 2]: row and end
    in `trace_data` of each trace, then row -1. -1 in place of a count, with nothing done, where
    there is no room.
    """
    value_room = key_room = trace_room = 0
    for at in range(n):
        if _half(pointers[at] + _ERROR) == 0:
            value_room += _word(pointers[at] + _VALUE_SIZE)
            key_room += _word(pointers[at] + _KEY_SIZE)
            trace_room += traces[at, 1]
    rows = min(
        len(value_ends), len(value_nulls), len(key_ends), len(key_nulls), len(partitions),
        len(offsets), len(times), len(trace_ends) - 1,
    )  # fmt: skip
    if n > rows or value_room > len(values) or key_room > len(keys) or trace_room > len(trace_data):
        return -1
    out = errors = traced = 0
    value_end = key_end = trace_end = 0
    for at in range(n):
        message = pointers[at]
        if _half(message + _ERROR) != 0:
            pointers[errors] = message
            errors += 1
            continue
        value, size = _word(message + _VALUE), _word(message + _VALUE_SIZE)
        value_nulls[out] = value == 0
        _copy(values.ctypes.data + value_end, value, size)
        value_end += size
        value_ends[out] = value_end
        key, size = _word(message + _KEY), _word(message + _KEY_SIZE)
        key_nulls[out] = key == 0
        _copy(keys.ctypes.data + key_end, key, size)
        key_end += size
        key_ends[out] = key_end
        partitions[out] = _half(message + _PARTITION)
        offsets[out] = _word(message + _OFFSET)
        if traces[at, 1] > 0:
            _copy(trace_data.ctypes.data + trace_end, traces[at, 0], traces[at, 1])
            trace_end += traces[at, 1]
            trace_ends[traced, 0], trace_ends[traced, 1] = out, trace_end
            traced += 1
        # the place of what was copied takes the kind of time, which nobody asks for
        times[out] = _call_long(calls[_TIMESTAMP], (message, traces.ctypes.data + 16 * at))
        _call_void(calls[_DESTROY], (message,))
        out += 1
    trace_ends[traced, 0] = -1
    return out


@kernel(
    f"int64(int64[::1], int64, int64, int64, int32[::1], {_U8}, int64[::1], {_U8}, int64[::1], "
    f"{_U8})",
    allocates=False,
    nogil=True,
)
def put_kernel(  # type: ignore[no-untyped-def]
    calls, topic, first, stop, partitions, values, value_ends, keys, key_ends, key_nulls
):
    """Produce records first..stop-1 in order; the first that was not taken, `stop` where all were.

    One whose bytes are not there is not given to the producer.
    """
    least = min(len(partitions), len(value_ends), len(key_ends), len(key_nulls))
    for at in range(first, min(stop, least)):
        value = value_ends[at - 1] if at > 0 else 0
        key = key_ends[at - 1] if at > 0 else 0
        size, key_size = value_ends[at] - value, key_ends[at] - key
        if value < 0 or size < 0 or value_ends[at] > len(values):
            return at
        if key < 0 or key_size < 0 or key_ends[at] > len(keys):
            return at
        given = (
            topic,
            partitions[at],
            types.int32(_COPY),
            values.ctypes.data + value,
            types.uint64(size),
            types.int64(0) if key_nulls[at] else keys.ctypes.data + key,
            types.uint64(key_size),
            types.int64(0),  # no opaque: confluent-kafka's report of it does nothing
        )
        if _call_int(calls[_PRODUCE], given) != 0:
            return at
    return min(stop, least)
