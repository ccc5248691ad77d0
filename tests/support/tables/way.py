"""One way to write a field, and the Arrow types that hold the same values."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

TYPED, TEXT, JSON, CELL = "typed", "text", "json", "cell"
"""Media: Arrow arrays; CSV's texts; JSON's texts, numbers and booleans; cells of a workbook."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """`columns`: the values of one column or of several; Arrow arrays where the medium is typed.
    `source`: what the mapping says beside their names. `is_sure`: the reader has to take every row;
    else it may refuse some, or all.
    """

    columns: list[Any]
    source: dict[str, Any] = field(default_factory=dict)
    is_sure: bool = True


def of_texts(rng: Random, texts: Sequence[str | None], medium: str) -> Any:
    """Texts in a column of the medium."""
    if medium != TYPED:
        return list(texts)
    kind = rng.choice(["string", "large", "view", "bytes", "large bytes", "coded", "runs"])
    plain = pa.array(texts, pa.string())
    if kind == "coded":
        return coded(rng, plain)
    if kind == "runs":
        return pc.run_end_encode(plain)
    return plain.cast(
        {
            "string": pa.string(),
            "large": pa.large_string(),
            "view": pa.string_view(),
            "bytes": pa.binary(),
            "large bytes": pa.large_binary(),
        }[kind]
    )


def coded(rng: Random, column: pa.Array) -> pa.Array:
    """A dictionary of the values, with indices of some width; sometimes with values that no row
    has.
    """
    found = column.dictionary_encode()
    indices = found.indices.cast(rng.choice([pa.int8(), pa.int16(), pa.int32(), pa.uint8()]))
    return pa.DictionaryArray.from_arrays(indices, found.dictionary)


def of_integers(rng: Random, values: list[int | None]) -> pa.Array:
    """Whole numbers in a type that holds them."""
    there = [each for each in values if each is not None]
    kinds = []
    for bits in (8, 16, 32, 64):
        signed = pa.type_for_alias(f"int{bits}")
        if all(-(2 ** (bits - 1)) <= each < 2 ** (bits - 1) for each in there):
            kinds.append(signed)
    for bits in (8, 16, 32, 64):
        if all(0 <= each < 2**bits for each in there):
            kinds.append(pa.type_for_alias(f"uint{bits}"))
    column = pa.array(values, rng.choice(kinds))
    return coded(rng, column) if rng.random() < 0.15 else column


def of_decimals(rng: Random, values: list[Any], digits: int) -> pa.Array:
    """Decimals with so many digits behind the point."""
    kinds = [pa.decimal128(30, digits), pa.decimal256(50, digits)]
    most = max((abs(each) for each in values if each is not None), default=0)
    if most < 10 ** (17 - digits):
        kinds.append(pa.decimal64(18, digits))
    if most < 10 ** (8 - digits):
        kinds.append(pa.decimal32(9, digits))
    return pa.array(values, rng.choice(kinds))
