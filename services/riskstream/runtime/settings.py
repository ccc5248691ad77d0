"""Settings of a process: one class a service, read from RISKSTREAM_<SERVICE>_<FIELD> and from the command line.

An unknown key fails at start; `--print-config` prints what would be used, with secrets masked.
"""

import json
import os
import sys
from typing import Any, ClassVar, Self

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from riskstream.runtime.errors import Fatal


class ServiceSettings(BaseSettings):
    """Fields that every service has. A service's own class sets `env_prefix` and adds fields."""

    model_config = SettingsConfigDict(
        extra="forbid", frozen=True, cli_kebab_case=True, cli_hide_none_type=True, cli_avoid_json=True
    )
    service: ClassVar[str] = "service"

    kafka: str = Field(default="127.0.0.1:9092", description="Kafka bootstrap servers, host:port[,host:port]")
    telemetry_port: int = Field(
        default=0, ge=0, le=65535, description="port of /metrics, /livez and /readyz; 0 takes a free one"
    )
    telemetry_host: str = Field(default="127.0.0.1", description="address the telemetry port binds to")
    log_level: str = Field(default="info", pattern="^(debug|info|warning|error)$", description="lowest level logged")

    @classmethod
    def load(cls, argv: list[str] | None = None) -> Self:
        """Read environment and command line; on a wrong value exit 2 with one sentence a field."""
        args = list(sys.argv[1:] if argv is None else argv)
        print_config = "--print-config" in args
        if print_config:
            args.remove("--print-config")
        prefix = str(cls.model_config.get("env_prefix", "")).upper()
        known = {prefix + name.upper() for name in cls.model_fields}
        unknown = sorted(key for key in os.environ if prefix and key.upper().startswith(prefix) and key not in known)
        if unknown:
            raise Fatal(
                what=f"unknown setting {unknown[0]}",
                where="environment",
                do=f"remove it, or use one of {', '.join(sorted(known))}",
                exit_code=2,
            )
        try:
            source: dict[str, Any] = {"_cli_parse_args": args, "_cli_prog_name": f"python -m riskstream.{cls.service}"}
            settings = cls(**source)
        except ValidationError as error:
            first = error.errors()[0]
            name = ".".join(str(part) for part in first["loc"])
            raise Fatal(
                what=f"setting {name} is wrong: {first['msg']}",
                where=f"command line or {prefix}{name.upper().replace('-', '_')}",
                do="see --help for its meaning and bounds",
                exit_code=2,
            ) from None
        if print_config:
            print(json.dumps(settings.shown(), indent=2))
            raise SystemExit(0)
        return settings

    def shown(self) -> dict[str, Any]:
        """The settings as JSON values; secrets are masked by their type."""
        shown: dict[str, Any] = self.model_dump(mode="json")
        return shown
