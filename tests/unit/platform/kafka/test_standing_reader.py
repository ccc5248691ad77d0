"""In which order a standing is read, while another owner goes on answering."""

from types import SimpleNamespace
from typing import Any

import pytest
from tests.support.standings import SYMBOLS

from riskstream.platform.kafka.lanes.exact import standing_reader
from riskstream.platform.kafka.lanes.exact.settings import Route
from riskstream.platform.kafka.lanes.exact.standing import Standing
from riskstream.platform.kafka.lanes.exact.standing_reader import StandingReader
from riskstream.platform.kafka.lanes.exact.verdicts import Verdicts


class BusyCluster:
    """Between two calls another owner answers ten records, which it commits at once."""

    def __init__(self) -> None:
        self._answered = 10

    def committed(self, _: list[Any], timeout: float) -> list[Any]:
        del timeout
        self._answered += 10
        return [SimpleNamespace(offset=self._answered, metadata="")]

    def watermarks(self, *_: Any) -> tuple[int, int]:
        self._answered += 10
        return 0, self._answered


def test_what_is_committed_was_answered_before_the_end_of_the_output(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cluster, seen = BusyCluster(), []

    class Tail:
        """Finds no answer, and keeps what it was asked for."""

        def __init__(self, *_: Any) -> None:
            self.steps = 0

        def empty(self) -> Verdicts:
            return Verdicts(SYMBOLS)

        def read(self, _client: Any, _partition: int, found: Standing, start: int) -> Verdicts:
            seen.append((found, start))
            return self.empty()

    monkeypatch.setattr(standing_reader, "admin_client", lambda _: None)
    monkeypatch.setattr(standing_reader, "watermarks", cluster.watermarks)
    monkeypatch.setattr(standing_reader, "OutputTail", Tail)
    route = Route(kafka="", group="group", source="source", output="output")
    answers: Any = None
    StandingReader(route, answers).read(cluster, 0, "", None)
    [(found, start)] = seen
    assert start == 0
    assert found.committed <= found.output_high <= found.source_high
