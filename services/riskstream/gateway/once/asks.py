"""What a request for one transaction asks of the memory of transactions. Pure."""

from riskstream.domain.contracts.records import Transaction
from riskstream.gateway.once.flight import Ask
from riskstream.gateway.once.identity import name_of, name_of_key

BROKER_MS, MARGIN_MS = 2000, 1000
"""After so long Kafka takes a record no more; and how much longer than that, and than its caller's
deadline, a transaction may be under way until another gateway sends it.
"""


def ask_of(
    transaction: Transaction,
    frame: bytes,
    idempotency_key: str | None,
    caller: str,
    deadline_ms: int | None = None,
) -> Ask:
    """By which names the transaction is remembered; with a deadline its decision as well."""
    raw = transaction.transaction_id.encode()
    return Ask(
        name=name_of(transaction.customer_id.encode(), raw),
        frame=frame,
        is_decision=deadline_ms is not None,
        pending_ms=BROKER_MS + MARGIN_MS + (deadline_ms or 0),
        key=None if idempotency_key is None else name_of_key(caller, idempotency_key),
    )
