"""The messages and the service of the gRPC door, made from schemas/: what `schemas/gateway.proto`
says, as data. Pure.

Numbers of fields and symbols stand in `schemas/gateway.numbers.json`: one that was given is never
given again.
"""

import json
import re
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from riskstream.domain.contracts.catalog import contract, shipped

PACKAGE, SERVICE = "riskstream.v1", "Gateway"
MAX_ITEMS = 1000
"""Most transactions of one TransactionBatch."""
_TYPES = {"string": "string", "int": "int32", "long": "int64", "float": "float", "double": "double"}
_RECORDS = {"Transaction": "transaction.v1", "Label": "label.v1"}
_ENUMS = {"Decision": "answer.v1", "Rung": "answer.v1", "Verdict": "score.v1"}
"""Enums of replies, and the contracts that declare them."""
Numbers = dict[str, dict[str, int]]
"""By message or enum the number of each field or symbol."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProtoField:
    """`kind`: a scalar of proto3, or the name of a message or enum. `label`: optional, repeated, or
    nothing.
    """

    name: str
    kind: str
    number: int
    label: str = "optional"
    doc: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProtoMessage:
    """`reserved`: names and numbers of fields that the schema has no more."""

    name: str
    doc: str
    fields: tuple[ProtoField, ...]
    reserved: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ProtoEnum:
    """`symbols` as the schema has them, each with its number."""

    name: str
    doc: str
    symbols: tuple[tuple[str, int], ...]
    reserved: tuple[tuple[str, int], ...] = ()

    def word(self, symbol: str) -> str:
        """A symbol as proto3 names it: with the enum's name before it."""
        return f"{re.sub(r'(?<!^)(?=[A-Z])', '_', self.name).upper()}_{symbol}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProtoMethod:
    """Of the service; `is_stream`: of messages in both directions."""

    name: str
    takes: str
    gives: str
    doc: str
    is_stream: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ProtoFile:
    """All of `schemas/gateway.proto`."""

    enums: tuple[ProtoEnum, ...]
    messages: tuple[ProtoMessage, ...]
    methods: tuple[ProtoMethod, ...]

    def message(self, name: str) -> ProtoMessage:
        return next(each for each in self.messages if each.name == name)

    def enum(self, name: str) -> ProtoEnum:
        return next(each for each in self.enums if each.name == name)


def _plain(name: str, kind: str, number: int, label: str, doc: str) -> ProtoField:
    return ProtoField(name=name, kind=kind, number=number, label=label, doc=doc)


_METHODS = (
    ProtoMethod(
        name="Accept",
        takes="Transaction",
        gives="Receipt",
        doc="Accepts a transaction: answered once Kafka has it.",
    ),
    ProtoMethod(
        name="Decide",
        takes="DecisionRequest",
        gives="DecisionReply",
        doc="Decides on a transaction, within the deadline, always.",
    ),
    ProtoMethod(
        name="GetDecision",
        takes="DecisionQuery",
        gives="DecisionReply",
        doc="What was told of a transaction before.",
    ),
    ProtoMethod(
        name="SendLabel",
        takes="Label",
        gives="Receipt",
        doc="Accepts what a transaction turned out to be.",
    ),
    ProtoMethod(
        name="AcceptStream",
        takes="TransactionBatch",
        gives="ReceiptBatch",
        is_stream=True,
        doc="Accepts batches at a high rate. Each gets its receipts, in the order of the batches.",
    ),
)
_WRITTEN = (
    ProtoMessage(
        name="DecisionRequest",
        doc="What to decide on.",
        fields=(
            _plain("transaction", "Transaction", 1, "", "The transaction."),
            _plain(
                "deadline_ms",
                "int32",
                2,
                "optional",
                "Answer within so many ms, 20 to 5,000; the call's own deadline counts too.",
            ),
            _plain(
                "idempotency_key",
                "string",
                3,
                "optional",
                "Instead of the metadata idempotency-key. Repeats are known by their ids too.",
            ),
        ),
    ),
    ProtoMessage(
        name="DecisionReply",
        doc="A decision, and what it rests on.",
        fields=(
            _plain("transaction_id", "string", 1, "", "Of the request."),
            _plain("decision", "Decision", 2, "", "What to do with the transaction."),
            _plain("rung", "Rung", 3, "", "What the decision rests on."),
            _plain("score", "float", 4, "optional", "0 to 1; none where no score came in time."),
            _plain("reasons", "string", 5, "repeated", "Reason codes."),
            _plain("flags", "string", 6, "repeated", "no_score_in_time, not_recorded, others."),
            _plain("verdict", "Verdict", 7, "optional", "The scorer's."),
            _plain("model_version", "string", 8, "optional", "Of the model that scored."),
            _plain("partition", "int32", 9, "optional", "Where the transaction stands in Kafka."),
            _plain("offset", "int64", 10, "optional", "Where in that partition."),
            _plain("elapsed_ms", "double", 11, "", "From the request to the answer."),
            _plain("replayed", "bool", 12, "", "It is the answer to an earlier request."),
            _plain("late_score", "LateScore", 13, "", "Of GetDecision: the score that came later."),
        ),
    ),
    ProtoMessage(
        name="DecisionQuery",
        doc="Which decision to look up.",
        fields=(
            _plain("transaction_id", "string", 1, "", "Of the transaction."),
            _plain("customer_id", "string", 2, "optional", "Where several customers have that id."),
        ),
    ),
    ProtoMessage(
        name="LateScore",
        doc="A score that came after the caller was told; of one that agrees its decision alone.",
        fields=(
            _plain("decision", "Decision", 1, "", "The scorer's."),
            _plain("score", "float", 2, "optional", "0 to 1."),
            _plain("verdict", "Verdict", 3, "optional", "The scorer's."),
        ),
    ),
    ProtoMessage(
        name="Receipt",
        doc="Where a record stands in Kafka, or why it was not taken.",
        fields=(
            _plain("partition", "int32", 1, "optional", "Partition, where it was taken."),
            _plain("offset", "int64", 2, "optional", "Offset, where it was taken."),
            _plain("problem", "Problem", 3, "", "Why it was not taken."),
            _plain("replayed", "bool", 4, "", "It came before, and stands where it stood then."),
        ),
    ),
    ProtoMessage(
        name="TransactionBatch",
        doc=f"1 to {MAX_ITEMS:,} transactions.",
        fields=(
            _plain("sequence", "int64", 1, "", "The caller's number, which comes back."),
            _plain("transactions", "Transaction", 2, "repeated", "The transactions."),
        ),
    ),
    ProtoMessage(
        name="ReceiptBatch",
        doc="What became of a batch.",
        fields=(
            _plain("sequence", "int64", 1, "", "That of the batch."),
            _plain("accepted", "int32", 2, "", "How many were taken."),
            _plain("refused", "int32", 3, "", "How many were not."),
            _plain("receipts", "Receipt", 4, "repeated", "One a transaction, in their order."),
            _plain("problem", "Problem", 5, "", "Why the whole batch was not taken."),
        ),
    ),
    ProtoMessage(
        name="Problem",
        doc="A refusal, as the HTTP door tells it (RFC 9457). Also a detail of a call's status.",
        fields=(
            _plain("status", "int32", 1, "", "The HTTP status."),
            _plain("code", "string", 2, "", "Such as invalid-field."),
            _plain("title", "string", 3, "", "In short."),
            _plain("detail", "string", 4, "", "What is wrong, and what to do."),
            _plain("errors", "Fault", 5, "repeated", "All that is wrong."),
            _plain("retry_after_ms", "int64", 6, "optional", "Try again after so long."),
            _plain("reason", "string", 7, "optional", "Why the scorer rejected it."),
        ),
    ),
    ProtoMessage(
        name="Fault",
        doc="One thing that is wrong.",
        fields=(
            _plain("path", "string", 1, "", "A JSONPath, $.currency for the field currency."),
            _plain("code", "string", 2, "", "As a problem's."),
            _plain("detail", "string", 3, "", "What is wrong."),
            _plain("allowed", "string", 4, "", "What would be right."),
        ),
    ),
)


