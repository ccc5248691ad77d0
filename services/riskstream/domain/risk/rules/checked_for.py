"""Whether a rule means here what it meant where it was checked: its features' declarations must be
the same. Pure.
"""

from collections.abc import Mapping, Set

from riskstream.domain.contracts.catalog import contract
from riskstream.domain.risk.features.declare import Feature, FeatureSet, Input
from riskstream.domain.risk.features.sets import set_of
from riskstream.domain.risk.rules.inputs import ALWAYS, inputs_of


def difference(names: Set[str], checked_for: str, features: FeatureSet) -> str | None:
    """Why a rule with these names, checked for the set of a label, must not be acted on by
    `features`; None where it may.

    A rule that names only fields, `hour`, `weekday` and the score may be acted on by every set.
    """
    if checked_for == features.label:
        return None
    here, known = _declared(features), set_of(checked_for)
    there: Mapping[str, Feature | Input] = ALWAYS
    if known is not None and known.label == checked_for:
        there = _declared(known)
    other = sorted(name for name in names & here.keys() if there.get(name) != here[name])
    return (
        (f"it was checked for {checked_for}, and {other[0]} is another feature in {features.label}")
        if other
        else None
    )


def _declared(features: FeatureSet) -> dict[str, Feature | Input]:
    """What a set declares under names that are no fields."""
    fields = {field["name"] for field in contract("transaction.v1").schema["fields"]}
    return {
        **inputs_of(features, fields),
        **{each.name: each for each in features.features},
    }
