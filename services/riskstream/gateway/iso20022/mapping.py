"""Reads which element of a message gives which field of the contract, from YAML. Fatal where a
mapping is wrong.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import yaml

from riskstream.domain.contracts.bounds import Bounds, bounds_of
from riskstream.gateway.iso20022.elements import Slot
from riskstream.runtime.causes import cause
from riskstream.runtime.errors import Fatal
from riskstream.runtime.exits import Exit

NUMBER = "#"
"""Stands among elements for the transaction's number in the message."""
CONTRACT = "transaction.v1"
FILLED = ("base_amount_minor", "base_currency", "rates_version")
"""Fields that the gateway's rates give, not a message."""
SHIPPED = ("pacs.008", "pain.001")
"""Message types whose mappings ship."""
_PATH = re.compile(
    r"[A-Za-z][A-Za-z0-9]{0,63}(/[A-Za-z][A-Za-z0-9]{0,63}){0,30}(/@[A-Za-z]{1,64})?"
)
_KEYS = (
    "message",
    "versions",
    "root",
    "repeated",
    "identified_by",
    "counts",
    "sums",
    "fields",
)
_FIELD_KEYS = ("any", "value", "values", "empty", "hash", "zone")
_NEEDED = tuple(
    each.name
    for each in bounds_of(CONTRACT).values()
    if (not each.has_default or each.symbols) and each.name not in FILLED
)
_NUMBERS = ("/IBAN", "Acct/Id/Othr/Id")
"""Elements that hold the number of an account."""
Part = Slot | None
"""An element, or None for the transaction's number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where a field comes from: the first of `alternatives` of which all parts are there, joined
    by a slash; else `value`. `values`: what words of the message mean. `empty`: words that say
    that there is nothing. `zone`: of times that name none.
    """

    alternatives: tuple[tuple[Part, ...], ...] = ()
    value: Any = None
    values: tuple[tuple[str, Any], ...] = ()
    empty: tuple[str, ...] = ()
    is_hashed: bool = False
    zone: ZoneInfo | None = None

    @property
    def slots(self) -> tuple[Slot, ...]:
        """All that it may be read from."""
        return tuple(part for each in self.alternatives for part in each if part is not None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mapping:
    """Of one message type. `repeated`: the elements that repeat, each in the one before; the last
    is a transaction. `currencies`: the attribute beside each slot of an amount. `counts` and
    `sums`: slots whose values must be those of the transactions of their level.
    """

    message: str
    first: int
    last: int
    root: str
    repeated: tuple[str, ...]
    slots: tuple[Slot, ...]
    fields: dict[str, Source]
    currencies: dict[Slot, Slot]
    identified_by: Slot
    counts: tuple[Slot, ...]
    sums: tuple[Slot, ...]


def shipped_text(message: str) -> str:
    """The mapping that ships for a message type, as it is written."""
    return Path(__file__).with_name(f"{message}.yaml").read_text(encoding="utf-8")


def read_mappings(paths: Sequence[Path] = ()) -> dict[str, Mapping]:
    """Mappings by message type: those that ship, and in place of them or beside them those of
    files.
    """
    found = [parsed(shipped_text(each), Path(f"{each}.yaml")) for each in SHIPPED]
    for path in paths:
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, ValueError) as error:
            raise _wrong(path, f"it cannot be read: {cause(error)}") from error
        found.append(parsed(text, path))
    return {each.message: each for each in found}


def parsed(text: str, path: Path) -> Mapping:
    """A mapping from its text; `path` is named where it is wrong."""
    try:
        data = yaml.safe_load(text)
    except (ValueError, RecursionError, yaml.YAMLError) as error:
        raise _wrong(path, f"it cannot be read: {cause(error)}") from error
    if not isinstance(data, dict) or not all(isinstance(each, str) for each in data):
        raise _wrong(path, "it is no table of keys")
    return _Reader(path, data).mapping()