def numbers_file() -> Numbers:
    """The numbers that were given, as they are committed."""
    found: Numbers = json.loads((shipped("schemas") / "gateway.numbers.json").read_text())
    return found


@cache
def gateway_file() -> ProtoFile:
    """The file of the committed numbers; KeyError where the schemas have more than those."""
    return proto_file(numbers_file())


def proto_file(numbers: Numbers) -> ProtoFile:
    """The file by numbers."""
    enums = [_enum(schema, numbers) for schema in _enum_schemas()]
    records = [_record(name, numbers) for name in _RECORDS]
    return ProtoFile(enums=tuple(enums), messages=(*records, *_WRITTEN), methods=_METHODS)


def grown(numbers: Numbers) -> Numbers:
    """The numbers with those of fields and symbols that have none yet: the next ones."""
    wanted: dict[str, list[str]] = {
        name: [each["name"] for each in contract(schema).schema["fields"]]
        for name, schema in _RECORDS.items()
    }
    wanted |= {each["name"]: list(each["symbols"]) for each in _enum_schemas()}
    out = {name: dict(given) for name, given in numbers.items()}
    for name, members in wanted.items():
        mine = out.setdefault(name, {})
        for member in members:
            if member not in mine:
                first = 1 if name in _RECORDS else 0
                mine[member] = max(mine.values(), default=first - 1) + 1
    return out


def _enum_schemas() -> list[dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for name in _RECORDS.values():
        for field in contract(name).schema["fields"]:
            kind = _kind(field["type"])
            if isinstance(kind, dict) and kind["type"] == "enum":
                found[kind["name"]] = kind
    for wanted, name in _ENUMS.items():
        kinds = [_kind(field["type"]) for field in contract(name).schema["fields"]]
        found[wanted] = next(
            each for each in kinds if isinstance(each, dict) and each.get("name") == wanted
        )
    return list(found.values())


def _kind(schema: Any) -> Any:
    """A field's type without null and logical type."""
    if isinstance(schema, list):
        schema = next(branch for branch in schema if branch != "null")
    if isinstance(schema, dict) and schema["type"] in _TYPES:
        return schema["type"]
    return schema


def _enum(schema: dict[str, Any], numbers: Numbers) -> ProtoEnum:
    mine, name = numbers[schema["name"]], schema["name"]
    made = ProtoEnum(
        name=name,
        doc=schema["doc"],
        symbols=tuple((each, mine[each]) for each in schema["symbols"]),
    )
    return replace(made, reserved=_gone(mine, schema["symbols"]))


def _record(name: str, numbers: Numbers) -> ProtoMessage:
    schema, mine = contract(_RECORDS[name]).schema, numbers[name]
    fields = []
    for field in schema["fields"]:
        kind = _kind(field["type"])
        word = kind["name"] if isinstance(kind, dict) else _TYPES[kind]
        fields.append(
            ProtoField(name=field["name"], kind=word, number=mine[field["name"]], doc=field["doc"])
        )
    gone = _gone(mine, [each.name for each in fields])
    return ProtoMessage(name=name, doc=schema["doc"], fields=tuple(fields), reserved=gone)


def _gone(mine: dict[str, int], there: list[str]) -> tuple[tuple[str, int], ...]:
    return tuple((name, number) for name, number in mine.items() if name not in there)
