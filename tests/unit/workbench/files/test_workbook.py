"""Cells of Excel workbooks: texts, numbers and dates as they are shown there, or a refusal."""

import zipfile
from pathlib import Path

import pytest
from tests.support.workbooks import write_parts, write_workbook

from riskstream.runtime.errors import Fatal
from riskstream.workbench.files.reader import Files
from riskstream.workbench.files.workbook_cells import FORMULA, column_of, moment, number
from riskstream.workbench.files.workbook_parts import is_date

NAMES = '<row r="1"><c r="A1" t="str"><v>a</v></c><c r="B1" t="str"><v>b</v></c></row>'


def _rows(path: Path) -> list[list[str | None]]:
    files = Files(path)
    found = [part.batch.to_pylist() for part in files.batches(files.names)]
    return [list(row.values()) for part in found for row in part]


def _read(folder: Path, cells: str, **parts: str) -> list[str | None]:
    """The texts of the second row."""
    write_parts(folder / "in.xlsx", f'{NAMES}<row r="2">{cells}</row>', **parts)
    return _rows(folder / "in.xlsx")[0]


@pytest.mark.parametrize(
    ("cells", "found"),
    [
        ('<c r="A2"><v>7</v></c><c r="B2" t="n"><v>10.5</v></c>', ["7", "10.5"]),
        ('<c r="A2"><v>3.3000000000000003</v></c>', ["3.3", None]),
        ('<c r="B2"><v>1E3</v></c>', [None, "1000"]),
        ('<c r="A2" t="b"><v>1</v></c><c r="B2" t="b"><v>0</v></c>', ["true", "false"]),
        ('<c r="A2" t="e"><v>#N/A</v></c>', ["#N/A", None]),
        ('<c r="A2" t="str"><f>B2</f><v> x </v></c>', [" x ", None]),
        ('<c r="A2" t="inlineStr"><is><t>a</t><rPh><t>b</t></rPh></is></c>', ["a", None]),
        ('<c r="A2" t="inlineStr"><is><r><t>a</t></r><r><t>b</t></r></is></c>', ["ab", None]),
        ('<c r="A2" t="str"><v>a_x000D_b_x005F_x</v></c>', ["a\rb_x", None]),
        ('<c r="A2" t="d"><v>2024-03-01T10:00:00</v></c>', ["2024-03-01T10:00:00", None]),
        ("<c><v>1</v></c><c><v>2</v></c>", ["1", "2"]),
        ('<c r="A2"><v>1</v></c><c r="D2"><v>2</v></c>', ["1", None]),
    ],
)
def test_a_cell_is_read_as_it_is_shown(tmp_path: Path, cells: str, found: list[str | None]) -> None:
    assert _read(tmp_path, cells) == found


def test_shared_texts_are_those_that_cells_name(tmp_path: Path) -> None:
    texts = "<si><t>one</t></si><si><r><t>tw</t></r><r><t>o</t></r><rPh><t>x</t></rPh></si><si/>"
    cells = '<c r="A2" t="s"><v>1</v></c><c r="B2" t="s"><v>0</v></c>'
    assert _read(tmp_path, cells, texts=texts) == ["two", "one"]
    with pytest.raises(Fatal, match="a cell names the shared text 9, which is not there"):
        _read(tmp_path, '<c r="A2" t="s"><v>9</v></c>', texts=texts)


STYLES = (
    '<numFmts><numFmt numFmtId="164" formatCode="dd.mm.yyyy"/></numFmts>'
    '<cellXfs><xf numFmtId="0"/><xf numFmtId="14"/><xf numFmtId="164"/></cellXfs>'
)


def test_a_style_says_what_is_a_date(tmp_path: Path) -> None:
    cells = '<c r="A2" s="1"><v>45352</v></c><c r="B2" s="2"><v>45352.4375</v></c>'
    assert _read(tmp_path, cells, styles=STYLES) == ["2024-03-01", "2024-03-01 10:30:00"]
    assert _read(tmp_path, cells.replace('s="2"', 's="0"'), styles=STYLES)[1] == "45352.4375"
    mac = '<workbookPr date1904="1"/>'
    assert _read(tmp_path, cells, styles=STYLES, more=mac)[0] == "2028-03-02"


def test_a_style_of_zeros_fills_numbers_up(tmp_path: Path) -> None:
    styles = (
        '<numFmts><numFmt numFmtId="164" formatCode="0000"/></numFmts>'
        '<cellXfs><xf numFmtId="0"/><xf numFmtId="164"/><xf numFmtId="1"/></cellXfs>'
    )
    cells = '<c r="A2" s="1"><v>{}</v></c><c r="B2" s="2"><v>7</v></c>'
    assert _read(tmp_path, cells.format(42), styles=styles) == ["0042", "7"]
    assert _read(tmp_path, cells.format(123456), styles=styles)[0] == "123456"
    assert _read(tmp_path, cells.format(1.5), styles=styles)[0] == "1.5"
    assert _read(tmp_path, cells.format(-1), styles=styles)[0] == "-1"


