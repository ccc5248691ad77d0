"""Claims in owners.v1: what only one may write belongs to whoever asked for it first in the log.

Each claim is a record of its own, withdrawn by a tombstone; all stand in partition 0, whose order
decides between two that ask at once. Compaction keeps offsets, so the first stays the first. A
claim's key says all of it (subject and holder, as JSON): it must be read also where the schema of
its value is not known.
"""

import json
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import structlog

from riskstream.domain.contracts.codec import codec
from riskstream.platform.kafka.clients.admin import TopicAdmin
from riskstream.platform.kafka.clients.client import producer
from riskstream.platform.kafka.clients.read import TopicReader
from riskstream.platform.kafka.record import Record
from riskstream.runtime.errors import Fatal, Retryable
from riskstream.runtime.exits import Exit

log = structlog.get_logger("claims")
OWNERS = "owners.v1"
Readers = tuple[str, tuple[str, ...]]
"""A consumer group, and the topics that it reads."""
_DEADLINE_S = 20.0
_MAX_KEY_BYTES = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """One holder's claim on a subject, and where in the log it stands."""

    subject: str
    holder: str
    offset: int
    claimed_at: int


class Claims:
    """The claims of a cluster. Each call reads them to their end; Fatal where owners.v1 is not
    there.
    """

    def __init__(self, kafka: str) -> None:
        self._kafka = kafka
        self._codec = codec("owner.v1")

    def all(self) -> list[Claim]:
        """Every claim that stands, in the order of the log."""
        found: dict[bytes, Claim] = {}
        with TopicReader(self._kafka, [OWNERS]) as reader:
            for record in reader.until_end(_DEADLINE_S):
                take_claim(found, record)
        return sorted(found.values(), key=lambda each: each.offset)

    def of(self, subject: str) -> Claim | None:
        """The claim that holds a subject; None where nobody does."""
        return first_of(self.all()).get(subject)

    def take(self, subject: str, holder: str) -> Claim:
        """The claim that holds the subject now: ours where nobody was first."""
        held = self.of(subject)
        if held is None:
            self._put(subject, holder, is_claim=True)
            held = self.of(subject)
            assert held is not None
            if held.holder != holder:
                self._put(subject, holder, is_claim=False)
        return held

    def hand_over(self, subject: str, holder: str) -> None:
        """Give a subject to another holder: its claim first, so that the subject is never
        anybody's, then the others go.
        """
        self._put(subject, holder, is_claim=True)
        for each in self.all():
            if each.subject == subject and each.holder != holder:
                self._put(subject, each.holder, is_claim=False)

    def _put(self, subject: str, holder: str, *, is_claim: bool) -> None:
        key = json.dumps([subject, holder]).encode()
        record = {"subject": subject, "holder": holder, "claimed_at": int(1000 * time.time())}
        refused: list[str] = []
        client = producer(self._kafka, "owners", acks="all")
        client.produce(
            OWNERS,
            self._codec.encode(record) if is_claim else None,
            key,
            0,
            on_delivery=lambda error, _: refused.append(error.str()) if error else None,
        )
        left = client.flush(_DEADLINE_S)
        if refused or left:
            raise Retryable(
                what=f"a claim was not written: {refused[0] if refused else 'no answer'}",
                where=OWNERS,
            )


def take_claim(found: dict[bytes, Claim], record: Record) -> None:
    """Take a record of owners.v1; one that is no claim is told and left out."""
    key = record.key or b""
    if record.value is None:
        found.pop(key, None)
        return
    try:
        said = json.loads(key) if len(key) <= _MAX_KEY_BYTES else None
    except (ValueError, RecursionError):
        said = None
    if record.partition != 0 or not (
        isinstance(said, list) and len(said) == 2 and all(type(each) is str for each in said)
    ):
        log.error(
            "a record that is not a claim is left out",
            topic=OWNERS,
            partition=record.partition,
            offset=record.offset,
        )
        return
    found.setdefault(
        key,
        Claim(subject=said[0], holder=said[1], offset=record.offset, claimed_at=record.appended_at),
    )


def topic_subject(admin: TopicAdmin, topic: str) -> str:
    """The subject of a topic: a topic that was made again is another one, and nobody's."""
    return f"topic {topic} {admin.topic_ids([topic])[topic]}"


def subjects_of(admin: TopicAdmin, topic: str, claims: Iterable[Claim]) -> list[str]:
    """What can be handed over of a topic: the topic, or of dead letters those of each source."""
    whole = topic_subject(admin, topic)
    place = whole.split(" ")[1:]
    return sorted({each.subject for each in claims if each.subject.split(" ")[1:3] == place}) or [
        whole
    ]


def prove_ours(
    kafka: str,
    admin: TopicAdmin,
    group: str,
    outputs: Mapping[str, Readers],
    letters_of: Mapping[str, str] | None = None,
) -> None:
    """Take output topics for a group; Fatal where one belongs to another group, or holds what
    another group must have written.

    `outputs`: of each topic the consumer group that works for it, and the topics that this one
    reads. `letters_of`: of topics of dead letters the source; the letters of one source belong to
    one group. Nothing is taken where one of them is refused.
    """
    claims = Claims(kafka)
    held = first_of(claims.all())
    subjects = {topic: topic_subject(admin, topic) for topic in outputs}
    for topic, source in (letters_of or {}).items():
        subjects[topic] = f"letters {topic_subject(admin, topic).removeprefix('topic ')} {source}"
    for topic, (reader, sources) in outputs.items():
        if subjects[topic] not in held and _is_anothers_work(admin, topic, reader, sources):
            raise Fatal(
                what=f"{topic} holds records, and group {reader} has never read "
                f"{' or '.join(sources)}",
                where=kafka,
                do="give the --group that wrote it, or run `riskstream topics hand-over "
                f"{topic} --to {group}`",
                exit_code=Exit.INPUT,
            )
    for topic, subject in subjects.items():
        if subject in held:
            _refuse_another(topic, group, held[subject], kafka)
    for topic, subject in subjects.items():
        if subject not in held:
            _refuse_another(topic, group, claims.take(subject, group), kafka)


def first_of(claims: Iterable[Claim]) -> dict[str, Claim]:
    """By subject the claim that holds it."""
    held: dict[str, Claim] = {}
    for each in claims:
        held.setdefault(each.subject, each)
    return held


def _refuse_another(topic: str, group: str, owner: Claim, where: str) -> None:
    if owner.holder != group:
        raise Fatal(
            what=f"{topic} belongs to group {owner.holder}, not to {group}",
            where=where,
            do=f"give --group {owner.holder}, or run `riskstream topics hand-over {topic} "
            f"--to {group}`",
            exit_code=Exit.INPUT,
        )


def _is_anothers_work(admin: TopicAdmin, topic: str, group: str, sources: tuple[str, ...]) -> bool:
    """True where a topic that nobody has claimed had records, and the group has no position in what
    they come from.
    """
    if not any(admin.end_offsets(topic, admin.partitions()[topic])):
        return False
    if group not in admin.groups():
        return True
    return not any(place[0] in sources for place in admin.group_offsets(group))
