"""What every contender is told on its command line. Standard library only."""

import argparse
from dataclasses import dataclass


@dataclass(frozen=True)
class Options:
    """`payload`: bytes of each output of the raw forward loop; 0 forwards the frame itself.
    `state`: a folder for a peer that keeps its state on disk.
    """

    kafka: str
    source: str
    output: str
    group: str
    model: str
    score_schema_id: int
    review_from: float
    block_from: float
    payload: int
    state: str

    @classmethod
    def of(cls, argv: list[str]) -> "Options":
        parser = argparse.ArgumentParser()
        for name in ("kafka", "source", "output", "group", "model"):
            parser.add_argument(f"--{name}", required=True)
        parser.add_argument("--score-schema-id", type=int, required=True)
        parser.add_argument("--review-from", type=float, required=True)
        parser.add_argument("--block-from", type=float, required=True)
        parser.add_argument("--payload", type=int, default=0)
        parser.add_argument("--state", default="")
        return cls(**vars(parser.parse_args(argv)))
