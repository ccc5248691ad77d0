"""Damaged files give rows of the contract, or one sentence: a few of those that
`python -m loadtests.files damaged` looks at by the hundred thousand.
"""

import gzip
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from loadtests.files.damage import book_of
from loadtests.files.damaged import look_at
from tests.support.workbooks import write_parts

from riskstream.runtime.errors import Fatal
from riskstream.workbench.files.reader import Files
from riskstream.workbench.files.rows import BATCH_BYTES
from riskstream.workbench.mapping.columns_seen import columns_seen
from riskstream.workbench.mapping.findings import shown


@pytest.mark.parametrize("first", range(0, 250, 50))
def test_a_damaged_file_gives_rows_or_one_sentence(tmp_path: Path, first: int) -> None:
    found = [look_at(7, number, tmp_path, is_quick=True) for number in range(first, first + 50)]
    assert [f"{each.number} {each.damage}: {each.wrong}" for each in found if each.wrong] == []
    assert 0 < sum(bool(each.said) for each in found) <= 50


def _read(path: Path) -> int:
    files = Files(path)
    return sum(each.batch.num_rows for each in files.batches(files.names[:1]))


MANY = 200_000


@pytest.mark.parametrize(
    ("part", "text", "words"),
    [
        ("xl/sheet.xml", "<a>" * MANY, "is nested too deep"),
        ("xl/texts.xml", "<a>" * MANY, "is nested too deep"),
        ("xl/sheet.xml", "".join(f"<a{n}/>" for n in range(5000)), "more than 1,000 names"),
        ("xl/sheet.xml", "<c a='" + "x" * 2_000_000, "an element of .* takes more than"),
        ("xl/texts.xml", "<si><t>" + "x" * 2_000_000, "a text takes more than"),
        ("xl/styles.xml", "<xf/>" * MANY, "xl/styles.xml is too large"),
        ("xl/workbook.xml", " " * 17_000_000, "takes more than 16,777,216 bytes"),
        ("xl/sheet.xml", " " * 18_000_000, "hold no row"),
        ("xl/texts.xml", " " * 18_000_000, "hold no text"),
    ],
    ids=lambda given: given[:20],
)
def test_a_part_of_a_workbook_that_takes_too_much_is_refused(
    tmp_path: Path, part: str, text: str, words: str
) -> None:
    (tmp_path / "in.xlsx").write_bytes(book_of({part: f"<a>{text}".encode()}))
    with pytest.raises(Fatal, match=words):
        _read(tmp_path / "in.xlsx")


def test_a_workbook_that_declares_types_is_refused(tmp_path: Path) -> None:
    text = b"<!DOCTYPE a [<!ENTITY b 'c'>]><a/>"
    (tmp_path / "in.xlsx").write_bytes(book_of({"xl/sheet.xml": text}))
    with pytest.raises(Fatal, match="declares types of its own"):
        _read(tmp_path / "in.xlsx")


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet", "arrow"])
def test_a_file_of_too_many_columns_is_refused(tmp_path: Path, kind: str) -> None:
    names, path = [f"c{n}" for n in range(20_000)], tmp_path / f"in.{kind}"
    if kind == "csv":
        path.write_text(",".join(names) + "\n")
    elif kind == "jsonl":
        path.write_text(json.dumps(dict.fromkeys(names, 1)) + "\n")
    else:
        table = pa.table({name: [1] for name in names})
        if kind == "parquet":
            pq.write_table(table, path)
        else:
            with pa.ipc.new_file(str(path), table.schema) as writer:
                writer.write_table(table)
    with pytest.raises(Fatal, match=r"it has more than 16,384 columns"):
        _read(path)


def _batches(path: Path) -> list[pa.RecordBatch]:
    return [each.batch for each in Files(path).batches(["a"])]


@pytest.mark.parametrize("kind", ["dictionary", "runs", "view", "parquet", "xlsx", "jsonl"])
def test_a_long_text_of_many_rows_comes_in_small_batches(tmp_path: Path, kind: str) -> None:
    rows, text, path = 100, "x" * 900_000, tmp_path / "in"
    if kind == "xlsx":
        cells = "".join(f'<row r="{n}"><c t="s"><v>1</v></c></row>' for n in range(2, rows + 2))
        head = '<row r="1"><c t="s"><v>0</v></c></row>'
        texts = f"<si><t>a</t></si><si><t>{text}</t></si>"
        write_parts(path, head + cells, texts=texts)
    elif kind == "jsonl":
        path.write_bytes(gzip.compress((json.dumps({"a": text}) + "\n").encode() * rows))
    elif kind == "parquet":
        pq.write_table(pa.table({"a": [text] * rows}), path)
    else:
        column = {
            "dictionary": lambda: pa.DictionaryArray.from_arrays(pa.array([0] * rows), [text]),
            "runs": lambda: pa.RunEndEncodedArray.from_arrays(pa.array([rows]), pa.array([text])),
            "view": lambda: pa.array([text] * rows, pa.string_view()),
        }[kind]()
        with pa.ipc.new_file(str(path), pa.schema([("a", column.type)])) as writer:
            writer.write_table(pa.table({"a": column}))
    found = _batches(path)
    assert sum(each.num_rows for each in found) == rows
    most = 2 * BATCH_BYTES / len(text)
    assert max(each.num_rows for each in found) <= most
    assert columns_seen(Files(path))[0][0].rows < rows
    assert {str(value) for each in found for value in each.column(0)} == {text}


@pytest.mark.parametrize("kind", [pa.timestamp("us", "Nowhere"), pa.timestamp("s")])
def test_times_that_cannot_be_shown_are_seen_all_the_same(
    tmp_path: Path, kind: pa.DataType
) -> None:
    values = pa.array([0, 1 << 62, None], pa.int64()).view(kind)
    with pa.ipc.new_file(str(tmp_path / "in"), pa.schema([("a", kind)])) as writer:
        writer.write_table(pa.table({"a": values}))
    seen = columns_seen(Files(tmp_path / "in"))[0][0]
    assert (seen.filled, seen.different) == (2, 2)


def test_a_number_that_cannot_be_shown_is_shown_by_its_type() -> None:
    raw = pa.array([b"\x07" * 32], pa.binary(32)).buffers()[1]
    values = pa.Array.from_buffers(pa.decimal256(76, 1 << 30), 1, [None, raw])
    assert shown(values[0]) == "decimal256(76, 1073741824)"
