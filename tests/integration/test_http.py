"""The gateway on the running chain."""

import json
import os
import re
import subprocess
import sys
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from tests.support.bodies import BAD_BODIES
from tests.support.builders import request
from tests.support.world import World

from riskstream.cli.labels import command as labels_command
from riskstream.domain.contracts.catalog import contracts, topics
from riskstream.domain.contracts.codec import codec
from riskstream.platform.kafka.clients.read import TopicReader


def _now_ms() -> int:
    return int(time.time() * 1000)


def test_a_transaction_is_accepted_and_scored(world: World) -> None:
    body = request(transaction_id=world.tag, customer_id=f"c-{world.tag}", occurred_at=_now_ms())
    status, _, answer = world.post("/v1/transactions", json.dumps(body).encode())
    assert status == 202
    assert answer["transaction_id"] == world.tag
    record, score = next(
        each for each in world.accepted(1) if each.score.transaction_id == world.tag
    )
    assert (record.partition, score.src) == (answer["partition"], answer["offset"])
    assert score.verdict == "GOOD"
    assert len(score.features) == 23


def test_a_decision_comes_back_and_is_recorded(world: World) -> None:
    body = request(transaction_id=world.tag, customer_id=f"c-{world.tag}", occurred_at=_now_ms())
    status, _, answer = world.post("/v1/decisions?deadline_ms=5000", json.dumps(body).encode())
    assert status == 200
    assert answer["decision"] in ("APPROVE", "REVIEW", "BLOCK")
    assert 0 <= answer["score"] <= 1
    assert (answer["verdict"], answer["rung"]) == ("GOOD", "SCORE")
    told = [codec("answer.v1").decode(each.value) for each in world.all_new("answers.v1")]
    mine = next(each for each in told if each["transaction_id"] == world.tag)
    assert (mine["outcome"], mine["rung"]) == ("DECIDED", "SCORE")
    assert (mine["decision"], mine["src"]) == (answer["decision"], answer["offset"])
    status, _, again = world.post("/v1/decisions?deadline_ms=5000", json.dumps(body).encode())
    assert (status, again) == (200, answer)


def test_a_repeat_is_told_the_first_answer_and_another_body_is_422(world: World) -> None:
    at = _now_ms()

    def ask(name: str, amount: int = 1000) -> tuple[int, str, dict[str, Any]]:
        body = request(
            transaction_id=name, customer_id=f"c-{world.tag}", occurred_at=at, amount_minor=amount
        )
        return world.post("/v1/decisions?deadline_ms=5000", json.dumps(body).encode())

    first = ask(world.tag)[2]
    for number in range(40):
        assert ask(f"{world.tag}-{number}")[0] == 200
    status, _, again = ask(world.tag)
    assert (status, again) == (200, first)
    status, kind, other = ask(world.tag, 1001)
    assert (status, kind, other["type"]) == (
        422,
        "application/problem+json",
        "urn:riskstream:problem:id-reused",
    )
    # at once: one of the bodies is first, and the others are told so
    with ThreadPoolExecutor(4) as callers:
        found = list(callers.map(lambda amount: ask(f"{world.tag}-at-once", amount), [1, 1, 2, 2]))
    assert sorted(status for status, *_ in found) == [200, 200, 422, 422]
    assert len({answer["decision"] for status, _, answer in found if status == 200}) == 1


def test_a_batch_has_a_status_for_each_of_its_transactions(world: World) -> None:
    at = _now_ms()
    names = [f"{world.tag}-{number}" for number in range(2500)]
    bodies = [
        request(transaction_id=name, customer_id=f"c-{name}", occurred_at=at) for name in names
    ]
    bodies[7] = {**bodies[7], "kind": "GIFT"}
    bodies[8] = {**bodies[8], "customer_id": "\u00e9\u20ac"}
    status, _, answer = world.post("/v1/transactions:batch", json.dumps(bodies).encode())
    assert (status, answer["accepted"], answer["refused"]) == (200, 2499, 1)
    items = answer["items"]
    assert [each["status"] for each in items] == [202] * 7 + [400] + [202] * 2492
    assert items[7]["errors"][0]["path"] == "$.kind"
    places = {(each["partition"], each["offset"]): each["transaction_id"] for each in items[8:]}
    found = {
        (each.record.partition, each.score.src): each.score
        for each in world.accepted(2499, lambda score: str(score.transaction_id) in set(names))
    }
    assert {place: score.transaction_id for place, score in found.items()}.items() >= places.items()
    assert {score.verdict for score in found.values()} == {"GOOD"}


