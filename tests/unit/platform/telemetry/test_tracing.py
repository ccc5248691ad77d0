"""Contexts are read as W3C says; a tracer with nowhere to send to passes them on."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from riskstream.platform.telemetry.context import (
    Caller,
    TraceContext,
    new_trace,
    read_traceparent,
    sampled_context,
)
from riskstream.platform.telemetry.span import Span
from riskstream.platform.telemetry.tracing import NO_TRACER, Tracer

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


def test_a_sampled_context_is_read_and_written_the_same() -> None:
    text = f"00-{TRACE}-{SPAN}-01"
    caller = read_traceparent(text)
    assert caller == Caller(TraceContext.of(TRACE, SPAN), True)
    assert caller.context is not None
    assert caller.context == text
    assert (caller.context.trace_id, caller.context.span_id) == (TRACE, SPAN)
    assert read_traceparent(text.encode()) == caller


def test_flags_of_later_levels_and_later_versions_are_understood() -> None:
    # random-trace-id flag
    assert read_traceparent(f"00-{TRACE}-{SPAN}-03").context == TraceContext.of(TRACE, SPAN)
    assert read_traceparent(f"cc-{TRACE}-{SPAN}-01-what-comes-later").context == TraceContext.of(
        TRACE, SPAN
    )


def test_a_caller_that_does_not_sample_has_decided() -> None:
    assert read_traceparent(f"00-{TRACE}-{SPAN}-00") == Caller(None, True)


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        b"",
        "00",
        f"00-{TRACE}-{SPAN}",
        f"ff-{TRACE}-{SPAN}-01",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE.upper()}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}-01-more",
        f"00-{TRACE[:-1]}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}-0g",
        f"00-{TRACE}-{SPAN}-01\n",
        b"\xff\xfe",
        "x" * 10_000,
    ],
)
def test_what_is_malformed_counts_as_absent(text: str | bytes | None) -> None:
    assert read_traceparent(text) == Caller(None, False)


@given(st.binary(max_size=600))
def test_no_bytes_break_the_reader(text: bytes) -> None:
    caller = read_traceparent(text)
    assert caller.context is None or caller.has_decided
    assert sampled_context(text) == caller.context


@pytest.mark.parametrize("flags", ["00", "01", "02", "03", "ff"])
@pytest.mark.parametrize("version", ["00", "01", "fe", "ff"])
def test_a_records_header_is_read_as_a_callers_is(version: str, flags: str) -> None:
    text = f"{version}-{TRACE}-{SPAN}-{flags}".encode()
    assert sampled_context(text) == read_traceparent(text).context


def test_a_tracer_without_room_passes_contexts_on_and_records_nothing() -> None:
    parent = new_trace()
    for tracer in (NO_TRACER, Tracer(1.0, 0)):
        context = tracer.next(parent)
        assert context is parent
        tracer.record(Span("a", 1, context, parent, 0, 1, {}))
        assert len(tracer) == 0
        assert tracer.enter(Caller(parent, True)) is parent
        assert tracer.enter(Caller(None, False)) is None


def test_room_is_a_bound_and_comes_back() -> None:
    tracer = Tracer(1.0, 2)
    parent = new_trace()
    for _ in range(2):
        tracer.record(Span("a", 1, tracer.next(parent), parent, 0, 1, {}))
    assert tracer.next(parent) is parent
    assert tracer.enter(Caller(None, False)) is None
    spans = tracer.take(1)
    assert tracer.next(parent).trace_id == parent.trace_id
    assert tracer.next(parent) != parent
    tracer.put_back(spans)
    assert tracer.take(5)[0] is spans[0]


@pytest.mark.parametrize(
    ("ratio", "least", "most"), [(0.0, 0, 0), (1.0, 2000, 2000), (0.1, 120, 280)]
)
def test_roots_are_sampled_by_the_ratio_and_callers_decide_for_themselves(
    ratio: float, least: int, most: int
) -> None:
    tracer = Tracer(ratio, 10)
    sampled = sum(tracer.enter(Caller(None, False)) is not None for _ in range(2000))
    assert least <= sampled <= most
    parent = new_trace()
    entered = tracer.enter(Caller(parent, True))
    assert entered is not None
    assert (entered.trace_id, entered.span_id != parent.span_id) == (parent.trace_id, True)
    assert tracer.enter(Caller(None, True)) is None
