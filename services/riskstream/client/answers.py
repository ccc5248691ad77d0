"""What the gateway answers, as records. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Self, cast, get_args

from riskstream.client.errors import BadAnswer, Problem

Choice = Literal["APPROVE", "REVIEW", "BLOCK"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What to do with a transaction. `rung` says what it rests on: SCORE, RULES or AMOUNT.

    `score`, `verdict` and `model_version` are None where no score came in time, `partition` and
    `offset` where Kafka had not said that it has the transaction. `elapsed_ms` is the gateway's.
    """

    transaction_id: str
    decision: Choice
    rung: str
    score: float | None
    reasons: tuple[str, ...]
    flags: tuple[str, ...]
    verdict: str | None
    model_version: str | None
    partition: int | None
    offset: int | None
    elapsed_ms: float

    @property
    def is_recorded(self) -> bool:
        """False where the transaction has to be sent again, to count in its customer's history."""
        return "not_recorded" not in self.flags

    @classmethod
    def of(cls, told: Any) -> Self:
        """From an answer; BadAnswer where it is none."""
        data = _members(told)
        choice = _text(data, "decision")
        if choice not in get_args(Choice):
            raise BadAnswer(f"the answer has the decision {choice[:32]!r}, which is none")
        return cls(
            transaction_id=_text(data, "transaction_id"),
            decision=cast(Choice, choice),
            rung=_text(data, "rung"),
            score=_number(data, "score"),
            reasons=_texts(data, "reasons"),
            flags=_texts(data, "flags"),
            verdict=_text_or_none(data, "verdict"),
            model_version=_text_or_none(data, "model_version"),
            partition=_whole_or_none(data, "partition"),
            offset=_whole_or_none(data, "offset"),
            elapsed_ms=_number(data, "elapsed_ms") or 0.0,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """Where a record stands: every in-sync replica of the broker has it."""

    id: str
    partition: int
    offset: int

    @classmethod
    def of(cls, told: Any, name: str) -> Self:
        """From an answer that has the id as `name`; BadAnswer where it is none."""
        data = _members(told)
        return cls(
            id=_text(data, name),
            partition=_whole(data, "partition"),
            offset=_whole(data, "offset"),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchItem:
    """What became of one of many: its place, or the problem. `index`: its number in what was
    given.
    """

    index: int
    transaction_id: str
    accepted: Accepted | None = None
    problem: Problem | None = None

    @property
    def is_accepted(self) -> bool:
        return self.accepted is not None

    @classmethod
    def of(cls, told: Any, first: int, name: str) -> Self:
        """From an item; `first` is the number of its body's first, `name` the id that was sent."""
        data = _members(told)
        index, status = first + _whole(data, "index"), _whole(data, "status")
        if status == 202:
            place = Accepted.of(data, "transaction_id")
            return cls(index=index, transaction_id=place.id, accepted=place)
        return cls(index=index, transaction_id=name, problem=Problem.of(status, data))


def _members(told: Any) -> Mapping[str, Any]:
    if not isinstance(told, Mapping):
        raise BadAnswer("the answer is no JSON object")
    return told


def _text(data: Mapping[str, Any], name: str) -> str:
    found = data.get(name)
    if not isinstance(found, str):
        raise BadAnswer(f"the answer has no text {name}")
    return found


def _text_or_none(data: Mapping[str, Any], name: str) -> str | None:
    return None if data.get(name) is None else _text(data, name)


def _texts(data: Mapping[str, Any], name: str) -> tuple[str, ...]:
    found = data.get(name, [])
    if not isinstance(found, list) or not all(isinstance(each, str) for each in found):
        raise BadAnswer(f"the answer has no texts {name}")
    return tuple(found)


def _whole(data: Mapping[str, Any], name: str) -> int:
    found = data.get(name)
    if type(found) is not int:
        raise BadAnswer(f"the answer has no whole number {name}")
    return found


def _whole_or_none(data: Mapping[str, Any], name: str) -> int | None:
    return None if data.get(name) is None else _whole(data, name)


def _number(data: Mapping[str, Any], name: str) -> float | None:
    found = data.get(name)
    if found is None:
        return None
    if isinstance(found, bool) or not isinstance(found, int | float):
        raise BadAnswer(f"the answer has no number {name}")
    return float(found)
