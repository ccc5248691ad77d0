"""Ways to write every field of a table."""

from decimal import Decimal
from random import Random
from typing import Any

import pyarrow as pa

from tests.support.tables.amounts import amount_ways
from tests.support.tables.times import time_ways
from tests.support.tables.truth import Truth
from tests.support.tables.way import (
    CELL,
    JSON,
    TEXT,
    TYPED,
    Way,
    coded,
    of_decimals,
    of_integers,
    of_texts,
)

IDS = ("transaction_id", "customer_id", "account_token", "terminal_id", "merchant_id")
_CODES = {"POS": "chip", "ECOM": "web", "ATM": "10", "MOBILE": "App", "BRANCH": "Filiale, 2"}
_YES = (("Yes", "No"), ("ja", "nein"), ("1", "0"), ("true", "false"), ("TRUE", "FALSE"), ("2", "1"))


def ways_of(rng: Random, truth: Truth, medium: str) -> dict[str, Way]:
    """A way for each field that the mapping is to name. Optional ones may be left out."""
    held = truth.fields
    out = {
        name: id_ways(rng, held[name], medium)
        for name in IDS
        if name in IDS[:3] or rng.random() < 0.6
    }
    out["amount_minor"] = amount_ways(rng, truth, medium)
    out["currency"] = _words(rng, held["currency"], medium)
    out["occurred_at"] = time_ways(rng, held["occurred_at"], truth.grain, medium)
    out["channel"] = _symbols(rng, held["channel"], medium)
    is_by_sign = "negative" in out["amount_minor"].source
    if is_by_sign and set(held["kind"]) <= {"PURCHASE", "REFUND"} and rng.random() < 0.7:
        out["kind"] = Way(columns=[], source={"value": "PURCHASE"})
    else:
        out["kind"] = _words(rng, held["kind"], medium)
    if rng.random() < 0.6:
        out["mcc"] = _mcc(rng, held["mcc"], medium)
    if rng.random() < 0.4:
        out["country"] = _words(rng, held["country"], medium)
    if rng.random() < 0.7:
        out["is_fraud"] = _labels(rng, held["is_fraud"], medium)
    return out


def id_ways(rng: Random, ids: list[str | None], medium: str) -> Way:
    """One way to write ids; those of digits alone may be numbers."""
    there = [each for each in ids if each is not None]
    is_number = all(each.isdigit() and each == str(int(each)) for each in there)
    most = max((int(each) for each in there), default=0) if is_number else 2**63
    if is_number and rng.random() < 0.6:
        found = _as_numbers(rng, ids, most, medium)
        if found is not None:
            return found
    if there and all(each.startswith(("c-", "k_")) for each in there) and rng.random() < 0.5:
        prefixes = {each[:2] for each in there}
        if len(prefixes) == 1:
            bare = [None if each is None else each[2:] for each in ids]
            source = {"prefix": prefixes.pop()}
            return Way(columns=[of_texts(rng, bare, medium)], source=source)
    if rng.random() < 0.15 and None in ids and "-" not in there and "n/a" not in there:
        words = [rng.choice(["-", "n/a"]) if each is None else each for each in ids]
        return Way(columns=[of_texts(rng, words, medium)], source={"empty": ["-", "n/a"]})
    return Way(columns=[of_texts(rng, list(ids), medium)])


def _as_numbers(rng: Random, ids: list[str | None], most: int, medium: str) -> Way | None:
    numbers = [None if each is None else int(each) for each in ids]
    kind = rng.choice(["whole", "whole", "float", "decimal"])
    source: dict[str, Any] = {"integer": True} if rng.random() < 0.8 else {}
    if medium == TYPED:
        if kind == "float":
            held = [None if each is None else float(each) for each in numbers]
            column = pa.array(held, pa.float64())
            is_sure = bool(source) and most < 2**53
            return Way(columns=[column], source=source, is_sure=is_sure)
        if kind == "decimal" and most < 10**19:
            return Way(columns=[of_decimals(rng, list(map(_decimal, numbers)), 0)])
        return Way(columns=[of_integers(rng, numbers)])
    if medium == JSON and kind != "float":
        return Way(columns=[numbers])
    if medium == CELL and (most < 10**15 or rng.random() < 0.2):
        return Way(columns=[numbers], is_sure=most < 10**15)
    if kind == "float" and most < 10**15:
        texts = [None if each is None else f"{each}.0" for each in numbers]
        return Way(columns=[texts], source=source, is_sure=bool(source))
    return None


