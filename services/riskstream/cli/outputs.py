"""What the commands' own files look like: only these may take the place of one another."""

import json
import zipfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from riskstream.runtime.files import IsOwn, whole

_MARK = b"riskstream"
_MAX_JSON_BYTES = 64 * 1024 * 1024


def parquet_of(command: str) -> IsOwn:
    """Parquet that `write_parquet` wrote for the same command."""

    def is_own(path: Path) -> bool:
        try:
            return (pq.read_schema(path).metadata or {}).get(_MARK) == command.encode()
        except pa.ArrowException:
            return False

    return is_own


def write_parquet(
    path: Path, table: pa.Table, command: str, *, private: bool, compression: str = "zstd"
) -> None:
    """A table with the command's name in its metadata, whole. Fatal where it cannot be written."""
    marked = table.replace_schema_metadata(
        {**(table.schema.metadata or {}), _MARK: command.encode()}
    )
    with whole(path, private=private) as partial:
        pq.write_table(marked, partial, compression=compression)


@contextmanager
def parts_written(
    path: Path, schema: pa.Schema, command: str, *, private: bool, repeated: Sequence[str]
) -> Iterator[Callable[[pa.Table], None]]:
    """Like `write_parquet`, of tables of `schema`, each a row group: gives a function that takes
    the next one. `repeated`: columns of few values, which get a dictionary.

    A thread compresses and writes a table while the caller makes the next one.
    """
    mark = {_MARK: command.encode()}
    with whole(path, private=private) as partial, ExitStack() as stack:
        writer = stack.enter_context(
            pq.ParquetWriter(
                partial,
                schema.with_metadata(mark),
                compression="zstd",
                use_dictionary=list(repeated),
            )
        )
        thread = stack.enter_context(ThreadPoolExecutor(1))
        pending: list[Future[None]] = []

        def write(part: pa.Table) -> None:
            while pending:
                pending.pop().result()
            pending.append(thread.submit(writer.write_table, part.replace_schema_metadata(mark)))

        yield write
        while pending:
            pending.pop().result()


def json_with(*names: str) -> IsOwn:
    """A JSON object that has all of these names."""

    def is_own(path: Path) -> bool:
        found = _json(path)
        return isinstance(found, dict) and set(names) <= set(found)

    return is_own


def begins_with(text: str) -> IsOwn:
    """A text file that begins so."""

    def is_own(path: Path) -> bool:
        with path.open("rb") as file:
            return file.read(len(text.encode())) == text.encode()

    return is_own


def begins_with_title(text: str) -> IsOwn:
    """An HTML page whose title begins so."""

    def is_own(path: Path) -> bool:
        with path.open("rb") as file:
            return f"<title>{text}".encode() in file.read(2000)

    return is_own


is_page = begins_with_title("Evaluation of ")
"""A page of `riskstream evaluate`."""


def is_release(path: Path) -> bool:
    """A release file, whoever signed it."""
    if not zipfile.is_zipfile(path):
        return False
    try:
        with zipfile.ZipFile(path) as archive:
            return {"manifest.json", "manifest.sig"} <= set(archive.namelist())
    except zipfile.BadZipFile:
        return False


def _json(path: Path) -> Any:
    if path.stat().st_size > _MAX_JSON_BYTES:
        return None
    return json.loads(path.read_bytes())
