"""Spans become OpenTelemetry's own message, and arrive however the collector behaves."""

import base64
import json
import socket
import time
from typing import Any

import pytest
from google.protobuf import json_format
from loadtests.collector import Collector
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from prometheus_client import CollectorRegistry

from riskstream.platform.telemetry.context import TraceContext
from riskstream.platform.telemetry.exporter import (
    SpanExporter,
    TracingSettings,
    encode,
    read_settings,
)
from riskstream.platform.telemetry.metrics import TracingMetrics
from riskstream.platform.telemetry.span import CONSUMER, Span, written
from riskstream.platform.telemetry.tracing import Tracer
from riskstream.runtime.errors import Fatal

PARENT, LINKED = (
    TraceContext.of("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"),
    TraceContext.of("ab" * 16, "cd" * 8),
)
OWN = TraceContext.of(PARENT.trace_id, "0123456789abcdef")
SPAN = Span(
    "process transactions.v1",
    CONSUMER,
    OWN,
    PARENT,
    1_700_000_000_000_000_001,
    1_700_000_000_000_000_999,
    {"text": 'a "quoted" \u00fc', "count": 2**53 + 1, "seconds": 0.25},
    [LINKED],
    "rejected: bad_mcc",
)


def _official(body: bytes) -> ExportTraceServiceRequest:
    """Read by the official message's parser, unknown fields refused; OTLP's hex ids become
    protobuf's base64 first.
    """

    def converted(value: Any, key: str = "") -> Any:
        if isinstance(value, dict):
            return {name: converted(item, name) for name, item in value.items()}
        if isinstance(value, list):
            return [converted(item) for item in value]
        return (
            base64.b64encode(bytes.fromhex(value)).decode()
            if key in ("traceId", "spanId", "parentSpanId")
            else value
        )

    message = ExportTraceServiceRequest()
    json_format.ParseDict(converted(json.loads(body)), message)
    return message


def test_the_official_message_holds_what_was_recorded() -> None:
    found = _official(encode({"service.name": "riskstream-scorer"}, "0.1.0", [written(SPAN)]))
    [resource] = found.resource_spans
    assert {each.key: each.value.string_value for each in resource.resource.attributes} == {
        "service.name": "riskstream-scorer"
    }
    [span] = resource.scope_spans[0].spans
    assert (span.name, span.kind, span.flags) == (SPAN.name, SPAN.kind, 1)
    assert (span.trace_id.hex(), span.span_id.hex(), span.parent_span_id.hex()) == (
        OWN.trace_id,
        OWN.span_id,
        PARENT.span_id,
    )
    assert (span.start_time_unix_nano, span.end_time_unix_nano) == (SPAN.start_ns, SPAN.end_ns)
    values = {each.key: each.value for each in span.attributes}
    assert values["text"].string_value == SPAN.attributes["text"]
    assert values["count"].int_value == SPAN.attributes["count"]
    assert values["seconds"].double_value == SPAN.attributes["seconds"]
    assert [(link.trace_id.hex(), link.span_id.hex()) for link in span.links] == [
        (LINKED.trace_id, LINKED.span_id)
    ]
    assert (span.status.code, span.status.message) == (2, "rejected: bad_mcc")


def _exporter(tracer: Tracer, endpoint: str, **more: Any) -> tuple[SpanExporter, CollectorRegistry]:
    registry = CollectorRegistry()
    given = {"exporter_otlp_endpoint": endpoint, "bsp_schedule_delay": 10, **more}
    return SpanExporter(
        tracer, TracingSettings(**given), {"service.name": "x"}, "0", TracingMetrics(registry)
    ), registry


def _until(condition: Any) -> None:
    end = time.monotonic() + 15
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_spans_arrive_with_the_operators_headers() -> None:
    tracer = Tracer(1.0, 10_000)
    with Collector() as collector:
        exporter, registry = _exporter(
            tracer,
            collector.endpoint,
            exporter_otlp_headers="authorization=Basic%20abc,x-tenant=bank",
        )
        for _ in range(1200):
            tracer.record(SPAN)
        _until(lambda: len(collector.spans()) == 1200)
        exporter.stop()
        assert (collector.headers[0]["Authorization"], collector.headers[0]["X-Tenant"]) == (
            ("Basic abc"),
            "bank",
        )
        assert collector.spans()[0].attributes == SPAN.attributes
        assert registry.get_sample_value("riskstream_tracing_spans_sent_total") == 1200


def test_spans_wait_while_the_collector_is_away_and_arrive_once_it_is_back() -> None:
    tracer = Tracer(1.0, 100)
    with Collector() as collector:
        collector.status = 503
        exporter, _ = _exporter(tracer, collector.endpoint)
        for _ in range(3):
            tracer.record(SPAN)
        time.sleep(0.3)
        assert collector.spans() == []
        collector.status = 200
        _until(lambda: len(collector.spans()) == 3)
        exporter.stop()


def test_an_answer_that_is_no_http_does_not_end_the_sending() -> None:
    tracer = Tracer(1.0, 100)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        exporter, registry = _exporter(tracer, f"http://127.0.0.1:{listener.getsockname()[1]}")
        tracer.record(SPAN)
        for _ in range(2):  # it comes again
            connection, _ = listener.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(b"this is no HTTP\r\n\r\n")
        exporter.stop()
    assert registry.get_sample_value("riskstream_tracing_spans_lost_total") == 1, (
        "left at the end, and told"
    )


def test_refused_spans_are_counted_and_do_not_come_again() -> None:
    tracer = Tracer(1.0, 100)
    with Collector() as collector:
        collector.status = 400
        exporter, registry = _exporter(tracer, collector.endpoint)
        tracer.record(SPAN)
        _until(lambda: registry.get_sample_value("riskstream_tracing_spans_lost_total") == 1)
        collector.status = 200
        exporter.stop()
        assert collector.spans() == []


def test_stopping_sends_the_rest_and_never_waits_long_for_a_collector_that_is_away() -> None:
    tracer = Tracer(1.0, 100)
    with Collector() as collector:
        exporter, _ = _exporter(tracer, collector.endpoint, bsp_schedule_delay=600_000)
        tracer.record(SPAN)
        exporter.stop()
        assert len(collector.spans()) == 1
        endpoint = collector.endpoint
    exporter, registry = _exporter(tracer, endpoint, bsp_schedule_delay=600_000)
    tracer.record(SPAN)
    began = time.monotonic()
    exporter.stop()
    assert time.monotonic() - began < 6
    assert registry.get_sample_value("riskstream_tracing_spans_lost_total") == 1


def test_settings_are_opentelemetrys_own(monkeypatch: pytest.MonkeyPatch) -> None:
    assert read_settings().url == ""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4318/")
    monkeypatch.setenv(
        "OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=prod,service.name=mine"
    )
    settings = read_settings()
    assert (settings.url, settings.ratio) == ("http://collector:4318/v1/traces", 0.01)
    assert settings.resource("scorer", "1", "i")["service.name"] == "mine"
    assert settings.resource("scorer", "1", "i")["deployment.environment.name"] == "prod"
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://other/v1/t")
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "parentbased_always_on")
    assert (read_settings().url, read_settings().ratio) == ("http://other/v1/t", 1.0)
    monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
    assert read_settings().url == ""


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4318"),
        ("OTEL_TRACES_SAMPLER", "always_on"),
        ("OTEL_TRACES_SAMPLER_ARG", "2"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "authorization"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "authorization=secret%0Ax"),
    ],
)
def test_a_wrong_setting_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(Fatal, match=name) as caught:
        read_settings()
    assert caught.value.exit_code == 2
    assert "secret" not in str(caught.value)
