"""Sends spans to an OpenTelemetry collector: OTLP over HTTP with JSON
(https://opentelemetry.io/docs/specs/otlp/#otlphttp).

Set as everywhere in OpenTelemetry, by OTEL_EXPORTER_OTLP_ENDPOINT and its like (docs/telemetry.md);
nothing is traced where no endpoint is given. Spans that the collector cannot take now wait; nothing
else waits for them.
"""

import http.client
import os
import socket
import threading
import urllib.error
import urllib.parse
import urllib.request
from importlib.metadata import version as version_of
from typing import Literal

import structlog
from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from riskstream.platform.telemetry import conventions as names
from riskstream.platform.telemetry.metrics import TracingMetrics
from riskstream.platform.telemetry.span import attributes
from riskstream.platform.telemetry.tracing import NO_TRACER, Tracer
from riskstream.runtime.errors import Fatal
from riskstream.runtime.exits import Exit

log = structlog.get_logger("tracing")
MAX_BATCH = 512
_RETRYABLE = {408, 429, 502, 503, 504}
_LONGEST_WAIT_S = 30.0


class TracingSettings(BaseSettings):
    """OpenTelemetry's own variables, those that have a meaning here."""

    model_config = SettingsConfigDict(env_prefix="otel_", frozen=True, extra="ignore")

    exporter_otlp_endpoint: str = Field(default="", pattern=r"^(https?://.+)?$")
    exporter_otlp_traces_endpoint: str = Field(default="", pattern=r"^(https?://.+)?$")
    exporter_otlp_headers: SecretStr = Field(default=SecretStr(""))
    exporter_otlp_timeout: int = Field(default=10_000, ge=1, le=120_000)
    traces_sampler: Literal[
        "parentbased_traceidratio", "parentbased_always_on", "parentbased_always_off"
    ] = Field(default="parentbased_traceidratio")
    traces_sampler_arg: float = Field(default=0.01, ge=0, le=1)
    resource_attributes: str = Field(default="")
    service_name: str = Field(default="")
    bsp_schedule_delay: int = Field(default=5000, ge=10, le=600_000)
    bsp_max_queue_size: int = Field(default=8192, ge=1, le=1_000_000)
    sdk_disabled: bool = Field(default=False)

    @field_validator("exporter_otlp_headers")
    @classmethod
    def _are_headers(cls, given: SecretStr) -> SecretStr:
        """Told at start, without what they hold: the exporter's thread could only fail by them."""
        text = given.get_secret_value()
        if text.count("=") < len([part for part in text.split(",") if part]) or not all(
            pair.isascii() and pair.isprintable()
            for pair in (*_pairs(text), *_pairs(text).values())
        ):
            raise ValueError("give key=value,key=value of printable characters")
        return given

    @property
    def url(self) -> str:
        """Where traces go; empty where nowhere."""
        if self.sdk_disabled:
            return ""
        if self.exporter_otlp_traces_endpoint:
            return self.exporter_otlp_traces_endpoint
        return (
            f"{self.exporter_otlp_endpoint.rstrip('/')}/v1/traces"
            if self.exporter_otlp_endpoint
            else ""
        )

    @property
    def ratio(self) -> float:
        """Share of the requests that are sampled where the caller did not decide."""
        return {"parentbased_always_on": 1.0, "parentbased_always_off": 0.0}.get(
            self.traces_sampler, self.traces_sampler_arg
        )

    @property
    def headers(self) -> dict[str, str]:
        return _pairs(self.exporter_otlp_headers.get_secret_value())

    def resource(self, service: str, version: str, instance: str) -> dict[str, str]:
        """Who we are: what the operator says goes before what we know."""
        ours = {
            names.SERVICE_NAME: f"riskstream-{service}",
            names.SERVICE_VERSION: version,
            names.SERVICE_INSTANCE: instance,
        }
        said = {names.SERVICE_NAME: self.service_name} if self.service_name else {}
        return ours | _pairs(self.resource_attributes) | said


def read_settings() -> TracingSettings:
    """From the environment. Fatal with exit code 2 where a value is wrong."""
    try:
        return TracingSettings()
    except ValidationError as error:
        first = error.errors()[0]
        name = "".join(str(part) for part in first["loc"]).upper()
        raise Fatal(
            what=f"{name} is wrong: {first['msg']}",
            where=f"OTEL_{name}",
            do="see docs/telemetry.md",
            exit_code=Exit.INPUT,
        ) from None


