"""A gateway without a scorer, and with a broker that stands still: it answers, and nothing that it
said is lost.
"""

import http.client
import json
import os
import signal
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from email.message import Message
from functools import partial
from typing import Any

import pytest
from tests.support.builders import request, score

from riskstream.domain.contracts.codec import codec
from riskstream.platform.kafka.clients.produce import BulkProducer
from riskstream.platform.kafka.clients.read import TopicReader
from riskstream.workbench.local.chain import Chain

LIMIT = 5000


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chain]:
    """A gateway with Kafka, and nobody that scores."""
    folder = tmp_path_factory.mktemp("ladder")
    with Chain(folder, folder, names=("gateway",)) as chain:
        yield chain


def _body(name: str, **changes: Any) -> dict[str, Any]:
    at = int(time.time() * 1000)
    return request(transaction_id=name, customer_id=f"c-{name}", occurred_at=at, **changes)


def _post(chain: Chain, path: str, body: dict[str, Any]) -> tuple[int, Message, Any]:
    connection = http.client.HTTPConnection(urllib.parse.urlsplit(chain.gateway).netloc, timeout=30)
    try:
        connection.request("POST", path, json.dumps(body), {"Content-Type": "application/json"})
        answer = connection.getresponse()
        return answer.status, answer.headers, json.loads(answer.read())
    finally:
        connection.close()


def _answers(chain: Chain) -> list[dict[str, Any]]:
    with TopicReader(chain.stack.kafka, ["answers.v1"]) as reader:
        return [codec("answer.v1").decode(each.value) for each in reader.until_end()]


def _metric(chain: Chain, name: str) -> float:
    with urllib.request.urlopen(chain.services["gateway"].telemetry + "/metrics") as answer:
        lines = answer.read().decode().splitlines()
    return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(name))


