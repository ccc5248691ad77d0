"""Settings of a process: one class a service, read from RISKSTREAM_<SERVICE>_<FIELD> and from the
command line.

An unknown key, and settings that contradict each other, fail at start; `--print-config` prints what
would be used, with secrets masked.
"""

import inspect
import json
import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from itertools import combinations
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import AfterValidator, Field, SecretStr, StringConstraints, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict
from pydantic_settings.exceptions import SettingsError

from riskstream.runtime.environment import check_environment
from riskstream.runtime.errors import Fatal
from riskstream.runtime.exits import Exit
from riskstream.runtime.local_stack import kafka_address, redis_address
from riskstream.runtime.settings_help import Word, help_of

TopicName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._-]{1,249}$"), Word("TOPIC")]
"""What Kafka takes as a topic's name."""
GroupName = Annotated[str, StringConstraints(pattern=r"^[^\s|]{1,200}$"), Word("NAME")]
"""A consumer group's, and a slot's within it."""


def redis_url(url: str) -> str:
    """The URL as it is; ValueError, which does not repeat its password, where Redis's client would
    not know what to do with it.
    """
    if not url.startswith(("redis://", "rediss://", "unix://")):
        raise ValueError("it does not begin with redis://, rediss:// or unix://")
    return url


def _redis_url(url: SecretStr) -> SecretStr:
    redis_url(url.get_secret_value())
    return url


Currency = Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$"), Word("CODE")]
"""ISO 4217."""
RedisUrl = Annotated[SecretStr, AfterValidator(_redis_url), Word("URL")]
"""Where a Redis is, with the password where it wants one."""
REDIS_DEFAULT = "[default: the local stack's, else redis://127.0.0.1:6379/0]"
"""How the help of a service says what `redis_default` gives."""


def redis_default() -> SecretStr:
    """The URL of the local stack's Redis, else of one at Redis's own port."""
    return SecretStr(redis_address())


class ServiceSettings(BaseSettings):
    """Fields that every service has. A service's own class sets `env_prefix` and adds fields."""

    model_config = SettingsConfigDict(
        extra="forbid",
        frozen=True,
        cli_kebab_case=True,
        cli_hide_none_type=True,
        cli_avoid_json=True,
        cli_exit_on_error=False,
    )
    service: ClassVar[str] = "service"

    kafka: Annotated[str, Word("ADDR")] = Field(
        default_factory=kafka_address,
        pattern=r"^[^\s,]+(,[^\s,]+)*$",
        description="Kafka bootstrap servers, host:port[,host:port] [default: $RISKSTREAM_KAFKA, "
        "else the local stack, else 127.0.0.1:9092]",
    )
    telemetry_port: int = Field(
        default=0,
        ge=0,
        le=65535,
        description="port of /metrics, /livez and /readyz; 0 takes any free port",
    )
    telemetry_host: Annotated[str, Word("HOST")] = Field(
        default="127.0.0.1", description="address the telemetry port binds to"
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="lowest level of log events"
    )

    @classmethod
    def load(cls, argv: list[str] | None = None) -> Self:
        """Read environment and command line. Fatal, in one sentence, where one of them is wrong."""
        args = list(sys.argv[1:] if argv is None else argv)
        program = f"python -m riskstream.{cls.service}"
        if {"-h", "--help"} & set(args):
            print(help_of(program, inspect.getdoc(cls) or "", cls.model_fields), end="")
            raise SystemExit(Exit.DONE)
        print_config = "--print-config" in args
        if print_config:
            args.remove("--print-config")
        prefix = str(cls.model_config.get("env_prefix", "")).upper()
        check_environment(os.environ, cls.service, cls.model_fields)
        try:
            source: dict[str, Any] = {"_cli_parse_args": args, "_cli_prog_name": program}
            settings = cls(**source)
        except SettingsError as error:
            raise _unknown(str(error), cls.model_fields, program) from None
        except ValidationError as error:
            first = error.errors()[0]
            name = ".".join(str(part) for part in first["loc"])
            raise Fatal(
                what=f"setting {name} is wrong: {first['msg'].removeprefix('Value error, ')}",
                where=f"command line or {prefix}{name.upper().replace('-', '_')}",
                do=f"see `{program} --help` for its meaning and bounds",
                exit_code=Exit.INPUT,
            ) from None
        for what, do in settings.contradictions():
            raise Fatal(what=what, where="settings", do=do, exit_code=Exit.INPUT)
        if print_config:
            print(json.dumps(settings.shown(), indent=2))
            raise SystemExit(Exit.DONE)
        return settings

    def contradictions(self) -> Iterator[tuple[str, str]]:
        """(what two settings say against each other, what to do), of settings that are right one by
        one.
        """
        yield from ()

    def shown(self) -> dict[str, Any]:
        """The settings as JSON values; secrets are masked by their type."""
        shown: dict[str, Any] = self.model_dump(mode="json")
        return shown


