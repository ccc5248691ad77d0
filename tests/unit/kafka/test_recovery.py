"""Recovery where the world does not answer."""

from typing import cast

import pytest

from riskstream.kafka.ports import StateStore
from riskstream.kafka.recovery import Recovery
from riskstream.runtime.errors import Retryable


def test_a_request_that_is_not_answered_in_time_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    def late(self: Recovery) -> tuple[str, int]:
        raise TimeoutError

    monkeypatch.setattr(Recovery, "_identity", late)
    recovery = Recovery("127.0.0.1:1", "scorer", "transactions.v1", "scores.v1", cast(StateStore, None))
    with pytest.raises(Retryable, match="does not answer"):
        recovery.recover(0)
