"""How far groups are behind, asked of the cluster from outside: it holds whether or not a process
of the group is alive.
"""

import time

from riskstream.platform.kafka.clients.admin import TopicAdmin
from riskstream.platform.kafka.clients.read import TopicReader
from riskstream.platform.kafka.record import Place
from riskstream.platform.telemetry.group_lag import GroupLag


def committed_lags(kafka: str, admin: TopicAdmin, group: str) -> list[GroupLag]:
    """A row each partition that a group has committed."""
    offsets = admin.group_offsets(group)
    counts = admin.partitions()
    ends = {
        (topic, number): end
        for topic in {place[0] for place in offsets if place[0] in counts}
        for number, end in enumerate(admin.end_offsets(topic, counts[topic]))
    }
    behind = {place: at for place, at in offsets.items() if at < ends.get(place, 0)}
    ages = ages_at(kafka, behind) if behind else {}
    return [
        GroupLag(
            group=group,
            topic=place[0],
            partition=place[1],
            events=max(ends[place] - at, 0),
            seconds=ages.get(place) if place in behind else 0.0,
        )
        for place, at in sorted(offsets.items())
        if place in ends
    ]


def ages_at(kafka: str, offsets: dict[Place, int], deadline_s: float = 5.0) -> dict[Place, float]:
    """Age in seconds of the first record at or after each offset, by its append time; 0 where only
    markers are left.
    """
    ages: dict[Place, float] = {}
    with TopicReader(
        kafka,
        sorted({topic for topic, _ in offsets}),
        start="end",
        offsets=offsets,
        committed_only=False,
    ) as reader:
        end = time.monotonic() + deadline_s
        while time.monotonic() < end:
            left = [place for place in offsets if place not in ages]
            ages |= {place: 0.0 for place in left if reader.positions[place] >= reader.ends[place]}
            if len(ages) == len(offsets):
                break
            for record in reader.poll(0.2):
                place = (record.topic, record.partition)
                if place in offsets:
                    ages.setdefault(place, max(time.time() - record.appended_at / 1000, 0.0))
    return ages
