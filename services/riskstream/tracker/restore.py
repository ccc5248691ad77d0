"""Loads what the tracker itself wrote: states of customers, and its newest alerts. Pure."""

from riskstream.domain.contracts.bounds import decoded
from riskstream.domain.contracts.codec import codec
from riskstream.domain.contracts.writers import SchemaWait, is_known
from riskstream.domain.risk.customer_risk import check_place, check_sums
from riskstream.platform.kafka.record import Record
from riskstream.runtime.errors import Rejected
from riskstream.runtime.observer import Observer
from riskstream.tracker.outputs import ALERTS, STATE
from riskstream.tracker.owned import Owned

_SCHEMA_NOT_KNOWN = ("unknown_schema", "incompatible_schema")


class Restorer:
    """Fills what the tracker holds of a partition from the records of its own topics."""

    def __init__(self, observer: Observer, base_currency: str) -> None:
        self._observer, self._base_currency = observer, base_currency
        self._alerts, self._states = codec("alert.v1"), codec("customer-risk.v1")

    def restore(self, owned: Owned, partition: int, records: list[Record]) -> None:
        """Load the newest states of a partition and where they stand, and its newest alerts.

        A flush writes all changed states in one transaction, so the newest of them holds every
        score before its own. SchemaWait where the newest record of a key is of a schema that is not
        known: a version that knows it reads it.
        """
        newest = {(record.topic, record.key): record.offset for record in records}
        for record in records:
            try:
                if record.topic == ALERTS:
                    owned.alerted = max(owned.alerted, decoded(self._alerts, record.value)["src"])
                    continue
                owned.is_new = False
                # erased: an older state that is not compacted away yet does not count
                if record.value is None:
                    owned.customers.pop((record.key or b"").decode(errors="replace"), None)
                else:
                    state = decoded(self._states, record.value)
                    check_place(state, record.key, partition)
                    owned.standing = owned.standing.later(state)
                    check_sums(state, self._base_currency)
                    owned.load(state)
            except Rejected as error:
                if error.reason not in _SCHEMA_NOT_KNOWN:
                    self._see_unreadable(owned, record, error)
                elif record.offset == newest[record.topic, record.key]:  # nothing took its place
                    raise _waits(record, error) from error

    def _see_unreadable(self, owned: Owned, record: Record, error: Rejected) -> None:
        """Its customer starts empty, and the windows that it may have held are said to lack scores.

        An older state of the customer would lack scores as well, and not say so.
        """
        self._observer.count("unreadable_states", topic=record.topic)
        self._observer.report(
            "a record that this service wrote cannot be read and is left out",
            topic=record.topic,
            partition=record.partition,
            offset=record.offset,
            error=str(error),
        )
        if record.topic == STATE:
            owned.customers.pop((record.key or b"").decode(errors="replace"), None)
            owned.may_lack(record.appended_at)


def _waits(record: Record, error: Rejected) -> SchemaWait:
    """Hold the partition before a record of our own; over when its schema becomes known."""
    return SchemaWait(
        what=f"a record that this service wrote cannot be read ({error})",
        where=f"{record.topic} {record.partition}:{record.offset}",
        is_over=lambda: error.reason == "unknown_schema" and is_known(record.value),
    )
