"""A sampled caller's trace through the running chain; log events carry its id; an unsampled one
leaves nothing.
"""

import json
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest
from loadtests.collector import Collector, Seen
from loadtests.traces import breaks, orphans
from tests.support.builders import frame, request
from tests.support.world import World

from riskstream.platform.kafka.clients.client import producer
from riskstream.platform.kafka.traced import context_in, header_of
from riskstream.platform.telemetry.context import TraceContext, new_trace

DEADLINE_S = 30.0


def _until(collector: Collector, wanted: Callable[[list[Seen]], bool]) -> list[Seen]:
    end = time.monotonic() + DEADLINE_S
    while not wanted(spans := collector.spans()):
        assert time.monotonic() < end, [(span.service, span.name) for span in spans]
        time.sleep(0.1)
    return spans


def _of(spans: list[Seen], caller: TraceContext) -> list[Seen]:
    return [span for span in spans if span.trace_id == caller.trace_id]


def test_a_trace_leads_from_the_caller_to_the_report(
    world: World, collector: Collector, tmp_path: Path
) -> None:
    callers: dict[str, TraceContext] = {}
    for number in range(40):  # a burst of large amounts of one customer: some of it is alerted
        callers[f"{world.tag}-{number}"] = caller = new_trace()
        body = request(
            transaction_id=f"{world.tag}-{number}",
            customer_id=f"c-{world.tag}",
            amount_minor=900_000 + number,
            occurred_at=int(time.time() * 1000),
            channel="ECOM",
            country="US",
        )
        assert (
            world.post(
                "/v1/decisions?deadline_ms=5000", json.dumps(body).encode(), traceparent=caller
            )[0]
            == 200
        )
    alert = world.new("alerts.v1", 1, lambda record: record.key == f"c-{world.tag}".encode())[0]
    context = context_in(alert.headers)
    assert context is not None
    [caller] = [each for each in callers.values() if each.trace_id == context.trace_id]
    world.wait_for_tracker()
    given = [
        "report",
        "run",
        "--kafka",
        world.kafka,
        "--out",
        str(tmp_path),
        "--so-far",
        "--grain",
        "daily",
    ]
    for _ in range(2):  # the second report has the alert as well, and says nothing of it
        subprocess.run(
            [sys.executable, "-c", "from riskstream.cli.main import main; main()", *given],
            check=True,
            timeout=60,
            env={**os.environ, "OTEL_EXPORTER_OTLP_ENDPOINT": collector.endpoint},
        )
        time.sleep(1.1)  # a report's name has seconds
    spans = _until(collector, lambda spans: not breaks(spans, caller))
    names = sorted(span.name for span in _of(spans, caller))
    assert names == [
        "POST /v1/decisions",
        "process alerts.v1",
        "process scores.v1",
        "process transactions.v1",
        ("receive scores.v1"),
        "send transactions.v1",
    ]
    assert orphans(spans, callers.values()) == []
    by_name = {span.name: span for span in _of(spans, caller)}
    assert by_name["receive scores.v1"].parent == by_name["process transactions.v1"].span_id
    assert by_name["process scores.v1"].span_id == context.span_id
    starts = [
        by_name[name].start_ns
        for name in ("POST /v1/decisions", "send transactions.v1", "process transactions.v1")
    ]
    assert starts == sorted(starts)
    scored = by_name["process transactions.v1"]
    assert scored.attributes["messaging.destination.name"] == "transactions.v1"
    [batch] = [span for span in spans if (span.trace_id, span.span_id) == scored.links[0]]
    assert batch.attributes["messaging.batch.message_count"] >= 1
    assert 0 < batch.attributes["riskstream.stage.score.seconds"] < 5


def test_every_answer_of_a_sampled_caller_is_logged_with_its_trace(
    world: World, collector: Collector
) -> None:
    caller = new_trace()
    status, _, _ = world.post("/v1/transactions", b"{}", traceparent=caller)
    assert status == 400
    spans = _until(collector, lambda spans: bool(_of(spans, caller)))
    [span] = _of(spans, caller)
    assert (span.name, span.attributes["http.response.status_code"], span.parent) == (
        "POST /v1/transactions",
        400,
        caller.span_id,
    )
    log = world.chain.services["gateway"].server.log
    events = [json.loads(line) for line in log.read_text().splitlines() if caller.trace_id in line]
    assert [(event["event"], event["status"], event["span_id"]) for event in events] == [
        ("answered", 400, span.span_id)
    ]


def test_a_latency_has_the_trace_of_one_request_that_took_it(world: World) -> None:
    caller = new_trace()
    world.post("/v1/transactions", b"{}", traceparent=caller)
    url = f"{world.chain.services['gateway'].telemetry}/metrics"
    openmetrics = urllib.request.Request(
        url, headers={"Accept": ("application/openmetrics-text; version=1.0.0")}
    )
    with urllib.request.urlopen(openmetrics, timeout=5) as answer:
        text = answer.read().decode()
    assert f'# {{trace_id="{caller.trace_id}"}}' in text
    assert text.endswith("# EOF\n")
    with urllib.request.urlopen(url, timeout=5) as answer:
        plain = answer.read().decode()
    assert "trace_id" not in plain
    assert "_created" not in plain + text


def test_a_rejected_record_keeps_its_trace_to_the_dead_letters(
    world: World, collector: Collector
) -> None:
    upstream = new_trace()
    plain = producer(world.kafka, "test")
    plain.produce(
        "transactions.v1", b"no frame", f"c-{world.tag}".encode(), 0, headers=header_of(upstream)
    )
    assert plain.flush(10) == 0
    [letter] = world.new(
        "transactions.v1.dlq", 1, lambda record: record.key == f"c-{world.tag}".encode()
    )
    context = context_in(letter.headers)
    assert context is not None
    spans = _until(
        collector,
        lambda spans: any(span.service == "riskstream-scorer" for span in _of(spans, upstream)),
    )
    [span] = [span for span in _of(spans, upstream) if span.service == "riskstream-scorer"]
    assert (span.span_id, span.parent, span.error) == (
        context.span_id,
        upstream.span_id,
        ("rejected: bad_magic"),
    )


@pytest.mark.parametrize(
    "headers", [[("traceparent", b"00-nonsense")], [("traceparent", None)], [("other", b"x")], None]
)
def test_a_record_without_a_sampled_context_leaves_no_header(
    world: World, headers: list[tuple[str, str | bytes | None]]
) -> None:
    plain = producer(world.kafka, "test")
    key = f"c-{world.tag}"
    value = frame(customer_id=key, transaction_id=world.tag)
    plain.produce("transactions.v1", value, key.encode(), headers=headers)
    assert plain.flush(10) == 0
    [score] = world.new("scores.v1", 1, lambda record: record.key == key.encode())
    assert score.headers == []


def test_an_unsampled_caller_leaves_nothing(world: World, collector: Collector) -> None:
    caller, last = new_trace(), new_trace()
    for each, flags in ((caller, "00"), (last, "01")):
        body = request(
            transaction_id=f"{world.tag}-{flags}",
            customer_id=f"c-{world.tag}",
            occurred_at=int(time.time() * 1000),
        )
        header = each[:-2] + flags
        assert (
            world.post(
                "/v1/decisions?deadline_ms=5000", json.dumps(body).encode(), traceparent=header
            )[0]
            == 200
        )
    spans = _until(
        collector, lambda spans: any(span.name == "POST /v1/decisions" for span in _of(spans, last))
    )
    assert _of(spans, caller) == []
