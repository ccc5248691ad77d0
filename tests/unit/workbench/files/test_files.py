"""Files as people have them: every format, dialect and kind of damage is read right, or refused in
one sentence.
"""

import datetime as dt
import gzip
import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.support.workbooks import write_workbook

from riskstream.runtime.errors import Fatal
from riskstream.workbench.files.reader import Files
from riskstream.workbench.files.rows import Layout

ROWS = [["1", "Müller", "10,50"], ["2", "a;b", "1.234,56"], ["3", 'say "x"', "7"]]
NAMES = ["id", "who", "amount"]


def _read(path: Path, layout: Layout | None = None) -> tuple[list[list[Any]], list[Any]]:
    """(rows, broken) of all columns."""
    files = Files(path, layout)
    rows, broken = [], []
    for found in files.batches(files.names):
        rows += [list(row.values()) for row in found.batch.to_pylist()]
        broken += list(found.broken)
    return rows, broken


def _places(path: Path) -> list[int]:
    files = Files(path)
    return [place for found in files.batches(files.names) for place in found.places.tolist()]


def _csv(separator: str, quote: str = '"', end: str = "\n") -> str:
    def cell(text: str) -> str:
        if not quote:
            return text
        return f"{quote}{text.replace(quote, quote * 2)}{quote}"

    return end.join(separator.join(map(cell, row)) for row in [NAMES, *ROWS]) + end


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_separator_a_byte_order_mark_and_line_ends_are_found(
    tmp_path: Path, separator: str, encoding: str, end: str
) -> None:
    path = tmp_path / "in.csv"
    path.write_bytes(_csv(separator, end=end).encode(encoding))
    assert Files(path).names == NAMES
    assert _read(path) == (ROWS, [])
    assert _places(path) == [2, 3, 4]


def test_what_excel_writes_before_the_names_is_followed(tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text("sep=|\n" + _csv("|"))
    assert _read(tmp_path / "in.csv") == (ROWS, [])
    assert _places(tmp_path / "in.csv") == [3, 4, 5]


@pytest.mark.parametrize("packing", ["gzip", "zstd", "bz2"])
def test_a_packed_file_is_read_whatever_its_name(tmp_path: Path, packing: str) -> None:
    path = tmp_path / "in.csv"
    with pa.output_stream(str(path), compression=packing) as out:
        out.write(_csv(";").encode())
    assert _read(path) == (ROWS, [])


def test_a_packed_file_that_was_cut_is_refused(tmp_path: Path) -> None:
    whole = gzip.compress(_csv(";").encode() * 200)
    (tmp_path / "in.csv.gz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(Fatal, match=r"cannot be read|damaged"):
        _read(tmp_path / "in.csv.gz")


def test_bytes_that_are_no_utf_8_are_refused_with_the_line_and_read_as_declared(
    tmp_path: Path,
) -> None:
    path = tmp_path / "in.csv"
    path.write_bytes(_csv(";").encode("cp1252"))
    with pytest.raises(Fatal, match=r"line 2 is no utf-8 .byte 0xFC; .*Müller.* in cp1252"):
        _read(path)
    assert _read(path, Layout(encoding="cp1252")) == (ROWS, [])


def test_places_are_lines_whatever_stands_between_them(tmp_path: Path) -> None:
    path = tmp_path / "in.csv"
    path.write_text('id,who\n\n1,"two\nlines"\nshort\n\n2,b\n3,c,d\n')
    assert _read(path) == (
        [["1", "two\nlines"], ["2", "b"]],
        [(5, "1 columns, 2 expected"), (8, "3 columns, 2 expected")],
    )
    assert _places(path) == [3, 7]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('id,who\n1,"a\n2,b\n3,c\n', "the quote that opens in line 2 is never closed"),
        ('id,who\n1,"a\n2,b"c\n', "the quote that opens in line 2 is closed within a value"),
        ("id,who\n1,\x00\n", "line 2 holds a NUL"),
        ("", "the file is empty"),
        ("\n\n", "the file is empty"),
        ("[1, 2]", "it is one JSON array"),
        ('id,who\n1,"' + "x" * 3_000_000 + '"\n', "a record takes more than"),
        ('id,who\n1,a\n2, "b"\n', "a space stands before the quote in line 3"),
        ("id;a,b\n1;2,3\n", "may be separated by a comma or by a semicolon"),
    ],
)
def test_a_file_that_would_be_misread_is_refused(tmp_path: Path, text: str, words: str) -> None:
    name = "in.json" if text.startswith("[") else "in.csv"
    (tmp_path / name).write_text(text)
    with pytest.raises(Fatal, match=words) as caught:
        _read(tmp_path / name)
    assert caught.value.exit_code == 2


def test_quotes_within_values_count_where_they_are_declared_away(tmp_path: Path) -> None:
    path = tmp_path / "in.csv"
    path.write_text('id,who\n1,5" pipe\n2,"x\n')
    assert _read(path, Layout(quote="none"))[0] == [["1", '5" pipe'], ["2", '"x']]


