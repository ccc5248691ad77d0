"""What a mapping says of a file's values: each is read right, or left out with its reason."""

import csv
import datetime as dt
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from riskstream.runtime.errors import Fatal
from riskstream.workbench.files.reader import Files
from riskstream.workbench.mapping.convert import CHECKS, Converter
from riskstream.workbench.mapping.file import parsed
from riskstream.workbench.mapping.survey import Survey, surveyed

NOW_MS = 1_800_000_000_000
TIME = "2024-03-01 10:00:00"
AT_MS = 1_709_287_200_000
SCALED = "{column: amount, scale: 100}"
BASE = """
transaction:
  transaction_id: id
  customer_id: who
  account_token: who
  channel: {value: POS}
  kind: {value: PURCHASE}
  amount_minor: AMOUNT
  currency: {value: EUR}
  occurred_at: WHEN
"""


def _mapping(
    amount: str = "{column: amount, scale: 100}", when: str = "when", more: str = ""
) -> str:
    return BASE.replace("AMOUNT", amount).replace("WHEN", when) + more


def _rows(tmp_path: Path, **columns: Sequence[Any] | pa.Array) -> Path:
    """A Parquet file, with good values in the columns that are not given."""
    n = len(next(iter(columns.values()))) if columns else 1
    held: dict[str, Any] = {
        "id": [f"t{at}" for at in range(n)],
        "who": [f"c{at}" for at in range(n)],
        "amount": ["10.50"] * n,
        "when": [TIME] * n,
        **columns,
    }
    pq.write_table(pa.table(held), tmp_path / "in.parquet")
    return tmp_path / "in.parquet"


def _converted(
    path: Path, text: str, accepted: tuple[str, ...] = ()
) -> tuple[list[dict[str, Any]], list[tuple[int, str]]]:
    """(transactions, (place, reason) of those left out)."""
    mapping = parsed(text, Path("mapping.yaml"))
    converter = Converter(mapping, "EUR", NOW_MS, accepted)
    rows: list[dict[str, Any]] = []
    left_out: list[tuple[int, str]] = []
    for part in Files(path, mapping.layout).batches(converter.columns):
        found = converter.convert(part)
        rows += found.transactions.to_pylist()
        left_out += [(place, each.why) for place, each in found.left_out]
    return rows, left_out


def _one(path: Path, text: str, field: str) -> Any:
    """The field of the one row, or the reason."""
    rows, left_out = _converted(path, text)
    return rows[0][field] if rows else left_out[0][1].split(": ", 1)[1]


@pytest.mark.parametrize(
    ("written", "text", "found"),
    [
        ("", "10.50", 1050),
        ("", " 8.25 ", 825),
        ("", "+5.00", 500),
        ("", ".75", 75),
        ("", "5.", 500),
        ("", "007.50", 750),
        ("", "1.23456E+3", 123_456),
        ("", "12,50", "not written as said"),
        ("", "1.000", "may have thousands or a fraction"),
        ("", "1e3", "lost its digits"),
        ("", "0x10", "not a number"),
        ("", "\uff11\uff12.00", "not a number"),
        ("", "€7.10", "with a currency"),
        ("", "7.10 USD", "with a currency"),
        ("", "(4.00)", "in brackets"),
        ("", "nan", "not a number"),
        ("", "inf", "not a number"),
        ("", "1e400", "lost its digits"),
        ('decimal: ".", ', "1.000", 100),
        ('decimal: ",", thousands: ".", ', "1.234,56", 123_456),
        ('decimal: ",", thousands: ".", ', "1.000", 100_000),
        ('decimal: ",", thousands: ".", ', "14.5", "not written as said"),
        ('decimal: ",", ', "12,5", 1250),
        ('decimal: ",", ', "1.5", "not written as said"),
        ('thousands: ",", ', "1,234,567.89", 123_456_789),
        ('thousands: ",", ', "12,34.5", "not written as said"),
        ('thousands: ",", ', "1,00,000.50", 10_000_050),
        ('thousands: ",", ', "12,34,56,789", 12_345_678_900),
        ('thousands: ",", ', "1,00,00.50", "not written as said"),
        ('thousands: ".", ', "1.00.000", "not written as said"),
        ('decimal: ",", thousands: "\u2009", ', "1\u2009234,56", 123_456),
        ("negative: REFUND, ", "4.00-", 400),
        ("negative: REFUND, ", "\u22124.00", 400),
        ("negative: REFUND, ", "- 4.00", 400),
        ("negative: REFUND, ", "4.00 CR", 400),
        ("", "4.00 Dr", 400),
        ("", "4.00-", "below zero"),
        ("", "-4.00-", "not a number"),
        ("", "4.00-5", "not a number"),
        ('symbol: "€", negative: REFUND, ', "4.00- €", 400),
        ('thousands: "\'", ', "1'250.00", 125_000),
        ('thousands: " ", decimal: ",", ', "1 250,00", 125_000),
        ('thousands: "\\u202f", decimal: ",", ', "1\u202f250,00", 125_000),
        ('thousands: "\\u202f", decimal: ",", ', "1\u202f250,000,00", "not written as said"),
        ('symbol: "$", ', "$134.09", 13_409),
        ('symbol: "$", ', "- $ 134.09", "below zero"),
        ('symbol: "$", ', "134.09 $", 13_409),
        ('symbol: "$", ', "1$34.09", "with a currency"),
        ('symbol: "EUR", ', "EUR 7.10", 710),
        ('symbol: "$", negative: REFUND, ', "($4.00)", 400),
        ('symbol: "$", negative: REFUND, ', "$-30.09", 3009),
        ("negative: REFUND, ", "(4.00)", 400),
    ],
)
def test_an_amount_is_exact_or_told_apart(
    tmp_path: Path, written: str, text: str, found: int | str
) -> None:
    amount = f"{{{written}column: amount, scale: 100}}"
    got = _one(_rows(tmp_path, amount=[text]), _mapping(amount), "amount_minor")
    assert got == found if isinstance(found, int) else str(got).startswith(found)