def base_currency() -> str:
    """RISKSTREAM_BASE_CURRENCY, which one file of variables says for all services, else EUR."""
    return os.environ.get("RISKSTREAM_BASE_CURRENCY", "EUR")


class MoneySettings(ServiceSettings):
    """Settings of a service that adds or converts amounts."""

    base_currency: Currency = Field(
        default_factory=base_currency,
        description="ISO 4217 code of all base amounts; records in another base currency are "
        "rejected. "
        "Set "
        "RISKSTREAM_BASE_CURRENCY, so that every service has the same one [default: EUR]",
    )


class GroupSettings(MoneySettings):
    """Settings of a service whose processes share a consumer group."""

    group_protocol: Literal["consumer", "classic"] = Field(
        default="consumer",
        description="group protocol: `consumer` (KIP-848, needs Kafka 4) or `classic` "
        "(cooperative)",
    )
    session_timeout_ms: int = Field(
        default=6000,
        ge=1000,
        le=300_000,
        description="session timeout, ms; only the classic protocol uses it",
    )
    client: Literal["auto", "python"] = Field(
        default="auto",
        description="how records pass to and from Kafka: `auto` by compiled calls of librdkafka "
        "where all checks of it pass, `python` by calls of confluent-kafka for each record",
    )


class DerivedLaneSettings(GroupSettings):
    """Settings of a service that writes in Kafka transactions. Its class names the group and sets
    other defaults.
    """

    group: GroupName = Field(description="consumer group")
    instance: GroupName = Field(
        default="0",
        description="name of this process in its group; keep it over restarts, and give each "
        "process "
        "its own",
    )
    commit_ms: int = Field(
        default=200, ge=10, le=5000, description="time between Kafka transactions, ms"
    )
    flush_ms: int = Field(
        default=1000,
        ge=10,
        le=60_000,
        description="shortest time between two written states of one key, ms",
    )

    def contradictions(self) -> Iterator[tuple[str, str]]:
        """As of every service: states are written at commits, no more often."""
        yield from too_short("flush_ms", "commit_ms", self)


def _unknown(said: str, fields: Iterable[str], program: str) -> Fatal:
    """An argument that is none of ours, or lacks its value. Values are not repeated: one may be a
    password.
    """
    said = said.removeprefix("error parsing CLI: ")
    what, do = said, f"see `{program} --help`"
    if said.startswith("unrecognized arguments: "):
        given = said.removeprefix("unrecognized arguments: ").split()[0].partition("=")[0]
        options = [f"--{name.replace('_', '-')}" for name in fields]
        meant = get_close_matches(given, options, 1)
        what = f"unknown option {given}" if given.startswith("-") else "a value without its option"
        do = f"use {meant[0]}, or {do}" if meant else do
    return Fatal(what=what, where="command line", do=do, exit_code=Exit.INPUT)


def same_topics(named: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """A contradiction for each two settings, by name, that name one topic."""
    for (one, topic), (other, second) in combinations(named.items(), 2):
        if topic == second:
            yield f"{one} and {other} are both {topic}", "give each a topic of its own"


def too_short(shorter: str, least: str, settings: ServiceSettings) -> Iterator[tuple[str, str]]:
    """A contradiction where one time is shorter than another that it waits for."""
    given, needed = getattr(settings, shorter), getattr(settings, least)
    if given < needed:
        yield (
            f"{shorter} {given} is less than {least} {needed}",
            (f"raise {shorter} or lower {least}"),
        )
