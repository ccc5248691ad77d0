"""Settings of the scorer."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, Field, SecretStr
from pydantic_settings import SettingsConfigDict

from riskstream.domain.risk.features.sets import SETS
from riskstream.runtime.settings import GroupName, GroupSettings, RedisUrl, TopicName, same_topics


def _known_set(name: str) -> str:
    if name not in SETS:
        raise ValueError(f"{name} is not one of {', '.join(SETS)}")
    return name


class ScorerSettings(GroupSettings):
    """Answers each record of transactions.v1 with one accepted record of scores.v1.

    A setting NAME is also read from RISKSTREAM_SCORER_NAME; the command line wins. --print-config
    shows what would be used.
    """

    model_config = SettingsConfigDict(env_prefix="riskstream_scorer_")
    service: ClassVar[str] = "scorer"

    redis: RedisUrl = Field(
        default=SecretStr("redis://127.0.0.1:6379/0"), description="URL of the state store"
    )
    model: Path = Field(
        default=Path("build/model"), description="folder of model.onnx and model.json"
    )
    release: Path | None = Field(
        default=None, description="signed release file, in place of --model"
    )
    release_key: Path | None = Field(
        default=None,
        description="public key that --release, and releases on releases.v1, must be signed by; "
        "empty: "
        "none is followed",
    )
    features: Annotated[str, AfterValidator(_known_set)] = Field(
        default="standard", description=f"feature set of the model and the state: {', '.join(SETS)}"
    )
    stage2: Literal["card", "on", "off"] = Field(
        default="card",
        description="second stage for the uncertain band: as the model's card says (on where it "
        "gains), or not",
    )
    provider: Literal["cpu", "cuda", "tensorrt"] = Field(
        default="cpu",
        description="where the second stage runs (cuda, tensorrt: extra `scorer-gpu`); trees run "
        "on "
        "the CPU",
    )
    engine_cache: Path | None = Field(
        default=None, description="folder that TensorRT keeps its built engines in"
    )
    group: GroupName = Field(
        default="scorer", description="consumer group, and prefix of the state's keys"
    )
    runtime: Literal["lane", "faust"] = Field(
        default="lane",
        description="`lane` (exact by position) or `faust` (at least once; extra `faust`)",
    )
    source: TopicName = Field(default="transactions.v1", description="topic to read")
    output: TopicName = Field(
        default="scores.v1", description="topic of the scores; as many partitions"
    )
    dead_letters: TopicName = Field(
        default="transactions.v1.dlq", description="topic of rejected records"
    )
    max_batch: int = Field(default=2048, ge=1, le=8192, description="most records of a micro-batch")
    checkpoint_every_ms: int = Field(
        default=1000, ge=50, le=60_000, description="time between checkpoints, ms"
    )
    on_state_lost: Literal["degrade", "restore", "hold"] = Field(
        default="degrade",
        description="where the state is lost: go on with the newest snapshot or what is left, "
        "scores "
        "flagged (`degrade`); only"
        " with a snapshot that joins up with the topics (`restore`); or wait for a person (`hold`)",
    )
    store_read_timeout_ms: int = Field(
        default=100, ge=1, le=10_000, description="deadline of a read of rows, ms"
    )
    profile_timeout_ms: int = Field(
        default=50, ge=1, le=10_000, description="deadline of a read of profiles, ms"
    )
    reject_limit: float = Field(
        default=0.5,
        ge=0,
        le=1,
        description="share of rejected records, of the last thousand, that holds a partition",
    )
    reason_sample: float = Field(
        default=0.01,
        ge=0,
        le=1,
        description="share of approved transactions that get reason codes as well",
    )
    output_kafka: str = Field(
        default="", description="brokers for the producer alone, where they differ; empty: --kafka"
    )
    client_id: str = Field(
        default="", description="the producer's name in broker logs and quotas; empty: the group"
    )
    output_queue: int = Field(
        default=200_000,
        ge=1000,
        le=2_000_000,
        description="records that may wait for the brokers before taking more stops",
    )
    snapshots: str = Field(
        default="",
        description="where snapshots of the state are kept: a folder that all scorers share, or "
        "s3://bucket/prefix; empty: none",
    )
    snapshot_minutes: float = Field(
        default=10,
        ge=0.01,
        le=1440,
        description="time between two snapshots of a partition, minutes",
    )
    snapshots_kept: int = Field(
        default=6, ge=1, le=1000, description="newest snapshots of a partition that are kept"
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
