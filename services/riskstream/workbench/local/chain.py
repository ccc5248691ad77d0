"""The chain as processes of their own, on a local stack with the product's topics."""

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from riskstream.domain.contracts.catalog import DEFAULT_PARTITIONS, topics
from riskstream.platform.kafka.clients.admin import TopicAdmin
from riskstream.workbench.local.kafka import ONE_BROKER, Brokers
from riskstream.workbench.local.server import free_port
from riskstream.workbench.local.services import Service, rss_mib, start_service, wait_ready
from riskstream.workbench.local.stack import Stack


def with_features(name: str) -> dict[str, str]:
    """Settings of services that use a feature set."""
    return {f"RISKSTREAM_{service}_FEATURES": name for service in ("SCORER", "PROFILER")}


class Chain:
    """Stack, topics and services; `gateway` is the gateway's URL. Ends all of it, in order, however
    it is left.

    `env`: settings of the services. Without any the reporter writes to `<folder>/reports` each
    hour, and what is not finished too.
    """

    def __init__(
        self,
        folder: Path,
        model: Path,
        say: Callable[[str], None] = lambda _: None,
        *,
        names: tuple[str, ...] = ("scorer", "tracker", "gateway", "reporter"),
        brokers: Brokers = ONE_BROKER,
        env: dict[str, str] | None = None,
    ) -> None:
        self._folder, self._model, self._say, self._names = folder, model, say, names
        reporter = {"OUT": f"{folder / 'reports'}", "EVERY_S": "3600", "SO_FAR": "true"}
        self._env = {f"RISKSTREAM_REPORTER_{name}": value for name, value in reporter.items()}
        self._env |= env or {}
        self._exits = ExitStack()
        self.stack = Stack(folder / "stack", kafka=brokers, progress=say)
        self.services: dict[str, Service] = {}
        self.gateway = f"http://127.0.0.1:{free_port()}"

    def __enter__(self) -> Self:
        try:
            self._exits.enter_context(self.stack)
            self._say("applying topics")
            TopicAdmin(self.stack.kafka).apply(list(topics().values()), DEFAULT_PARTITIONS)
            self._say(f"starting {', '.join(self._names)}")
            for name in self._names:
                self.start(name)
            wait_ready(list(self.services.values()))
            self._say("all services are ready")
        except BaseException:
            self._exits.close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._exits.close()

    def start(self, name: str, env: dict[str, str] | None = None) -> Service:
        """Start one service, named as its module with an optional suffix (`scorer-2`).

        `env` may name another Redis, or a release in place of the model. Each gets the chain's own
        `env` as well.
        """
        redis = (env or {}).get("RISKSTREAM_SCORER_REDIS", self.stack.redis)
        model = () if "RISKSTREAM_SCORER_RELEASE" in (env or {}) else ("--model", str(self._model))
        kafka = ("--kafka", self.stack.kafka)
        extra = {
            "scorer": ("--redis", redis, *model),
            "tracker": ("--instance", name),
            "profiler": ("--instance", name, "--redis", redis),
            "gateway": ("--auth", "none", "--port", self.gateway.rsplit(":", 1)[1]),
            "reporter": (),
        }[name.split("-")[0]]
        service = start_service(
            name, self._folder / "logs", *kafka, *extra, env={**self._env, **(env or {})}
        )
        self._exits.callback(service.server.stop)
        self.services[name] = service
        return service

    def use_model(self, model: Path) -> None:
        """The model of scorers started from now on."""
        self._model = model

    def rss_mib(self) -> float:
        """Resident memory of all its processes, MiB."""
        total = sum(service.rss_mib() for service in self.services.values())
        if self.stack.cluster is not None:
            total += sum(rss_mib(server.pid) for server in self.stack.cluster.servers)
        if self.stack.redis_server is not None and self.stack.redis_server.server is not None:
            total += rss_mib(self.stack.redis_server.server.pid)
        return total
