"""The client whose calls wait. `asynchronous.py` does the work, on a thread with a loop of its own:
so a deadline holds whatever the other side does.
"""

import asyncio
import os
import threading
from collections.abc import Coroutine, Sequence
from types import TracebackType
from typing import Any, Self, TypeVar

from typing_extensions import Unpack

from riskstream.client.answers import Accepted, BatchItem, Decision
from riskstream.client.asynchronous import AsyncClient, Credential
from riskstream.client.bodies import LabelBody, TransactionBody
from riskstream.client.requests import MAX_BYTES, MAX_ITEMS, Options
from riskstream.domain.contracts.records import Label, Transaction

T = TypeVar("T")


class Client:
    """As `AsyncClient`. Threads may share it; a process that forks gives its child one of its
    own.
    """

    def __init__(
        self,
        url: str,
        key: Credential = None,
        *,
        timeout_s: float = 10.0,
        connections: int = 20,
        http2: bool = False,
        verify: Any = True,
    ) -> None:
        self._client = AsyncClient(
            url, key, timeout_s=timeout_s, connections=connections, http2=http2, verify=verify
        )
        self._lock, self._pid = threading.Lock(), os.getpid()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._is_closed = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """End its connections and its thread."""
        with self._lock:
            loop, thread, self._loop, self._is_closed = self._loop, self._thread, None, True
        if loop is None or thread is None or self._pid != os.getpid():
            return
        asyncio.run_coroutine_threadsafe(self._client.close(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()

    def decide(
        self,
        transaction: Transaction | TransactionBody,
        *,
        deadline_ms: int = 150,
        **options: Unpack[Options],
    ) -> Decision:
        """As `AsyncClient.decide`."""
        return self._run(self._client.decide(transaction, deadline_ms=deadline_ms, **options))

    def accept(
        self, transaction: Transaction | TransactionBody, **options: Unpack[Options]
    ) -> Accepted:
        """As `AsyncClient.accept`."""
        return self._run(self._client.accept(transaction, **options))

    def label(self, label: Label | LabelBody, **options: Unpack[Options]) -> Accepted:
        """As `AsyncClient.label`."""
        return self._run(self._client.label(label, **options))

    def decision(
        self, transaction_id: str, customer_id: str = "", **options: Unpack[Options]
    ) -> Decision:
        """As `AsyncClient.decision`."""
        return self._run(self._client.decision(transaction_id, customer_id, **options))

    def accept_many(
        self,
        transactions: Sequence[Transaction | TransactionBody],
        *,
        most_items: int = MAX_ITEMS,
        most_bytes: int = MAX_BYTES,
        **options: Unpack[Options],
    ) -> list[BatchItem]:
        """As `AsyncClient.accept_many`."""
        return self._run(
            self._client.accept_many(
                transactions, most_items=most_items, most_bytes=most_bytes, **options
            )
        )

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        """The result of the work, done on the thread; what interrupts the caller ends it."""
        try:
            loop = self._started()
        except BaseException:
            work.close()
            raise
        future = asyncio.run_coroutine_threadsafe(work, loop)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    def _started(self) -> asyncio.AbstractEventLoop:
        """The loop, which the first call starts. RuntimeError where there can be none."""
        if self._pid != os.getpid():
            raise RuntimeError("the client was made before a fork: make one in this process")
        with self._lock:
            if self._is_closed:
                raise RuntimeError("the client is closed: make another one")
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                self._thread = threading.Thread(
                    target=self._loop.run_forever, name="riskstream-client", daemon=True
                )
                self._thread.start()
            return self._loop
