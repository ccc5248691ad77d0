"""Settings of the gateway."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, ClassVar

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from riskstream.domain.contracts.catalog import MAX_AMOUNT_MINOR
from riskstream.gateway.auth.settings import AccessSettings
from riskstream.runtime.settings import too_short
from riskstream.runtime.settings_help import Word


class GatewaySettings(AccessSettings):
    """Accept transactions and labels by HTTP, write them to Kafka, and answer callers with
    decisions.

    Each setting may also come from the environment: --log-level from RISKSTREAM_GATEWAY_LOG_LEVEL.
    The command line wins. --print-config prints the settings in use and ends.
    """

    model_config = SettingsConfigDict(env_prefix="riskstream_gateway_")
    service: ClassVar[str] = "gateway"

    host: Annotated[str, Word("HOST")] = Field(
        default="127.0.0.1", description="address to serve HTTP on"
    )
    port: int = Field(default=8080, ge=1, le=65535, description="port to serve HTTP on")
    grpc_port: int = Field(
        default=0, ge=0, le=65535, description="port to serve gRPC on; 0 for no such door"
    )
    grpc_max_streams: int = Field(
        default=32,
        ge=1,
        le=1000,
        description="most streams of transactions by gRPC that are open at a time",
    )
    grpc_idle_timeout_s: int = Field(
        default=300,
        ge=1,
        le=86_400,
        description="longest time that a stream or a connection of gRPC brings nothing, s",
    )
    max_body_bytes: int = Field(
        default=65_536,
        ge=1024,
        le=1_048_576,
        description="largest request body that is accepted, bytes",
    )
    max_batch_bytes: int = Field(
        default=8_388_608,
        ge=1024,
        le=67_108_864,
        description="largest body of many transactions that is accepted, bytes",
    )
    max_batch_items: int = Field(
        default=10_000, ge=1, le=100_000, description="most transactions of one body"
    )
    max_batches: int = Field(
        default=8,
        ge=1,
        le=1000,
        description="most bodies of many transactions at a time; more are answered 429, so that "
        "decisions do not wait behind them",
    )
    deadline_ms: int = Field(
        default=150,
        ge=20,
        le=5000,
        description="deadline of a decision when the caller gives none, ms",
    )
    max_deadline_ms: int = Field(
        default=5000, ge=20, le=5000, description="longest deadline a caller may give, ms"
    )
    approve_up_to_minor: int = Field(
        default=5000,
        ge=0,
        le=MAX_AMOUNT_MINOR,
        description="largest amount that is approved where no score comes in time, in minor units "
        "of the base currency; larger ones are reviewed",
    )
    spool: Path | None = Field(
        default=None,
        description="file that keeps answers while Kafka cannot be reached [default: "
        "gateway-<port>.spool in riskstream's folder of state]",
    )
    spool_bytes: int = Field(
        default=67_108_864,
        ge=65_536,
        le=8_589_934_592,
        description="largest size of the spool, bytes; answers that do not fit are counted as lost",
    )
    remember_s: int = Field(
        default=86_400,
        ge=60,
        le=604_800,
        description="how long a transaction that comes again is answered as the first time, s",
    )
    remember_entries: int = Field(
        default=250_000,
        ge=1000,
        le=100_000_000,
        description="most transactions and keys that this gateway remembers by itself; the oldest "
        "are forgotten first",
    )
    remember_bytes: int = Field(
        default=67_108_864,
        ge=1_048_576,
        le=68_719_476_736,
        description="most memory for them, bytes",
    )
    max_waiting: int = Field(
        default=2000,
        ge=1,
        le=100_000,
        description="most callers that may wait for a decision at a time",
    )
    max_connections: int = Field(
        default=4096, ge=1, le=100_000, description="most open connections at a time"
    )
    http2: bool = Field(
        default=True,
        description="serve HTTP/2 too, on the same port: with TLS by ALPN, else by its preface",
    )
    max_streams: int = Field(
        default=100,
        ge=1,
        le=1000,
        description="most requests of one HTTP/2 connection at a time",
    )
    max_head_bytes: int = Field(
        default=16_384,
        ge=1024,
        le=262_144,
        description="largest first line and headers of a request, bytes",
    )
    receive_timeout_s: float = Field(
        default=10,
        ge=0.1,
        le=300,
        description="longest time in which a request must arrive, s",
    )
    idle_timeout_s: int = Field(
        default=20, ge=1, le=600, description="longest time that an idle connection stays open, s"
    )
    drain_s: float = Field(
        default=5,
        ge=0,
        le=300,
        description="how long the gateway still answers after SIGTERM while /readyz says no, s",
    )
    iso20022_mappings: Annotated[tuple[Path, ...], Word("NAMES")] = Field(
        default=(),
        description="YAML files in place of the mappings of ISO 20022 that come with the gateway, "
        "separated by commas",
    )
    account_key: Path | None = Field(
        default=None,
        description="file with the key of the tokens that stand for accounts in messages of ISO "
        "20022 [default: no key: whoever knows an IBAN can compute its token]",
    )
    rates: Path | None = Field(
        default=None,
        description="YAML file of exchange rates [default: the rates that come with the gateway]",
    )

    def contradictions(self) -> Iterator[tuple[str, str]]:
        """As of every service: a deadline that no caller may ask for, and one port for two
        doors.
        """
        yield from super().contradictions()
        yield from too_short("max_deadline_ms", "deadline_ms", self)
        if self.port == self.telemetry_port:
            yield f"port and telemetry_port are both {self.port}", "give each a port of its own"
        if self.grpc_port and self.grpc_port in (self.port, self.telemetry_port):
            yield f"another door has grpc_port {self.grpc_port} too", "give each a port of its own"
        if self.grpc_port and self.tls_client_ca is not None and self.tls_clients == "optional":
            yield "gRPC cannot ask for certificates and go on without", "give tls_clients required"
