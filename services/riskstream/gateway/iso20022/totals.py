"""What a message says of its transactions, compared with them."""

from riskstream.domain.contracts.door import Fault
from riskstream.gateway.iso20022.elements import Slot
from riskstream.gateway.iso20022.found import Places
from riskstream.gateway.iso20022.mapping import Mapping
from riskstream.gateway.iso20022.values import PLACES, shown, total_of
from riskstream.gateway.problem import invalid
from riskstream.runtime.words import count_of


def check_totals(mapping: Mapping, places: Places) -> None:
    """Of the innermost instance, a message or a group. Problem where its counts or sums are not
    those of its transactions.
    """
    mine, level = places.innermost, len(places.open) - 1
    faults = []
    if not mine.count:
        detail = f"it holds no transaction (line {mine.line})"
        faults.append(Fault(path=places.xpath(), code="no-transaction", detail=detail))
    for slot in mapping.counts:
        if slot.level == level:
            faults += _count_faults(slot, places)
    for slot in mapping.sums:
        if slot.level == level:
            faults += _sum_faults(slot, places)
    if faults:
        raise invalid(faults)


def _count_faults(slot: Slot, places: Places) -> list[Fault]:
    found, count = places.text(slot), places.innermost.count
    are = f"{count_of(count, 'transaction')} {'is' if count == 1 else 'are'} there"
    if found is None:
        if slot.level:
            return []  # ISO 20022 needs it of a message alone
        detail, code = f"it is missing, and {are}", "missing-field"
        return [Fault(path=places.xpath(slot.path), code=code, detail=detail)]
    found.is_used = True
    text = found.text
    if text.isascii() and text.isdigit() and len(text) <= 15 and int(text) == count:
        return []
    return [_differs(slot, places, text, are)]


def _sum_faults(slot: Slot, places: Places) -> list[Fault]:
    found, total = places.text(slot), places.innermost.total
    if found is None:
        return []
    found.is_used = True
    if total is None or total_of(found.text) == total:
        return []
    whole, rest = divmod(total, 10**PLACES)
    behind = f"{rest:0{PLACES}d}".rstrip("0")
    said = f"{whole}.{behind}" if behind else f"{whole}"
    return [_differs(slot, places, found.text, f"the amounts add up to {said}")]


def _differs(slot: Slot, places: Places, text: str, what: str) -> Fault:
    found = places.text(slot)
    line = found.line if found else 0
    return Fault(
        path=places.xpath(slot.path),
        code="wrong-total",
        detail=f"it is {shown(text)}, and {what} (line {line})",
        allowed="what the transactions of the message are",
    )
