"""The feature sets that ship, by name; those of before by their label, for models that were trained
on them.
"""

from riskstream.domain.risk.features.declare import FeatureSet
from riskstream.domain.risk.features.handbook import HANDBOOK, HANDBOOK_ADDED
from riskstream.domain.risk.features.standard import (
    STANDARD,
    STANDARD_PROFILES,
    STANDARD_TILES,
    first_version,
)

_NEWEST = (STANDARD, STANDARD_PROFILES, STANDARD_TILES, HANDBOOK, HANDBOOK_ADDED)
_BEFORE = tuple(first_version(each) for each in (STANDARD, STANDARD_PROFILES, STANDARD_TILES))
SETS = {**{each.name: each for each in _NEWEST}, **{each.label: each for each in _BEFORE}}


def set_of(label: str) -> FeatureSet | None:
    """The set with this label; of a version that we do not have the newest of that name; None where
    we have neither.
    """
    by_label = {each.label: each for each in SETS.values()}
    return by_label.get(label) or SETS.get(label.rsplit(".", 1)[0])