def _until(is_so: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + 60
    while not is_so():
        assert time.monotonic() < end, what
        time.sleep(0.1)


def test_without_a_score_the_amount_decides_and_it_is_recorded(alone: Chain) -> None:
    small = _post(alone, "/v1/decisions?deadline_ms=400", _body("small", amount_minor=LIMIT))
    large = _post(alone, "/v1/decisions?deadline_ms=400", _body("large", amount_minor=LIMIT + 1))
    assert [(each[0], each[2]["decision"]) for each in (small, large)] == [
        (200, "APPROVE"),
        (200, "REVIEW"),
    ]
    assert large[2]["reasons"] == ["AMOUNT_OVER_LIMIT"]
    assert large[2]["flags"] == ["no_score_in_time"]
    assert (large[2]["score"], large[2]["rung"]) == (None, "RULES")
    told = {each["transaction_id"]: each for each in _answers(alone)}
    for _, _, body in (small, large):
        found = told[body["transaction_id"]]
        assert (found["decision"], found["rung"]) == (body["decision"], body["rung"])
        assert (found["src_partition"], found["src"]) == (body["partition"], body["offset"])
        assert (found["outcome"], found["score"]) == ("TIMED_OUT", None)
        assert found["deadline_ms"] == 400


def test_rules_that_a_transaction_alone_answers_decide(alone: Chain) -> None:
    rule = {
        "rule_id": "far",
        "version": 1,
        "when": "country == 'KP'",
        "action": "BLOCK",
        "reason": "FAR",
        "is_on": True,
        "max_share": 0.5,
        "feature_set": "",
        "changed_by": "test",
        "changed_at": int(time.time() * 1000),
    }
    producer = BulkProducer(alone.stack.kafka, "test")
    producer.send("rules.v1", [b"far"], [codec("rule.v1").encode(rule)])
    producer.flush()

    def asked() -> dict[str, Any]:
        name = f"far-{time.monotonic_ns()}"
        body = _body(name, amount_minor=1, country="KP")
        found: dict[str, Any] = _post(alone, "/v1/decisions?deadline_ms=100", body)[2]
        return found

    _until(lambda: asked()["decision"] == "BLOCK", "the rule is not in force")
    body = asked()
    assert (body["rung"], body["reasons"]) == ("RULES", ["FAR"])
    told = {each["transaction_id"]: each for each in _answers(alone)}[body["transaction_id"]]
    assert told["rules_version"]
    assert told["reasons"] == ["FAR"]


def test_a_late_score_that_disagrees_raises_an_alert(alone: Chain) -> None:
    for name, decision in (("agrees", "APPROVE"), ("differs", "BLOCK")):
        body = _post(alone, "/v1/decisions?deadline_ms=100", _body(name, amount_minor=1))[2]
        assert body["decision"] == "APPROVE"
        late = score(
            transaction_id=name,
            customer_id=f"c-{name}",
            src=body["offset"],
            prev=body["offset"] - 1,
            decision=decision,
        )
        producer = BulkProducer(alone.stack.kafka, "test")
        producer.send("scores.v1", [f"c-{name}".encode()], [codec("score.v1").encode(late)])
        producer.flush()
    for word in ("agrees", "disagrees"):
        _until(partial(_is_late, alone, word), f"no late score {word}")
    _until(lambda: bool(_alerts(alone)), "no alert")
    found = [(each["transaction_id"], each["told"], each["decision"]) for each in _alerts(alone)]
    assert found == [("differs", "APPROVE", "BLOCK")]
    with urllib.request.urlopen(f"{alone.gateway}/v1/decisions/differs") as answer:
        told = json.load(answer)
    assert (told["decision"], told["late_score"]["decision"]) == ("APPROVE", "BLOCK")
    with urllib.request.urlopen(f"{alone.gateway}/v1/decisions/agrees") as answer:
        assert json.load(answer)["late_score"] == {"decision": "APPROVE"}


def _alerts(chain: Chain) -> list[dict[str, Any]]:
    with TopicReader(chain.stack.kafka, ["alerts.v1"]) as reader:
        return [codec("alert.v1").decode(each.value) for each in reader.until_end()]


def _is_late(chain: Chain, word: str) -> bool:
    return _metric(chain, f'riskstream_gateway_late_scores_total{{with_answer="{word}"}}') == 1


def test_while_the_broker_is_away_it_answers_and_loses_nothing(alone: Chain) -> None:
    cluster = alone.stack.cluster
    assert cluster is not None
    pid = cluster.servers[0].pid
    os.kill(pid, signal.SIGSTOP)
    try:
        with ThreadPoolExecutor(24) as callers:
            decided = callers.map(
                lambda at: _post(alone, "/v1/decisions?deadline_ms=150", _body(f"away-{at}")),
                range(12),
            )
            refused = callers.map(
                lambda at: _post(alone, "/v1/transactions", _body(f"refused-{at}")), range(12)
            )
            answers, problems = list(decided), list(refused)
    finally:
        os.kill(pid, signal.SIGCONT)
    for status, _, body in answers:
        assert (status, body["offset"]) == (200, None)
        assert body["flags"] == ["no_score_in_time", "not_recorded"]
    for status, headers, problem in problems:
        assert (status, headers["Retry-After"]) == (503, "1")
        assert problem["type"] == "urn:riskstream:problem:unavailable"
    wanted = {body["transaction_id"] for _, _, body in answers}
    _until(
        lambda: wanted <= {each["transaction_id"] for each in _answers(alone)},
        "answers that were spooled are not in answers.v1",
    )
    _until(lambda: _metric(alone, "riskstream_gateway_spool_bytes") == 0, "the spool is not empty")
    assert _metric(alone, "riskstream_gateway_answers_lost_total") == 0
    assert _post(alone, "/v1/transactions", _body("after"))[0] == 202


def test_a_killed_gateway_delivers_what_it_had_spooled(alone: Chain) -> None:
    cluster = alone.stack.cluster
    assert cluster is not None
    pid = cluster.servers[0].pid
    os.kill(pid, signal.SIGSTOP)
    try:
        bodies = [
            _post(alone, "/v1/decisions?deadline_ms=50", _body(f"killed-{at}"))[2]
            for at in range(5)
        ]
        os.kill(alone.services["gateway"].server.pid, signal.SIGKILL)
        alone.services["gateway"].server.stop()
    finally:
        os.kill(pid, signal.SIGCONT)
    alone.start("gateway")
    wanted = {body["transaction_id"] for body in bodies}
    _until(
        lambda: wanted <= {each["transaction_id"] for each in _answers(alone)},
        "answers of the killed gateway are not in answers.v1",
    )