def test_a_message_of_iso_20022_is_taken_transaction_by_transaction(world: World) -> None:
    page = (Path(__file__).resolve().parents[2] / "docs/iso20022.md").read_text()
    [example] = re.findall(r"```xml\n(.*?)```", page, re.DOTALL)
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    uetr = str(uuid.uuid4())
    message = re.sub(r"<UETR>.*?</UETR>", f"<UETR>{uetr}</UETR>", example)
    message = re.sub(r"<CreDtTm>.*?</CreDtTm>", f"<CreDtTm>{now}</CreDtTm>", message)
    headers = {"Content-Type": "application/xml"}
    status, _, answer = world.post("/v1/iso20022", message.encode(), **headers)
    assert (status, answer["accepted"]) == (207, 1)
    [item] = answer["items"]
    assert (item["status"], item["transaction_id"]) == (202, uetr)
    [score] = world.scores(1, lambda score: score.transaction_id == uetr)
    assert (score.verdict, score.base_amount_minor) == ("GOOD", 1050)
    bomb = b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b "b">]><a>&b;</a>'
    before = world.ends("transactions.v1")
    status, kind, problem = world.post("/v1/iso20022", bomb, **headers)
    assert (status, kind) == (400, "application/problem+json")
    assert problem["type"] == "urn:riskstream:problem:xml-document-type"
    assert world.ends("transactions.v1") == before


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"[" + b"{}," * 10_000 + b"{}]", 400, "too-many-items"),
        (b"{}", 400, "not-an-array"),
        (b"[" + b" " * 8_388_608 + b"]", 413, "body-too-large"),
    ],
)
def test_a_batch_that_cannot_be_read_is_refused_whole(
    world: World, body: bytes, status: int, code: str
) -> None:
    found, kind, answer = world.post("/v1/transactions:batch", body)
    assert (found, kind) == (status, "application/problem+json")
    assert answer["type"] == f"urn:riskstream:problem:{code}"


def test_a_label_by_http_and_by_file_reaches_its_topic(world: World, tmp_path: Path) -> None:
    label = {
        "label_id": f"l-{world.tag}",
        "transaction_id": world.tag,
        "customer_id": "c",
        "outcome": "FRAUD",
        "source": "ANALYST",
        "occurred_at": _now_ms() - 1000,
        "known_at": _now_ms(),
        "terminal_id": "term-1",
    }
    status, _, answer = world.post("/v1/labels", json.dumps(label).encode())
    assert (status, answer["label_id"]) == (202, f"l-{world.tag}")
    assert world.post("/v1/labels", json.dumps({**label, "outcome": "?"}).encode())[0] == 400
    now = _now_ms()
    rows = [{**label, "label_id": f"f-{world.tag}-{n}", "known_at": now - n} for n in range(3)]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "labels.parquet")
    pq.write_table(
        pa.Table.from_pylist([*rows, {**label, "outcome": "?"}]), tmp_path / "bad.parquet"
    )
    done = CliRunner().invoke(
        labels_command, [str(tmp_path / "labels.parquet"), "--kafka", world.kafka]
    )
    assert "3 labels sent, 3 of them fraud" in done.output
    refused = CliRunner().invoke(
        labels_command, [str(tmp_path / "bad.parquet"), "--kafka", world.kafka]
    )
    assert "line 4: outcome: none of UNKNOWN, FRAUD, GENUINE" in str(refused.exception)
    with TopicReader(world.kafka, ["labels.v1"]) as reader:
        found = [codec("label.v1").decode(record.value) for record in reader.until_end()]
    mine = [each["label_id"] for each in found if each["transaction_id"] == world.tag]
    assert mine == [f"l-{world.tag}", *(f"f-{world.tag}-{n}" for n in (2, 1, 0))]


def test_the_shortest_deadline_is_answered_too(world: World) -> None:
    body = request(transaction_id=world.tag, customer_id=f"c-{world.tag}", occurred_at=_now_ms())
    for number in range(20):
        body["transaction_id"] = f"{world.tag}-{number}"
        status, _, answer = world.post(
            "/v1/decisions", json.dumps(body).encode(), **{"X-Deadline-Ms": "20"}
        )
        assert (status, answer["transaction_id"]) == (200, body["transaction_id"])
        assert answer["decision"] in ("APPROVE", "REVIEW", "BLOCK")
        assert answer["rung"] in ("SCORE", "RULES")
        assert ("no_score_in_time" in answer["flags"]) == (answer["rung"] != "SCORE")


@pytest.mark.parametrize("given", ["0", "19", "5001", "-5", "soon", "1e3", "99999999", "٣"])
def test_a_wrong_deadline_is_a_problem(world: World, given: str) -> None:
    import urllib.parse

    status, kind, answer = world.post(
        f"/v1/decisions?deadline_ms={urllib.parse.quote(given)}", json.dumps(request()).encode()
    )
    assert (status, kind, answer["type"]) == (
        400,
        "application/problem+json",
        "urn:riskstream:problem:bad-deadline",
    )


