"""Amounts are summed in one currency: another is rejected by the scorer, the shuffle, the tracker
and the gateway.
"""

import json

import numpy as np
import pytest
from prometheus_client import CollectorRegistry
from tests.support.builders import NOW_MS, frame, request, score
from tests.support.customer_state import CustomerState

from riskstream.cli.dlq import rejected_again
from riskstream.domain.contracts.codec import codec
from riskstream.domain.contracts.columns import ColumnDecoder
from riskstream.domain.risk.customer_risk import Standing, whole_after
from riskstream.domain.risk.features.declare import TERMINAL
from riskstream.domain.risk.judge import Judge, Keys
from riskstream.domain.risk.validity import REASONS
from riskstream.gateway.core import read_label, read_transaction
from riskstream.gateway.problem import Problem
from riskstream.gateway.rates import read_rates
from riskstream.gateway.settings import GatewaySettings
from riskstream.platform.kafka.dead_letters import DeadLetter
from riskstream.platform.kafka.lanes.ports import Intake
from riskstream.platform.kafka.record import Record, one_by_one
from riskstream.platform.telemetry.metrics import TrackerMetrics
from riskstream.platform.telemetry.observing import MetricsObserver
from riskstream.profiler.shuffle import LABELS, TRANSACTIONS, ShuffleCore
from riskstream.runtime.errors import Fatal
from riskstream.scorer.settings import ScorerSettings
from riskstream.tracker.core import TrackerCore

VALUES: list[bytes | None] = [frame(base_currency=each) for each in ("EUR", "JPY", "EUX", "USD")]


@pytest.mark.parametrize(("base", "good"), [("EUR", 0), ("USD", 3)])
def test_the_judge_takes_one_base_currency(base: str, good: int) -> None:
    decoder = ColumnDecoder("transaction.v1")
    keys = Keys.of([b"c-1"] * len(VALUES))
    reject = Judge(decoder.layout, base).judge(
        decoder.decode(VALUES), keys, np.full(len(VALUES), NOW_MS)
    )
    reasons = [REASONS[each] for each in reject.tolist()]
    assert reasons == ["" if at == good else "other_base_currency" for at in range(len(VALUES))]


def test_the_profiler_does_not_sum_another_currency() -> None:
    core = ShuffleCore((TERMINAL,), 64)
    n = len(VALUES)
    events = core.take(
        Intake(
            topic=TRANSACTIONS,
            values=VALUES,
            keys=[b"c-1"] * n,
            partitions=np.zeros(n, np.int32),
            offsets=np.arange(n),
            appended_at=np.full(n, NOW_MS),
        )
    )
    assert [row for _, _, row in events] == [0]


def _letter(at: int, value: bytes | None) -> DeadLetter:
    record = Record(
        topic="labels.v1.dlq",
        partition=0,
        offset=at,
        appended_at=NOW_MS,
        key=b"c-1",
        value=value,
        headers=[],
    )
    return DeadLetter(
        topic="labels.v1", partition=0, offset=at, reason="", detail="", record=record
    )


def test_the_tracker_leaves_scores_of_another_currency_out_of_states_and_alerts() -> None:
    core = TrackerCore(MetricsObserver(TrackerMetrics(CollectorRegistry()), "tracker"))
    core.resume(0, None)
    core.restore(0, [])
    records = [
        Record(
            topic="scores.v1",
            partition=0,
            offset=at,
            appended_at=NOW_MS,
            key=b"c-1",
            headers=[],
            value=codec("score.v1").encode(
                score(
                    src=at,
                    prev=at - 1,
                    base_currency=currency,
                    decision="BLOCK",
                    transaction_id=f"t-{at}",
                )
            ),
        )
        for at, currency in enumerate(["EUR", "JPY"])
    ]
    alerts = core.take(0, records, 0)
    [state] = [
        codec("customer-risk.v1").decode(each.value) for each in list(one_by_one(core.flush(0)))
    ]
    assert (len(alerts), state["daily"][0]["amount_minor"], state["base_currency"]) == (
        1,
        1000,
        "EUR",
    )


