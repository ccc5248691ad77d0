"""A mapping for columns as they were seen."""

from collections.abc import Callable

import pyarrow as pa

from riskstream.workbench.files.rows import Layout
from riskstream.workbench.mapping.columns_seen import Seen
from riskstream.workbench.mapping.proposal.amounts import propose_amount
from riskstream.workbench.mapping.proposal.currencies import propose_currency
from riskstream.workbench.mapping.proposal.draft import Ask, Draft
from riskstream.workbench.mapping.proposal.ids import propose_ids
from riskstream.workbench.mapping.proposal.labels import propose_label
from riskstream.workbench.mapping.proposal.times import propose_known_at, propose_time
from riskstream.workbench.mapping.proposal.words import propose_words

_ORDER = (
    "transaction_id",
    "customer_id",
    "account_token",
    "terminal_id",
    "merchant_id",
    "mcc",
    "country",
    "channel",
    "kind",
    "amount_minor",
    "currency",
    "base_currency",
    "device_id",
    "counterparty_id",
    "occurred_at",
)


def proposed(
    seen: list[Seen],
    layout: Layout,
    latest_ms: int,
    base: str,
    ask: Ask,
    further: Callable[[str], pa.Array],
) -> Draft:
    """A mapping for these columns. What cannot be told is asked. `further(name)`: more values of a
    column; `base`: the currency in which amounts are summed, where the file says none.
    """
    draft = Draft(
        layout=layout,
        left=list(seen),
        latest_ms=latest_ms,
        base=base,
        ask=ask,
        further=further,
    )
    propose_label(draft)
    propose_time(draft)
    propose_known_at(draft)
    propose_amount(draft)
    propose_currency(draft)
    propose_words(draft)
    propose_ids(draft)
    draft.transaction = {
        name: draft.transaction[name] for name in _ORDER if name in draft.transaction
    }
    return draft
