"""The texts of one transaction as values of the contract, or all that is wrong with them."""

from dataclasses import dataclass
from typing import Any

from riskstream.domain.contracts.bounds import bounds_of
from riskstream.domain.contracts.door import Fault, door
from riskstream.gateway.core import complete
from riskstream.gateway.iso20022.elements import Slot
from riskstream.gateway.iso20022.found import Places, Text
from riskstream.gateway.iso20022.mapping import CONTRACT, FILLED, Mapping, Part, Source
from riskstream.gateway.iso20022.values import (
    amount_of,
    instant_of,
    shown,
    token_of,
    total_of,
    why_no_iban,
)
from riskstream.gateway.rates import Rates


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One transaction of a message: its number from 0, the line where it begins, and what is wrong
    with it. `values` are the contract's, of `transaction.v1`, and empty where anything is wrong.
    """

    number: int
    line: int
    values: dict[str, Any]
    faults: tuple[Fault, ...] = ()


@dataclass(slots=True, kw_only=True)
class _Draft:
    """Of one transaction. `origins`: slot and line of fields, for faults. `refused`: fields of
    which something is wrong already.
    """

    places: Places
    data: dict[str, Any]
    faults: list[Fault]
    origins: dict[str, tuple[Slot, int]]
    refused: set[str]

    def repeat(self, first: str, name: str) -> None:
        """Gives a field what another one has, which comes from the same place."""
        if first in self.refused:
            self.refused.add(name)
        if first in self.data:
            self.data[name] = self.data[first]
        if first in self.origins:
            self.origins[name] = self.origins[first]


class Converter:
    """Converts by one mapping. `key` is that of the accounts' tokens."""

    def __init__(self, mapping: Mapping, rates: Rates, now_ms: int, key: bytes) -> None:
        self._mapping, self._rates, self._now_ms, self._key = mapping, rates, now_ms, key
        self._door = door(CONTRACT, FILLED)
        self._bounds = bounds_of(CONTRACT)
        self._twins = _twins(mapping.fields)

    def convert(self, places: Places, number: int) -> tuple[Item, int | None]:
        """(the innermost instance's transaction, its amount times 10^PLACES); None: it has no
        amount that could be read.
        """
        mine = places.innermost
        draft = _Draft(places=places, data={}, faults=list(mine.faults), origins={}, refused=set())
        total: int | None = None
        for name, source in self._mapping.fields.items():
            if name in self._twins:
                draft.repeat(self._twins[name], name)
                continue
            used = self._first(source, places, number)
            if used is None:
                if source.value is not None:
                    draft.data[name] = source.value
                continue
            parts, texts = used
            slot = next(part for part in parts if part is not None)
            draft.origins[name] = (slot, texts[0].line)
            if name == "amount_minor":
                total = self._amount(draft, parts, texts[0])
            else:
                self._field(draft, name, source, used)
        values, faults = self._door.checked(draft.data, self._now_ms)
        if not faults and not draft.faults:
            complete(values, self._rates, faults)
        draft.faults += [
            self._placed(each, draft)
            for each in faults
            if each.path.removeprefix("$.") not in draft.refused
        ]
        found = tuple(dict.fromkeys(draft.faults))
        item = Item(number=number, line=mine.line, values={} if found else values, faults=found)
        return item, total

    def _first(
        self, source: Source, places: Places, number: int
    ) -> tuple[tuple[Part, ...], list[Text]] | None:
        """The parts and texts of the first alternative that is there whole."""
        for parts in source.alternatives:
            texts = []
            for part in parts:
                found = places.text(part) if part else Text(str(number + 1), places.innermost.line)
                if found is None or found.text in source.empty:
                    break
                texts.append(found)
            else:
                for each in texts:
                    each.is_used = True
                return parts, texts
        return None

    def _amount(self, draft: _Draft, parts: tuple[Part, ...], amount: Text) -> int | None:
        assert parts[0] is not None
        slot = self._mapping.currencies[parts[0]]
        draft.origins["currency"] = (slot, amount.line)
        currency = draft.places.text(slot)
        total = total_of(amount.text)
        found = amount_of(amount.text, currency.text) if currency else total
        if isinstance(found, str):
            self._refuse(draft, "amount_minor", found)
        elif currency is None:
            draft.refused.add("amount_minor")  # how many digits it has, the currency says
        else:
            draft.data["amount_minor"] = found
        if currency is not None:
            currency.is_used = True
            draft.data["currency"] = currency.text
        return None if isinstance(total, str) else total

    def _field(
        self, draft: _Draft, name: str, source: Source, used: tuple[tuple[Part, ...], list[Text]]
    ) -> None:
        parts, texts = used
        said = []
        for part, each in zip(parts, texts, strict=True):
            text = each.text
            if part is not None and part.path.endswith("/IBAN"):
                if why := why_no_iban(text):
                    self._refuse(draft, name, why)
                    return
                text = text.upper()
            said.append(text)
        text = "/".join(said)
        if not all(said):
            draft.data[name] = ""
        elif source.values:
            self._mapped(draft, name, source, text)
        elif name == "occurred_at":
            found = instant_of(text, source.zone)
            if isinstance(found, str):
                self._refuse(draft, name, found, "bad-time")
            else:
                draft.data[name] = found
        elif self._bounds[name].kind in ("int", "long"):
            if text.isascii() and text.isdigit() and len(text) <= 18:
                draft.data[name] = int(text)
            else:
                self._refuse(draft, name, f"it is {shown(text)}; give a whole number")
        else:
            draft.data[name] = token_of(text, self._key) if source.is_hashed else text

    def _mapped(self, draft: _Draft, name: str, source: Source, text: str) -> None:
        means = dict(source.values)
        if text in means:
            draft.data[name] = means[text]
        elif source.value is not None:
            draft.data[name] = source.value
        else:
            known = ", ".join(list(means)[:10])
            self._refuse(draft, name, f"it is {shown(text)}, which the mapping has not: {known}")

    def _refuse(self, draft: _Draft, name: str, why: str, code: str = "invalid-field") -> None:
        draft.refused.add(name)
        slot, line = draft.origins[name]
        path = draft.places.xpath(slot.path)
        draft.faults.append(Fault(path=path, code=code, detail=f"{why} (line {line})"))

    def _placed(self, fault: Fault, draft: _Draft) -> Fault:
        """A fault of the contract's door, at the element that it is about."""
        name = fault.path.removeprefix("$.")
        if name == "currency":
            wanted = [slot.path for slot in self._mapping.currencies.values()]
        else:
            wanted = [slot.path for slot in self._mapping.fields.get(name, Source()).slots]
        slot, line = draft.origins.get(name, (None, draft.places.innermost.line))
        path = slot.path if slot else wanted[0] if wanted else ""
        detail = fault.detail
        if fault.code == "missing-field" and wanted:
            detail = f"{name} is missing: the message has none of {_ends(wanted)}"
        return Fault(
            path=draft.places.xpath(path),
            code=fault.code,
            detail=f"{detail} (line {line})",
            allowed=fault.allowed,
        )


def _twins(fields: dict[str, Source]) -> dict[str, str]:
    """Texts that come from the same place as an earlier one: an account that is the customer."""
    firsts: dict[Source, str] = {}
    bounds, found = bounds_of(CONTRACT), {}
    for name, source in fields.items():
        if bounds[name].kind == "string":
            first = firsts.setdefault(source, name)
            if first != name:
                found[name] = first
    return found


def _ends(paths: list[str]) -> str:
    """The last two names of each path, the first few."""
    names = dict.fromkeys("/".join(path.split("/")[-2:]) for path in paths)
    return ", ".join(list(names)[:4])
