"""What the first rows of a file show of its columns, and what one column holds further on."""

from collections import Counter
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from riskstream.runtime.errors import Fatal
from riskstream.workbench.files.reader import Files
from riskstream.workbench.files.rows import BATCH_BYTES
from riskstream.workbench.files.shared_texts import bytes_of_texts
from riskstream.workbench.mapping.findings import shown
from riskstream.workbench.mapping.plain import plain

SAMPLE_ROWS = 10_000
FURTHER_ROWS = 1_000_000
"""Rows in which a column is looked at alone."""
_FEW = 1000
"""Different values that are all kept; of more, one of each shape is."""
_WORDS = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """One column. `counts`: how often each value appears in `rows`, the most frequent first."""

    name: str
    column: pa.Array
    counts: Counter[str]

    @property
    def rows(self) -> int:
        return len(self.column)

    @property
    def filled(self) -> int:
        return len(self.column) - int(self.column.null_count)

    @property
    def different(self) -> int:
        return len(self.counts)

    @property
    def words(self) -> tuple[str, ...]:
        """The most frequent values."""
        return tuple(list(self.counts)[:_WORDS])

    @property
    def is_text(self) -> bool:
        return bool(pa.types.is_string(self.column.type))

    @property
    def is_nested(self) -> bool:
        """Whether the values are lists or structs, which no field takes."""
        return bool(pa.types.is_nested(self.column.type))

    @property
    def is_unique(self) -> bool:
        return self.filled == self.rows == self.different

    @property
    def examples(self) -> str:
        return ", ".join(repr(each) for each in self.words[:3])


def seen_of(name: str, column: pa.Array) -> Seen:
    """A column as it is seen."""
    column = plain(column)
    try:
        counted = Counter(str(each) for each in column.to_pylist() if each is not None)
    except (ValueError, OverflowError, LookupError):  # a time that no calendar has
        counted = Counter(shown(each) for each in column if each.is_valid)
    return Seen(name=name, column=column, counts=Counter(dict(counted.most_common())))


def columns_seen(files: Files, below: int = 0) -> tuple[list[Seen], str]:
    """(all columns of the file's first rows that stand below a line, why the first row that is none
    is none). SAMPLE_ROWS, fewer where their texts are long. No column where there is no row.
    """
    parts: list[pa.RecordBatch] = []
    why, rows, broken, size = "", 0, 0, 0
    for found in files.batches(list(dict.fromkeys(files.names))):
        why = why or next((said for place, said in found.broken if place > below), "")
        skip = int((found.places <= below).sum())
        parts.append(found.batch.slice(skip))
        rows, broken = rows + parts[-1].num_rows, broken + len(found.broken)
        size += bytes_of_texts(found.batch)
        if rows >= SAMPLE_ROWS or broken > 10 * SAMPLE_ROWS or size > BATCH_BYTES // 2:
            break
    if not rows:
        return [], why
    table = pa.Table.from_batches(parts).slice(0, SAMPLE_ROWS)
    return [seen_of(name, table[name].combine_chunks()) for name in table.column_names], why


def further(files: Files, below: int, name: str) -> pa.Array:
    """What a column of texts holds in FURTHER_ROWS rows that stand below a line: all its different
    values, or one of each shape where these are many. Empty where it is of another type, or cannot
    be read.
    """
    found, rows = dict[str, str](), 0
    try:
        for each in files.batches([name]):
            column = plain(each.batch.column(0))[int((each.places <= below).sum()) :]
            if not pa.types.is_string(column.type):
                break
            _add(found, pc.unique(column.drop_null()))
            rows += each.batch.num_rows
            if rows >= FURTHER_ROWS:
                break
    except Fatal:
        pass  # `check` reads all rows, and says it
    return pa.array(found.values(), pa.string())


def _add(found: dict[str, str], values: pa.Array) -> None:
    """Keep each value, or one of each shape: 12.50 and 99.99 are of one."""
    if len(found) + len(values) <= _FEW:
        found.update((each, each) for each in values.to_pylist())
        return
    shapes = pc.replace_substring_regex(values, r"\d", "9")
    coded = shapes.dictionary_encode()
    firsts = pc.index_in(coded.dictionary, shapes)
    found.update(zip(coded.dictionary.to_pylist(), values.take(firsts).to_pylist(), strict=True))
