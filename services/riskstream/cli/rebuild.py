"""`riskstream rebuild`."""

import click
import numpy as np
from numpy.typing import NDArray

from riskstream.adapters.redis_state import RedisStateStore
from riskstream.cli.options import features_option, kafka_option
from riskstream.cli.progress import bar
from riskstream.kafka.admin import TopicAdmin
from riskstream.kafka.rebuild import rebuild_partition
from riskstream.risk.features.declare import FeatureSet
from riskstream.risk.tree_paths import NO_TREES
from riskstream.runtime.errors import Fatal
from riskstream.scorer.core import Policy, ScorerCore


class _NoModel:
    """A replay scores nothing."""

    def predict(self, rows: NDArray[np.float32]) -> NDArray[np.float32]:
        raise AssertionError(f"a replay scores nothing, not {len(rows)} rows")


@click.command()
@kafka_option
@click.option("--redis", default="redis://127.0.0.1:6379/0", show_default=True, help="URL of the state store")
@click.option("--group", default="scorer", show_default=True, help="the scorers' consumer group")
@features_option("--features")
@click.option("--source", default="transactions.v1", show_default=True)
@click.option("--output", default="scores.v1", show_default=True)
@click.option("--partition", "only", type=int, multiple=True, help="one partition, may be repeated; else all")
def command(
    kafka: str, redis: str, group: str, features: FeatureSet, source: str, output: str, only: tuple[int, ...]
) -> None:
    """Make the scorers' state again from the topics, while no scorer of the group runs.

    Everything that was answered is applied again by its recorded verdict, through the scorer's own kernel; nothing is
    scored or written to a topic.
    """
    counts = TopicAdmin(kafka).partitions()
    for topic in (source, output):
        if topic not in counts:
            raise Fatal(
                what=f"no topic {topic}",
                where=kafka,
                do="give --source and --output as the scorers have them",
                exit_code=2,
            )
    wanted = list(only) or list(range(counts[source]))
    wrong = [number for number in wanted if not 0 <= number < counts[source]]
    if wrong:
        raise Fatal(what=f"no partition {wrong[0]}", where=source, do=f"it has {counts[source]}", exit_code=2)
    policy = Policy(model_version="", review_from=1.0, block_from=1.0, paths=NO_TREES)
    store = RedisStateStore(redis, f"{group}.{features.label}")
    try:
        for number in wanted:
            core = ScorerCore(features, _NoModel(), policy, 2048)
            with bar(f"partition {number}", None) as advance:
                applied, rows = rebuild_partition(kafka, group, source, output, number, core, store, advance)
            click.echo(f"partition {number}: {applied:,} records applied, {rows:,} rows written")
    finally:
        store.close()