def test_amounts_below_zero_are_of_the_kind_that_the_mapping_says(tmp_path: Path) -> None:
    path = _rows(tmp_path, amount=["-3.20", "3.20"])
    rows, left_out = _converted(path, _mapping())
    assert (len(rows), left_out) == (1, [(1, "amount_minor: below zero: say `negative: REFUND`")])
    rows, _ = _converted(path, _mapping("{column: amount, scale: 100, negative: REFUND}"))
    assert [(row["kind"], row["amount_minor"]) for row in rows] == [
        ("REFUND", 320),
        ("PURCHASE", 320),
    ]


@pytest.mark.parametrize(
    "values",
    [
        pa.array([0.29, 1234.56]),
        pa.array([0.29, 1234.56], pa.float32()),
        pa.array([Decimal("0.29"), Decimal("1234.56")]),
        pa.array(["0.29", "1234.56"], pa.large_string()),
        pa.array(["0.29", "1234.56"], pa.string_view()),
        pa.array(["0.29", "1234.56"]).dictionary_encode(),
    ],
    ids=lambda each: str(each.type),
)
def test_major_units_of_every_type_become_the_same_minor_units(
    tmp_path: Path, values: pa.Array
) -> None:
    rows, left_out = _converted(_rows(tmp_path, amount=values), _mapping())
    assert ([row["amount_minor"] for row in rows], left_out) == ([29, 123_456], [])


def test_major_units_taken_for_minor_ones_refuse_the_file(tmp_path: Path) -> None:
    path = _rows(tmp_path, amount=pa.array([10.0, 12.5]))
    with pytest.raises(Fatal, match=r"amounts are not whole minor units: '12.5' in line 2"):
        _converted(path, _mapping("amount"))
    rows, left_out = _converted(path, _mapping("amount"), ("part-amounts",))
    assert ([row["amount_minor"] for row in rows], len(left_out)) == ([10], 1)
    rows, _ = _converted(path, _mapping("{column: amount, round: true}"))
    assert [row["amount_minor"] for row in rows] == [10, 12]


@pytest.mark.parametrize(
    "values",
    [["10.00", "7.00"], pa.array([Decimal("10.00"), Decimal("7.00")]), ["1050", "10.00"]],
    ids=str,
)
def test_zeros_behind_a_point_show_major_units(tmp_path: Path, values: Any) -> None:
    path = _rows(tmp_path, amount=values)
    with pytest.raises(Fatal, match=r"amounts are not whole minor units: '10.00' in line"):
        _converted(path, _mapping("amount"))
    for said in ("scale: 1, round: true", "scale: 1"):
        accepted = () if "round" in said else ("part-amounts",)
        rows, _ = _converted(path, _mapping(f"{{column: amount, {said}}}"), accepted)
        assert 10 in [row["amount_minor"] for row in rows]