def test_a_formula_that_nobody_has_computed_is_no_number(tmp_path: Path) -> None:
    zero = '<c r="A2"><f>B2*2</f><v>0</v></c><c r="B2"><f>1+1</f><v>2</v></c>'
    assert _read(tmp_path, zero) == ["0", "2"]
    stale = '<calcPr fullCalcOnLoad="1"/>'
    assert _read(tmp_path, zero, more=stale) == [FORMULA, "2"]
    assert _read(tmp_path, '<c r="A2"><f>B2*2</f></c><c r="B2"><v>0</v></c>') == [FORMULA, "0"]
    assert _read(tmp_path, '<c r="A2"><f>B2</f><v></v></c><c r="B2"/>', more=stale)[0] == FORMULA


def test_hidden_sheets_come_last(tmp_path: Path) -> None:
    rows = [["a", "b"], ["1", "2"]]
    write_workbook(tmp_path / "in.xlsx", {"old": [["a", "b"], ["8", "9"]], "new": rows})
    with zipfile.ZipFile(tmp_path / "in.xlsx") as book:
        parts = {name: book.read(name) for name in book.namelist()}
    for state in (b"hidden", b"veryHidden"):
        name = "xl/workbook.xml"
        held = parts[name].replace(b'name="old"', b'name="old" state="%b"' % state)
        with zipfile.ZipFile(tmp_path / "hidden.xlsx", "w") as book:
            for each, data in (parts | {name: held}).items():
                book.writestr(each, data)
        assert _rows(tmp_path / "hidden.xlsx") == [["1", "2"]]
        assert Files(tmp_path / "hidden.xlsx").unread == ["old"]


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ("General", False),
        ("0.00", False),
        ("#,##0.00 [$€-407]", False),
        ('0" days"', False),
        (r"0\d", False),
        ("[Red]0", False),
        ("0.00E+00", False),
        ("_-* #,##0_d", False),
        ("yyyy-mm-dd", True),
        ("[$-407]D. MMMM YYYY;@", True),
        ("h:mm AM/PM", True),
        ("[h]:mm", True),
        ("[ss]", True),
    ],
)
def test_letters_of_dates_outside_quotes_make_a_date(code: str, found: bool) -> None:
    assert is_date(code) is found


def test_days_are_counted_as_excel_counts_them() -> None:
    assert [moment(each) for each in (0.4375, 1, 59, 61, 45352.000011574)] == [
        "10:30:00",
        "1900-01-01",
        "1900-02-28",
        "1900-03-01",
        "2024-03-01 00:00:01",
    ]
    assert moment(45352.4375 + 0.123 / 86_400) == "2024-03-01 10:30:00.123"
    assert (moment(-1), moment(1e9), number(float("inf"))) == ("-1", "1000000000", "inf")
    assert [column_of(each) for each in ("A1", "Z9", "AA1", "XFD1")] == [0, 25, 26, 16_383]


@pytest.mark.parametrize(
    ("cells", "words"),
    [
        ('<c r="B2"><v>1</v></c><c r="A2"><v>1</v></c>', "the cell A2 of row 2 is out of order"),
        ('<c r="A2"><v>1</v></c><c r="A2"><v>1</v></c>', "the cell A2 of row 2 is out of order"),
        ('<c r="A3"><v>1</v></c>', "the cell A3 stands in row 2"),
        ('<c r="ZZZZ2"><v>1</v></c>', "the cell ZZZZ2 of row 2 is out of order"),
        ('<c r="7"><v>1</v></c>', "a cell has the place 7"),
        ('</row><row r="2"><c><v>1</v></c>', "its row 2 stands behind row 2"),
        ('</row><row r="9999999"><c><v>1</v></c>', "it has more than 1,048,576 rows"),
        ('<c r="A2"><v>1</c>', "mismatched tag"),
        (f'<c r="A2" t="str"><v>{"x" * 1_100_000}</v></c>', "a cell takes more than"),
    ],
)
def test_a_sheet_that_would_be_misread_is_refused(tmp_path: Path, cells: str, words: str) -> None:
    with pytest.raises(Fatal, match=words) as refused:
        _read(tmp_path, cells)
    assert refused.value.exit_code == 2


def test_a_zip_without_a_workbook_is_refused(tmp_path: Path) -> None:
    import zipfile

    with zipfile.ZipFile(tmp_path / "in.xlsx", "w") as out:
        out.writestr("data.csv", "a,b\n")
    with pytest.raises(Fatal, match="it is a zip that holds no workbook"):
        Files(tmp_path / "in.xlsx")