def test_a_state_whose_sums_are_of_another_currency_begins_anew_where_it_stood() -> None:
    core = TrackerCore(
        MetricsObserver(TrackerMetrics(CollectorRegistry()), "tracker"), base_currency="EUR"
    )
    core.resume(0, None)
    found = [
        CustomerState(customer_id=name, base_currency=currency).record(
            0, Standing(position=7, score_offset=8)
        )
        for name, currency in (("c-1", "JPY"), ("c-2", "EUR"))
    ]
    core.restore(
        0,
        [
            Record(
                topic="customer-risk.v1",
                partition=0,
                offset=at,
                appended_at=NOW_MS,
                headers=[],
                key=state["customer_id"].encode(),
                value=codec("customer-risk.v1").encode(state),
            )
            for at, state in enumerate(found)
        ],
    )
    customers = core._owned[0].customers
    assert customers.keys(np.flatnonzero(customers.held)) == [b"c-2"]
    assert core._owned[0].standing == Standing(
        position=7, score_offset=8, whole_from=whole_after(NOW_MS)
    )


def test_the_gateway_refuses_another_base_currency_than_its_rates() -> None:
    rates = read_rates(None)
    body = request(base_amount_minor=100, base_currency="JPY")
    with pytest.raises(Problem) as refused:
        read_transaction(json.dumps(body).encode(), rates, NOW_MS)
    assert refused.value.body()["errors"][0]["path"] == "$.base_currency"
    label = {
        "label_id": "l",
        "transaction_id": "t",
        "customer_id": "c",
        "outcome": "FRAUD",
        "source": "ANALYST",
        "occurred_at": NOW_MS - 1,
    }
    with pytest.raises(Problem):
        read_label(json.dumps({**label, "base_currency": "JPY"}).encode(), NOW_MS)
    assert read_label(json.dumps(label).encode(), NOW_MS, "USD").base_currency == "USD"


def test_rates_to_another_currency_end_the_gateways_start() -> None:
    assert read_rates(None, "EUR").base == "EUR"
    with pytest.raises(Fatal, match="the rates are to EUR, base_currency is USD"):
        read_rates(None, "USD")


def test_a_label_with_a_loss_in_another_currency_is_a_dead_letter() -> None:
    core = ShuffleCore((TERMINAL,), 64)
    losses = [(5, "EUR"), (5, "JPY"), (0, "JPY")]
    values: list[bytes | None] = [
        codec("label.v1").encode(
            {
                "label_id": f"l-{at}",
                "transaction_id": f"t-{at}",
                "customer_id": "c-1",
                "outcome": "FRAUD",
                "source": "ANALYST",
                "occurred_at": NOW_MS,
                "known_at": NOW_MS,
                "loss_minor": loss,
                "base_currency": currency,
                "terminal_id": "term-1",
                "device_id": None,
            }
        )
        for at, (loss, currency) in enumerate(losses)
    ]
    intake = Intake(
        topic=LABELS,
        values=[*values, b"{}"],
        keys=[b"c-1"] * 4,
        partitions=np.zeros(4, np.int32),
        offsets=np.arange(4),
        appended_at=np.full(4, NOW_MS),
    )
    assert [row for _, _, row in core.take(intake)] == [0, 2]
    assert core.broken == [(1, "other_base_currency"), (3, "short")]
    letters = [_letter(at, value) for at, value in enumerate(values)]
    assert rejected_again(letters, NOW_MS) == {"0:1"}
    assert rejected_again(letters, NOW_MS, "JPY") == {"0:0"}


def test_a_setting_that_is_no_currency_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RISKSTREAM_BASE_CURRENCY", "USD")
    assert (GatewaySettings().base_currency, ScorerSettings(base_currency="JPY").base_currency) == (
        "USD",
        "JPY",
    )
    assert ScorerSettings(base_currency="JPY").base_currency == "JPY"
    with pytest.raises(ValueError, match="base_currency"):
        ScorerSettings(base_currency="eur")