def test_times_of_a_unit_are_cut_to_a_millisecond_in_every_type(tmp_path: Path) -> None:
    ns = AT_MS * 10**6 + 999_999
    for column in (
        pa.array([ns]),
        pa.array([ns], pa.uint64()),
        pa.array([str(ns)]),
        pa.array([Decimal(ns)]),
    ):
        path = _rows(tmp_path, when=column)
        assert _one(path, _mapping(when="{column: when, unit: ns}"), "occurred_at") == AT_MS
    path = _rows(tmp_path, when=pa.array([ns], pa.timestamp("ns")))
    assert _one(path, _mapping(), "occurred_at") == AT_MS


def test_a_uuid_is_its_text(tmp_path: Path) -> None:
    storage = pa.array([b"x" * 16, None], pa.binary(16))
    path = _rows(tmp_path, who=pa.ExtensionArray.from_storage(pa.uuid(), storage))
    rows, left_out = _converted(path, _mapping())
    assert [row["customer_id"] for row in rows] == ["78787878-7878-7878-7878-787878787878"]
    assert [why for _, why in left_out] == ["customer_id: empty"]


def test_an_old_timestamp_of_parquet_is_no_other_year(tmp_path: Path) -> None:
    at = dt.datetime(2600, 1, 1)  # in nanoseconds it would be one of 2015
    table = pa.table({"id": ["1"], "who": ["c"], "amount": ["1"], "when": [at]})
    pq.write_table(table, tmp_path / "in.parquet", use_deprecated_int96_timestamps=True)
    got = _one(tmp_path / "in.parquet", _mapping(), "occurred_at")
    assert str(got).startswith("in the future")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (_mapping(when="{column: when, format: '%Q'}"), "a letter that strptime does not know"),
        (_mapping(when="{column: when, format: '%d %d'}"), "names a part twice"),
        (_mapping(when="{column: when, zone: Europe/Nowhere}"), "no name like Europe/Berlin"),
        (_mapping("{column: amount, symbol: '-'}"), "may be part of a number"),
        (_mapping("{column: amount, symbol: 'No 1'}"), "may be part of a number"),
        ('file: {separator: "\\n"}\n' + _mapping(), "not one ASCII character"),
        ("file: {separator: a}\n" + _mapping(), "not one ASCII character"),
        ("file: {separator: '\"'}\n" + _mapping(), "separator and file.quote are both"),
        ("file: {encoding: hex}\n" + _mapping(), "file.encoding hex is not known"),
        ("file: {encoding: idna}\n" + _mapping(), "file.encoding idna is not known"),
    ],
)
def test_a_mapping_that_would_misread_is_refused(text: str, words: str) -> None:
    with pytest.raises(Fatal, match=words):
        parsed(text, Path("mapping.yaml"))


def test_minor_digits_are_those_of_the_currency(tmp_path: Path) -> None:
    path = _rows(tmp_path, amount=["10.5", "10", "10.125"], currency=["EUR", "JPY", "KWD"])
    text = _mapping("{column: amount, major: true}").replace(
        "currency: {value: EUR}", "currency: currency\n  base_amount_minor: {value: 1}"
    )
    rows, left_out = _converted(path, text.replace("major: true", 'major: true, decimal: "."'))
    assert ([row["amount_minor"] for row in rows], left_out) == ([1050, 10, 10_125], [])


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("2024-03-01T10:00:00Z", AT_MS),
        ("2024-03-01T10:00:00+01:00", AT_MS - 3_600_000),
        ("2024-03-01T10:00:00-0500", AT_MS + 5 * 3_600_000),
        ("2024-03-01 10:00:00+00", AT_MS),
        ("2024-03-01 10:00:00 UTC", AT_MS),
        ("2024-03-01T10:00:00.123456789Z", AT_MS + 123),
        ("20240301T100000Z", AT_MS),
        ("2024-03-01", AT_MS - 10 * 3_600_000),
        ("2024-03-01 24:00:00", AT_MS + 14 * 3_600_000),
        ("2016-12-31T23:59:60Z", 1_483_228_800_000),
        ("2017-01-01T00:59:60+01:00", 1_483_228_800_000),
        ("2024-03-01 10:00:60", "second 60 is a leap second"),
        ("2024-02-30 10:00:00", "no such day"),
        ("2024-03-01 25:00:00", "no such time of day"),
        ("2024-03-01T10:00:00+99:00", "no such offset"),
        ("01/03/2024 10:00", "day and month are not told apart"),
        ("2024-3-1 10:00", "not ISO 8601"),
        ("soon", "no time"),
        ("1709287200", "before 2000: it looks like s, say `unit: s`"),
        ("1709287200000000", "in the future: it looks like us"),
        ("20240301", AT_MS - 10 * 3_600_000),
        ("20240301 1000", "a time of four digits, which may have lost others"),
        ("1709287200000.9", AT_MS),
    ],
)
def test_an_instant_is_read_or_its_true_reason_told(
    tmp_path: Path, text: str, found: int | str
) -> None:
    got = _one(_rows(tmp_path, when=[text]), _mapping(), "occurred_at")
    assert got == found if isinstance(found, int) else str(got).startswith(found)


