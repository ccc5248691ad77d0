"""The local stack as a context manager: Kafka and Redis under one folder, gone when it ends,
however it ends.
"""

import shutil
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

from riskstream.runtime.errors import Fatal
from riskstream.runtime.exits import Exit
from riskstream.workbench.local.kafka import ONE_BROKER, Brokers, KafkaCluster
from riskstream.workbench.local.redis import RedisServer

MIN_FREE_MIB = 1024


class Stack:
    """Servers of one folder. The constructor's `kafka` are the brokers to start, or the address of
    some to use instead; its `redis` is the port to start one at (None: a free one), or the URL of
    one to use instead.
    """

    def __init__(
        self,
        folder: Path,
        *,
        kafka: Brokers | str = ONE_BROKER,
        redis: int | str | None = None,
        min_free_mib: int = MIN_FREE_MIB,
        progress: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.folder = folder
        self._kafka, self._redis = kafka, redis
        self._min_free_mib = min_free_mib
        self._progress = progress
        self.cluster: KafkaCluster | None = None
        self.redis_server: RedisServer | None = None

    @property
    def kafka(self) -> str:
        """Kafka's bootstrap address."""
        if isinstance(self._kafka, str):
            return self._kafka
        assert self.cluster is not None
        return self.cluster.bootstrap

    @property
    def redis(self) -> str:
        """Redis's URL."""
        if isinstance(self._redis, str):
            return self._redis
        assert self.redis_server is not None
        return self.redis_server.url

    def start(self) -> None:
        """Start what was not given; on failure nothing of it keeps running."""
        self._check_disk()
        try:
            if not isinstance(self._redis, str):
                self._progress("starting Redis")
                self.redis_server = RedisServer(self.folder / "redis", port=self._redis)
                self.redis_server.start()
            if not isinstance(self._kafka, str):
                self._progress("starting Kafka (its jars are downloaded the first time)")
                self.cluster = KafkaCluster(self.folder / "kafka", self._kafka)
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
                exit_code=Exit.NO_DISK,
            )
