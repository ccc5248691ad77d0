"""A file read back: what of it differs from the table that was written."""

from dataclasses import dataclass, field
from typing import Any

from riskstream.runtime.errors import Fatal
from riskstream.workbench.files.reader import Files
from riskstream.workbench.mapping.convert import Converted, Converter
from riskstream.workbench.mapping.file import parsed
from tests.support.tables.formats import Written
from tests.support.tables.truth import NOW_MS, Truth


@dataclass(slots=True)
class Back:
    """What came back. `wrong`: what must never be; `whys`: why rows were left out; `refusal` of the
    whole file.
    """

    read: int = 0
    wrong: list[str] = field(default_factory=list)
    whys: list[str] = field(default_factory=list)
    refusal: str = ""


def read_back(truth: Truth, written: Written) -> Back:
    """Read the file by its mapping, and compare each row with what was written."""
    back = Back()
    told: set[int] = set()
    try:
        mapping = parsed(written.mapping, written.path.with_name("mapping.yaml"))
        files = Files(written.path, mapping.layout)
        converter = Converter(mapping, "", NOW_MS)
        for part in files.batches(converter.columns):
            found = converter.convert(part)
            back.wrong += _compared(truth, written, found)
            back.read += found.transactions.num_rows
            back.whys += [each.why for _, each in found.left_out]
            told.update(found.places.tolist(), (place for place, _ in found.left_out))
    except Fatal as error:  # nothing is made of the rows that were read before
        back.refusal, back.wrong, back.read = str(error), [], 0
    missing = [] if back.refusal else sorted(set(written.rows) - told)
    if missing:
        back.wrong.append(f"nothing was said of the rows at {missing[:5]}")
    if written.is_sure and (back.refusal or back.whys):
        back.wrong.append(f"refused though all is said: {back.refusal or back.whys[0]}")
    return back


def _compared(truth: Truth, written: Written, found: Converted) -> list[str]:
    out = []
    columns = {
        name: found.transactions[name].to_pylist() for name in found.transactions.schema.names
    }
    for at, place in enumerate(found.places.tolist()):
        row = written.rows.get(place)
        if row is None:
            out.append(f"a row at {place}, where none was written")
            continue
        for name, values in columns.items():
            field = "amount_minor" if name == "base_amount_minor" else name
            if field not in truth.fields:
                continue
            wanted = truth.fields[field][row]
            if values[at] != wanted:
                out.append(f"{name} of row {row} at {place}: {values[at]!r}, written {wanted!r}")
        out += _label(truth.fields["is_fraud"][row], found, at, row)
    return out


def _label(wanted: Any, found: Converted, at: int, row: int) -> list[str]:
    if found.labelled is None:
        return []
    said = bool(found.labelled.is_fraud[at]) if found.labelled.has_label[at] else None
    return [] if said == wanted else [f"is_fraud of row {row}: {said}, written {wanted}"]
