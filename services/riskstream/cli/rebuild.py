"""`riskstream rebuild`."""

from datetime import UTC, datetime

import click

from riskstream.cli.options import (
    base_currency_option,
    client_option,
    features_option,
    kafka_option,
    redis_option,
)
from riskstream.cli.progress import bar
from riskstream.domain.risk.features.declare import FeatureSet
from riskstream.domain.risk.validity import MAX_AHEAD_MS
from riskstream.platform.adapters.redis_home import made_for, prove_unused, state_home
from riskstream.platform.adapters.redis_snapshots import RedisSnapshots
from riskstream.platform.adapters.redis_state import RedisStateStore
from riskstream.platform.adapters.snapshot_places import place_of
from riskstream.platform.adapters.snapshot_shelf import Shelf
from riskstream.platform.kafka.clients.admin import TopicAdmin
from riskstream.platform.kafka.clients.native.choice import Way
from riskstream.platform.kafka.currency import check_currency
from riskstream.platform.kafka.lanes.exact.rebuild import Rebuild, Rebuilt
from riskstream.platform.kafka.lanes.exact.settings import Route
from riskstream.platform.telemetry.metrics import SnapshotMetrics
from riskstream.runtime.errors import Fatal
from riskstream.runtime.exits import Exit
from riskstream.scorer.answer_reader import ScoreAnswerReader
from riskstream.scorer.flags import FLAG_PARTIAL
from riskstream.scorer.fold import Fold


@click.command()
@kafka_option
@redis_option
@click.option("--group", default="scorer", show_default=True, help="the scorers' consumer group")
@features_option("--features")
@click.option(
    "--source", default="transactions.v1", show_default=True, help="topic of the transactions"
)
@click.option("--output", default="scores.v1", show_default=True, help="topic of the scores")
@click.option(
    "--partition",
    "only",
    type=int,
    multiple=True,
    help="only this partition; may be repeated [default: all]",
)
@click.option(
    "--snapshots",
    "place",
    default="",
    envvar="RISKSTREAM_SCORER_SNAPSHOTS",
    metavar="PLACE",
    help="where snapshots are, for records that expired: a folder or s3://bucket/prefix "
    "[default: $RISKSTREAM_SCORER_SNAPSHOTS]",
)
@base_currency_option
@client_option
@click.option(
    "--discard",
    is_flag=True,
    help="replace the state in Redis even if it is more complete than the topics",
)
def command(
    kafka: str,
    redis: str,
    group: str,
    features: FeatureSet,
    source: str,
    output: str,
    only: tuple[int, ...],
    place: str,
    base_currency: str,
    way: Way,
    discard: bool,
) -> None:
    """Rebuild the scorers' state from topics and snapshots. Stop all scorers of the group first.

    It replays all past transactions into Redis, using the verdicts already recorded. It writes no
    scores and no Kafka records. If old records have expired, it says for each partition which
    windows are incomplete. A state in Redis that is as complete is kept, unless you give --discard.
    """
    counts = TopicAdmin(kafka).partitions()
    for topic in (source, output):
        if topic not in counts:
            raise Fatal(
                what=f"no topic {topic}",
                where=kafka,
                do="give --source and --output as the scorers have them",
                exit_code=Exit.INPUT,
            )
    wanted = list(only) or list(range(counts[source]))
    wrong = [number for number in wanted if not 0 <= number < counts[source]]
    if wrong:
        raise Fatal(
            what=f"no partition {wrong[0]}",
            where=source,
            do=f"give one from 0 to {counts[source] - 1}",
            exit_code=Exit.INPUT,
        )
    check_currency(kafka, base_currency)
    space = f"{group}.{features.label}"
    home = state_home(redis, space, counts[source])
    prove_unused(home, TopicAdmin(kafka), group)
    made_for(home, TopicAdmin(kafka).cluster_id())
    store = RedisStateStore(redis, space)
    snapshots = (
        RedisSnapshots(redis, store, Shelf(place_of(place), space), SnapshotMetrics())
        if place
        else None
    )
    try:
        route = Route(kafka=kafka, group=group, source=source, output=output, client=way)
        rebuild = Rebuild(route, ScoreAnswerReader(), store, snapshots)
        for number in wanted:
            with bar(f"partition {number}", None) as advance:
                done = rebuild.partition(
                    number, Fold(features, base_currency), advance, discard=discard
                )
            click.echo(f"partition {number}: {_said(done, max(features.windows_ms, default=0))}")
    finally:
        store.close()


def _said(done: Rebuilt, longest_ms: int) -> str:
    """What became of a partition, in a line."""
    said = f"{done.applied:,} records applied, {done.rows:,} rows written"
    if done.kept:
        said = (
            f"kept as it is up to source offset {done.stored_src}: the topics know no more, "
            "--discard makes it again anyway"
        )
    if not done.whole_since:
        return said
    since, until = (
        _moment(at) for at in (done.whole_since, done.whole_since + longest_ms + MAX_AHEAD_MS)
    )
    return (
        f"{said}; windows that begin before {since} lack records, and scores are "
        f"flagged {FLAG_PARTIAL} until {until}"
    )


def _moment(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
