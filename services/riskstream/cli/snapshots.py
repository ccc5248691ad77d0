"""`riskstream snapshots list|take|restore`."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import click

from riskstream.cli.options import features_option, kafka_option, redis_option
from riskstream.domain.risk.features.declare import FeatureSet
from riskstream.platform.adapters.redis_snapshots import RedisSnapshots
from riskstream.platform.adapters.redis_state import RedisStateStore
from riskstream.platform.adapters.snapshot_files import Damaged
from riskstream.platform.adapters.snapshot_places import place_of
from riskstream.platform.adapters.snapshot_shelf import Shelf, SnapshotName
from riskstream.platform.kafka.clients.admin import TopicAdmin
from riskstream.platform.kafka.clients.identity import read_identity
from riskstream.runtime.errors import Fatal
from riskstream.runtime.exits import Exit
from riskstream.runtime.words import count_of


@click.group()
def command() -> None:
    """Show, take and restore snapshots of the scorers' state."""


def _of_state(function: Callable[..., Any]) -> Callable[..., Any]:
    """Which snapshots: --snapshots, --group, --features, --partition."""
    for option in (
        click.option(
            "--partition",
            "only",
            type=int,
            multiple=True,
            help="only this partition; may be repeated [default: all]",
        ),
        features_option("--features"),
        click.option(
            "--group", default="scorer", show_default=True, help="the scorers' consumer group"
        ),
        click.option(
            "--snapshots",
            "place",
            required=True,
            envvar="RISKSTREAM_SCORER_SNAPSHOTS",
            metavar="PLACE",
            help="where the scorers keep snapshots: a folder or s3://bucket/prefix [default: "
            "$RISKSTREAM_SCORER_SNAPSHOTS]",
        ),
    ):
        function = option(function)
    return function


def _of_cluster(function: Callable[..., Any]) -> Callable[..., Any]:
    """Of which cluster: --kafka, --redis, --source, --output."""
    for option in (
        click.option(
            "--output", default="scores.v1", show_default=True, help="topic of the scores"
        ),
        click.option(
            "--source",
            default="transactions.v1",
            show_default=True,
            help="topic of the transactions",
        ),
        redis_option,
        kafka_option,
    ):
        function = option(function)
    return function


@command.command("list")
@_of_state
@click.option(
    "--check",
    is_flag=True,
    help="read every snapshot in full; the exit code is 1 if one is damaged",
)
def list_snapshots(
    place: str, group: str, features: FeatureSet, only: tuple[int, ...], check: bool
) -> Exit:
    """Show the snapshots of each partition, newest first: when taken, of which topics, how large,
    where.
    """
    shelf = Shelf(place_of(place), f"{group}.{features.label}")
    found = [name for partition in only or shelf.partitions() for name in shelf.known(partition)]
    damaged = 0
    for name in found:
        why = _damage(shelf, name) if check else ""
        damaged += bool(why)
        taken = datetime.fromtimestamp(name.taken_at / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        kind = "whole  " if name.is_whole else "partial"
        told = f"  DAMAGED: {why}" if why else "  read whole" if check else ""
        click.echo(
            f"{name.partition:>5}  {name.stored_src:>14,}  {taken}  {kind}  {name.topics}  "
            f"{name.size:>13,} B  {name.path}{told}"
        )
    click.echo(
        f"{count_of(len(found), 'snapshot')}{f', {damaged:,} of them damaged' if damaged else ''}"
    )
    return Exit.NO if damaged else Exit.DONE


@command.command()
@_of_cluster
@_of_state
def take(
    kafka: str,
    redis: str,
    source: str,
    output: str,
    place: str,
    group: str,
    features: FeatureSet,
    only: tuple[int, ...],
) -> Exit:
    """Take a snapshot of each partition now. Scorers may run. No older snapshot is deleted."""
    _, wanted = _partitions(kafka, source, output, only)
    missing = []
    with _snapshots(redis, place, group, features) as (snapshots, _):
        for partition in wanted:
            started = time.perf_counter()
            fields = snapshots.fields(partition)
            if fields is None:
                missing.append(partition)
                click.echo(f"partition {partition}: nothing to take, the store has no watermark")
                continue
            size = snapshots.take(partition, fields)
            took = time.perf_counter() - started
            click.echo(
                f"partition {partition}: taken at {int(fields['s']):,}, {size:,} bytes in "
                f"{took:.1f} s"
            )
    return Exit.NO if len(missing) == len(wanted) else Exit.DONE


@command.command()
@_of_cluster
@_of_state
@click.option(
    "--at",
    type=int,
    default=None,
    help="load the snapshot with this watermark [default: the newest]",
)
def restore(
    kafka: str,
    redis: str,
    source: str,
    output: str,
    place: str,
    group: str,
    features: FeatureSet,
    only: tuple[int, ...],
    at: int | None,
) -> Exit:
    """Load the newest usable snapshot of each partition into Redis if its state there is missing or
    older.

    Scorers may run. A partition that is held goes on by itself, and scorers replay the records
    after the snapshot. The exit code is 1 if a partition has neither state nor snapshot.
    """
    identity, wanted = _partitions(kafka, source, output, only)
    without = []
    with _snapshots(redis, place, group, features) as (snapshots, shelf):
        for partition in wanted:
            known = [
                each for each in shelf.known(partition, identity) if at in (None, each.stored_src)
            ]
            before = snapshots.fields(partition)
            if not _restore(snapshots, known, identity, partition) and before is None:
                without.append(partition)
    if without:
        raise Fatal(
            what=f"no usable snapshot, and no state, of partition {', '.join(map(str, without))}",
            where=place,
            do="see `riskstream snapshots list --check`, and docs/runbooks/redis-lost.md",
        )
    return Exit.DONE


def _restore(
    snapshots: RedisSnapshots, known: list[SnapshotName], identity: str, partition: int
) -> bool:
    """The first of `known` that can be used; False where there is none."""
    for name in known:
        try:
            fields = snapshots.restore_one(name, identity)
        except Damaged as error:
            click.echo(f"partition {partition}: {name.path} cannot be used, {error}", err=True)
            continue
        what = (
            "left, the store is as far or further than"
            if fields is None
            else (f"restored, {fields:,} fields, from")
        )
        click.echo(f"partition {partition}: {what} the snapshot at {name.stored_src:,}")
        return True
    click.echo(f"partition {partition}: no usable snapshot of these topics")
    return False


def _damage(shelf: Shelf, name: SnapshotName) -> str:
    try:
        with shelf.open(name) as (_, reader):
            for _rows in reader.batches():
                pass
            reader.tail()
    except Damaged as error:
        return str(error)
    return ""


@contextmanager
def _snapshots(
    redis: str, place: str, group: str, features: FeatureSet
) -> Iterator[tuple[RedisSnapshots, Shelf]]:
    space = f"{group}.{features.label}"
    shelf = Shelf(place_of(place), space)
    store = RedisStateStore(redis, space)
    snapshots = RedisSnapshots(redis, store, shelf)
    try:
        yield snapshots, shelf
    finally:
        snapshots.close()
        store.close()


def _partitions(
    kafka: str, source: str, output: str, only: tuple[int, ...]
) -> tuple[str, list[int]]:
    """(which topics they are, the partitions asked for); Fatal where there is no such topic or
    partition.
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
    for number in wanted:
        if not 0 <= number < counts[source]:
            raise Fatal(
                what=f"no partition {number}",
                where=source,
                do=f"give one from 0 to {counts[source] - 1}",
                exit_code=Exit.INPUT,
            )
    return read_identity(kafka, source, output)[0], wanted
