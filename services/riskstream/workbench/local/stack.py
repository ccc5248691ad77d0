"""The local stack as a context manager: Kafka and Redis under one folder, gone when it ends,
however it ends.
"""

import shutil
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

from riskstream.runtime.errors import Fatal
from riskstream.workbench.local.kafka import KafkaCluster
from riskstream.workbench.local.redis import RedisServer
from riskstream.workbench.local.server import NO_DISK

MIN_FREE_MIB = 1024


class Stack:
    """Servers of one folder. `kafka` and `redis` of the constructor are addresses of servers to use
    instead.
    """

    def __init__(
        self,
        folder: Path,
        *,
        brokers: int = 1,
        kafka_ports: list[int] | None = None,
        redis_port: int | None = None,
        kafka: str | None = None,
        redis: str | None = None,
        min_free_mib: int = MIN_FREE_MIB,
        session_timeout_ms: int = 6000,
        has_side_listeners: bool = False,
        progress: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.folder = folder
        self._brokers, self._kafka_ports, self._redis_port = brokers, kafka_ports, redis_port
        self._given_kafka, self._given_redis = kafka, redis
        self._min_free_mib, self._session_timeout_ms = min_free_mib, session_timeout_ms
        self._has_side_listeners = has_side_listeners
        self._progress = progress
        self.cluster: KafkaCluster | None = None
        self.redis_server: RedisServer | None = None

    @property
    def kafka(self) -> str:
        """Kafka's bootstrap address."""
        if self._given_kafka:
            return self._given_kafka
        assert self.cluster is not None
        return self.cluster.bootstrap

    @property
    def redis(self) -> str:
        """Redis's URL."""
        if self._given_redis:
            return self._given_redis
        assert self.redis_server is not None
        return self.redis_server.url

    def start(self) -> None:
        """Start what was not given; on failure nothing of it keeps running."""
        self._check_disk()
        try:
            if not self._given_redis:
                self._progress("starting Redis")
                self.redis_server = RedisServer(self.folder / "redis", port=self._redis_port)
                self.redis_server.start()
            if not self._given_kafka:
                self._progress("starting Kafka (its jars are downloaded the first time)")
                self.cluster = KafkaCluster(
                    self.folder / "kafka",
                    brokers=self._brokers,
                    ports=self._kafka_ports,
                    session_timeout_ms=self._session_timeout_ms,
                    has_side_listeners=self._has_side_listeners,
                )
                self.cluster.start()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        if self.cluster is not None:
            self.cluster.stop()
        if self.redis_server is not None:
            self.redis_server.stop()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def _check_disk(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        free_mib = shutil.disk_usage(self.folder).free // 2**20
        if free_mib < self._min_free_mib:
            raise Fatal(
                what=f"{free_mib} MiB of disk are free, {self._min_free_mib} are needed",
                where=str(self.folder),
                do="free some, or give another --dir",
                exit_code=NO_DISK,
            )
