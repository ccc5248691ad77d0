"""The newest records of each partition of a topic, without reading the topic."""

from collections.abc import Callable

from riskstream.platform.kafka.clients.read import TopicReader
from riskstream.platform.kafka.record import Record

_LOOK_BACK = (64, 4096, 262_144)


def newest_records(
    bootstrap: str, topic: str, is_wanted: Callable[[Record], bool] = lambda _: True
) -> list[Record]:
    """Some of the newest committed records of each partition that are wanted, in order: at least
    the last one, where there is one.

    Markers of transactions, aborted records and others stand behind it, so ever more is read until
    it is found.
    """
    with TopicReader(bootstrap, [topic], start="end") as probe:
        ends = probe.ends
    found: list[Record] = []
    left = {number for _, number in ends}
    for back in (*_LOOK_BACK, max(ends.values(), default=0)):
        asked = {place: end - back if place[1] in left else end for place, end in ends.items()}
        with TopicReader(bootstrap, [topic], offsets=asked) as reader:
            reader.ends = ends
            whole = {
                number for (_, number), at in reader.positions.items() if at > asked[topic, number]
            }
            found += (records := [each for each in reader.until_end() if is_wanted(each)])
        left -= whole | {record.partition for record in records}
        if not left:
            break
    return found
