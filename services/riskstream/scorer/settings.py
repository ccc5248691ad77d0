"""Settings of the scorer."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, Field
from pydantic_settings import SettingsConfigDict

from riskstream.domain.risk.features.sets import SETS
from riskstream.runtime.settings import (
    REDIS_DEFAULT,
    GroupName,
    GroupSettings,
    RedisUrl,
    TopicName,
    redis_default,
    same_topics,
)
from riskstream.runtime.settings_help import Word


def _known_set(name: str) -> str:
    if name not in SETS:
        raise ValueError(f"{name} is not one of {', '.join(SETS)}")
    return name


class ScorerSettings(GroupSettings):
    """Score every transaction of transactions.v1 and write one counted score for each to scores.v1.

    Each setting may also come from the environment: --log-level from RISKSTREAM_SCORER_LOG_LEVEL.
    The command line wins. --print-config prints the settings in use and ends.
    """

    model_config = SettingsConfigDict(env_prefix="riskstream_scorer_")
    service: ClassVar[str] = "scorer"

    redis: RedisUrl = Field(
        default_factory=redis_default,
        description=f"URL of the Redis that holds the state {REDIS_DEFAULT}",
    )
    model: Path = Field(
        default=Path("build/model"), description="folder of model.onnx and model.json"
    )
    release: Path | None = Field(
        default=None, description="signed release file to use instead of --model"
    )
    release_key: Path | None = Field(
        default=None,
        description="public key that signs --release and the releases on releases.v1; without it "
        "scorers follow no release",
    )
    features: Annotated[str, AfterValidator(_known_set), Word("SET")] = Field(
        default="standard", description=f"feature set of the model and the state: {', '.join(SETS)}"
    )
    tree_engine: Literal["auto", "onnxruntime"] = Field(
        default="auto",
        description="what computes the trees: `auto` (a compiled kernel where its scores equal "
        "ONNX Runtime's to the bit) or `onnxruntime`",
    )
    stage2: Literal["card", "on", "off"] = Field(
        default="card",
        description="second model for uncertain transactions: on, off, or as the model card says "
        "(`card`)",
    )
    provider: Literal["cpu", "cuda", "tensorrt"] = Field(
        default="cpu",
        description="where the second model runs; cuda and tensorrt need the extra `scorer-gpu`",
    )
    engine_cache: Path | None = Field(
        default=None, description="folder in which TensorRT keeps its compiled engines"
    )
    group: GroupName = Field(
        default="scorer",
        description="consumer group, and first part of the Redis keys of the state",
    )
    runtime: Literal["lane", "faust"] = Field(
        default="lane",
        description="`lane` (exactly one counted score per record) or `faust` (at least once; "
        "needs "
        "the extra `faust`)",
    )
    source: TopicName = Field(default="transactions.v1", description="topic to read")
    output: TopicName = Field(
        default="scores.v1",
        description="topic of the scores; it needs as many partitions as the source",
    )
    dead_letters: TopicName = Field(
        default="transactions.v1.dlq", description="topic of rejected records"
    )
    max_batch: int = Field(
        default=2048, ge=1, le=8192, description="most records in one micro-batch"
    )
    checkpoint_every_ms: int = Field(
        default=1000, ge=50, le=60_000, description="time between checkpoints, ms"
    )
    on_state_lost: Literal["degrade", "restore", "hold"] = Field(
        default="degrade",
        description="what to do when state is lost. `degrade`: go on with what is left and flag "
        "the "
        "scores. `restore`:"
        " go on only with a snapshot that leaves no gap. `hold`: wait for a person",
    )
    store_read_timeout_ms: int = Field(
        default=100, ge=1, le=10_000, description="deadline of one read of state from Redis, ms"
    )
    profile_timeout_ms: int = Field(
        default=50, ge=1, le=10_000, description="deadline of one read of profiles from Redis, ms"
    )
    reject_limit: float = Field(
        default=0.5,
        ge=0,
        le=1,
        description="a partition is held when more than this share of its last 1,000 records was "
        "rejected",
    )
    reason_sample: float = Field(
        default=0.01,
        ge=0,
        le=1,
        description="share of approved transactions that also get reason codes",
    )
    output_kafka: Annotated[str, Word("ADDR")] = Field(
        default="", description="bootstrap servers for the producer [default: the same as --kafka]"
    )
    client_id: Annotated[str, Word("NAME")] = Field(
        default="",
        description="name of the producer in broker logs and quotas [default: the group]",
    )
    output_queue: int = Field(
        default=200_000,
        ge=1000,
        le=2_000_000,
        description="most unsent records; the scorer reads no more until some are sent",
    )
    snapshots: Annotated[str, Word("PLACE")] = Field(
        default="",
        description="where to keep snapshots of the state: a folder that all scorers share, or "
        "s3://bucket/prefix [default: none]",
    )
    snapshot_minutes: float = Field(
        default=10,
        ge=0.01,
        le=1440,
        description="time between two snapshots of a partition, minutes",
    )
    snapshots_kept: int = Field(
        default=6, ge=1, le=1000, description="how many snapshots of each partition to keep"
    )

    def contradictions(self) -> Iterator[tuple[str, str]]:
        """As of every service: topics that are one. Snapshots are of the lane's state alone."""
        if self.snapshots and self.runtime != "lane":
            yield (
                f"--snapshots are of --runtime lane, {self.runtime} is given",
                ("leave one of them out"),
            )
        yield from same_topics(
            {"source": self.source, "output": self.output, "dead_letters": self.dead_letters}
        )
