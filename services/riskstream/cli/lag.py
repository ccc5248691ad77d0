"""`riskstream lag`."""

import json
import time
from typing import Any

import click

from riskstream.cli.options import kafka_option
from riskstream.kafka.admin import TopicAdmin
from riskstream.kafka.read import TopicReader
from riskstream.runtime.errors import Fatal


@click.command()
@kafka_option
@click.option("--group", multiple=True, help="only these groups [default: all that have committed]")
@click.option("--json", "as_json", is_flag=True, help="one JSON object a line")
@click.option("--by-partition", is_flag=True, help="a line each partition")
def command(kafka: str, group: tuple[str, ...], as_json: bool, by_partition: bool) -> None:
    """Show how many events, and how many seconds, each group is behind the end of its topics."""
    admin = TopicAdmin(kafka)
    known = admin.groups()
    for name in group:
        if name not in known:
            raise Fatal(
                what=f"no group {name}", where=kafka, do=f"use one of {', '.join(known) or '(none yet)'}", exit_code=2
            )
    rows = [row for name in group or known for row in lags(kafka, admin, name)]
    if not by_partition:
        rows = _summed(rows)
    for row in rows:
        if as_json:
            click.echo(json.dumps(row))
        else:
            place = f"[{row['partition']}]" if "partition" in row else ""
            click.echo(
                f"{row['group']:16} {row['topic'] + place:24} {row['events']:>12,} events {row['seconds']:>10,.1f} s"
            )
    if not rows and not as_json:
        click.echo("no group has committed yet")


def lags(kafka: str, admin: TopicAdmin, group: str) -> list[dict[str, Any]]:
    """A row each partition a group has committed: events behind, and the age of the oldest of them in seconds."""
    offsets = admin.group_offsets(group)
    counts = admin.partitions()
    ends = {
        (topic, number): end
        for topic in {place[0] for place in offsets if place[0] in counts}
        for number, end in enumerate(admin.end_offsets(topic, counts[topic]))
    }
    behind = {place: at for place, at in offsets.items() if at < ends.get(place, 0)}
    ages = _ages(kafka, behind) if behind else {}
    return [
        {
            "group": group, "topic": topic, "partition": number, "events": max(ends[topic, number] - at, 0),
            "seconds": ages.get((topic, number), 0.0),
        }
        for (topic, number), at in sorted(offsets.items()) if (topic, number) in ends
    ]  # fmt: skip


def _ages(kafka: str, behind: dict[tuple[str, int], int]) -> dict[tuple[str, int], float]:
    """Age in seconds of the first record not yet done, by its append time."""
    ages: dict[tuple[str, int], float] = {}
    with TopicReader(
        kafka, sorted({topic for topic, _ in behind}), start="end", offsets=behind, committed_only=False
    ) as reader:
        end = time.monotonic() + 5
        while len(ages) < len(behind) and time.monotonic() < end:
            for record in reader.poll(0.2):
                place = (record.topic, record.partition)
                if place in behind and place not in ages:
                    ages[place] = max(time.time() - record.appended_at / 1000, 0.0)
    return ages


def _summed(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    out: dict[tuple[str, str], dict[str, Any]] = {}
    for row in rows:
        total = out.setdefault(
            (row["group"], row["topic"]), {"group": row["group"], "topic": row["topic"], "events": 0, "seconds": 0.0}
        )
        total["events"] = total["events"] + row["events"]
        total["seconds"] = max(total["seconds"], row["seconds"])
    return list(out.values())
