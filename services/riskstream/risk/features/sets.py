"""The feature sets that ship, by name."""

from riskstream.risk.features.handbook import HANDBOOK, HANDBOOK_ADDED
from riskstream.risk.features.standard import STANDARD, STANDARD_PROFILES, STANDARD_TILES

SETS = {each.name: each for each in (STANDARD, STANDARD_PROFILES, STANDARD_TILES, HANDBOOK, HANDBOOK_ADDED)}
