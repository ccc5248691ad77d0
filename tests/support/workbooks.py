"""Excel workbooks made by hand, so that no writer of them is needed: cells are inline strings,
numbers, booleans, and dates in a style.
"""

import datetime as dt
import zipfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

_HEAD = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>'
_NS = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_REL = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
_STYLES = '<cellXfs count="2"><xf numFmtId="0"/><xf numFmtId="22" applyNumberFormat="1"/></cellXfs>'


def write_rows(path: Path, rows: Iterable[Sequence[Any]]) -> None:
    """A workbook of one sheet of very many rows, which are never held together."""
    sheet = (_row(number, list(row)) for number, row in enumerate(rows, 1))
    write_parts(path, sheet, styles=_STYLES)


def write_workbook(path: Path, sheets: dict[str, list[list[Any]]]) -> None:
    """A workbook of these sheets."""
    names = list(sheets)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as out:
        parts = "".join(
            f'<Override PartName="/xl/worksheets/sheet{n}.xml" ContentType="application/'
            'vnd.openxmlformats-officedocument.spreadsheetml.worksheet+xml"/>'
            for n in range(1, len(names) + 1)
        )
        out.writestr(
            "[Content_Types].xml",
            f'{_HEAD}<Types xmlns="{_PACKAGE}/content-types"><Default Extension="rels" '
            'ContentType="application/vnd.openxmlformats-package.relationships+xml"/><Default '
            'Extension="xml" ContentType="application/xml"/><Override PartName="/xl/workbook.xml" '
            'ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+'
            f'xml"/><Override PartName="/xl/styles.xml" ContentType="application/vnd.openxmlformats'
            f'-officedocument.spreadsheetml.styles+xml"/>{parts}</Types>',
        )
        out.writestr(
            "_rels/.rels",
            f'{_HEAD}<Relationships xmlns="{_PACKAGE}/relationships"><Relationship Id="rId1" '
            f'Type="{_REL}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
        )
        listed = "".join(
            f'<sheet name="{name}" sheetId="{n}" r:id="rId{n}"/>' for n, name in enumerate(names, 1)
        )
        out.writestr(
            "xl/workbook.xml",
            f'{_HEAD}<workbook xmlns="{_NS}" xmlns:r="{_REL}"><sheets>{listed}</sheets></workbook>',
        )
        related = "".join(
            f'<Relationship Id="rId{n}" Type="{_REL}/worksheet" Target="worksheets/sheet{n}.xml"/>'
            for n in range(1, len(names) + 1)
        )
        out.writestr(
            "xl/_rels/workbook.xml.rels",
            f'{_HEAD}<Relationships xmlns="{_PACKAGE}/relationships">{related}<Relationship '
            f'Id="rId99" Type="{_REL}/styles" Target="styles.xml"/></Relationships>',
        )
        out.writestr(
            "xl/styles.xml",
            f'{_HEAD}<styleSheet xmlns="{_NS}">{_STYLES}</styleSheet>',
        )
        for n, name in enumerate(names, 1):
            rows = "".join(_row(at, row) for at, row in enumerate(sheets[name], 1))
            out.writestr(
                f"xl/worksheets/sheet{n}.xml",
                f'{_HEAD}<worksheet xmlns="{_NS}"><sheetData>{rows}</sheetData></worksheet>',
            )


def _row(number: int, values: list[Any]) -> str:
    cells = "".join(_cell(f"{chr(65 + at)}{number}", value) for at, value in enumerate(values))
    return f'<row r="{number}">{cells}</row>'


def _cell(place: str, value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return f'<c r="{place}" t="b"><v>{int(value)}</v></c>'
    if isinstance(value, dt.datetime):
        days = (value - dt.datetime(1899, 12, 30)) / dt.timedelta(days=1)
        return f'<c r="{place}" s="1"><v>{days!r}</v></c>'
    if isinstance(value, int | float):
        return f'<c r="{place}"><v>{value!r}</v></c>'
    raw = "".join(
        f"_x{ord(each):04X}_" if each < " " and each not in "\t\n" else each for each in str(value)
    )
    text = escape(raw)
    return f'<c r="{place}" t="inlineStr"><is><t xml:space="preserve">{text}</t></is></c>'


def write_parts(
    path: Path, sheet: Iterable[str], *, texts: str = "", styles: str = "", more: str = ""
) -> None:
    """A workbook of one sheet, from the XML within its parts: `sheet` its rows, in one piece or
    several, `texts` the shared ones, `styles` the formats of numbers and the styles, `more` of the
    workbook before its sheets.
    """
    names = {"styles": "styles", "sharedStrings": "texts", "worksheet": "sheet"}
    related = "".join(
        f'<Relationship Id="{part}" Type="{_REL}/{kind}" Target="/xl/{part}.xml"/>'
        for kind, part in names.items()
    )
    parts = {
        "_rels/.rels": f'<Relationships xmlns="{_PACKAGE}/relationships"><Relationship Id="a" '
        f'Type="{_REL}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
        "xl/workbook.xml": f'<workbook xmlns="{_NS}" xmlns:r="{_REL}">{more}<sheets>'
        '<sheet name="Data" sheetId="1" r:id="sheet"/></sheets></workbook>',
        "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{_PACKAGE}/relationships">{related}'
        "</Relationships>",
        "xl/styles.xml": f'<styleSheet xmlns="{_NS}">{styles}</styleSheet>',
        "xl/texts.xml": f'<sst xmlns="{_NS}">{texts}</sst>',
    }
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as out:
        for name, text in parts.items():
            out.writestr(name, _HEAD + text)
        with out.open("xl/sheet.xml", "w", force_zip64=True) as part:
            part.write(f'{_HEAD}<worksheet xmlns="{_NS}"><sheetData>'.encode())
            for text in [sheet] if isinstance(sheet, str) else sheet:
                part.write(text.encode())
            part.write(b"</sheetData></worksheet>")
