"""What `topics plan` says of copies: too few is shown, the number in sync is set where copies allow
it, nothing is lowered.
"""

import pytest

from riskstream.domain.contracts.catalog import topics
from riskstream.platform.kafka.clients.topic_steps import Safety, Step, safety_steps
from riskstream.runtime.errors import Fatal


def _said(copies: int, min_isr: int, safety: Safety) -> list[tuple[str, str]]:
    return [
        (step.action, step.detail.split(":")[0])
        for step in safety_steps("t.v1", copies, min_isr, safety)
    ]


@pytest.mark.parametrize(
    ("copies", "min_isr", "safety", "said"),
    [
        (3, 2, Safety.of(3), []),
        (3, 1, Safety.of(3), [("alter", "min.insync.replicas")]),
        (1, 1, Safety.of(3), [("differs", "copies"), ("differs", "min.insync.replicas")]),
        (2, 1, Safety.of(3), [("differs", "copies"), ("differs", "min.insync.replicas")]),
        (5, 2, Safety.of(3), [("differs", "copies")]),
        (3, 3, Safety.of(3), [("alter", "min.insync.replicas")]),
        (3, 2, Safety.of(3, 1), [("alter", "min.insync.replicas")]),
        (1, 1, Safety.of(1), []),
        (1, 2, Safety.of(1), [("alter", "min.insync.replicas")]),
        (1, 1, Safety.by_brokers(3), [("differs", "copies"), ("differs", "min.insync.replicas")]),
        (3, 2, Safety.by_brokers(2), []),  # a broker is away: that is no reason to lower anything
        (3, 2, Safety.by_brokers(1), []),
    ],
)
def test_each_difference_is_told_once(
    copies: int, min_isr: int, safety: Safety, said: list[tuple[str, str]]
) -> None:
    assert _said(copies, min_isr, safety) == said


def test_what_apply_does_to_copies_in_sync_never_stops_appends_while_one_copy_is_away() -> None:
    for copies in range(1, 6):
        for replication in range(1, 6):
            for least in range(1, replication + 1):
                for step in safety_steps("t.v1", copies, 1, Safety.of(replication, least)):
                    assert step.action == "differs" or int(step.value) < copies or step.value == "1"


def test_what_cannot_be_had_is_refused() -> None:
    with pytest.raises(Fatal, match="3 copies in sync cannot be had of 2"):
        Safety.of(2, 3)


def test_a_step_of_copies_says_what_to_do() -> None:
    [step, _] = safety_steps("t.v1", 1, 1, Safety.of(3))
    assert step == Step(
        action="differs",
        topic="t.v1",
        detail="copies: 1, 3 asked for: move them by kafka-reassign-partitions "
        "(docs/runbooks/copies.md)",
    )


def test_no_topic_lets_a_copy_lead_that_missed_records_and_each_keeps_append_time() -> None:
    for topic in topics().values():
        assert topic.config["unclean.leader.election.enable"] == "false"
        assert topic.config["message.timestamp.type"] == "LogAppendTime"
