"""What a process proves of its topics before it joins a group or fences another, and whether that
still holds later on.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from threading import Event, Thread
from typing import Self

import structlog

from riskstream.domain.contracts.catalog import topics
from riskstream.platform.kafka.clients.admin import TopicAdmin
from riskstream.platform.kafka.clients.limits import (
    check,
    least_of,
    least_of_dead_letters,
    least_of_topics,
)
from riskstream.runtime.errors import Fatal, Retryable
from riskstream.runtime.exits import Exit

log = structlog.get_logger("topics")
LOOK_EVERY_S = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicNeeds:
    """Topics that a process reads and writes. `kept`: by source the written topics that take its
    partition numbers.

    `contracts`: of a written topic by another name than the catalog's, the contract; `letters_of`:
    of dead letters, the source.
    """

    reads: Sequence[str]
    writes: Sequence[str] = ()
    kept: Mapping[str, Sequence[str]] = field(default_factory=dict)
    contracts: Mapping[str, str] = field(default_factory=dict)
    letters_of: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of_catalog(
        cls,
        service: str,
        kept: Mapping[str, Sequence[str]] | None = None,
        letters_of: Mapping[str, str] | None = None,
    ) -> Self:
        """What topics/ says that a service reads and writes."""
        reads = [each.name for each in topics().values() if service in each.consumers]
        writes = [each.name for each in topics().values() if service in each.producers]
        return cls(reads=reads, writes=writes, kept=kept or {}, letters_of=letters_of or {})

    @property
    def names(self) -> list[str]:
        return list(dict.fromkeys([*self.reads, *self.writes]))


def prove_topics(admin: TopicAdmin, needs: TopicNeeds, where: str) -> dict[str, int]:
    """max.message.bytes of what is written; Fatal where a topic is not there, has too few
    partitions, or takes too little.
    """
    counts = admin.partitions()
    for name in needs.names:
        if name not in counts:
            raise Fatal(
                what=f"no topic {name}",
                where=where,
                do="run `riskstream topics apply`, or name one that is there and that this "
                "user may see",
                exit_code=Exit.INPUT,
            )
    for source, written in needs.kept.items():
        for name in written:
            if counts[name] < counts[source]:
                raise Fatal(
                    what=f"{name} has {counts[name]} partitions, {source} has {counts[source]}",
                    where=where,
                    do=f"create {name} again with as many: a customer has the same partition "
                    "number in every topic",
                    exit_code=Exit.INPUT,
                )
    limits = admin.message_limits([*needs.writes, *needs.letters_of.values()])
    check(limits, _least(needs, limits), where)
    return limits


def _least(needs: TopicNeeds, limits: Mapping[str, int]) -> dict[str, int]:
    """The least max.message.bytes of each written topic."""
    out = {name: least_of_dead_letters(limits[source]) for name, source in needs.letters_of.items()}
    out |= {name: least_of(name, contract) for name, contract in needs.contracts.items()}
    return {**least_of_topics([name for name in needs.writes if name not in out]), **out}


class TopicWatch:
    """Looks every few seconds whether topics are still there; `is_whole` says so. A cluster that is
    away changes nothing.
    """

    def __init__(
        self, admin: TopicAdmin, needs: TopicNeeds, *, every_s: float = LOOK_EVERY_S
    ) -> None:
        self._admin, self._names, self._every_s = admin, needs.names, every_s
        self._missing: list[str] = []
        self._done = Event()
        self._thread = Thread(target=self._watch, name="topic-watch", daemon=True)

    @property
    def is_whole(self) -> bool:
        return not self._missing

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._done.set()
        self._thread.join(5)

    def look(self) -> None:
        """One look; what is missing, or is there again, is logged once."""
        try:
            counts = self._admin.partitions()
        except (Retryable, Fatal) as error:
            log.debug("topics cannot be seen now", error=str(error))
            return
        missing = [name for name in self._names if name not in counts]
        if missing != self._missing:
            if missing:
                log.error("topics are gone: run `riskstream topics apply`", topics=missing)
            else:
                log.info("every topic is there again", topics=self._missing)
        self._missing = missing

    def _watch(self) -> None:
        while not self._done.wait(self._every_s):
            self.look()
