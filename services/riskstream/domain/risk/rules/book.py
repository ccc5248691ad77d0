"""The rules and lists that are on, as one value: what rules.v1 and lists.v1 say, read for one
feature set. Pure.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from riskstream.domain.risk.features.declare import FeatureSet
from riskstream.domain.risk.rules.checked_for import difference
from riskstream.domain.risk.rules.expression import Lists
from riskstream.domain.risk.rules.listed import entries_of, members
from riskstream.domain.risk.rules.listed import said as said_of
from riskstream.domain.risk.rules.names import Name, RuleError
from riskstream.domain.risk.rules.rule import Rule, hash_of, read_rule

MAX_RULES = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleBook:
    """`version` is a hash of what the rules and lists say; empty where no rule is on. `refused`:
    rule and why.
    """

    version: str = ""
    rules: tuple[Rule, ...] = ()
    lists: Lists = field(default_factory=dict)
    refused: tuple[tuple[str, str], ...] = ()


def read_book(
    rules: Iterable[dict[str, Any]],
    lists: Iterable[dict[str, Any]],
    names: Mapping[str, Name],
    features: FeatureSet | None = None,
) -> RuleBook:
    """From records of rule.v1 and list.v1. A rule that cannot be read for these names is left out
    and told.

    With `features` also one that was checked for another set, in which a feature that it names is
    declared otherwise.
    """
    values = {each["list_id"]: entries_of(each) for each in lists}
    good: list[Rule] = []
    refused: list[tuple[str, str]] = []
    said = []
    for each in sorted(
        (each for each in rules if each["is_on"]), key=lambda each: str(each["rule_id"])
    ):
        try:
            rule = read_rule(
                {
                    "id": each["rule_id"],
                    "version": each["version"],
                    "when": each["when"],
                    "action": each["action"],
                    "reason": each["reason"],
                    "max_share": each["max_share"],
                },
                names,
            )
            if missing := sorted(rule.when.lists - set(values)):
                raise RuleError(f"{rule.rule_id}: there is no list {missing[0]}")
            if features is not None and (
                why := difference(rule.when.names, each["feature_set"], features)
            ):
                raise RuleError(f"{rule.rule_id}: {why}")
            if len(good) == MAX_RULES:
                raise RuleError(f"{rule.rule_id}: {MAX_RULES} rules are on already")
        except RuleError as error:
            refused.append((str(each["rule_id"]), str(error)))
            continue
        good.append(rule)
        said.append([rule.rule_id, rule.version, rule.when.text, rule.action, rule.reason])
    used = {
        name: values[name] for name in sorted({name for rule in good for name in rule.when.lists})
    }
    text = json.dumps([said, {name: said_of(held) for name, held in used.items()}], sort_keys=True)
    return RuleBook(
        version=hashlib.sha256(text.encode()).hexdigest()[:12] if good else "",
        rules=tuple(good),
        lists={name: members(held, hash_of) for name, held in used.items()},
        refused=tuple(refused),
    )
