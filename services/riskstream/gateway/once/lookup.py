"""What a caller was told, for who asks later."""

from typing import Any

from riskstream.gateway.decided import told_of
from riskstream.gateway.once.identity import digest, name_of, near
from riskstream.gateway.once.known import Known, unpacked
from riskstream.gateway.once.once import Once
from riskstream.gateway.problem import Problem, rejected


async def look_up(once: Once, transaction_id: str, customer_id: str | None) -> dict[str, Any]:
    """What a caller was told of a transaction. Problem where nothing is known, and where two
    customers have that id and none is named.
    """
    raw = transaction_id.encode()
    if customer_id is not None:
        name = name_of(customer_id.encode(), raw)
        known = await _known(once, near(name), digest(name))
    else:
        mine = once.memory.with_id(near(raw), once.clock.now_ms())
        names = await once.shared.with_id(digest(raw)) if once.shared is not None else []
        if max(len(mine), len(names)) > 1:
            raise which_customer()
        known = await _known(once, mine[0] if mine else None, names[0] if names else None)
    if known is None or known.told is None:
        raise unknown_decision()
    told = told_of(known, transaction_id)
    if told["verdict"] == "REJECTED":
        raise rejected(told)
    return told


async def _known(once: Once, name: int | None, digested: bytes | None) -> Known | None:
    """By this gateway, which alone knows a late score; else by all."""
    known = once.memory.get(name, once.clock.now_ms()) if name is not None else None
    if (known is None or known.told is None) and digested is not None and once.shared is not None:
        value = await once.shared.get(digested)
        known = unpacked(value)[1] if value is not None else known
    return known


def unknown_decision() -> Problem:
    """404."""
    return Problem(
        status=404,
        code="unknown-decision",
        title="No decision is known",
        detail="nobody was told a decision on this transaction, or it is longer ago than decisions "
        "are kept",
    )


def which_customer() -> Problem:
    """409."""
    return Problem(
        status=409,
        code="which-customer",
        title="Several customers have this transaction id",
        detail="ids are unique within a customer; name the customer as customer_id",
    )
