"""The route for messages of ISO 20022: a status an item, and nothing given on of a message that is
refused.
"""

import asyncio
import json
from typing import Any

import pytest
from starlette.requests import Request
from tests.support.builders import NOW_MS
from tests.support.iso20022 import MAPPINGS, RATES, credit, pacs008

from riskstream.domain.contracts.records import Transaction
from riskstream.gateway.handler import Accepted
from riskstream.gateway.iso20022.limits import Limits
from riskstream.gateway.iso_door import IsoDoor
from riskstream.gateway.problem import Problem, busy
from riskstream.runtime.clock import ManualClock


class _Kept:
    """Keeps what is given on; refuses the third."""

    def __init__(self) -> None:
        self.ids: list[str] = []

    async def accept(self, transaction: Transaction) -> Accepted:
        if transaction.transaction_id == "T-3":
            raise busy("Kafka did not take it")
        self.ids.append(transaction.transaction_id)
        return Accepted(2, len(self.ids))


def _post(body: str, kept: _Kept, most: int = 1 << 20, **headers: str) -> dict[str, Any]:
    parts = [body.encode()[at : at + 1000] for at in range(0, len(body), 1000)]
    sent = iter([{"type": "http.request", "body": each, "more_body": True} for each in parts])

    async def receive() -> dict[str, Any]:
        return next(sent, {"type": "http.request", "body": b"", "more_body": False})

    named = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    request = Request({"type": "http", "method": "POST", "headers": named}, receive)
    door = IsoDoor(
        mappings=MAPPINGS,
        rates=RATES,
        clock=ManualClock(NOW_MS),
        accept=kept.accept,
        limits=Limits(max_bytes=most, max_transactions=1000),
    )
    response = asyncio.run(door.post(request))
    assert response.status_code == 207
    found: dict[str, Any] = json.loads(bytes(response.body))
    return found


def test_each_transaction_has_a_status() -> None:
    kept = _Kept()
    body = pacs008([credit(1), credit(2, "x"), credit(3), credit(4)])
    found = _post(body, kept, content_type="text/xml; charset=UTF-8")
    assert [each["status"] for each in found["items"]] == [202, 400, 503, 202]
    assert [each["number"] for each in found["items"]] == [1, 2, 3, 4]
    assert (found["transactions"], found["accepted"], kept.ids) == (4, 2, ["T-1", "T-4"])
    assert found["items"][1]["errors"][0]["path"].endswith("CdtTrfTxInf[2]/IntrBkSttlmAmt")
    assert {"path": "CdtTrfTxInf/ChrgBr", "count": 4} in found["left_out"]


def test_many_are_given_on() -> None:
    kept = _Kept()
    numbers = [each for each in range(600) if each != 3]
    found = _post(pacs008([credit(each) for each in numbers]), kept)
    assert found["accepted"] == len(kept.ids) == len(set(kept.ids)) == 599


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (pacs008([credit(1), credit(2)], count=3), {}, 400),
        (pacs008()[:-9], {}, 400),
        ("", {}, 400),
        (pacs008(), {"content_type": "application/json"}, 415),
        (pacs008(), {"content_type": "application/xml; charset=utf-16"}, 415),
        (pacs008(), {"content_encoding": "gzip"}, 415),
        (pacs008(), {"content_length": "9" * 20}, 413),
        (pacs008([credit(each) for each in range(500)]), {}, 413),
    ],
)
def test_nothing_is_given_on_of_a_message_that_is_refused(
    body: str, headers: dict[str, str], status: int
) -> None:
    kept = _Kept()
    with pytest.raises(Problem) as caught:
        _post(body, kept, 100_000, **headers)
    assert caught.value.status == status
    assert kept.ids == []


def test_a_card_number_in_a_message_is_refused_and_not_repeated() -> None:
    kept = _Kept()
    body = pacs008([credit(1), credit(2), credit(4)])
    found = _post(body.replace(">T-2<", ">4111111111111111<"), kept)
    assert [each["status"] for each in found["items"]] == [202, 422, 202]
    assert "4111" not in json.dumps(found)


def test_a_card_number_anywhere_in_a_message_is_not_repeated() -> None:
    card = "4111111111111111"
    body = pacs008([credit(1), credit(2, f"{card}x"), credit(4)])
    for old, new in ((">M-1<", f">{card}<"), ("<Nm>Debtor", f"<Nm>{card}"), ("ChrgBr", f"c{card}")):
        assert old in body
        found = _post(body.replace(old, new), _Kept())
        assert card not in json.dumps(found)
    with pytest.raises(Problem) as refused:
        _post(body.replace("<NbOfTxs>3<", f"<NbOfTxs>{card}<"), _Kept())
    assert card not in json.dumps(refused.value.body())
