"""`riskstream tail TOPIC`."""

import base64
import json
import math
from collections import deque
from typing import Any

import click

from riskstream.cli.options import kafka_option
from riskstream.domain.contracts.catalog import topics
from riskstream.domain.contracts.codec import decode_any
from riskstream.domain.contracts.writers import SchemaWait, when_known
from riskstream.platform.kafka.clients.read import TopicReader
from riskstream.platform.kafka.record import Record
from riskstream.runtime.errors import Fatal, Rejected
from riskstream.runtime.exits import Exit

_SCHEMA_S = 15.0
"""How long a record waits for its schema, which a registry is asked for."""


@click.command()
@click.argument("topic")
@kafka_option
@click.option("--follow", "-f", is_flag=True, help="wait for new records until interrupted")
@click.option(
    "--from",
    "start",
    default="beginning",
    show_default=True,
    help="where to begin: beginning, end, an offset, or -N for the last N of each partition",
)
@click.option("--key", help="only records with this key")
@click.option("--limit", "-n", type=click.IntRange(1), help="stop after this many records")
def command(
    topic: str, kafka: str, follow: bool, start: str, key: str | None, limit: int | None
) -> None:
    """Print the records of a topic as JSON lines with position, append time, key and decoded
    value.
    """
    if topic not in topics():
        raise Fatal(
            what=f"no topic {topic}",
            where="topics/",
            do=f"use one of {', '.join(topics())}",
            exit_code=Exit.INPUT,
        )
    with _reader(kafka, topic, start) as reader:
        printed = 0
        records = _follow(reader) if follow else reader.until_end()
        try:
            for record in records:
                if key is not None and record.key != key.encode():
                    continue
                click.echo(json.dumps(shown(record)))
                printed += 1
                if printed == limit:
                    return
        except KeyboardInterrupt:
            return


def shown(record: Record) -> dict[str, Any]:
    """A record as JSON values; bytes that are no record of ours are shown as base64 with the
    reason.
    """
    out: dict[str, Any] = {
        "partition": record.partition,
        "offset": record.offset,
        "appended_at": record.appended_at,
        "key": record.key.decode(errors="replace") if record.key is not None else None,
    }
    if record.headers:
        out["headers"] = {
            name: value.decode(errors="replace") if value else None
            for name, value in record.headers
        }
    try:
        out["contract"], value = when_known(lambda: decode_any(record.value), _SCHEMA_S)
        out["value"] = _plain(value)
    except (Rejected, SchemaWait) as error:
        out["not_a_record"] = str(error)
        out["base64"] = base64.b64encode(record.value or b"").decode()
    return out


def _plain(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value


def _reader(kafka: str, topic: str, start: str) -> TopicReader:
    if start in ("beginning", "end"):
        return TopicReader(kafka, [topic], start=start)
    try:
        number = int(start)
    except ValueError:
        raise Fatal(
            what=f"{start} is no place in a topic",
            where="--from",
            do="give beginning, end or a number",
            exit_code=Exit.INPUT,
        ) from None
    if number >= 0:
        with TopicReader(kafka, [topic]) as probe:
            return TopicReader(kafka, [topic], offsets=dict.fromkeys(probe.ends, number))
    return TopicReader(kafka, [topic], offsets=_last(kafka, topic, -number))


def _last(kafka: str, topic: str, wanted: int) -> dict[tuple[str, int], int]:
    """Where the last `wanted` records of each partition begin; offsets hold transaction markers and
    compacted gaps too.
    """
    back = wanted
    while True:
        with TopicReader(kafka, [topic]) as probe:
            starts, ends = dict(probe.positions), probe.ends
        offsets = {place: max(end - back, starts[place]) for place, end in ends.items()}
        found: dict[tuple[str, int], deque[int]] = {place: deque(maxlen=wanted) for place in ends}
        with TopicReader(kafka, [topic], offsets=offsets) as reader:
            for record in reader.until_end():
                found[record.topic, record.partition].append(record.offset)
        if all(len(found[place]) == wanted or offsets[place] == starts[place] for place in ends):
            return {
                place: offsets_of[0] if offsets_of else ends[place]
                for place, offsets_of in found.items()
            }
        back *= 4


def _follow(reader: TopicReader) -> Any:
    while True:
        yield from reader.poll(0.5)