def _decimal(value: int | None) -> Decimal | None:
    return None if value is None else Decimal(value)


def _words(rng: Random, words: list[str | None], medium: str) -> Way:
    there = {each for each in words if each is not None}
    if len(there) == 1 and None not in words and rng.random() < 0.3:
        return Way(columns=[], source={"value": there.pop()})
    if there and rng.random() < 0.3:
        meant = {f"{at}: {word.lower()}": word for at, word in enumerate(sorted(there))}
        written = {means: word for word, means in meant.items()}
        texts = [None if each is None else written[each] for each in words]
        return Way(columns=[of_texts(rng, texts, medium)], source={"values": meant})
    return Way(columns=[of_texts(rng, list(words), medium)])


def _symbols(rng: Random, symbols: list[str], medium: str) -> Way:
    if rng.random() < 0.5:
        return _words(rng, list(symbols), medium)
    if rng.random() < 0.4:
        order = list(_CODES)
        codes = [order.index(each) for each in symbols]
        source = {"values": {str(at): each for at, each in enumerate(order)}}
        if medium == TYPED:
            return Way(columns=[of_integers(rng, list(codes))], source=source)
        if medium in (JSON, CELL):
            return Way(columns=[codes], source=source)
        return Way(columns=[list(map(str, codes))], source=source)
    source = {"values": {word: each for each, word in _CODES.items()}}
    return Way(columns=[of_texts(rng, [_CODES[each] for each in symbols], medium)], source=source)


def _mcc(rng: Random, codes: list[int | None], medium: str) -> Way:
    if medium == TYPED and rng.random() < 0.7:
        kind = rng.choice(["whole", "float", "NaN", "decimal"])
        if kind == "whole":
            return Way(columns=[of_integers(rng, list(codes))])
        if kind == "decimal":
            return Way(columns=[of_decimals(rng, list(map(_decimal, codes)), rng.choice([0, 2]))])
        hole = float("nan") if kind == "NaN" else None
        column = pa.array([hole if each is None else float(each) for each in codes], pa.float64())
        return Way(columns=[column], is_sure=kind == "float" or None not in codes)
    if medium in (JSON, CELL) and rng.random() < 0.7:
        return Way(columns=[list(codes)])
    shape = rng.choice(["d", "04d", ".1f"])
    texts = [None if each is None else f"{each:{shape}}" for each in codes]
    return Way(columns=[of_texts(rng, texts, medium)])


def _labels(rng: Random, labels: list[bool | None], medium: str) -> Way:
    kind = rng.choice(["flag", "number", "float", "words", "words"])
    if medium == TEXT or kind == "words":
        yes, no = rng.choice(_YES)
        texts = [None if each is None else yes if each else no for each in labels]
        is_known = yes.lower() in ("1", "true")
        source: dict[str, Any] = {}
        if not is_known or rng.random() < 0.3:
            source["values"] = {yes: True, no: False}
        is_sure = True
        if not is_known and rng.random() < 0.2:
            source, is_sure = {}, False
            if yes == "2":  # 1 and 2, where 1 means genuine: nobody can know
                source = {"values": {yes: True, no: False}}
                is_sure = True
        return Way(columns=[of_texts(rng, texts, medium)], source=source, is_sure=is_sure)
    if medium == TYPED:
        if kind == "flag":
            return Way(columns=[pa.array(labels, pa.bool_())])
        if kind == "number":
            numbers = [None if each is None else int(each) for each in labels]
            return Way(columns=[of_integers(rng, numbers)])
        column = pa.array([None if each is None else float(each) for each in labels], pa.float64())
        return Way(columns=[coded(rng, column) if rng.random() < 0.2 else column])
    if kind == "flag":
        return Way(columns=[list(labels)])
    as_number = float if kind == "float" else int
    return Way(columns=[[None if each is None else as_number(each) for each in labels]])
