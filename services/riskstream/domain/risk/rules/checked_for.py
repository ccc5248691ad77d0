"""Whether a rule means here what it meant where it was checked: its features' declarations must be
the same. Pure.
"""

from collections.abc import Set

from riskstream.domain.risk.features.declare import FeatureSet
from riskstream.domain.risk.features.sets import set_of


def difference(names: Set[str], checked_for: str, features: FeatureSet) -> str | None:
    """Why a rule with these names, checked for the set of a label, must not be acted on by
    `features`; None where it may.

    A rule that names no feature, only fields and the score, may be acted on by every set.
    """
    if checked_for == features.label:
        return None
    here = {each.name: each for each in features.features}
    known = set_of(checked_for)
    there = (
        {each.name: each for each in known.features}
        if known is not None and known.label == checked_for
        else {}
    )
    other = sorted(name for name in names & here.keys() if there.get(name) != here[name])
    return (
        (f"it was checked for {checked_for}, and {other[0]} is another feature in {features.label}")
        if other
        else None
    )
