"""The one validation of every door: a JSON object to the checked values of a contract, made from
schemas/.

A door finds all that is wrong at once. A field is needed where the schema has no default, or an
enum's fallback for one: no caller means UNKNOWN. What a door fills in itself (a base amount, the
time a label became known) may be left out or null.
"""

import difflib
import json
import re
from dataclasses import dataclass
from functools import cache
from typing import Any

from riskstream.domain.contracts.bounds import Bounds, bounds_of
from riskstream.domain.contracts.catalog import contract
from riskstream.domain.contracts.json_checks import Check, allowed_of, check_of, clean, kind_of
from riskstream.domain.contracts.json_text import Repeated, Written, read_object

MAX_FAULTS = 32
"""Most faults of one body that are told."""
_GUESSES = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One thing that is wrong. `path` is a JSONPath, "$" the body; `allowed` says what would be
    right, if anything would.
    """

    path: str
    code: str
    detail: str
    allowed: str = ""

    def body(self) -> dict[str, str]:
        """As a member of a problem's `errors`."""
        out = {"path": self.path, "code": self.code, "detail": self.detail}
        return {**out, "allowed": self.allowed} if self.allowed else out


@dataclass(frozen=True, slots=True, kw_only=True)
class DoorField:
    """How a door takes one field."""

    name: str
    check: Check
    bounds: Bounds
    allowed: str
    code: str
    is_needed: bool
    may_be_null: bool


class Door:
    """Reads the bodies of one contract. TypeError where the contract has a field that JSON cannot
    carry plainly.
    """

    def __init__(self, name: str, filled: tuple[str, ...] = ()) -> None:
        self._name, self.what = name, name.split(".")[0]
        types = {field["name"]: field["type"] for field in contract(name).schema["fields"]}
        bounds = bounds_of(name)
        self.fields = tuple(_field(bounds[each], types[each], each in filled) for each in types)
        self._names = frozenset(types)

    def read(self, body: bytes, now_ms: int) -> tuple[dict[str, Any], list[Fault]]:
        """The values given that are right, and all that is wrong. Unreadable where the body is no
        JSON object.
        """
        return self.checked(read_object(body, self.what), now_ms)

    def checked(self, data: dict[str, Any], now_ms: int) -> tuple[dict[str, Any], list[Fault]]:
        """The same of fields that were read already: texts, whole numbers, lists of them."""
        faults = (
            [_twice(key) for key in data.twice[:MAX_FAULTS]] if isinstance(data, Repeated) else []
        )
        values: dict[str, Any] = {}
        known = 0
        for field in self.fields:
            if field.name not in data:
                if field.is_needed:
                    faults.append(_missing(field))
                continue
            known += 1
            value = data[field.name]
            if value is None and field.may_be_null:
                continue
            wrong = _faults_of(field, value, now_ms)
            if wrong:
                faults += wrong
            else:
                values[field.name] = _plain(value)
        if known < len(data):
            faults += self._unknown([key for key in data if key not in self._names])
        return values, faults

    def _unknown(self, keys: list[str]) -> list[Fault]:
        out = []
        for number, key in enumerate(keys[:MAX_FAULTS]):
            close = difflib.get_close_matches(key[:64], self._names, 1) if number < _GUESSES else []
            guess = f"; did you mean {close[0]}?" if close else ""
            detail = f"the field {clean(key[:64])} is unknown{guess}"
            allowed = f"the fields of schemas/{self._name}.avsc"
            out.append(
                Fault(path=path_of(key), code="unknown-field", detail=detail, allowed=allowed)
            )
        return out


@cache
def door(name: str, filled: tuple[str, ...] = ()) -> Door:
    """The door of a contract, made once. `filled`: fields that who asks fills in where they are
    left out or null.
    """
    return Door(name, filled)


def path_of(key: str) -> str:
    """The JSONPath of a member of the body."""
    key = clean(key[:64])
    return (
        f"$.{key}"
        if re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", key)
        else f"$[{json.dumps(key, ensure_ascii=False)}]"
    )


def _field(bounds: Bounds, kind: Any, is_filled: bool) -> DoorField:
    branches = kind if isinstance(kind, list) else [kind]
    is_time = any(
        isinstance(each, dict) and each.get("logicalType") == "timestamp-millis"
        for each in branches
    )
    falls_back = (
        any(isinstance(each, dict) and each.get("type") == "enum" for each in branches)
        and not bounds.is_nullable
    )
    return DoorField(
        name=bounds.name,
        check=check_of(bounds, is_time),
        bounds=bounds,
        allowed=allowed_of(bounds, is_time),
        code="bad-time" if is_time else "invalid-field",
        may_be_null=bounds.is_nullable or is_filled,
        is_needed=(not bounds.has_default or falls_back) and not is_filled,
    )


def _faults_of(field: DoorField, value: Any, now_ms: int) -> list[Fault]:
    if not field.bounds.is_array:
        wrong = field.check(value, now_ms)
        return [_fault(field, f"$.{field.name}", wrong)] if wrong else []
    if not isinstance(value, list):
        return [_fault(field, f"$.{field.name}", f"it is {kind_of(value)}; give a list")]
    most, total = field.bounds.max_items, field.bounds.max_total_bytes
    if most is not None and len(value) > most:
        return [_fault(field, f"$.{field.name}", f"it has {len(value):,} items, {most:,} at most")]
    found = [
        (number, wrong) for number, item in enumerate(value) if (wrong := field.check(item, now_ms))
    ]
    if (
        not found
        and total is not None
        and (size := sum(len(item.encode()) for item in value)) > total
    ):
        return [
            _fault(
                field,
                f"$.{field.name}",
                f"its items have {size:,} bytes together, {total:,} at most",
            )
        ]
    return [
        _fault(field, f"$.{field.name}[{number}]", wrong) for number, wrong in found[:MAX_FAULTS]
    ]


def _fault(field: DoorField, path: str, detail: str) -> Fault:
    return Fault(path=path, code=field.code, detail=detail, allowed=field.allowed)


def _missing(field: DoorField) -> Fault:
    detail = f"the field {field.name} is missing"
    return Fault(path=f"$.{field.name}", code="missing-field", detail=detail, allowed=field.allowed)


def _twice(key: str) -> Fault:
    return Fault(
        path=path_of(key),
        code="duplicate-key",
        detail=f"the key {clean(key[:64])} appears twice",
        allowed="each key once",
    )


def _plain(value: Any) -> Any:
    """The checked value: numbers as Python's."""
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return float(value.text) if isinstance(value, Written) else value
