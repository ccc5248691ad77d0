"""Compares everything that came out of the cluster with what the oracle says must have come out."""

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from loadtests.chaos.oracle import Expected, Left, Oracle, differs
from loadtests.chaos.states import Customer
from riskstream.domain.contracts.codec import codec
from riskstream.domain.contracts.records import Score
from riskstream.domain.risk.features.standard import STANDARD
from riskstream.platform.adapters.onnx_model import OnnxModel
from riskstream.platform.kafka.accepted import SCORES, AcceptedScore, AcceptedScores
from riskstream.platform.kafka.clients.read import TopicReader
from riskstream.platform.kafka.dead_letters import dead_letters_of
from riskstream.platform.kafka.record import Record

SHOWN = 20
INPUTS = len(STANDARD.inputs)


@dataclass(slots=True)
class Findings:
    """`counts` of everything looked at and everything wrong; `problems` are the first of each kind,
    in words.
    """

    counts: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)

    def wrong(self, kind: str, words: str, count: int = 1) -> None:
        self.counts[kind] += count
        if self.counts[kind] <= SHOWN:
            self.problems.append(f"{kind}: {words}")


WRONG = (
    "lost",
    "not_in_source",
    "out_of_order",
    "gaps",
    "verdict_differs",
    "features_differ",
    "correction_differs",
    "score_differs",
    "decision_differs",
    "alerts_lost",
    "alerts_extra",
    "alerts_doubled",
    "poison_not_in_dlq",
    "dlq_extra",
    "reader_differs",
    "customer_state_differs",
)
"""Each of these must be 0."""
UNKNOWN = "original_unknown"
"""The flag of a correction whose original is not there to leave: nothing else is odd with its
score.
"""
_OF_THE_WRITING = ("position", "score_offset", "ends_flush")
"""Fields of a customer's state that say when it was written, not what it is."""


Read = Callable[[str], list[Record]]
"""Every record that a topic ever held."""
Accepted = dict[int, list[AcceptedScore]]
"""By partition, in order."""


def check(
    kafka: str,
    model: Path | None,
    poison: frozenset[bytes],
    seen: list[tuple[int, int, int]],
    read: Read | None = None,
) -> Findings:
    """`poison` are the values that must be rejected, `seen` what the concurrent reader accepted.

    `model` is None where more than one scored: then scores and decisions are not computed again.
    `read` where topics no longer hold all that they held.
    """
    read = read or partial(read_all, kafka)
    found = Findings()
    found.counts.update(dict.fromkeys(WRONG, 0))
    source = _by_partition(read("transactions.v1"))
    accepted = _accepted(read, found)
    found.counts["source_records"] = sum(map(len, source.values()))
    found.counts["scores_accepted"] = sum(map(len, accepted.values()))
    rejected: set[tuple[int, int]] = set()
    for partition, records in sorted(source.items()):
        scores = {score.src: (record, score) for record, score in accepted.get(partition, [])}
        offsets = {record.offset for record in records}
        for src in scores.keys() - offsets:
            found.wrong("not_in_source", f"partition {partition} src {src}")
        oracle = Oracle()
        transactions = codec("transaction.v1")
        for record in records:
            if record.value in poison:
                rejected.add((partition, record.offset))
                expected = Expected(verdict="REJECTED")
            else:
                assert record.value is not None
                _, score = scores.get(record.offset, (None, None))
                told = score is not None and _is_degraded(score) and score.verdict == "DUPLICATE"
                expected = oracle.apply(transactions.decode(record.value), told_a_repeat=told)
            if record.offset not in scores:
                found.wrong("lost", f"partition {partition} offset {record.offset}")
                continue
            _compare(found, partition, expected, *scores[record.offset])
    if model is not None:
        _model(found, OnnxModel(model, STANDARD), accepted)
    _dead_letters(found, read, rejected)
    _alerts(found, read, accepted)
    _customers(found, read, accepted)
    _concurrent(found, accepted, seen)
    return found


def read_all(kafka: str, topic: str) -> list[Record]:
    """What a topic holds now; of scores.v1 also what was never committed, as its readers see it."""
    with TopicReader(kafka, [topic], committed_only=topic != SCORES) as reader:
        return list(reader.until_end())


def _by_partition(records: list[Record]) -> dict[int, list[Record]]:
    out: dict[int, list[Record]] = {}
    for record in records:
        out.setdefault(record.partition, []).append(record)
    return out