class _Reader:
    """Reads one mapping, and numbers its slots."""

    def __init__(self, path: Path, data: dict[str, Any]) -> None:
        self._path, self._data = path, data
        self._slots: dict[str, Slot] = {}
        self._check_keys("", data, _KEYS)
        for key in _KEYS:
            if key not in data:
                raise _wrong(path, f"{key} is missing")
        self._repeated = tuple(self._texts("repeated", data["repeated"]))

    def mapping(self) -> Mapping:
        message, root = self._data["message"], self._data["root"]
        if not isinstance(message, str) or not re.fullmatch(r"[a-z]{4}\.[0-9]{3}", message):
            raise _wrong(self._path, "message is no type like pacs.008")
        if not self._repeated or not all(map(_PATH.fullmatch, (*self._repeated, str(root)))):
            raise _wrong(self._path, "root and repeated are no names of elements")
        first, last = self._versions(self._data["versions"])
        fields = self._fields(self._data["fields"])
        currencies = {
            each: self._slot("fields.amount_minor", f"{each.path}/@Ccy")
            for each in fields["amount_minor"].slots
        }
        found = Mapping(
            message=message,
            first=first,
            last=last,
            root=str(root),
            repeated=self._repeated,
            fields=fields,
            currencies=currencies,
            identified_by=self._slot("identified_by", self._data["identified_by"]),
            counts=tuple(self._totals("counts")),
            sums=tuple(self._totals("sums")),
            slots=tuple(self._slots.values()),
        )
        self._check_leaves()
        return found

    def _versions(self, given: Any) -> tuple[int, int]:
        self._check_keys("versions.", given, ("from", "to"))
        ends = (given.get("from"), given.get("to"))
        if not all(type(each) is int and 0 < each < 100 for each in ends) or ends[0] > ends[1]:
            raise _wrong(self._path, "versions needs from and to, whole numbers of two digits")
        return ends

    def _totals(self, key: str) -> Iterator[Slot]:
        for each in self._texts(key, self._data[key]):
            slot = self._slot(key, each)
            if slot.level == len(self._repeated):
                raise _wrong(self._path, f"{key}: {each} is inside a transaction")
            yield slot

    def _fields(self, given: Any) -> dict[str, Source]:
        bounds = bounds_of(CONTRACT)
        if not isinstance(given, dict):
            raise _wrong(self._path, "fields is no table")
        for name in given:
            if name not in bounds or name in FILLED or name == "currency":
                raise _wrong(self._path, f"fields.{name} is no field that a message gives")
        for name in _NEEDED:
            if name not in given and name != "currency":
                raise _wrong(self._path, f"fields.{name} is missing, the contract needs it")
        found = {name: self._source(bounds[name], each) for name, each in given.items()}
        if not (amount := found["amount_minor"]).alternatives or any(
            len(each) != 1 or each[0] is None for each in amount.alternatives
        ):
            raise _wrong(self._path, "fields.amount_minor needs single elements in `any`")
        return found

    def _source(self, bounds: Bounds, given: Any) -> Source:
        key = f"fields.{bounds.name}"
        self._check_keys(f"{key}.", given, _FIELD_KEYS)
        if not {"any", "value"} & set(given):
            raise _wrong(self._path, f"{key} needs `any` or `value`")
        if type(given.get("hash", False)) is not bool:
            raise _wrong(self._path, f"{key}.hash is neither true nor false")
        if given.get("hash") and (bounds.kind != "string" or bounds.pattern):
            raise _wrong(self._path, f"{key}.hash is for ids")
        if bounds.name == "account_token" and not given.get("hash"):
            self._check_no_number(key, given)
        values = given.get("values", {})
        if not isinstance(values, dict):
            raise _wrong(self._path, f"{key}.values is no table")
        means = [*values.values(), *([given["value"]] if "value" in given else [])]
        for each in means:
            if type(each) not in (str, int) or (bounds.symbols and each not in bounds.symbols):
                raise _wrong(self._path, f"{key} cannot be {each!r}")
        return Source(
            alternatives=tuple(self._alternatives(key, given.get("any", []))),
            value=given.get("value"),
            values=tuple((str(word), each) for word, each in values.items()),
            empty=tuple(self._texts(f"{key}.empty", given.get("empty", []))),
            is_hashed=given.get("hash", False),
            zone=self._zone(key, given["zone"]) if "zone" in given else None,
        )

    def _check_no_number(self, key: str, given: dict[str, Any]) -> None:
        """The contract has a token of an account, never its number."""
        for parts in self._alternatives(key, given.get("any", [])):
            if any(part and part.path.endswith(_NUMBERS) for part in parts):
                raise _wrong(self._path, f"{key} would be an account's number: say `hash: true`")

    def _alternatives(self, key: str, given: Any) -> Iterator[tuple[Part, ...]]:
        if not isinstance(given, list):
            raise _wrong(self._path, f"{key}.any is no list")
        for each in given:
            parts = self._texts(f"{key}.any", each if isinstance(each, list) else [each])
            if not parts or parts == [NUMBER]:
                raise _wrong(self._path, f"{key}.any needs an element")
            yield tuple(None if part == NUMBER else self._slot(key, part) for part in parts)

    def _slot(self, key: str, path: Any) -> Slot:
        if not isinstance(path, str) or not _PATH.fullmatch(path):
            raise _wrong(self._path, f"{key}: {path!r} is no path like GrpHdr/MsgId")
        names, level = path.split("/"), 0
        while level < len(self._repeated) and names[level : level + 1] == [self._repeated[level]]:
            level += 1
        if len(names) == level:
            raise _wrong(self._path, f"{key}: {path} repeats, and has no text of its own")
        return self._slots.setdefault(path, Slot(path=path, number=len(self._slots), level=level))

    def _check_leaves(self) -> None:
        for path in self._slots:
            above = path.rpartition("/")[0]
            while above:
                if above in self._slots and not path.startswith(f"{above}/@"):
                    raise _wrong(self._path, f"{above} is read as a text, and {path} is in it")
                above = above.rpartition("/")[0]

    def _zone(self, key: str, given: Any) -> ZoneInfo:
        try:
            return ZoneInfo(str(given))
        except (ValueError, KeyError, OSError) as error:
            raise _wrong(self._path, f"{key}.zone is no name like Europe/Berlin") from error

    def _texts(self, key: str, given: Any) -> list[str]:
        if not isinstance(given, list) or not all(isinstance(each, str) for each in given):
            raise _wrong(self._path, f"{key} is no list of texts")
        return given

    def _check_keys(self, key: str, given: Any, known: tuple[str, ...]) -> None:
        if not isinstance(given, dict):
            raise _wrong(self._path, f"{key.rstrip('.')} is no table")
        for each in given:
            if each not in known:
                raise _wrong(self._path, f"{key}{each} is unknown")


def _wrong(path: Path, what: str) -> Fatal:
    return Fatal(
        what=f"the mapping is wrong: {what}",
        where=str(path),
        do="see docs/iso20022.md",
        exit_code=Exit.INPUT,
    )
