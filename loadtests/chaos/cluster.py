"""The cluster under chaos: 3 brokers, Redis, 2 scorers, a tracker; each scorer's Redis and produce
path through a proxy.
"""

import contextlib
import os
import shutil
import signal
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

import redis
from confluent_kafka import TopicCollection
from confluent_kafka.admin import AdminClient

from loadtests.chaos.proxy import Proxy, kafka_client_id
from riskstream.domain.contracts.catalog import topics
from riskstream.domain.risk.features.standard import STANDARD
from riskstream.runtime.errors import Fatal
from riskstream.workbench.local.chain import Chain
from riskstream.workbench.local.kafka import Brokers
from riskstream.workbench.local.server import Server, free_port
from riskstream.workbench.local.services import Service, wait_ready

SCORERS = ("scorer-1", "scorer-2")
NAMESPACE = f"{{scorer.{STANDARD.label}.%d}}"
SESSION_TIMEOUT_S = 6.0


class Cluster:
    """Start and stop it by `with`. Every method that hurts returns at once; those that mend say
    when it is done.
    """

    def __init__(
        self,
        folder: Path,
        model: Path,
        *,
        runtime: str = "lane",
        brokers: int = 3,
        env: dict[str, str] | None = None,
    ) -> None:
        self._folder, self._runtime, self._env = folder, runtime, env or {}
        self._exits = contextlib.ExitStack()
        self.chain = Chain(
            folder,
            model,
            names=(),
            brokers=Brokers(
                count=brokers,
                has_side_listeners=True,
                session_timeout_ms=int(SESSION_TIMEOUT_S * 1000),
            ),
        )
        self.redis_proxies: dict[str, Proxy] = {}
        self.kafka_proxies: list[Proxy] = []
        self.down: set[str] = set()

    def __enter__(self) -> "Cluster":
        try:
            self._exits.enter_context(self.chain)
            assert self.chain.stack.cluster is not None
            for told, real in self.chain.stack.cluster.side_ports:
                self.kafka_proxies.append(self._proxy(Proxy(told, real, kafka_client_id)))
            assert self.chain.stack.redis_server is not None
            for name in SCORERS:
                self.redis_proxies[name] = self._proxy(
                    Proxy(free_port(), self.chain.stack.redis_server.port)
                )
            for name in (*SCORERS, "tracker-1"):
                self.start(name)
            wait_ready(list(self.chain.services.values()))
        except BaseException:
            self._exits.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.resume_all()
        self._exits.close()

    def _proxy(self, proxy: Proxy) -> Proxy:
        self._exits.callback(proxy.stop)
        return proxy

    # Services

    def start(self, name: str) -> Service:
        env = dict(self._env)
        if name in SCORERS:
            env |= {
                "RISKSTREAM_SCORER_CLIENT_ID": name,
                "RISKSTREAM_SCORER_OUTPUT_KAFKA": ",".join(
                    f"127.0.0.1:{proxy.port}" for proxy in self.kafka_proxies
                ),
                "RISKSTREAM_SCORER_REDIS": f"redis://127.0.0.1:{self.redis_proxies[name].port}/0",
            }
            if self._runtime != "lane":
                env["RISKSTREAM_SCORER_RUNTIME"] = self._runtime
        service = self.chain.start(name, env)
        self.down.discard(name)
        return service

    def kill(self, name: str) -> None:
        """kill -9, and the guard is gone too."""
        self.down.add(name)
        server = self.chain.services[name].server
        _signal(server, signal.SIGKILL)
        server.stop()

    def stop(self, name: str) -> None:
        """SIGTERM, and wait until it is gone."""
        self.down.add(name)
        self.chain.services[name].server.stop()

    def restart(self, name: str, *, gracefully: bool) -> None:
        server = self.chain.services[name].server
        if gracefully:
            self.down.add(name)
            server.stop()
        else:
            self.kill(name)
        self.start(name)

    def pause(self, name: str) -> None:
        _signal(self.chain.services[name].server, signal.SIGSTOP)

    def resume(self, name: str) -> None:
        _signal(self.chain.services[name].server, signal.SIGCONT)

    def busiest(self) -> str:
        """The scorer that scores most now: what is done to it is felt."""
        return self.busiest_of(lambda: time.sleep(0.5))

    def busiest_of(self, work: Callable[[], None]) -> str:
        """The scorer that scored most of this work."""
        before = {name: self._scored(name) for name in SCORERS}
        work()
        time.sleep(0.2)
        return max(SCORERS, key=lambda name: self._scored(name) - before[name])

    def _scored(self, name: str) -> float:
        with contextlib.suppress(OSError, KeyError):
            with urllib.request.urlopen(
                f"{self.chain.services[name].telemetry}/metrics", timeout=2
            ) as answer:
                for line in answer.read().decode().splitlines():
                    if line.startswith('riskstream_scorer_records_total{mode="live"}'):
                        return float(line.split()[1])
        return 0.0

    def restart_ended(self) -> list[str]:
        """Start again what ended by itself, as an orchestrator does; their names."""
        ended = [
            name
            for name, service in self.chain.services.items()
            if name not in self.down and not service.server.is_running
        ]
        for name in ended:
            self.chain.services[name].server.stop()
            self.start(name)
        return ended

    # Brokers and Redis

    def freeze(self, server: Server) -> None:
        _signal(server, signal.SIGSTOP)

    def thaw(self, server: Server) -> None:
        _signal(server, signal.SIGCONT)

    def broker(self, node: int) -> Server:
        assert self.chain.stack.cluster is not None
        return self.chain.stack.cluster.servers[node]

    def kill_broker(self, node: int) -> None:
        _signal(self.broker(node), signal.SIGKILL)
        self.broker(node).stop()

    def start_broker(self, node: int) -> None:
        assert self.chain.stack.cluster is not None
        self.chain.stack.cluster.servers[node] = self.chain.stack.cluster.start_node(node)

    def wait_in_sync(self, deadline_s: float = 60.0) -> bool:
        """True when every partition has all its replicas in sync again.

        Call it once a dead broker is out of the ISR (3 s): before that it looks as if nothing had
        happened.
        """
        admin = AdminClient({"bootstrap.servers": self.chain.stack.kafka, "log_level": 0})
        names = [*topics(), "__consumer_offsets"]
        end = time.monotonic() + deadline_s
        while time.monotonic() < end:
            with contextlib.suppress(Exception):
                found = admin.describe_topics(TopicCollection(names), request_timeout=5)
                parts = [part for future in found.values() for part in future.result(5).partitions]
                if all(len(part.isr) == len(part.replicas) for part in parts):
                    return True
            time.sleep(0.5)
        return False

    def redis_server(self) -> Server:
        server = self.chain.stack.redis_server
        assert server is not None
        assert server.server is not None
        return server.server

    def kill_redis(self) -> None:
        _signal(self.redis_server(), signal.SIGKILL)
        self.redis_server().stop()

    def start_redis(self) -> None:
        assert self.chain.stack.redis_server is not None
        self.chain.stack.redis_server.start()

    def redis(self) -> redis.Redis:
        return redis.Redis.from_url(self.chain.stack.redis, socket_timeout=5)

    def copy_redis(self) -> Path:
        """A copy of what Redis has on disk now."""
        assert self.chain.stack.redis_server is not None
        copy = self._folder / "redis-copy"
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(self.chain.stack.redis_server.folder, copy)
        return copy

    def put_back_redis(self, copy: Path) -> None:
        """Kill Redis, and start it on the copy."""
        assert self.chain.stack.redis_server is not None
        folder = self.chain.stack.redis_server.folder
        self.kill_redis()
        shutil.rmtree(folder)
        shutil.copytree(copy, folder)
        self.start_redis()

    def resume_all(self) -> None:
        """SIGCONT to everything, and nothing is held in a proxy."""
        servers = [service.server for service in self.chain.services.values()]
        if self.chain.stack.cluster is not None:
            servers += self.chain.stack.cluster.servers
        if (
            self.chain.stack.redis_server is not None
            and self.chain.stack.redis_server.server is not None
        ):
            servers.append(self.chain.stack.redis_server.server)
        for server in servers:
            _signal(server, signal.SIGCONT)
        for proxy in (*self.kafka_proxies, *self.redis_proxies.values()):
            with contextlib.suppress(Exception):
                proxy.release()

    def rebalances(self) -> int:
        """How often a scorer was given partitions, the first times not counted."""
        return sum(self.assignments(name) for name in SCORERS) - len(SCORERS)

    def assignments(self, scorer: str) -> int:
        """How often this scorer was given partitions, over all its starts."""
        return (self._folder / "logs" / f"{scorer}.log").read_text().count('"event": "assigned"')

    def wait_ready(self) -> None:
        end = time.monotonic() + 90
        while True:
            try:
                wait_ready(
                    [
                        service
                        for name, service in self.chain.services.items()
                        if name not in self.down
                    ],
                    5,
                )
                return
            except Fatal:
                self.restart_ended()
                if time.monotonic() > end:
                    raise


def _signal(server: Server, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(server.pid, number)