def test_no_bad_body_reaches_kafka(world: World) -> None:
    before = world.ends("transactions.v1")
    for route in ("/v1/transactions", "/v1/decisions"):
        ahead = json.dumps(request(occurred_at=_now_ms() + 400_000)).encode()
        # its clock is the builder's
        cases = [(body, path) for body, path, words in BAD_BODIES if words != "5 minutes"]
        for body, path in [*cases, (ahead, "$.occurred_at")]:
            status, kind, answer = world.post(route, body)
            assert (status, kind) == (
                413 if len(body) > 65_536 else 400,
                "application/problem+json",
            ), body[:80]
            assert answer["status"] == status
            assert answer["errors"][0]["path"] == path
    assert world.ends("transactions.v1") == before


def test_a_body_of_1_mib_is_413_whether_its_length_is_told_or_not(world: World) -> None:
    before = world.ends("transactions.v1")
    body = json.dumps(request(account_token="x" * 2**20)).encode()
    assert world.post("/v1/transactions", body)[0] == 413
    import http.client
    import urllib.parse

    connection = http.client.HTTPConnection(
        urllib.parse.urlsplit(world.chain.gateway).netloc, timeout=30
    )
    connection.request(
        "POST", "/v1/transactions", iter([body[:500_000], body[500_000:]]), encode_chunked=True
    )
    assert connection.getresponse().status == 413
    connection.close()
    assert world.ends("transactions.v1") == before


def test_the_pages_curl_lines_do_what_it_says(world: World) -> None:
    page = (Path(__file__).resolve().parents[2] / "docs/http.md").read_text()
    lines = re.findall(r"```sh\n(curl .*?)```", page, re.DOTALL)
    env = {**os.environ, "GATEWAY": world.chain.gateway, "NOW": str(_now_ms())}
    answers = [
        json.loads(
            subprocess.run(["bash", "-c", line], env=env, capture_output=True, check=True).stdout
        )
        for line in lines
    ]
    assert len(answers) == 5
    assert answers[0]["decision"] in ("APPROVE", "REVIEW", "BLOCK")
    assert all("offset" in answer for answer in answers[1:4])
    assert answers[2] == answers[0]
    assert answers[4]["id"] == contracts()["score.v1"].id


def test_the_example_of_the_client_gets_a_decision(world: World) -> None:
    example = Path(__file__).resolve().parents[2] / "examples/decide.py"
    done = subprocess.run(
        [sys.executable, str(example), world.chain.gateway],
        capture_output=True,
        text=True,
        check=True,
    )
    assert re.fullmatch(r"(APPROVE|REVIEW|BLOCK) SCORE 0\.\d+.*\n", done.stdout), done.stdout


def test_metrics_and_health_are_on_the_telemetry_port_alone(world: World) -> None:
    for path in ("/metrics", "/livez", "/readyz", "/v1/transactions/"):
        assert world.get(path)[:2] == (404, "application/problem+json")


def test_a_deadline_that_is_wrong_is_refused_beside_another(world: World) -> None:
    status, _, answer = world.post(
        "/v1/decisions?deadline_ms=soon", json.dumps(request()).encode(), **{"X-Deadline-Ms": "50"}
    )
    assert (status, answer["type"]) == (400, "urn:riskstream:problem:bad-deadline")


def test_a_deadline_that_is_given_twice_is_refused(world: World) -> None:
    status, _, answer = world.post(
        "/v1/decisions?deadline_ms=50&deadline_ms=500", json.dumps(request()).encode()
    )
    assert (status, answer["type"]) == (400, "urn:riskstream:problem:bad-deadline")


def test_an_unknown_route_or_method_is_a_problem_too(world: World) -> None:
    assert world.get("/nope")[:2] == (404, "application/problem+json")
    assert world.get("/v1/transactions")[:2] == (405, "application/problem+json")


def test_the_registrys_read_api(world: World) -> None:
    status, _, subjects = world.get("/subjects")
    assert status == 200
    assert set(subjects) == {topic.subject for topic in topics().values() if topic.contract}
    for each in contracts().values():
        found = world.get(f"/schemas/ids/{each.id}")[2]
        assert json.loads(found["schema"]) == each.schema
    latest = world.get("/subjects/scores.v1-value/versions/latest")[2]
    assert (latest["id"], latest["version"]) == (contracts()["score.v1"].id, 4)
    assert world.get("/subjects/scores.v1-value/versions")[2] == [1, 2, 3, 4]
    assert world.get("/schemas/ids/7")[2]["error_code"] == 40403
    assert world.get("/subjects/nope/versions")[2]["error_code"] == 40401
    assert world.get("/subjects/scores.v1-value/versions/9")[2]["error_code"] == 40402
    assert world.get("/schemas/types")[2] == ["AVRO"]


def test_every_service_serves_metrics_and_health(world: World) -> None:
    import urllib.request

    for service in world.chain.services.values():
        for path in ("/livez", "/readyz"):
            with urllib.request.urlopen(service.telemetry + path, timeout=5) as answer:
                assert json.loads(answer.read()) == {"ok": True}
        with urllib.request.urlopen(service.telemetry + "/metrics", timeout=5) as answer:
            assert f"riskstream_{service.name}_" in answer.read().decode()