@pytest.mark.parametrize(
    ("when", "value", "found"),
    [
        ("{column: when, format: '%d.%m.%Y %H:%M'}", "01.03.2024 10:00", AT_MS),
        ("{column: when, format: '%d/%m/%Y %I:%M %p'}", "1/3/2024 10:00 AM", AT_MS),
        ("{column: when, format: '%d.%m.%Y'}", "30.02.2024", "no such day"),
        ("{column: when, format: '%d.%m.%Y'}", "03/01/2024", "not written as `%d.%m.%Y`"),
        ("{column: when, zone: Europe/Berlin}", "2024-07-01 12:00:00", 1_719_828_000_000),
        ("{column: when, zone: Europe/Berlin}", "2024-10-27 02:30:00", "not one instant"),
        ("{column: when, zone: Europe/Berlin}", "2024-03-31 02:30:00", "not one instant"),
        ("{column: when, zone: Europe/Berlin}", "2024-10-27T02:30:00Z", 1_729_996_200_000),
        ("{column: when, unit: s}", "1709287200.5", AT_MS + 500),
        ("{column: when, unit: h, start: 2024-03-01}", "10", AT_MS),
        ("{column: when, unit: d, start: 1899-12-30}", "45352.41666667", AT_MS),
        ("{column: when, unit: d, start: 1899-12-30}", "45352.41666666666", AT_MS),
        ("{column: when, unit: us}", "1709287200000999", AT_MS),
        ("{column: when, unit: ns}", "1709287200000999999", AT_MS),
        ("{column: when, unit: s}", "1709287200.0009", AT_MS),
        ("{column: when, format: '%d%m%Y'}", "01032024", AT_MS - 10 * 3_600_000),
        ("{column: when, format: '%d%m%Y'}", "1032024", "not written as `%d%m%Y`: zeros"),
        ("{column: when, format: '%Y%m%d %H%M%S'}", "20240301 100000", AT_MS),
        ("{column: when, format: '%Y%m%d %H%M%S'}", "20240301 1030", "not written as"),
        ("{column: when, format: '%Y%m%d%H%M%S%f'}", "20240301100000005", AT_MS + 5),
        ("{column: when, format: '%Y%m%d%H%M%S%z'}", "20240301100000+0000", AT_MS),
        ("{column: when, format: '%d/%m/%Y %I:%M%p'}", "1/3/2024 10:00AM", AT_MS),
    ],
)
def test_a_declared_time_is_read_as_declared(
    tmp_path: Path, when: str, value: str, found: int | str
) -> None:
    got = _one(_rows(tmp_path, when=[value]), _mapping(when=when), "occurred_at")
    assert got == found if isinstance(found, int) else str(got).startswith(found)


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
@pytest.mark.parametrize("zone", [None, "UTC", "America/New_York"])
def test_timestamps_of_every_unit_and_zone_are_one_instant(
    tmp_path: Path, unit: str, zone: str | None
) -> None:
    at = pa.array([AT_MS // 1000 * {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}[unit]])
    path = _rows(tmp_path, when=at.cast(pa.timestamp(unit, zone)))
    assert _one(path, _mapping(), "occurred_at") == AT_MS


def test_dates_are_the_beginning_of_their_days(tmp_path: Path) -> None:
    for kind in (pa.date32(), pa.date64()):
        path = _rows(tmp_path, when=pa.array([dt.date(2024, 3, 1)], kind))
        assert _one(path, _mapping(), "occurred_at") == AT_MS - 10 * 3_600_000


@pytest.mark.parametrize(
    ("values", "who", "found"),
    [
        (["NULL"], "who", "a word for no value"),
        (["  "], "who", "blank"),
        (["2.29116E+15"], "who", "lost its digits"),
        (["123.0"], "who", "a number with a point is no id"),
        (["123.0"], "{column: who, integer: true}", "123"),
        (pa.array([2.5]), "{column: who, integer: true}", "not a whole number"),
        (pa.array([7.0]), "who", "a double is no id"),
        (pa.array([7.0]), "{column: who, integer: true}", "7"),
        (pa.array([2.0**60]), "{column: who, integer: true}", "lost its digits"),
        (pa.array([7], pa.uint64()), "who", "7"),
        (pa.array([b"\xff"]), "who", "bytes that are no UTF-8"),
        (["x" * 257], "who", "not 1 to 256 bytes"),
        ([None], "who", "empty"),
        (["nine", "-"], "{column: who, empty: ['-']}", "nine"),
    ],
    ids=str,
)
def test_an_id_is_itself_or_left_out(tmp_path: Path, values: Any, who: str, found: str) -> None:
    text = (
        _mapping()
        .replace("customer_id: who", f"customer_id: {who}")
        .replace("account_token: who", "account_token: id")
    )
    got = _one(_rows(tmp_path, who=values), text, "customer_id")
    assert got == found or (len(found) > 4 and str(got).startswith(found))


def test_words_mean_what_the_mapping_says(tmp_path: Path) -> None:
    path = _rows(tmp_path, where=["chip", "web", "fax"], bad=["Yes", "No", "No"])
    more = 'label:\n  is_fraud: {column: bad, values: {"Yes": true, "No": false}}\n'
    text = _mapping(more=more).replace(
        "channel: {value: POS}", "channel: {column: where, values: {chip: POS, web: ECOM}}"
    )
    rows, left_out = _converted(path, text)
    assert [row["channel"] for row in rows] == ["POS", "ECOM"]
    assert left_out[0][1].startswith("channel: none of UNKNOWN, POS")
    rows, left_out = _converted(path, text.replace(', values: {"Yes": true, "No": false}', ""))
    assert (rows, {why for _, why in left_out[:2]}) == (
        [],
        {'is_fraud: none of 0, 1, false, true: say `values: {"Yes": true}`'},
    )


def test_several_columns_make_one_instant_and_the_row_its_id(tmp_path: Path) -> None:
    path = _rows(tmp_path, y=[2024, 2024], m=[3, 3], d=[1, 1], t=["10:00", "10:01"])
    text = _mapping(when="{columns: [y, m, d, t], format: '%Y %m %d %H:%M'}").replace(
        "transaction_id: id", 'transaction_id: {row: true, prefix: "r-"}'
    )
    rows, left_out = _converted(path, text)
    assert left_out == []
    assert [(row["transaction_id"], row["occurred_at"]) for row in rows] == [
        ("r-1", AT_MS),
        ("r-2", AT_MS + 60_000),
    ]


def _survey(path: Path, text: str) -> Survey:
    mapping = parsed(text, Path("mapping.yaml"))
    converter = Converter(mapping, "EUR", NOW_MS)
    return surveyed(Files(path, mapping.layout).batches(converter.columns), converter)


@pytest.mark.parametrize(
    ("values", "when", "said"),
    [
        ([20250301082300], "when", ": dates in digits, say `format: '%Y%m%d%H%M%S'`"),
        (
            [20250301, 20250302],
            "{column: when, unit: s}",
            ": dates in digits, say `format: '%Y%m%d",
        ),
        ([45717, 45718], "when", ": days of a spreadsheet take `unit: d` and `start: 1899-12-30`"),
        ([1032025, 31032025], "when", ": dates that lost their first zero: export"),
        ([1032025, 31032025], "{column: when, unit: h, start: 2020-01-01}", ": dates that lost"),
        ([1709287200, 1709287260], "when", ": it looks like s, say `unit: s`"),
        ([50, 60], "when", ": a count of steps takes `start: 2020-01-01` and `unit:`"),
        ([5_000_000, 5_000_001], "{column: when, unit: h, start: 2020-01-01}", ""),
    ],
)
def test_times_that_are_implausible_get_advice_that_reads_them_all(
    tmp_path: Path, values: list[int], when: str, said: str
) -> None:
    for column in (pa.array(values), pa.array(map(str, values), pa.string())):
        _, left_out = _converted(_rows(tmp_path, when=column), _mapping(when=when))
        told = left_out[0][1]
        assert told.endswith(said) if not said else said in told, told
        assert said or "unit" not in told


def test_a_format_reads_whole_numbers(tmp_path: Path) -> None:
    path = _rows(tmp_path, when=pa.array([20240301100000]))
    rows, _ = _converted(path, _mapping(when="{column: when, format: '%Y%m%d%H%M%S'}"))
    assert rows[0]["occurred_at"] == AT_MS


def test_a_row_without_a_label_is_no_fraud_and_no_genuine_one(tmp_path: Path) -> None:
    path = _rows(tmp_path, bad=pa.array([1, 0, None], pa.int64()))
    found = _survey(path, _mapping(more="label: {is_fraud: bad}\n"))
    assert (found.good, found.labels, found.unlabelled) == (3, 2, 1)


@pytest.mark.parametrize("values", ["{N: false}", "{Y: true}"])
def test_one_word_of_a_label_is_enough_for_a_mapping(tmp_path: Path, values: str) -> None:
    path = _rows(tmp_path, bad=["N", "Y"])
    found = _survey(
        path, _mapping(more=f"label: {{is_fraud: {{column: bad, values: {values}}}}}\n")
    )
    assert (found.good, found.left_out.total) == (1, 1)


def test_a_file_of_which_no_row_fits_or_one_customer_has_most_is_refused(tmp_path: Path) -> None:
    found = _survey(_rows(tmp_path, when=["soon"] * 3), _mapping())
    with pytest.raises(Fatal, match="none of its 3 rows fits: 3: occurred_at: no time") as caught:
        found.check(tmp_path, ())
    assert caught.value.exit_code == 1
    found = _survey(_rows(tmp_path, who=["c"] * 30 + [f"c{n}" for n in range(20)]), _mapping())
    with pytest.raises(Fatal, match="customer_id: 'c' has 30 of 50 rows, more than half"):
        found.check(tmp_path, ())
    found.check(tmp_path, ("one-customer",))


@pytest.mark.parametrize("name", sorted(set(CHECKS) - {"one-customer"}))
def test_what_is_implausible_is_taken_where_it_is_accepted(tmp_path: Path, name: str) -> None:
    odd: dict[str, Any] = {
        "old-times": {"when": ["1999-12-31"]},
        "future-times": {"when": ["2100-01-01"]},
        "float-ids": {"who": ["1.0"]},
        "lost-digits": {"who": ["2.29116E+15"]},
        "no-values": {"who": ["NULL"]},
        "quoted-ids": {"who": ["'c1'"]},
        "date-ids": {"who": ["1-Mar"]},
        "padded-ids": {"who": ["c1 "]},
        "totals": {"who": ["Total"]},
        "part-amounts": {"amount": ["1", "2.5"]},
    }[name]
    amount = "amount" if name == "part-amounts" else "{column: amount, scale: 100}"
    path = _rows(tmp_path, **odd)
    assert len(_converted(path, _mapping(amount), (name,))[0]) == 1
    if name == "part-amounts":
        with pytest.raises(Fatal):
            _converted(path, _mapping(amount))
    else:
        assert _converted(path, _mapping(amount))[0] == []


@pytest.mark.parametrize(
    ("who", "why"),
    [
        ("2,29116E+15", "lost its digits"),
        ("4.53202e+015", "lost its digits"),
        ('="00000100"', "written as spreadsheets mark a text"),
        ("=A1*2", "written as spreadsheets mark a text"),
        ("=abc", None),
        ("=SUM(A1:A9)", "written as spreadsheets mark a text"),
        ("'00000100", "written as spreadsheets mark a text"),
        ("2024-03-01", "a date"),
        ("Mar-24", "a date"),
        ("2024-03-01-17", None),
        ("1-mar", None),
        ("unknown", "a word for no value"),
        ("(null)", "a word for no value"),
        ("-1", "a word for no value"),
        ("-2", None),
        ("Grand Total", "a line that adds up others"),
        ("Totally", None),
        (" c1", "with spaces around it"),
        ("c1\u00a0", "with spaces around it"),
        ("c1\u200b", "with spaces around it"),
        ("c 1", None),
        ("12e45678", None),
    ],
)
def test_texts_that_are_no_ids_are_left_out(tmp_path: Path, who: str, why: str | None) -> None:
    rows, left_out = _converted(_rows(tmp_path, who=[who]), _mapping())
    assert [each["customer_id"] for each in rows] == ([] if why else [who])
    assert all(each.startswith(f"customer_id: {why}") for _, each in left_out)


@pytest.mark.parametrize(
    ("made", "is_lost"),
    [
        (lambda n: f"45320151128300{n:02d}", False),  # 16 digits, as cards have
        (lambda n: f"4532015112830{n + 11}0", True),  # rounded to 15 digits
        (lambda n: f"17592884729{n + 100111}0", True),  # rounded to 17 digits, as in JavaScript
        (lambda n: f"{1_709_287_200 + n}000000000", False),  # times in ns
        (lambda n: f"{n + 1}00", False),
    ],
)
def test_long_ids_that_all_end_in_zeros_lost_their_digits(
    tmp_path: Path, made: Any, is_lost: bool
) -> None:
    path = _rows(tmp_path, who=[made(n) for n in range(20)])
    rows, left_out = _converted(path, _mapping())
    assert (len(rows), len(left_out)) == ((0, 20) if is_lost else (20, 0))
    assert all("ends in zeros as all of them do" in each for _, each in left_out)


def test_spaces_around_ids_are_left_out_where_the_mapping_says_so(tmp_path: Path) -> None:
    path = _rows(tmp_path, who=["c1", " c1\u00a0", "c 1 "])
    text = _mapping().replace(": who", ": {column: who, trim: true}")
    rows, left_out = _converted(path, text)
    assert ([each["customer_id"] for each in rows], left_out) == (["c1", "c1", "c 1"], [])


_CENTS = st.integers(0, 10**13)
_IDS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)


def _european(cents: int) -> str:
    major = f"{cents // 100:,}".replace(",", ".")
    return f"{major},{cents % 100:02d}"


@settings(
    max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    cents=st.lists(_CENTS, min_size=1, max_size=6),
    ids=st.lists(_IDS, min_size=6, max_size=6),
    separator=st.sampled_from([",", ";", "\t", "|"]),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
    is_european=st.booleans(),
    is_quoted=st.booleans(),
)
def test_a_table_that_csv_holds_comes_back_equal_or_not_at_all(
    tmp_path: Path,
    cents: list[int],
    ids: list[str],
    separator: str,
    encoding: str,
    is_european: bool,
    is_quoted: bool,
) -> None:
    path = tmp_path / "in.csv"
    rows = [
        [f"t{at}", ids[at], _european(each) if is_european else f"{each // 100}.{each % 100:02d}"]
        for at, each in enumerate(cents)
    ]
    with path.open("w", newline="", encoding=encoding) as out:
        writer = csv.writer(
            out,
            delimiter=separator,
            quoting=csv.QUOTE_ALL if is_quoted else csv.QUOTE_MINIMAL,
        )
        writer.writerows([["id", "who", "amount"], *rows])
    written = "decimal: ',', thousands: '.', " if is_european else ""
    text = _mapping(f"{{{written}column: amount, scale: 100}}", f"{{value: {AT_MS}}}").replace(
        "account_token: who", "account_token: id"
    )
    try:
        found, _ = _converted(path, text)
    except Fatal:
        return
    expected = {f"t{at}": (ids[at], each) for at, each in enumerate(cents)}
    for row in found:
        got = (row["customer_id"], row["amount_minor"])
        assert got == expected[row["transaction_id"]]


def test_large_floats_are_refused_rather_than_rounded(tmp_path: Path) -> None:
    values = pa.array(np.array([1e15 + 0.25, 2.0**54]))
    rows, left_out = _converted(
        _rows(tmp_path, amount=values), _mapping("{column: amount, scale: 100}")
    )
    assert rows == []
    assert len(left_out) == 2
