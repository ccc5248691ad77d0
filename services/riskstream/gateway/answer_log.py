"""answers.v1: what callers were told, written before they are told it; spooled where the broker
does not take it in time.
"""

import asyncio
from itertools import islice

import structlog

from riskstream.gateway.sending import arrives
from riskstream.gateway.spool import Spool
from riskstream.platform.kafka.clients.produce import AwaitedProducer
from riskstream.platform.telemetry.context import TraceContext
from riskstream.platform.telemetry.metrics import GatewayMetrics
from riskstream.runtime.errors import Fatal, Retryable

log = structlog.get_logger("gateway")
TOPIC = "answers.v1"
_DRAIN_S, _AT_ONCE = 1.0, 500
"""Between two attempts to deliver what is spooled; and how many records of it are under way."""


class AnswerLog:
    """Used from the event loop alone."""

    def __init__(self, producer: AwaitedProducer, spool: Spool, metrics: GatewayMetrics) -> None:
        self._producer, self._spool, self._metrics = producer, spool, metrics
        self._appended = metrics.appended.labels(TOPIC)
        self._is_told_full = False
        if spool.damaged:
            metrics.answers_lost.inc()
            log.error(
                "the spool of answers is damaged; what stands behind the damage is set aside",
                path=spool.damaged,
                do="keep that file, and tell whoever reads answers.v1",
            )
        metrics.spool_bytes.set_function(lambda: spool.waiting)

    async def write(
        self, key: bytes, frame: bytes, until: float, context: TraceContext | None
    ) -> None:
        """Return when the broker has the answer, or when it is spooled: at `until`, in the loop's
        time, at the latest.
        """
        try:
            sent = self._producer.begin(TOPIC, key, frame, context)
            if await arrives(sent, until - asyncio.get_running_loop().time()):
                sent.result()
                self._appended.inc()
                return
        except (Retryable, Fatal):
            pass
        # what is still under way may arrive as well: an answer's id tells that it is the same
        self._keep(key, frame)

    def _keep(self, key: bytes, frame: bytes) -> None:
        if self._spool.append(key, frame):
            self._metrics.answers_spooled.inc()
            self._is_told_full = False
            return
        self._metrics.answers_lost.inc()
        if not self._is_told_full:
            self._is_told_full = True
            log.error("the spool of answers is full: answers are told and not recorded")

    async def drain(self) -> None:
        """Deliver what is spooled, again and again, until it is cancelled."""
        while True:
            try:
                await self._deliver()
            except (Retryable, Fatal) as error:
                log.warning("spooled answers are not delivered yet", why=str(error))
            except Exception:  # a task that ends would leave all of them where they are, unseen
                log.exception("spooled answers cannot be delivered; trying again")
            await asyncio.sleep(_DRAIN_S)

    async def _deliver(self) -> None:
        while self._spool.waiting:
            some = list(islice(self._spool.records(), _AT_ONCE))
            if not some:
                raise Retryable(what="the spool of answers cannot be read on", where="the gateway")
            sent = [self._producer.begin(TOPIC, key, frame) for _, key, frame in some]
            for found in await asyncio.gather(*sent, return_exceptions=True):
                if isinstance(found, BaseException):
                    raise found
            self._spool.drop(some[-1][0])
            self._metrics.appended.labels(TOPIC).inc(len(sent))
            log.info("spooled answers are delivered", answers=len(sent))
