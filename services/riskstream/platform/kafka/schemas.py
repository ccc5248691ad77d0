"""Schemas that other versions of the product write by: published in schemas.v1 before their first
record, asked for there.

`Lookups` asks this and other places (a registry) on a thread of its own, and answers a decoder from
memory.
"""

import json
import threading
import time
from collections.abc import Callable, Sequence
from typing import Protocol

import structlog
from fastavro.schema import SchemaParseException, parse_schema

from riskstream.domain.contracts.bounds import decoded
from riskstream.domain.contracts.catalog import contracts
from riskstream.domain.contracts.codec import codec
from riskstream.domain.contracts.writers import Schema, Unknown
from riskstream.platform.kafka.clients.produce import BulkProducer
from riskstream.platform.kafka.clients.read import TopicReader
from riskstream.platform.kafka.clients.table import read_keys
from riskstream.runtime.errors import Fatal, Rejected, Retryable

log = structlog.get_logger("schemas")
SCHEMAS = "schemas.v1"
UNKNOWN_FOR_S = 30.0
"""How long an id that nobody knew is not asked for again."""
MAX_UNKNOWN = 10_000
_LONGEST_WAIT_S = 5.0
_NO_SCHEMA = (
    Rejected,
    ValueError,
    KeyError,
    TypeError,
    AttributeError,
    RecursionError,
    SchemaParseException,
)
"""What one record may raise that is no schema: it is left out, and the others are found."""


class Place(Protocol):
    """Somewhere to ask for schemas. `name` stands in details; Retryable while it cannot say."""

    @property
    def name(self) -> str: ...

    def fetch(self, schema_ids: Sequence[int]) -> dict[int, Schema]: ...


class Lookups:
    """The process's `Writers`: what was asked is fetched in the background from the first place
    that knows it.

    An id is unknown when every place has said so, for UNKNOWN_FOR_S. Schemas are kept for ever: an
    id never changes.
    """

    def __init__(
        self,
        places: Sequence[Place],
        known: dict[int, Schema] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._places, self._clock = places, clock
        self._known: dict[int, Schema] = dict(known or {})
        self._unknown: dict[int, tuple[float, Unknown]] = {}
        self._wanted: set[int] = set()
        self._condition = threading.Condition()
        self._thread: threading.Thread | None = None
        self._is_closed = False
        self.problem = ""
        """Why the last round did not answer everything; empty where it did."""

    def find(self, schema_id: int) -> Schema | Unknown | None:
        """From memory; None while it is being asked for."""
        with self._condition:
            if schema_id in self._known:
                return self._known[schema_id]
            if schema_id in self._unknown:
                until, answer = self._unknown[schema_id]
                if self._clock() < until:
                    return answer
                del self._unknown[schema_id]
            self._wanted.add(schema_id)
            if self._thread is None and not self._is_closed:
                self._thread = threading.Thread(target=self._run, name="schemas", daemon=True)
                self._thread.start()
            self._condition.notify()
            return None

    def close(self) -> None:
        with self._condition:
            self._is_closed = True
            self._condition.notify()

    def _run(self) -> None:
        wait_s = 0.0
        while True:
            with self._condition:
                self._condition.wait_for(lambda: self._is_closed or self._wanted)
                if wait_s:
                    self._condition.wait_for(lambda: self._is_closed, wait_s)
                if self._is_closed:
                    return
                wanted = sorted(self._wanted)
            before = self.problem
            self._ask(wanted)
            wait_s = min(max(2 * wait_s, 0.1), _LONGEST_WAIT_S) if self.problem else 0.0
            if self.problem and self.problem != before:
                log.warning("schemas are wanted", schema_ids=wanted[:10], why=self.problem)

    def _ask(self, wanted: list[int]) -> None:
        found: dict[int, Schema] = {}
        problem = ""
        for place in self._places:
            try:
                found |= place.fetch([each for each in wanted if each not in found])
            except Exception as error:  # whatever a place answers, the next round asks again
                problem = (
                    f"{place.name}: "
                    f"{error if isinstance(error, Retryable | Fatal) else repr(error)}"
                )
        names = ", ".join(place.name for place in self._places)
        with self._condition:
            self.problem = problem
            self._known |= found
            left = [each for each in wanted if each not in found]
            if not problem:
                answer = Unknown(detail=f"{names} and the bundled schemas do not know it")
                until = self._clock() + UNKNOWN_FOR_S
                if len(self._unknown) + len(left) > MAX_UNKNOWN:
                    self._unknown.clear()
                self._unknown |= dict.fromkeys(left, (until, answer))
                self._wanted -= set(left)
            self._wanted -= set(found)


class TopicSchemas:
    """schemas.v1, read to its end at each question: who writes by a schema has published it
    before.
    """

    name = SCHEMAS

    def __init__(self, kafka: str) -> None:
        self._kafka = kafka
        self._reader: TopicReader | None = None
        self._held: dict[int, Schema] = {}

    def fetch(self, schema_ids: Sequence[int]) -> dict[int, Schema]:
        """Those of the ids that were published."""
        try:
            if self._reader is None:
                self._reader = TopicReader(self._kafka, [SCHEMAS])
            else:
                self._reader.look_at_ends()
            for record in self._reader.until_end(20):
                if record.value is not None:
                    self._add(record.value, record.partition, record.offset)
        except Fatal as error:
            self._forget()
            if "no topic" in error.what:  # a cluster of before: nobody has published there
                return {}
            raise Retryable(what=error.what, where=error.where) from error
        except BaseException:
            self._forget()
            raise
        return {each: self._held[each] for each in schema_ids if each in self._held}

    def _add(self, value: bytes, partition: int, offset: int) -> None:
        try:
            record = decoded(codec("schema.v1"), value)
            schema = json.loads(record["schema"])
            if not isinstance(schema, dict) or not isinstance(parse_schema(schema), dict):
                raise ValueError("it is not the schema of a record")
            self._held[int(record["schema_id"])] = schema
        except _NO_SCHEMA as error:
            log.error(
                "a record cannot be read and is left out",
                topic=SCHEMAS,
                at=f"{partition}:{offset}",
                why=str(error),
            )

    def _forget(self) -> None:
        if self._reader is not None:
            self._reader.close()
        self._reader = None


def publish(kafka: str) -> int:
    """Publish the schemas that this version writes by, where they are not there yet; how many were
    new.

    Done before the first record is written, else a version that is rolled back to could not read
    it.
    """
    mine = {str(each.id).encode(): each for each in contracts().values()}
    there = read_keys(kafka, SCHEMAS)
    new = {key: each for key, each in mine.items() if key not in there}
    if not new:
        return 0
    frames = [
        codec("schema.v1").encode(
            {"schema_id": each.id, "contract": each.name, "schema": json.dumps(each.schema)}
        )
        for each in new.values()
    ]
    producer = BulkProducer(kafka, "schemas")
    producer.send(SCHEMAS, list(new), frames)
    producer.flush(15)
    return len(new)
