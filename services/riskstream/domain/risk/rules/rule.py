"""A rule: when it is true of a transaction, what is done; and what may be named in it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from riskstream.domain.contracts.catalog import contract
from riskstream.domain.risk.features.declare import FeatureSet
from riskstream.domain.risk.features.keys.key_kernel import hash_kernel
from riskstream.domain.risk.rules.expression import Expression, parse
from riskstream.domain.risk.rules.inputs import inputs_of
from riskstream.domain.risk.rules.names import Kind, Name, RuleError

ACTIONS = ("REVIEW", "BLOCK")
DEFAULT_MAX_SHARE = 0.02
_FIELDS = {"id", "when", "action", "reason", "max_share", "version"}
_TYPES = {
    "int": Kind.NUMBER,
    "long": Kind.NUMBER,
    "float": Kind.NUMBER,
    "double": Kind.NUMBER,
    "string": Kind.TEXT,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """`max_share`: the share of transactions that it may stop; more, and it is refused."""

    rule_id: str
    version: int
    when: Expression
    action: str
    reason: str
    max_share: float


def names_of(features: FeatureSet) -> dict[str, Name]:
    """Fields of the transaction, the inputs and features of the set, `hour`, `weekday`, and the
    score. Where a field and an input share a name, it is the field.
    """
    out = {"score": Name(kind=Kind.NUMBER)}
    out |= _inputs(features)
    out |= {each.name: Name(kind=Kind.NUMBER) for each in features.features}
    return out | _fields()


def names_alone(sets: Iterable[FeatureSet]) -> dict[str, Name]:
    """Of `names_of` some sets what a transaction says by itself: its fields and their inputs."""
    out: dict[str, Name] = {}
    for features in sets:
        out |= _inputs(features)
    return out | _fields()


def _inputs(features: FeatureSet) -> dict[str, Name]:
    inputs = inputs_of(features, _fields())
    return {name: Name(kind=Kind.NUMBER, input=which) for name, which in inputs.items()}


@cache
def _fields() -> dict[str, Name]:
    out: dict[str, Name] = {}
    for field in contract("transaction.v1").schema["fields"]:
        kind: Any = field["type"]
        if isinstance(kind, list):
            kind = next(each for each in kind if each != "null")
        if isinstance(kind, dict) and kind["type"] == "enum":
            out[field["name"]] = Name(kind=Kind.SYMBOL, symbols=tuple(kind["symbols"]))
        else:
            out[field["name"]] = Name(kind=_TYPES[kind["type"] if isinstance(kind, dict) else kind])
    return out


def hash_of(text: str) -> int:
    """The hash that columns of texts are compared by."""
    raw = text.encode()
    out = np.empty(1, np.uint64)
    data = np.frombuffer(raw or b"\0", np.uint8)
    hash_kernel(data, np.zeros(1, np.int64), np.array([len(raw)], np.int32), out)
    return int(out[0])


def read_rule(given: Any, names: Mapping[str, Name]) -> Rule:
    """A rule from what a file or record holds. RuleError where a part is missing, unknown or
    wrong.
    """
    if not isinstance(given, dict):
        raise RuleError("a rule is a mapping of id, when, action, reason")
    rule_id = given.get("id")
    if not isinstance(rule_id, str) or not rule_id or len(rule_id) > 60:
        raise RuleError("a rule needs an id, a text of at most 60 characters")
    if unknown := sorted(set(given) - _FIELDS):
        raise RuleError(f"{rule_id}: {unknown[0]} is not one of {', '.join(sorted(_FIELDS))}")
    for part in ("when", "reason"):
        if not isinstance(given.get(part), str) or not given[part]:
            raise RuleError(f"{rule_id}: it needs {part}, a text")
    if given.get("action") not in ACTIONS:
        raise RuleError(
            f"{rule_id}: action is {given.get('action')!r}, it must be one of {', '.join(ACTIONS)}"
        )
    share, version = given.get("max_share", DEFAULT_MAX_SHARE), given.get("version", 1)
    if isinstance(share, bool) or not isinstance(share, int | float) or not 0 < share <= 1:
        raise RuleError(f"{rule_id}: max_share is {share!r}, it must be over 0 and at most 1")
    if isinstance(version, bool) or not isinstance(version, int) or version < 1:
        raise RuleError(f"{rule_id}: version is {version!r}, it must be a whole number from 1 on")
    try:
        when = parse(given["when"], names, hash_of)
    except RuleError as error:
        raise RuleError(f"{rule_id}: {error}") from error
    return Rule(
        rule_id=rule_id,
        version=version,
        when=when,
        action=given["action"],
        reason=given["reason"],
        max_share=float(share),
    )


def read_rules(given: Any, names: Mapping[str, Name]) -> list[Rule]:
    """All rules of a file's `rules`. RuleError also where an id is there twice."""
    if not isinstance(given, list) or not given:
        raise RuleError("it must hold `rules`, a list of at least one")
    rules = [read_rule(each, names) for each in given]
    ids = [rule.rule_id for rule in rules]
    if twice := sorted({each for each in ids if ids.count(each) > 1}):
        raise RuleError(f"{twice[0]} is there twice")
    return rules