def _accepted(read: Read, found: Findings) -> Accepted:
    """By partition, what the reader's rule accepts; raw repeats are counted, a first that comes
    late is out of order.
    """
    scores, records = AcceptedScores(), read(SCORES)
    out: Accepted = {}
    for each in scores.each(records):
        out.setdefault(each.record.partition, []).append(each)
    assert scores.unreadable == 0, f"{scores.unreadable} records of {SCORES} are no scores"
    known = {(partition, each.score.src) for partition, mine in out.items() for each in mine}
    for record, src in zip(
        records, scores.decode(records).columns.numbers("src").tolist(), strict=True
    ):
        if (record.partition, src) not in known:
            found.wrong(
                "out_of_order", f"partition {record.partition} src {src} at offset {record.offset}"
            )
            known.add((record.partition, src))
    found.counts["raw_duplicates"] = scores.rule.dropped
    if scores.rule.gaps:
        found.wrong("gaps", f"{scores.rule.gaps} holes in the series of {SCORES}", scores.rule.gaps)
    return out


def _compare(
    found: Findings, partition: int, expected: Expected, record: Record, score: Score
) -> None:
    where = (
        f"partition {partition} src {score.src} scores.v1 offset {record.offset} appended "
        f"{record.appended_at}"
    )
    found.counts[expected.verdict.lower()] += 1
    if _is_degraded(score):
        found.counts["degraded"] += 1
        for flag in set(score.flags) - {UNKNOWN}:
            found.counts[f"degraded_{flag}"] += 1
    if _is_degraded(score) and (expected.verdict, score.verdict) == ("DUPLICATE", "GOOD"):
        found.counts["repeats_not_known"] += 1  # its row was not read; the state leaves it out
        return
    if score.verdict != expected.verdict:
        found.wrong("verdict_differs", f"{where}: {score.verdict}, must be {expected.verdict}")
        return
    if expected.verdict == "REJECTED" or _is_degraded(score):
        return
    if not expected.is_compared:
        found.counts["features_not_compared"] += 1
        return
    where = f"{where} {score.customer_id}"
    if differs(expected.features, list(score.features[INPUTS:])):
        found.wrong(
            "features_differ", f"{where}: {score.features[INPUTS:]}, must be {expected.features}"
        )
    else:
        found.counts["features_equal"] += 1
    said = (_left(score), UNKNOWN in score.flags)
    if said != (expected.left, expected.is_original_unknown):
        found.wrong(
            "correction_differs",
            f"{where}: {said}, must be {(expected.left, expected.is_original_unknown)}",
        )
    found.counts["corrected"] += expected.left is not None
    found.counts["original_unknown"] += expected.is_original_unknown


def _is_degraded(score: Score) -> bool:
    return bool(set(score.flags) - {UNKNOWN})


def _left(score: Score) -> Left | None:
    if score.corrected_at is None:
        return None
    return Left(
        at=score.corrected_at,
        amount=score.corrected_amount_minor or 0,
        is_refund=score.corrected_is_refund,
    )


def _model(found: Findings, model: OnnxModel, accepted: Accepted) -> None:
    """Score and decision of every scored record, from its logged vector."""
    _repeats(found, accepted)
    pairs = [score for mine in accepted.values() for _, score in mine]
    scored = [score for score in pairs if score.features and score.verdict == "GOOD"]
    if not scored:
        return
    vectors = np.array([score.features for score in scored], np.float32)
    again = model.predict(vectors)
    for score, value in zip(scored, again.tolist(), strict=True):
        if abs(score.score - value) > 1e-6:
            found.wrong(
                "score_differs", f"{score.transaction_id}: {score.score}, the model says {value}"
            )
        card = model.card
        expected = (
            "APPROVE"
            if value < card.review_from
            else "REVIEW"
            if value < card.block_from
            else "BLOCK"
        )
        if score.decision != expected:
            found.wrong(
                "decision_differs", f"{score.transaction_id}: {score.decision}, must be {expected}"
            )


def _repeats(found: Findings, accepted: Accepted) -> None:
    """A repeat was told what its original was; not compared where either was degraded, for then it
    may not have been known.
    """
    for pairs in accepted.values():
        originals: dict[tuple[str | None, str | None], Score] = {}
        for _, score in pairs:
            name = (score.customer_id, score.transaction_id)
            if score.verdict == "GOOD":
                originals[name] = score
            elif score.verdict == "DUPLICATE" and name in originals:
                first = originals[name]
                told = [(each.decision, each.score) for each in (first, score)]
                if told[0] != told[1] and not _is_degraded(first) and not _is_degraded(score):
                    found.wrong("repeat_differs", f"{name}: {told[1]}, its original {told[0]}")


