"""JSON lines: an object a line. Numbers stay the text that stands there, so that none loses a
digit; objects within are `outer.inner`.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from riskstream.workbench.files.opened import Utf8Stream, head_of, marked_encoding
from riskstream.workbench.files.rows import (
    BATCH_BYTES,
    BATCH_ROWS,
    FileRows,
    Layout,
    check_width,
    named,
    unreadable,
)

_BLOCK_BYTES, _LINE_BYTES = 1 << 20, 1 << 20
_NAMED_BY = 1000
"""Lines that say which columns there are."""
_DEPTH = 8
_TWICE = "a name stands there twice"


class JsonLinesFile:
    """One file of JSON lines. `total`: its rows are not known before they are read."""

    total: int | None = None

    def __init__(self, path: Path, layout: Layout) -> None:
        self.path = path
        head = head_of(path)
        self._encoding = marked_encoding(head)[0] or layout.encoding or "utf-8"
        if head.lstrip()[:1] == b"[":
            raise unreadable(
                path, "it is one JSON array", "write an object a line (`jq -c '.[]'` does so)"
            )
        self.names = self._find_names()
        self.absent: frozenset[str] = frozenset()
        """Names that no line may have."""

    def batches(self, columns: list[str], first: int) -> Iterator[FileRows]:
        """Rows in order; lines that are no objects are told in `broken`."""
        values: dict[str, list[str | None]] = {name: [] for name in columns}
        places: list[int] = []
        broken: list[tuple[int, str]] = []
        size = 0
        for line, found, length in self._objects():
            size += length
            if isinstance(found, str):
                broken.append((line, found))
            else:
                if not self.absent.isdisjoint(found):
                    raise self._late(line, min(self.absent.intersection(found)))
                for name in columns:
                    values[name].append(found.get(name))
                places.append(line)
            if len(places) + len(broken) >= BATCH_ROWS or size > BATCH_BYTES:
                yield self._batch(values, places, first, broken)
                first += len(places)
                values, places, broken, size = {name: [] for name in columns}, [], [], 0
        if places or broken:
            yield self._batch(values, places, first, broken)

    def _batch(
        self,
        values: dict[str, list[str | None]],
        places: list[int],
        first: int,
        broken: list[tuple[int, str]],
    ) -> FileRows:
        texts = [pa.array(column, pa.string()) for column in values.values()]
        return FileRows(
            path=self.path,
            batch=pa.record_batch(texts, names=list(values)),
            places=np.array(places, np.int64),
            first=first,
            broken=tuple(broken),
        )

    def _late(self, line: int, name: str) -> Exception:
        return unreadable(
            self.path,
            f"line {line:,} has {named([name])}, which none of the first {_NAMED_BY:,} lines has",
            f"write {named([name])} in the first line too, as null say",
        )

    def _find_names(self) -> list[str]:
        names: dict[str, None] = {}
        for _, (_, found, _) in zip(range(_NAMED_BY), self._objects(), strict=False):
            if not isinstance(found, str):
                names.update(dict.fromkeys(found))
                check_width(self.path, len(names))
        if not names:
            raise unreadable(self.path, "no line of it is a JSON object", "write an object a line")
        return list(names)

    def _objects(self) -> Iterator[tuple[int, "dict[str, str | None] | str", int]]:
        """(line, its values by name, or why it is none, and its letters)."""
        for line, text in self._lines():
            if not text.strip():
                continue
            try:
                found = _DECODER.decode(text)
            except (ValueError, RecursionError) as error:
                yield line, f"no JSON: {str(error).split(':')[0]}", len(text)
                continue
            if not isinstance(found, dict):
                yield line, "no JSON object", len(text)
                continue
            out: dict[str, str | None] = {}
            why = _flat(found, "", out, _DEPTH)
            if not why and "\\u" in text and not _is_text(out):
                why = "half of a character (a surrogate), which is no text"
            yield line, why or out, len(text)

    def _lines(self) -> Iterator[tuple[int, str]]:
        stream = Utf8Stream(self.path, self._encoding)
        try:
            rest, line = b"", 0
            while block := stream.read(_BLOCK_BYTES):
                *whole, rest = (rest + block).split(b"\n")
                for each in whole:
                    line += 1
                    yield line, each.decode()
                if len(rest) > _LINE_BYTES:
                    raise unreadable(
                        self.path,
                        f"line {line + 1:,} takes more than {_LINE_BYTES:,} bytes",
                        "write an object a line",
                    )
            if rest:
                yield line + 1, rest.decode()
        finally:
            stream.close()


def _is_text(found: dict[str, str | None]) -> bool:
    """Whether all of it can be written as UTF-8: JSON may name halves of characters."""
    try:
        "".join(each for pair in found.items() for each in pair if each).encode()
    except UnicodeEncodeError:
        return False
    return True


def _no_name_twice(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    out = dict(pairs)
    if len(out) != len(pairs):
        raise ValueError(_TWICE)
    return out


_DECODER = json.JSONDecoder(
    parse_int=str, parse_float=str, parse_constant=str, object_pairs_hook=_no_name_twice
)


def _flat(found: dict[str, Any], before: str, out: dict[str, str | None], depth: int) -> str | None:
    """Put the values into `out`; why they cannot be, None where they can."""
    for name, value in found.items():
        key = before + name
        if isinstance(value, dict):
            if not depth:
                return f"{key} is nested too deep"
            if why := _flat(value, f"{key}.", out, depth - 1):
                return why
        elif key in out:
            return _TWICE
        elif isinstance(value, bool):
            out[key] = "true" if value else "false"
        elif isinstance(value, str) or value is None:
            out[key] = value or None
        else:
            out[key] = json.dumps(value)
    return None
