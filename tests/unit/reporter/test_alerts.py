"""What a reporter counts of records of alerts.v1."""

from tests.support.builders import alert

from riskstream.domain.contracts.codec import codec
from riskstream.platform.kafka.record import Record, Records
from riskstream.reporter.alerts import AlertColumns


def _records(*values: bytes) -> Records:
    return Records.of(
        [
            Record(
                topic="alerts.v1",
                partition=0,
                offset=at,
                appended_at=0,
                key=b"c-1",
                value=value,
                headers=[],
            )
            for at, value in enumerate(values)
        ]
    )


def test_alerts_of_gateways_are_not_counted_and_not_called_unreadable() -> None:
    encode = codec("alert.v1").encode
    too_long = b"x" * 100_000
    found, unreadable = AlertColumns().read(
        _records(
            encode(alert(src=1, decision="BLOCK")),
            encode(alert(src=9, kind="late_score", told="APPROVE")),
            too_long,
            encode(alert(src=2)),
        )
    )
    assert (found.srcs.tolist(), found.offsets.tolist(), unreadable) == ([1, 2], [0, 3], 1)
    assert found.is_block.tolist() == [True, False]