def test_a_space_behind_each_separator_belongs_to_no_value(tmp_path: Path) -> None:
    path = tmp_path / "in.csv"
    path.write_text('id, "who"\n1, a\n2, "b, c"\n 3,  d\n4, \n5,e\n')
    rows = [["1", "a"], ["2", "b, c"], [" 3", " d"], ["4", None], ["5", "e"]]
    assert (Files(path).names, _read(path)[0]) == (["id", "who"], rows)
    path.write_text("id,who\n1, a\n")
    assert _read(path)[0] == [["1", " a"]]


def test_a_value_may_begin_with_the_letter_of_the_byte_order_mark(tmp_path: Path) -> None:
    path = tmp_path / "in.csv"
    path.write_text("id,who\n\ufeffx,a\n\ufeffy,b\n")
    assert _read(path)[0] == [["\ufeffx", "a"], ["\ufeffy", "b"]]


def test_names_that_stand_twice_are_told_apart(tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text("id,who,id,\n1,2,3,4\n")
    assert Files(tmp_path / "in.csv").names == ["id", "who", "id (2)", "column 4"]


def test_names_may_be_declared_where_no_line_gives_them(tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text("1;a\n2;b\n")
    layout = Layout(columns=("id", "who"), separator=";")
    assert _read(tmp_path / "in.csv", layout)[0] == [["1", "a"], ["2", "b"]]


def test_names_that_are_declared_need_a_separator_that_fits(tmp_path: Path) -> None:
    path = tmp_path / "in.csv"
    path.write_text("1|a,b|c\n2|c,d|e\n")
    assert _read(path, Layout(columns=("id", "who", "x")))[0][0] == ["1", "a,b", "c"]
    assert _read(path, Layout(columns=("id", "who")))[0][0] == ["1|a", "b|c"]
    path.write_text("1;10,50\n2;7,20\n")
    with pytest.raises(Fatal, match="may be separated by a comma or by a semicolon"):
        _read(path, Layout(columns=("id", "amount")))


def test_lines_may_end_with_a_carriage_return_alone(tmp_path: Path) -> None:
    path = tmp_path / "in.csv"
    path.write_text("sep=;\rid;who\r" + "1;a\r" * 100_000 + "2\r3;c\r", newline="")
    rows, broken = _read(path)
    assert (len(rows), rows[-1]) == (100_001, ["3", "c"])
    assert broken == [(100_003, "1 columns, 2 expected")]


def test_json_lines_keep_each_digit_and_name_what_is_no_object(tmp_path: Path) -> None:
    path = tmp_path / "in.jsonl"
    path.write_text(
        '{"id": 12345678901234567890, "to": {"who": "a"}, "on": true, "amount": 0.10}\n'
        "\n[1]\n{broken\n"
        '{"id": "x", "id": "y"}\n'
        '{"id": null, "amount": 1e2}\n'
        '{"to": {"who": "a"}, "to.who": "b"}\n'
        '{"id": "\\ud800"}\n'
    )
    assert Files(path).names == ["id", "to.who", "on", "amount"]
    rows, broken = _read(path)
    assert rows == [["12345678901234567890", "a", "true", "0.10"], [None, None, None, "1e2"]]
    assert [place for place, _ in broken] == [3, 4, 5, 7, 8]
    assert "surrogate" in broken[-1][1]


def test_a_name_that_comes_late_is_refused_where_its_lack_was_counted_on(tmp_path: Path) -> None:
    path = tmp_path / "in.jsonl"
    path.write_text('{"id": 1}\n' * 1000 + '{"id": 2, "terminal_id": "t"}\n')
    assert len(list(Files(path).batches(["id"]))) == 1
    with pytest.raises(Fatal, match=r"line 1,001 has terminal_id, which none of the first 1,000"):
        list(Files(path).batches(["id"], ["terminal_id"]))
    (tmp_path / "b.csv").write_text("id,terminal_id\n1,t\n")
    (tmp_path / "a.csv").write_text("id\n1\n")
    with pytest.raises(Fatal, match=r"it has the column terminal_id, which a\.csv has not"):
        list(Files(tmp_path / "*.csv").batches(["id"], ["terminal_id"]))


def _arrow(path: Path, table: pa.Table, *, is_stream: bool) -> None:
    new = pa.ipc.new_stream if is_stream else pa.ipc.new_file
    with new(str(path), table.schema) as writer:
        writer.write_table(table)


@pytest.mark.parametrize("kind", ["parquet", "file", "stream"])
def test_columns_with_types_keep_them(tmp_path: Path, kind: str) -> None:
    table = pa.table({"id": [1, 2], "at": pa.array([1, 2], pa.timestamp("ns", "UTC"))})
    path = tmp_path / "in.bin"
    if kind == "parquet":
        pq.write_table(table, path)
    else:
        _arrow(path, table, is_stream=kind == "stream")
    files = Files(path)
    found = pa.Table.from_batches([each.batch for each in files.batches(["at"])])
    assert found.equals(table.select(["at"]))


def test_texts_of_parquet_that_are_no_utf_8_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "in.parquet"
    pq.write_table(pa.table({"id": ["name"]}), path, compression="none", use_dictionary=False)
    path.write_bytes(path.read_bytes().replace(b"name", b"na\xffe"))
    with pytest.raises(Fatal, match=r"the file cannot be read: .*UTF8"):
        _read(path)


def test_a_damaged_arrow_file_is_refused(tmp_path: Path) -> None:
    table = pa.table({"id": [f"name {n}" for n in range(100)]})
    for is_stream in (False, True):
        path = tmp_path / f"{is_stream}.arrow"
        _arrow(path, table, is_stream=is_stream)
        raw = bytearray(path.read_bytes())
        random = np.random.default_rng(3)
        for _ in range(200):
            damaged = bytearray(raw)
            for at in random.integers(8, len(raw), 6):
                damaged[at] = random.integers(0, 256)
            path.write_bytes(damaged)
            with suppress(Fatal):
                _read(path)


def test_a_folder_and_a_pattern_are_read_in_the_order_of_names(tmp_path: Path) -> None:
    for name, text in (("b.csv", "id\n2\n3\n"), ("a.csv", "id\n1\n"), ("_SUCCESS", "")):
        (tmp_path / name).write_text(text)
    assert _read(tmp_path)[0] == [["1"], ["2"], ["3"]]
    assert _read(tmp_path / "*.csv")[0] == [["1"], ["2"], ["3"]]
    assert [found.first for found in Files(tmp_path).batches(["id"])] == [0, 1]
    with pytest.raises(Fatal, match="no file is there"):
        Files(tmp_path / "*.parquet")
    (tmp_path / "c.csv").write_text("other\n4\n")
    with pytest.raises(Fatal, match=r"column id is not in the file .*c\.csv"):
        _read(tmp_path)


def test_folders_within_a_folder_are_no_silent_loss(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("a,b\n1,2\n")
    for name in ("_tmp", ".git", "empty"):
        (tmp_path / name).mkdir()
    (tmp_path / "_tmp" / "x.csv").write_text("a,b\n8,9\n")
    assert [each.name for each in Files(tmp_path).paths] == ["a.csv"]
    (tmp_path / "2024" / "03").mkdir(parents=True)
    (tmp_path / "2024" / "03" / "b.csv").write_text("a,b\n3,4\n")
    with pytest.raises(Fatal, match="files stand in its folder 2024 too"):
        Files(tmp_path)
    assert [each.name for each in Files(tmp_path / "**" / "[ab].csv").paths] == ["b.csv", "a.csv"]


def test_a_copy_of_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("a,b\n1,2\n")
    (tmp_path / "b.csv").write_text("a,b\n1,3\n")
    assert len(Files(tmp_path).paths) == 2
    (tmp_path / "a (1).csv").write_text("a,b\n1,2\n")
    with pytest.raises(Fatal, match=r"it is a copy of a \(1\).csv .*a.csv\): leave one") as caught:
        Files(tmp_path)
    assert caught.value.exit_code == 2


def test_what_windows_leaves_beside_data_is_no_data(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("a,b\n1,2\n")
    for name in ("~$a.xlsx", "Thumbs.db", "desktop.ini"):
        (tmp_path / name).write_bytes(b"\0\1")
    assert [each.name for each in Files(tmp_path).paths] == ["a.csv"]


def test_a_workbook_is_read_as_its_csv_would_be(tmp_path: Path) -> None:
    path = tmp_path / "in.xlsx"
    write_workbook(
        path,
        {
            "Empty": [],
            "Data": [
                ["id", "when", "amount", "card"],
                [1, dt.datetime(2024, 3, 1, 10, 30), 3 * 1.1, 2_291_163_933_867_244.0],
                ["b", None, True, "x"],
            ],
        },
    )
    rows, broken = _read(path)
    assert rows == [
        ["1", "2024-03-01 10:30:00", "3.3", "2.29116393386724E+15"],
        ["b", None, "true", "x"],
    ]
    assert broken == []
    with pytest.raises(Fatal, match="it has no sheet Other"):
        Files(path, Layout(sheet="Other"))


def test_a_json_row_has_the_columns_of_the_first_thousand(tmp_path: Path) -> None:
    path = tmp_path / "in.ndjson"
    path.write_text("".join(json.dumps({"a": n, "b": None}) + "\n" for n in range(40_000)))
    rows, _ = _read(path)
    assert (len(rows), rows[-1]) == (40_000, ["39999", None])


def test_what_our_commands_wrote_beside_the_data_is_no_data(tmp_path: Path) -> None:
    for name, text in (
        ("a.csv", "id\n1\n"),
        ("a.csv.bad.csv", "file,line\n"),
        ("b.csv", "id\n2\n"),
    ):
        (tmp_path / name).write_text(text)
    (tmp_path / "a.csv.mapping.yaml").write_text("transaction: {}\n")
    assert _read(tmp_path)[0] == _read(tmp_path / "*.csv")[0] == [["1"], ["2"]]


def test_two_columns_of_one_name_are_refused_where_types_tell_them_apart(tmp_path: Path) -> None:
    path = tmp_path / "in.parquet"
    pq.write_table(pa.Table.from_arrays([pa.array([1]), pa.array([2])], names=["id", "id"]), path)
    with pytest.raises(Fatal, match="several columns are called id"):
        _read(path)
