"""Reads a snapshot: the states of customer-risk.v1 to its end, then scores and alerts up to the states' positions."""

from riskstream.contracts.codec import codec
from riskstream.contracts.columns import ColumnDecoder
from riskstream.kafka.ports import Record
from riskstream.kafka.positions import AcceptedReader
from riskstream.kafka.read import TopicReader
from riskstream.kafka.traced import context_in
from riskstream.reporter.core import Control, Snapshot, TracedAlert
from riskstream.runtime.errors import Fatal

_BATCH = 4000


def read_snapshot(bootstrap: str) -> tuple[Snapshot, Control]:
    """States first: every score behind them is in its topic already, so the control totals can be cut at them."""
    snapshot, control = Snapshot(), Control()
    states = codec("customer-risk.v1")
    with TopicReader(bootstrap, ["customer-risk.v1"]) as reader:
        for record in reader.until_end():
            if record.value is not None:
                snapshot.add(states.decode(record.value))
    _count_scores(bootstrap, snapshot, control)
    _count_alerts(bootstrap, snapshot, control)
    return snapshot, control


def _count_scores(bootstrap: str, snapshot: Snapshot, control: Control) -> None:
    decoder = ColumnDecoder("score.v1")
    good = decoder.layout.field("verdict").symbols.index("GOOD")
    accepted = AcceptedReader()
    with TopicReader(bootstrap, ["scores.v1"], committed_only=False) as reader:
        batch: list[Record] = []
        for record in reader.until_end():
            batch.append(record)
            if len(batch) == _BATCH:
                _add_scores(batch, decoder, good, accepted, snapshot, control)
                batch = []
        _add_scores(batch, decoder, good, accepted, snapshot, control)


def _add_scores(
    batch: list[Record],
    decoder: ColumnDecoder,
    good: int,
    accepted: AcceptedReader,
    snapshot: Snapshot,
    control: Control,
) -> None:
    if not batch:
        return
    columns = decoder.decode_known([record.value for record in batch])
    if columns.status.any():
        place = batch[int(columns.status.argmax())]
        raise Fatal(
            what="a record of scores.v1 is not a score",
            where=f"partition {place.partition} offset {place.offset}",
            do="find who else writes there; only the scorer may",
        )
    rows = zip(
        batch, columns.numbers("src").tolist(), columns.numbers("prev").tolist(), columns.numbers("verdict").tolist(),
        columns.numbers("occurred_at").tolist(), columns.numbers("base_amount_minor").tolist(), strict=True,
    )  # fmt: skip
    for record, src, prev, verdict, occurred_at, amount in rows:
        is_new = accepted.accept(record.partition, src, prev)
        if is_new and verdict == good and src <= snapshot.position.get(record.partition, -1):
            control.add_score(occurred_at, amount)


def _count_alerts(bootstrap: str, snapshot: Snapshot, control: Control) -> None:
    alerts = codec("alert.v1")
    with TopicReader(bootstrap, ["alerts.v1"]) as reader:
        for record in reader.until_end():
            alert = alerts.decode(record.value)
            if alert["src"] <= snapshot.position.get(alert["src_partition"], -1):
                control.add_alert(alert["occurred_at"], alert["decision"] == "BLOCK")
                if record.headers and (context := context_in(record.headers)) is not None:
                    control.traced.append(
                        TracedAlert(
                            partition=record.partition, offset=record.offset, src_partition=alert["src_partition"],
                            src=alert["src"], occurred_at=alert["occurred_at"], context=context,
                        )
                    )  # fmt: skip
