"""`riskstream lag`."""

import dataclasses
import json
from typing import Any

import click

from riskstream.cli.options import kafka_option
from riskstream.platform.kafka.clients.admin import TopicAdmin
from riskstream.platform.kafka.group_lag import committed_lags
from riskstream.runtime.errors import Fatal
from riskstream.runtime.exits import Exit


@click.command()
@kafka_option
@click.option("--group", multiple=True, help="only these groups [default: all that have committed]")
@click.option("--json", "as_json", is_flag=True, help="print one JSON object per line")
@click.option("--by-partition", is_flag=True, help="print one line per partition")
def command(kafka: str, group: tuple[str, ...], as_json: bool, by_partition: bool) -> None:
    """Show how many records, and how many seconds, each consumer group is behind the end of its
    topics.
    """
    admin = TopicAdmin(kafka)
    known = admin.groups()
    for name in group:
        if name not in known:
            raise Fatal(
                what=f"no group {name}",
                where=kafka,
                do=f"use one of {', '.join(known)}" if known else "wait until one has committed",
                exit_code=Exit.INPUT,
            )
    by_group = {name: _rows(kafka, admin, name) for name in group or known}
    for name in group:
        if not by_group[name]:  # said beside the rows: those are for a program to read
            click.echo(
                f"group {name} has committed nothing of a topic that is there: it has not "
                "begun, or its offsets expired",
                err=True,
            )
    rows = [row for each in by_group.values() for row in each]
    if not by_partition:
        rows = _summed(rows)
    for row in rows:
        if as_json:
            click.echo(json.dumps(row))
        else:
            place = f"[{row['partition']}]" if "partition" in row else ""
            age = "unknown" if row["seconds"] is None else f"{row['seconds']:,.1f} s"
            click.echo(
                f"{row['group']:16} {row['topic'] + place:24} {row['events']:>12,} events {age:>12}"
            )
    if not rows and not group:
        click.echo("no group has committed yet", err=as_json)


def _rows(kafka: str, admin: TopicAdmin, group: str) -> list[dict[str, Any]]:
    return [dataclasses.asdict(each) for each in committed_lags(kafka, admin, group)]


def _summed(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    out: dict[tuple[str, str], dict[str, Any]] = {}
    for row in rows:
        total = out.setdefault(
            (row["group"], row["topic"]),
            {"group": row["group"], "topic": row["topic"], "events": 0, "seconds": 0.0},
        )
        total["events"] = total["events"] + row["events"]
        known = total["seconds"] is not None and row["seconds"] is not None
        total["seconds"] = max(total["seconds"], row["seconds"]) if known else None
    return list(out.values())