def _dead_letters(found: Findings, read: Read, rejected: set[tuple[int, int]]) -> None:
    letters = {
        (letter.partition, letter.offset) for letter in dead_letters_of(read("transactions.v1.dlq"))
    }
    found.counts["poison"] = len(rejected)
    for partition, offset in rejected - letters:
        found.wrong("poison_not_in_dlq", f"partition {partition} offset {offset}")
    for partition, offset in letters - rejected:
        found.wrong("dlq_extra", f"partition {partition} offset {offset}")


def _alerts(found: Findings, read: Read, accepted: Accepted) -> None:
    expected = {
        f"transactions.v1-{partition}-{score.src}": score.decision
        for partition, pairs in accepted.items()
        for _, score in pairs
        if score.verdict == "GOOD" and score.decision != "APPROVE"
    }
    read_alerts = (codec("alert.v1").decode(record.value) for record in read("alerts.v1"))
    alerts = [alert for alert in read_alerts if alert["kind"] == "score"]  # gateways raise others
    seen = Counter(alert["alert_id"] for alert in alerts)
    found.counts["alerts"] = len(alerts)
    for alert_id in expected.keys() - seen.keys():
        found.wrong("alerts_lost", alert_id)
    for alert_id in seen.keys() - expected.keys():
        found.wrong("alerts_extra", alert_id)
    for alert_id, count in seen.items():
        if count > 1:
            found.wrong("alerts_doubled", f"{alert_id} {count} times")


def _customers(found: Findings, read: Read, accepted: Accepted) -> None:
    """The newest state of each customer is the sum of its accepted scores."""
    newest = {(record.partition, record.key): record for record in read("customer-risk.v1")}
    states: dict[tuple[int, str], Customer] = {}
    for partition, pairs in accepted.items():
        for record, score in pairs:
            if score.verdict == "GOOD":
                name = score.customer_id or ""
                states.setdefault((partition, name), Customer(customer_id=name)).scores.append(
                    AcceptedScore(record, score)
                )
    found.counts["customers"] = len(states)
    for (partition, name), state in states.items():
        record_found = newest.get((partition, name.encode()))
        said = codec("customer-risk.v1").decode(record_found.value) if record_found else None
        expected = state.record(partition)
        # where it was written: a matter of batches
        if said is not None and said["position"] >= said["src"]:
            expected |= {name: said[name] for name in _OF_THE_WRITING}
        if said != expected:
            found.wrong("customer_state_differs", f"{name}: {_difference(said, expected)}")


def _difference(said: dict[str, Any] | None, expected: dict[str, Any]) -> str:
    """The first field, or tile, that differs."""
    if said is None:
        return "it is missing"
    for name, wanted in expected.items():
        if said[name] != wanted and isinstance(wanted, list):
            tiles = {tile["start_at"]: tile for tile in said[name]}
            wrong = [
                (tiles.get(tile["start_at"]), tile)
                for tile in wanted
                if tiles.get(tile["start_at"]) != tile
            ]
            extra = tiles.keys() - {tile["start_at"] for tile in wanted}
            return (
                f"{len(wrong)} {name} tiles differ, {len(extra)} are too many; first "
                f"{json.dumps(wrong[:1])}"
            )
        if said[name] != wanted:
            return f"{name} is {said[name]}, must be {wanted}"
    return "an unknown field"


def _concurrent(found: Findings, accepted: Accepted, seen: list[tuple[int, int, int]]) -> None:
    """What the concurrent reader accepted is the beginning of what a fresh reader accepts."""
    by_partition: dict[int, list[tuple[int, int]]] = {}
    for partition, src, offset in seen:
        by_partition.setdefault(partition, []).append((src, offset))
    for partition, mine in by_partition.items():
        fresh = [(score.src, record.offset) for record, score in accepted.get(partition, [])]
        for a, b in zip(mine, fresh, strict=False):
            if a != b:
                found.wrong(
                    "reader_differs",
                    f"partition {partition}: the concurrent reader took {a}, a fresh one {b}",
                )
                break
        if len(mine) > len(fresh):
            found.wrong(
                "reader_differs",
                f"partition {partition}: the concurrent reader took {len(mine)} of {len(fresh)}",
            )
    found.counts["concurrent_reader_accepted"] = len(seen)
