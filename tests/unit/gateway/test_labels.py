"""Bodies of POST /v1/labels."""

import json
from typing import Any

import pytest
from tests.support.builders import NOW_MS

from riskstream.gateway.core import read_label
from riskstream.gateway.problem import Problem


def body(**changes: Any) -> bytes:
    given = {
        "label_id": "l-1",
        "transaction_id": "t-1",
        "customer_id": "c-1",
        "outcome": "FRAUD",
        "source": "CHARGEBACK",
        "occurred_at": NOW_MS - 86_400_000,
        **changes,
    }
    return json.dumps({name: value for name, value in given.items() if value is not ...}).encode()


def test_a_label_is_known_now_where_it_does_not_say() -> None:
    label = read_label(body(terminal_id="term-1"), NOW_MS)
    assert (label.known_at, label.terminal_id, label.device_id) == (NOW_MS, "term-1", None)
    assert read_label(body(known_at=NOW_MS - 5), NOW_MS).known_at == NOW_MS - 5


@pytest.mark.parametrize(
    ("raw", "path", "words"),
    [
        (b"", "$", "send one label"),
        (body(outcome="MAYBE"), "$.outcome", '"MAYBE"; give one of FRAUD, GENUINE'),
        (body(source="UNKNOWN"), "$.source", "UNKNOWN"),
        (body(occurred_at=...), "$.occurred_at", "missing"),
        (body(known_at=NOW_MS - 2 * 86_400_000), "$.known_at", "before the transaction"),
        (body(known_at=NOW_MS + 3_600_000), "$.known_at", "5 minutes ahead"),
        (body(occurred_at=NOW_MS // 1000), "$.occurred_at", "seconds"),
        (body(loss_minor=-1), "$.loss_minor", "it is -1; give 0 to"),
        (body(card="4"), "$.card", "unknown"),
    ],
)
def test_a_bad_label_is_refused_with_its_path(raw: bytes, path: str, words: str) -> None:
    with pytest.raises(Problem) as caught:
        read_label(raw, NOW_MS)
    assert [fault.path for fault in caught.value.errors] == [path]
    assert words in caught.value.detail
