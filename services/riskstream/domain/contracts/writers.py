"""Schemas of writers that this process does not bundle: who is asked for them, and what is said
meanwhile.

A process has one source of them (`use`), as it has one Kafka. Without one only bundled ids are
known.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

from riskstream.domain.contracts.catalog import Contract, contract_by_id
from riskstream.domain.contracts.resolution import Incompatible
from riskstream.runtime.errors import Rejected, Retryable
from riskstream.runtime.waiting import again_while

Schema = dict[str, Any]
Found = TypeVar("Found")


@dataclass(frozen=True, slots=True, kw_only=True)
class Unknown:
    """Nobody who was asked knows the id: `detail` says who that was."""

    detail: str


class Writers(Protocol):
    """Answers at once, from memory: a schema, that nobody knows it, or None while it is being asked
    for.
    """

    def find(self, schema_id: int) -> Schema | Unknown | None: ...


@dataclass(eq=False, kw_only=True)
class SchemaWait(Retryable):
    """Records `rows` of what was given cannot be decoded before their schemas are known; nothing
    was applied.

    `is_over` tells when to try again.
    """

    rows: Sequence[int] = (0,)
    is_over: Callable[[], bool] = field(default=lambda: True)


class _Bundled:
    def find(self, schema_id: int) -> Schema | Unknown | None:  # noqa: ARG002  a port's name
        return Unknown(detail="it is none of the bundled schemas")


@dataclass(slots=True)
class _Process:
    writers: Writers = field(default_factory=_Bundled)
    wire_ids: dict[str, int] = field(default_factory=dict)


_process = _Process()


def use(writers: Writers | None, wire_ids: dict[str, int] | None = None) -> None:
    """Ask `writers` from now on (None: nobody); write records of these contracts under these ids,
    the others under ours.
    """
    _process.writers = writers or _Bundled()
    _process.wire_ids = wire_ids or {}


def find(schema_id: int) -> Schema | Unknown | None:
    """The schema of an id that is not bundled; Unknown, or None while it is being asked for."""
    return _process.writers.find(schema_id)


def is_known(frame: bytes | None) -> bool:
    """True where the schema that a frame names is known by now."""
    return isinstance(find(int.from_bytes((frame or b"")[1:5], "big")), dict)


def find_other(schema_id: int) -> Schema | Unknown | None:
    """As `find`, of an id that is none of a contract's own: one that is bundled is another
    contract's, and nobody is asked.
    """
    bundled = contract_by_id().get(schema_id)
    return find(schema_id) if bundled is None else Unknown(detail=f"it is a {bundled.name}")


def wire_id(contract: Contract) -> int:
    """The id that this process writes a contract's records under."""
    return _process.wire_ids.get(contract.name, contract.id)


def wait_for(schema_ids: Sequence[int], rows: Sequence[int], what: str) -> SchemaWait:
    """What to raise while schemas are being asked for."""
    wanted = sorted(set(schema_ids))
    return SchemaWait(
        what=f"the schema with id {', '.join(map(str, wanted[:5]))} is not known yet",
        where=what,
        rows=rows,
        is_over=lambda: all(find(each) is not None for each in wanted),
    )


def when_known(call: Callable[[], Found], deadline_s: float = 30.0) -> Found:
    """What `call` gives, called again while schemas are being asked for; its SchemaWait after the
    deadline.

    For commands, which have nothing else to do meanwhile. A lane holds the record and goes on with
    others.
    """
    return again_while(SchemaWait, call, lambda wait: wait.is_over(), deadline_s)


def refusal(contract: Contract, schema_id: int, error: Incompatible | ValueError) -> Rejected:
    """Why a schema's records are not taken as the contract's."""
    return Rejected(
        reason="incompatible_schema",
        detail=f"schema id {schema_id} cannot be read as {contract.name}: {error}",
    )


def unknown(contract: Contract, schema_id: int, answer: Unknown) -> Rejected:
    """Why an id is none of the contract's."""
    return Rejected(
        reason="unknown_schema",
        detail=f"schema id {schema_id} is not a {contract.name}: {answer.detail}",
    )
