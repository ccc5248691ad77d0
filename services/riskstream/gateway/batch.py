"""The transactions of one body, read together: plain ones as columns, every other one as if it had
come alone. Pure.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from riskstream.domain.contracts.catalog import MAX_AMOUNT_MINOR
from riskstream.domain.contracts.codec import codec
from riskstream.domain.contracts.column_encoder import ColumnEncoder
from riskstream.domain.contracts.door import Fault
from riskstream.domain.contracts.json_checks import MAX_AHEAD_MS
from riskstream.domain.contracts.json_rows import JsonRows, json_rows_reader
from riskstream.domain.contracts.json_text import Unreadable
from riskstream.domain.contracts.plan import Field
from riskstream.domain.contracts.records import Transaction
from riskstream.domain.risk.bodies import Bodies
from riskstream.gateway.auth.cards import may_hold_card_number
from riskstream.gateway.core import FILLED, read_transaction
from riskstream.gateway.once.identity import BodyHashes, name_of
from riskstream.gateway.problem import Problem, invalid
from riskstream.gateway.rates import Rates

NAME = "transaction.v1"
_AT_ONCE = 1024
_NONE = np.zeros(0, np.int64)


@dataclass(slots=True)
class Batch:
    """n transactions. Of each its id, key, frame and the hash of its body, or None and a problem;
    an id is "" where it cannot be read.
    """

    ids: list[str]
    keys: list[bytes | None]
    frames: list[bytes | None]
    problems: dict[int, Problem]
    bodies: list[int]
    names: list[bytes]

    def __len__(self) -> int:
        return len(self.ids)


class RowsBatcher:
    """Rows to a batch, one body at a time: it keeps its banks. `fields` and `texts`: of the rows'
    reader. `read_alone`: of the bytes of one transaction, the clock in ms.
    """

    def __init__(
        self,
        rates: Rates,
        fields: tuple[Field, ...],
        texts: frozenset[str],
        read_alone: Callable[[bytes, Rates, int], Transaction],
    ) -> None:
        self._rates, self._fields, self._texts = rates, fields, texts
        self._transaction, self._codec = read_alone, codec(NAME)
        self._encoder = ColumnEncoder(NAME, capacity=_AT_ONCE, from_input=tuple(texts))
        self._bodies, self._hashes = Bodies(self._encoder.layout), BodyHashes()
        self._words = {
            "base_currency": rates.base.encode(),
            "rates_version": rates.version.encode(),
        }

    def batch(self, body: bytes, rows: JsonRows, now_ms: int, *, is_clean: bool) -> Batch:
        """The transactions of a body whose rows are read; `is_clean`: no text of a plain one holds
        a card number.
        """
        n = len(rows)
        batch = Batch([""] * n, [None] * n, [None] * n, {}, [0] * n, [b""] * n)
        is_worth_it = is_clean and bool(rows.is_plain.any())
        plain = np.flatnonzero(self._filled(rows, now_ms)) if is_worth_it else _NONE
        for first in range(0, len(plain), _AT_ONCE):
            self._encode(body, rows, plain[first : first + _AT_ONCE], batch)
        is_alone = np.ones(n, np.bool_)
        is_alone[plain] = False
        for at in np.flatnonzero(is_alone).tolist():
            self._read_alone(body[rows.begins[at] : rows.ends[at]], at, now_ms, batch)
        alone = [at for at in np.flatnonzero(is_alone).tolist() if at not in batch.problems]
        found = self._hashes.of([batch.frames[at] or b"" for at in alone]) if alone else []
        for at, hashed in zip(alone, found, strict=True):
            batch.bodies[at] = hashed
        return batch

    def _filled(self, rows: JsonRows, now_ms: int) -> NDArray[np.bool_]:
        """Which rows can be encoded as they stand; the amount in the base currency is filled in,
        where it is not given.
        """
        columns, n = rows.columns, len(rows)
        out = rows.is_plain.copy()
        times = columns.numbers("occurred_at")[:n]
        out &= times <= now_ms + MAX_AHEAD_MS
        out &= ~rows.has("corrects")[:n]
        is_given, has_currency = rows.has("base_amount_minor")[:n], rows.has("base_currency")[:n]
        is_ours = _codes(rows, "base_currency") == _code(self._rates.base)
        out &= np.where(has_currency, is_ours, ~is_given)
        amounts, base = columns.numbers("amount_minor")[:n], columns.numbers("base_amount_minor")
        codes = np.where(out & ~is_given, _codes(rows, "currency"), 0)
        for code in np.unique(codes[codes != 0]).tolist():
            currency = _text(code)
            mine = np.flatnonzero(codes == code)
            if currency == self._rates.base:
                base[mine] = amounts[mine]
            elif currency in self._rates.factors:
                found = [self._rates.to_base(each, currency) for each in amounts[mine].tolist()]
                fits = np.array([each <= MAX_AMOUNT_MINOR for each in found])
                out[mine[~fits]] = False
                base[mine] = np.where(fits, np.array(found, object), 0).astype(np.int64)
            else:
                out[mine] = False
        return out

    def _encode(self, body: bytes, rows: JsonRows, some: NDArray[np.int64], batch: Batch) -> None:
        out, columns, n = self._encoder, rows.columns, len(some)
        for field in self._fields:
            if field.null_row >= 0:
                out.nulls(field.name)[:n] = columns.is_null(field.name)[some]
            if field.name in self._texts:
                starts, lengths = columns.span(field.name)
                mine = out.spans(field.name)
                mine[0][:n], mine[1][:n] = starts[some], lengths[some]
            else:
                out.numbers(field.name)[:n] = columns.numbers(field.name)[some]
        is_given = rows.has("base_amount_minor")[some]
        is_foreign = _codes(rows, "currency")[some] != _code(self._rates.base)
        data, begin = [columns.data], len(columns.data)
        for name, word in self._words.items():
            starts, lengths = out.spans(name)
            starts[:n] = np.where(is_given, starts[:n], begin)
            size = np.where(is_foreign, len(word), 0) if name == "rates_version" else len(word)
            lengths[:n] = np.where(is_given, lengths[:n], size)
            data.append(np.frombuffer(word or b"\0", np.uint8))
            begin += max(len(word), 1)
        joined = np.concatenate(data)
        frames = out.encode(n, joined)
        bodies = self._bodies.hashes(out.filled(n, joined), np.ones(n, np.bool_))
        ids, keys = columns.span("transaction_id"), columns.span("customer_id")
        places = zip(
            some.tolist(),
            ids[0][some].tolist(),
            ids[1][some].tolist(),
            keys[0][some].tolist(),
            keys[1][some].tolist(),
            frames.present(),
            bodies.tolist(),
            strict=True,
        )
        for at, id_at, id_size, key_at, key_size, frame, hashed in places:
            raw, key = body[id_at : id_at + id_size], body[key_at : key_at + key_size]
            batch.ids[at] = raw.decode()
            batch.keys[at], batch.frames[at], batch.bodies[at] = key, frame, hashed
            batch.names[at] = name_of(key, raw)

    def _read_alone(self, body: bytes, at: int, now_ms: int, batch: Batch) -> None:
        try:
            found = self._transaction(body, self._rates, now_ms)
        except Problem as problem:
            batch.problems[at] = problem
            return
        batch.ids[at] = found.transaction_id
        batch.keys[at], batch.frames[at] = found.customer_id.encode(), self._codec.encode(found)
        batch.names[at] = name_of(found.customer_id.encode(), found.transaction_id.encode())


class BatchReader:
    """Reads bodies of JSON, one at a time."""

    def __init__(self, rates: Rates) -> None:
        self._reader = json_rows_reader(NAME, FILLED)
        fields, texts = self._reader.fields, self._reader.texts
        self._batcher = RowsBatcher(rates, fields, texts, read_transaction)

    def read(self, body: bytes, now_ms: int, most: int) -> Batch:
        """The transactions of a body, `most` at most. Problem where it is no array of them."""
        try:
            rows = self._reader.read(body, most)
        except Unreadable as error:
            raise invalid([Fault(path="$", code=error.code, detail=error.detail)]) from None
        return self._batcher.batch(body, rows, now_ms, is_clean=not may_hold_card_number(body))


def _codes(rows: JsonRows, name: str) -> NDArray[np.int64]:
    """A text of three letters as a number, of each row; 0 where it is not given."""
    starts, lengths = rows.columns.span(name)
    n, data = len(rows), rows.columns.data
    is_here = lengths[:n] == 3
    at = np.where(is_here, starts[:n], 0)
    last = len(data) - 1
    out = np.zeros(n, np.int64)
    for step in range(3):
        out = out * 256 + data[np.minimum(at + step, last)]
    return np.where(is_here, out, 0)


def _code(text: str) -> int:
    return int.from_bytes(text.encode(), "big")


def _text(code: int) -> str:
    return code.to_bytes(3, "big").decode()
