"""What turns scores into decisions."""

from dataclasses import dataclass

from riskstream.domain.risk.tree_paths import TreePaths
from riskstream.scorer.ports import SecondModel


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage2:
    """The second stage, asked for the uncertain band: first scores from `low` on and below
    `high`.
    """

    model: SecondModel
    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What turns scores into decisions, and its versions."""

    model_version: str
    review_from: float
    block_from: float
    paths: TreePaths
    reason_sample: float = 0.01
    """Share of the approved transactions that get reasons as well."""
    release_id: str = ""
    """Empty where the model came from a folder."""
    stage2: Stage2 | None = None
    engine: str = ""
    """What computes the trees: kernel or onnxruntime; empty where there is no model."""