def _pairs(text: str) -> dict[str, str]:
    """`key=value,key=value`, percent-encoded, as OpenTelemetry writes headers and attributes."""
    pairs = (part.split("=", 1) for part in text.split(",") if "=" in part)
    return {key.strip(): urllib.parse.unquote(value.strip()) for key, value in pairs}


def encode(resource: dict[str, str], version: str, spans: list[str]) -> bytes:
    """An ExportTraceServiceRequest as JSON."""
    scope = f'{{"scope":{{"name":"riskstream","version":"{version}"}},"spans":[{",".join(spans)}]}}'
    who = f'{{"attributes":{attributes(resource)}}}'
    return f'{{"resourceSpans":[{{"resource":{who},"scopeSpans":[{scope}]}}]}}'.encode()


class SpanExporter:
    """A thread that sends what the tracer holds, every few seconds."""

    def __init__(
        self,
        tracer: Tracer,
        settings: TracingSettings,
        resource: dict[str, str],
        version: str,
        metrics: TracingMetrics,
    ) -> None:
        self._tracer, self._settings, self._resource, self._version = (
            tracer,
            settings,
            resource,
            version,
        )
        self._metrics = metrics
        metrics.waiting.set_function(lambda: len(tracer))
        self._failures = self._sending = 0
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._run, name="spans", daemon=True)
        self._thread.start()

    def stop(self, deadline_s: float = 5.0) -> None:
        """Send what is held, no longer than the deadline, and end."""
        self._done.set()
        self._thread.join(deadline_s)
        if left := len(self._tracer) + (self._sending if self._thread.is_alive() else 0):
            self._metrics.lost.inc(left)
            log.warning("spans were not sent", spans=left, endpoint=self._settings.url)

    def _run(self) -> None:
        delay_s = self._settings.bsp_schedule_delay / 1000
        while not self._done.wait(
            delay_s if not self._failures else min(2.0**self._failures, _LONGEST_WAIT_S)
        ):
            self._send_all()
        self._failures = 0
        self._send_all()

    def _send_all(self) -> None:
        while spans := self._tracer.take(MAX_BATCH):
            self._sending = len(spans)
            if not self._send(spans):
                return

    def _send(self, spans: list[str]) -> bool:
        """True where the collector has them or never will; else they go back and wait."""
        headers = {
            "Content-Type": "application/json",
            "User-Agent": f"riskstream/{self._version}",
            **self._settings.headers,
        }
        request = urllib.request.Request(
            self._settings.url, encode(self._resource, self._version, spans), headers, method="POST"
        )
        try:
            with urllib.request.urlopen(
                request, timeout=self._settings.exporter_otlp_timeout / 1000
            ):
                pass
        except urllib.error.HTTPError as error:
            if error.code in _RETRYABLE:
                return self._put_back(spans, str(error))
            self._metrics.lost.inc(len(spans))
            log.error(
                "the collector refuses spans",
                status=error.code,
                endpoint=self._settings.url,
                spans=len(spans),
            )
        except (OSError, http.client.HTTPException) as error:
            # the second: an answer that is no HTTP
            return self._put_back(spans, str(error))
        except Exception:
            # payments are scored without traces too: whatever this is must not end the process
            self._metrics.lost.inc(len(spans))
            log.exception("spans cannot be sent", endpoint=self._settings.url, spans=len(spans))
        else:
            self._metrics.sent.inc(len(spans))
            if self._failures:
                log.info("the collector is back", endpoint=self._settings.url)
        self._failures = 0
        return True

    def _put_back(self, spans: list[str], why: str) -> bool:
        self._tracer.put_back(spans)
        if not self._failures:
            log.warning(
                "the collector does not answer; spans wait", endpoint=self._settings.url, why=why
            )
        self._failures += 1
        return False


class Tracing:
    """The tracer of a process, and its exporter where an endpoint is given; `stop` sends the
    rest.
    """

    def __init__(self, service: str) -> None:
        settings = read_settings()
        self._exporter: SpanExporter | None = None
        self.tracer = NO_TRACER
        if settings.url:
            self.tracer = Tracer(settings.ratio, settings.bsp_max_queue_size)
            version = version_of("riskstream")
            resource = settings.resource(service, version, f"{socket.gethostname()}-{os.getpid()}")
            self._exporter = SpanExporter(
                self.tracer, settings, resource, version, TracingMetrics()
            )

    def stop(self) -> None:
        if self._exporter is not None:
            self._exporter.stop()
