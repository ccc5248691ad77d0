"""What `riskstream map` cannot know is marked as unsure, and the mapping is right or says what it
does not read. The `check` that it prints reads the file as it is proposed.
"""

import shlex
import zipfile
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from tests.support.workbooks import write_workbook

from riskstream.cli.main import root
from riskstream.runtime.errors import Fatal
from riskstream.workbench.mapping.columns_seen import SAMPLE_ROWS

ROWS = 40


class Mapped:
    """A file, the mapping that is proposed for it, and what `check` counts then."""

    def __init__(self, path: Path, answers: str | None = None) -> None:
        given = ["map", str(path), *([] if answers else ["--yes"])]
        self.said = _run(*given, answers=answers)
        self.text = path.with_name(f"{path.name}.mapping.yaml").read_text()
        told = self.said.splitlines()[-1].split("`")[1]
        self.checked = _run(*shlex.split(told)[1:])

    def line(self, name: str) -> str:
        """The line of a field; empty where there is none."""
        lines = self.text.splitlines()
        return next((each for each in lines if each.startswith(f"  {name}: ")), "")

    def counted(self, name: str) -> str:
        """What `check` says of a thing."""
        lines = self.checked.splitlines()
        found = next(each for each in lines if each.startswith(f"  {name}"))
        return found.removeprefix(f"  {name}").strip()


def _run(*arguments: str, answers: str | None = None) -> str:
    done = CliRunner().invoke(root, list(arguments), input=answers)
    if done.exception:
        raise done.exception
    return done.stdout


def _good(n: int) -> dict[str, Any]:
    return {
        "txn_id": f"t{n}",
        "customer": f"c{n % 7}",
        "amount": f"{n + 1}.50",
        "when": f"2025-03-{n % 28 + 1:02d} 08:{n % 60:02d}:00",
        "fraud": n % 10 // 9,
    }


def _table(n: int = ROWS, **columns: Any) -> list[list[str]]:
    """A line of names and n rows. `columns`: instead of good ones, of each row's number; None where
    there is to be none.
    """
    rows = []
    for at in range(n):
        row = _good(at)
        row |= {name: made and made(at) for name, made in columns.items()}
        rows.append({name: str(value) for name, value in row.items() if value is not None})
    return [list(rows[0]), *(list(row.values()) for row in rows)]


def _csv(path: Path, table: list[list[str]], encoding: str = "utf-8", end: str = "\n") -> Path:
    path.write_bytes("".join(";".join(row) + end for row in table).encode(encoding))
    return path


def _mapped(
    tmp_path: Path,
    columns: dict[str, Any] | None = None,
    *,
    answers: str | None = None,
    n: int = ROWS,
    **more: Any,
) -> Mapped:
    table = _table(n, **(columns or {}), **more)
    return Mapped(_csv(tmp_path / "in.csv", table), answers)


def _is_unsure(line: str) -> bool:
    return "# unsure: " in line


def test_what_is_plain_is_sure(tmp_path: Path) -> None:
    found = _mapped(tmp_path)
    unsure = [each.split(":")[0].strip() for each in found.text.splitlines() if _is_unsure(each)]
    assert unsure == ["currency", "delay_days"]
    assert "columns not used" not in found.said
    assert found.counted("frauds") == "4 (10.00 % of labels)"


@pytest.mark.parametrize(
    ("word", "other"),
    [("N", "Y"), ("nein", "ja"), ("False", "True"), ("0", "1"), ("legit", "fraud")],
)
def test_a_label_without_a_fraud_in_the_sample_has_both_words(
    tmp_path: Path, word: str, other: str
) -> None:
    found = _mapped(tmp_path, fraud=lambda _: word)
    assert "unsure: no fraud among 40 rows" in found.line("is_fraud")
    _csv(tmp_path / "in.csv", _table(fraud=lambda n: other if n == 3 else word))
    then = shlex.split(found.said.splitlines()[-1].split("`")[1])
    assert "frauds                             1 (2.50 % of labels)" in _run(*then[1:])


def test_words_and_writings_are_looked_for_behind_the_sample(tmp_path: Path) -> None:
    last = SAMPLE_ROWS + 100
    found = _mapped(
        tmp_path,
        n=last + 1,
        fraud=lambda n: "chargedback" if n == last else "nein",
        amount=lambda n: {last: "-2.997,60", last - 1: "1.000,00"}.get(n, f"{n % 900},60"),
    )
    assert "'chargedback' have no label" in found.line("is_fraud")
    assert "thousands: ., negative: REFUND" in found.line("amount_minor")
    assert found.counted("left out") == "0"
    assert found.counted("kind") == f"PURCHASE {last:,}, REFUND 1"


def test_rare_thousands_are_read_and_not_left_out(tmp_path: Path) -> None:
    found = _mapped(tmp_path, n=200, amount=lambda n: "2.997,60" if n == 9 else f"{n},60")
    assert "decimal: ',', thousands: .}" in found.line("amount_minor")
    assert found.counted("most amount") == "2,997.60 EUR"


@pytest.mark.parametrize(
    ("large", "small"),
    [
        ("1'199.70", "2.10"),
        ("1\u2019199.70", "2.10"),
        ("1\u00a0199,70", "2,10"),
        ("1 199,70", "2,10"),
        ("1,199.70", "2.10"),
        ("EUR 1.199,70", "EUR 2,10"),
        ("1.199,70 \u20ac", "2,10 \u20ac"),
    ],
)
def test_amounts_are_read_as_people_write_them(tmp_path: Path, large: str, small: str) -> None:
    found = _mapped(tmp_path, amount=lambda n: large if n == 5 else small)
    assert (found.counted("most amount"), found.counted("fit")) == ("1,199.70 EUR", str(ROWS))
    assert not _is_unsure(found.line("amount_minor"))


def test_values_that_are_no_amounts_are_named(tmp_path: Path) -> None:
    found = _mapped(tmp_path, amount=lambda n: "5.00*" if n == 5 else f"{n}.00")
    assert "# unsure: some values do not fit, like '5.00*': not a number" in found.line(
        "amount_minor"
    )


@pytest.mark.parametrize(("answer", "most"), [("thousands", "40,000.00"), ("a fraction", "40.00")])
def test_three_digits_behind_a_point_are_asked(tmp_path: Path, answer: str, most: str) -> None:
    found = _mapped(tmp_path, answers=f"{answer}\n", amount=lambda n: f"{n + 1}.000")
    assert _is_unsure(found.line("amount_minor"))
    assert found.counted("most amount") == f"{most} EUR"
    assert found.line("amount_minor").startswith("  amount_minor: {column: amount, scale: 100")


@pytest.mark.parametrize(("answer", "least"), [("major units", "10.00"), ("minor units", "0.10")])
def test_whole_amounts_are_asked(tmp_path: Path, answer: str, least: str) -> None:
    found = _mapped(tmp_path, answers=f"{answer}\n", amount=lambda n: n + 10)
    assert _is_unsure(found.line("amount_minor"))
    assert found.counted("least amount") == f"{least} EUR"


@pytest.mark.parametrize(
    "columns",
    [
        {"amount": lambda n: n if n % 2 else f"{n}.50"},
        {"amount": None, "amount_cents": lambda n: f"{n}.50"},
    ],
)
def test_amounts_that_may_be_of_minor_units_are_unsure(
    tmp_path: Path, columns: dict[str, Any]
) -> None:
    assert _is_unsure(_mapped(tmp_path, columns).line("amount_minor"))


def test_an_export_of_debits_has_purchases_below_zero(tmp_path: Path) -> None:
    found = _mapped(tmp_path, amount=lambda n: f"{n + 1}.50" if n == 3 else f"-{n + 1}.50")
    assert "negative: PURCHASE" in found.line("amount_minor")
    assert _is_unsure(found.line("amount_minor"))
    assert _is_unsure(found.line("kind"))
    assert found.counted("kind") == "PURCHASE 39, REFUND 1"
    other = _mapped(
        tmp_path, answers="a minus is a refund\n", amount=lambda n: "1.50" if n == 3 else "-2.50"
    )
    assert other.counted("kind") == "REFUND 39, PURCHASE 1"


@pytest.mark.parametrize("written", ["{}.50-", "\u2212{}.50", "{}.50 CR", "- {}.50"])
def test_amounts_with_the_sign_of_book_keepers_are_refunds(tmp_path: Path, written: str) -> None:
    found = _mapped(tmp_path, amount=lambda n: (written if n % 5 else "{}.50").format(n + 1))
    assert found.counted("fit") == f"{ROWS}"
    other = _mapped(tmp_path, amount=lambda n: (written if n % 20 == 3 else "{}.50").format(n + 1))
    assert "negative: REFUND" in other.line("amount_minor")
    assert not _is_unsure(other.line("amount_minor"))
    assert other.counted("kind") == "PURCHASE 38, REFUND 2"


def _of_side(is_credit: bool, n: int) -> str:
    return f"{n + 1},50" if (n % 4 == 0) == is_credit else "0,00"


@pytest.mark.parametrize("names", [("Debit Amount", "Credit Amount"), ("Credit amt", "Debit amt")])
def test_amounts_of_two_sides_are_added_up(tmp_path: Path, names: tuple[str, str]) -> None:
    sides = {name: partial(_of_side, name.startswith("C")) for name in names}
    found = _mapped(tmp_path, sides, amount=None)
    assert "expression: debit + credit" in found.line("amount_minor")
    assert _is_unsure(found.line("amount_minor"))
    assert found.counted("least amount") == "1.50 EUR"
    assert found.counted("kind") == "PURCHASE 30, REFUND 10"


def test_an_empty_side_of_an_account_is_named(tmp_path: Path) -> None:
    sides = {
        "Debit Amount": lambda n: f"{n + 1}.50" if n % 4 else "",
        "Credit Amount": lambda n: "" if n % 4 else f"{n + 1}.50",
    }
    found = _mapped(tmp_path, sides, amount=None)
    assert "rows of which the amount is in Credit Amount have none" in found.line("amount_minor")
    assert found.counted("left out") == "10"


def test_many_amounts_below_zero_are_unsure(tmp_path: Path) -> None:
    found = _mapped(tmp_path, amount=lambda n: f"-{n}.50" if n % 3 == 0 else f"{n}.50")
    assert "# unsure: 35 % are below zero, taken for refunds" in found.line("amount_minor")


def test_thousands_as_in_india_are_read(tmp_path: Path) -> None:
    found = _mapped(tmp_path, amount=lambda n: f"{n + 1},00,000.50", ccy=lambda _: "INR")
    assert found.counted("most amount") == "4,000,000.50 INR"


@pytest.mark.parametrize(("code", "point"), [("KWD", "."), ("TND", ",")])
def test_three_digits_are_a_fraction_in_currencies_that_have_them(
    tmp_path: Path, code: str, point: str
) -> None:
    found = _mapped(tmp_path, amount=lambda n: f"1{point}{n + 100}", ccy=lambda _: code)
    assert _is_unsure(found.line("amount_minor"))
    assert "round" not in found.line("amount_minor")
    assert found.counted("most amount") == f"1.139 {code}"


def test_amounts_of_one_length_with_zeros_in_front_are_of_minor_units(tmp_path: Path) -> None:
    found = _mapped(tmp_path, amount=lambda n: f"{n * 50:08d}")
    assert _is_unsure(found.line("amount_minor"))
    assert found.counted("most amount") == "19.50 EUR"


@pytest.mark.parametrize(
    ("written", "code", "most"),
    [
        ("¥{}.50", "CNY", "40.50"),
        ("¥{}", "JPY", "40"),
        ("US${}.50", "USD", "40.50"),
        ("{}.50 zł", "PLN", "40.50"),
        ("{}.50 kr", "EUR", "40.50"),
    ],
)
def test_signs_of_currencies_are_told(tmp_path: Path, written: str, code: str, most: str) -> None:
    found = _mapped(tmp_path, amount=lambda n: written.format(n + 1))
    assert _is_unsure(found.line("currency"))
    assert found.counted("most amount") == f"{most} {code}"


def test_amounts_of_several_currencies_have_the_digits_of_each(tmp_path: Path) -> None:
    found = _mapped(tmp_path, amount=lambda n: f"{n + 1}", ccy=lambda n: ("EUR", "JPY")[n % 2])
    assert "major: true" in found.line("amount_minor")
    path = tmp_path / "in.csv"
    told = _run("check", str(path), "--mapping", f"{path}.mapping.yaml", "--base-currency", "JPY")
    assert f"{'  most amount':37}40 JPY" in told


@pytest.mark.parametrize("name", ["CR/DR", "Credit/Debit", "Dr/Cr", "D/C", "dc_flag", "Mark"])
def test_the_sides_of_an_account_tell_refunds(tmp_path: Path, name: str) -> None:
    found = _mapped(tmp_path, {name: lambda n: "CR" if n % 4 == 0 else "DR "})
    assert found.counted("kind") == "PURCHASE 30, REFUND 10"


@pytest.mark.parametrize("name", ["txn_date", "date", "occurred_at"])
def test_the_time_of_the_transaction_comes_before_others(tmp_path: Path, name: str) -> None:
    names = {"when": None, "customer_since_date": lambda n: f"0{n % 9 + 1}.01.2011"}
    found = _mapped(tmp_path, names | {name: lambda n: f"{n % 28 + 1:02d}.03.2025"})
    assert f"column: {name}" in found.line("occurred_at")
    assert ("unsure: one of " in found.line("occurred_at")) == (name != "occurred_at")
    assert "customer_id: customer #" in found.line("customer_id")


@pytest.mark.parametrize(
    ("date", "form", "time"),
    [("13/{:02d}/2025", "%d/%m/%Y", "08:23"), ("2025-03-{:02d}", "%Y-%m-%d", "08:23:00")],
)
def test_a_date_and_a_time_of_day_are_one_time(
    tmp_path: Path, date: str, form: str, time: str
) -> None:
    days = {"date": lambda n: date.format(n % 12 + 1)} | {"when": None}
    found = _mapped(tmp_path, days, answers="\n\n", clock=lambda _: time)
    assert f"columns: [date, clock], format: '{form} %H:%M" in found.line("occurred_at")
    assert "08:23:00 UTC" in found.counted("time")


@pytest.mark.parametrize(
    ("made", "reads"),
    [
        (lambda n: f"202503{n % 28 + 1:02d}082300", "format: '%Y%m%d%H%M%S'"),
        (lambda n: f"{n % 28 + 1:02d}032025", "format: '%d%m%Y'"),
        (lambda n: 45_717 + n, "unit: d, start: '1899-12-30'"),
        (lambda n: f"{45_717 + n}.25", "unit: d, start: '1899-12-30'"),
        (lambda n: f"{n % 28 + 1:02d}-Mar-2025 08:23", "format: '%d-%b-%Y %H:%M'"),
    ],
)
def test_dates_in_digits_and_of_spreadsheets_are_read(
    tmp_path: Path, made: Any, reads: str
) -> None:
    found = _mapped(tmp_path, when=made)
    assert reads in found.line("occurred_at")
    assert found.counted("time").startswith("2025-03-01 ")


@pytest.mark.parametrize("between", "/-.")
def test_years_of_two_digits_in_front_are_no_days(tmp_path: Path, between: str) -> None:
    day = between.join(("24", "03", "{:02d}")) + " 08:15"
    found = _mapped(tmp_path, when=lambda n: day.format(n % 25 + 1))
    form = between.join(("%y", "%m", "%d")) + " %H:%M"
    assert f"format: '{form}'" in found.line("occurred_at")
    assert _is_unsure(found.line("occurred_at"))
    assert "or %d" in found.line("occurred_at")
    assert found.counted("time") == "2024-03-01 08:15:00 to 2024-03-25 08:15:00 UTC"


def test_dates_that_read_in_two_ways_lie_close_together(tmp_path: Path) -> None:
    found = _mapped(tmp_path, when=lambda n: f"03/{n % 12 + 1:02d}/2024 10:00")
    assert "format: '%m/%d/%Y %H:%M'} # unsure: " in found.line("occurred_at")


@pytest.mark.parametrize(
    "when",
    [
        "{:02d} May 2024 08:15",
        "May {:02d}, 2024 08:15",
        "2024-05-{:02d} 08:15 AM",
        "2024-05-{:02d} 08:15:00 AM",
        "{:02d}-05-24 08:15",
    ],
)
def test_months_in_words_and_half_days_are_read(tmp_path: Path, when: str) -> None:
    found = _mapped(tmp_path, when=lambda n: when.format(n % 28 + 1))
    assert not _is_unsure(found.line("occurred_at"))
    assert found.counted("time") == "2024-05-01 08:15:00 to 2024-05-28 08:15:00 UTC"


def test_dates_that_lost_a_zero_are_no_count_of_steps(tmp_path: Path) -> None:
    with pytest.raises(Fatal, match="dates that lost their first zero: export the column as text"):
        _mapped(tmp_path, when=lambda n: f"{n % 28 + 1}032025")


@pytest.mark.parametrize("made", [lambda n: n * 4000, lambda n: n * 4000.0])
def test_a_count_of_seconds_is_none_of_hours(tmp_path: Path, made: Any) -> None:
    found = _mapped(tmp_path, when=made)
    assert "unit: s, start: '2020-01-01'} # unsure: " in found.line("occurred_at")


def test_a_timestamp_needs_no_name(tmp_path: Path) -> None:
    table = _table(when=None)
    columns = dict(zip(table[0], zip(*table[1:], strict=True), strict=True))
    at = pa.array([1_740_000_000_000 + n * 1000 for n in range(ROWS)], pa.timestamp("ms"))
    pq.write_table(pa.table({**columns, "moment": at}), tmp_path / "in.parquet")
    assert "occurred_at: moment #" in Mapped(tmp_path / "in.parquet").line("occurred_at")


@pytest.mark.parametrize("name", ["not_fraud", "kein_betrug", "is_legit", "genuine", "non-fraud"])
def test_a_label_whose_yes_is_no_fraud_is_turned(tmp_path: Path, name: str) -> None:
    found = _mapped(tmp_path, {name: lambda n: int(n != 3)}, fraud=None)
    assert "unsure: by its name, yes means genuine" in found.line("is_fraud")
    assert found.counted("frauds") == "1 (2.50 % of labels)"


def test_a_label_that_is_mostly_fraud_is_unsure(tmp_path: Path) -> None:
    found = _mapped(tmp_path, fraud=lambda n: int(n != 3))
    assert "unsure: 39 of 40 are frauds" in found.line("is_fraud")


@pytest.mark.parametrize(("answer", "frauds"), [("\n", "1 ("), ("1\n", "39 (")])
def test_words_that_nobody_knows_are_asked(tmp_path: Path, answer: str, frauds: str) -> None:
    found = _mapped(tmp_path, answers=answer, fraud=lambda n: 2 if n == 3 else 1)
    assert _is_unsure(found.line("is_fraud"))
    assert found.counted("frauds").startswith(frauds)


@pytest.mark.parametrize("word", ["Y", "X", "betrug"])
@pytest.mark.parametrize(
    ("answer", "labels"),
    [("\n", "40, 0 rows without"), ("without a label\n", "1, 39 rows without")],
)
def test_a_mark_on_frauds_alone_is_asked(
    tmp_path: Path, word: str, answer: str, labels: str
) -> None:
    found = _mapped(tmp_path, answers=answer, fraud=lambda n: word if n == 3 else "")
    assert _is_unsure(found.line("is_fraud"))
    assert found.counted("frauds").startswith("1 (")
    assert found.counted("labels") == labels


def test_amounts_of_cents_with_a_point_are_of_major_units(tmp_path: Path) -> None:
    found = _mapped(tmp_path, amount=None, amount_cents=lambda n: f"{n + 1}.00")
    assert "scale: 100} # unsure: its name says minor units" in found.line("amount_minor")
    assert found.counted("most amount") == "40.00 EUR"


@pytest.mark.parametrize("odd", ["unklar", "-1", "Total"])
def test_an_odd_word_has_no_label(tmp_path: Path, odd: str) -> None:
    found = _mapped(tmp_path, fraud=lambda n: odd if n == 3 else n % 10 // 9)
    assert f"unsure: rows with '{odd}' have no label" in found.line("is_fraud")
    assert found.counted("labels") == "39, 1 rows without"


def test_words_without_a_pair_make_no_label(tmp_path: Path) -> None:
    found = _mapped(tmp_path, fraud=lambda n: "abcd"[n % 4])
    assert "# no label: fraud has 'a', 'b', 'c', 'd': say in `values:`" in found.text
    assert found.line("is_fraud") == ""


def test_what_a_system_flagged_is_no_label_beside_what_was_a_fraud(tmp_path: Path) -> None:
    columns = {"isFlaggedFraud": lambda n: n % 2, "isFraud": lambda n: n % 10 // 9}
    found = _mapped(tmp_path, columns, fraud=None)
    assert found.line("is_fraud").startswith("  is_fraud: isFraud # unsure: ")


def test_labels_in_single_quotes_are_known(tmp_path: Path) -> None:
    found = _mapped(tmp_path, {"Class": lambda n: f"'{n % 10 // 9}'"}, fraud=None)
    assert found.counted("frauds") == "4 (10.00 % of labels)"


def test_several_columns_of_labels_are_asked(tmp_path: Path) -> None:
    found = _mapped(tmp_path, is_fraud_flagged=lambda _: 0)
    assert "is_fraud: fraud # unsure: one of fraud, is_fraud_flagged" in found.line("is_fraud")


@pytest.mark.parametrize(
    "name", ["txn_id", "trx_id", "tx_id", "TID", "id", "Buchungs-Nr", "trans_num"]
)
def test_ids_of_transactions_have_many_names(tmp_path: Path, name: str) -> None:
    found = _mapped(tmp_path, {"txn_id": None, name: lambda n: f"t{n}"})
    assert f": {name} # a different value in each row" in found.line("transaction_id")


def test_ids_that_are_not_all_different_are_counted(tmp_path: Path) -> None:
    found = _mapped(tmp_path, txn_id=lambda n: f"t{max(n, 1)}")
    assert "unsure: 39 different values in 40 rows" in found.line("transaction_id")
    found = _mapped(tmp_path, txn_id=lambda n: n % 4)
    assert "txn_id has 4 different values in 40 rows: the row's" in found.line("transaction_id")


def test_spaces_around_ids_are_trimmed(tmp_path: Path) -> None:
    found = _mapped(tmp_path, customer=lambda n: f"c{n % 7}" + " " * (n % 2))
    assert "{column: customer, trim: true}" in found.line("customer_id")
    assert found.counted("different customer_id") == "7"


def test_types_of_cards_and_devices_are_no_ids(tmp_path: Path) -> None:
    kinds = {"card_type": lambda n: ["VISA", "MC"][n % 2], "device": lambda n: ["PC", "TV"][n % 2]}
    found = _mapped(tmp_path, kinds)
    assert "customer" in found.line("account_token")
    assert found.line("device_id") == ""
    assert "# no device_id: device does not look like ids, like 'PC', 'TV'" in found.text
    assert "\ncolumns not used: card_type, device\n" in found.said
    real = _mapped(tmp_path, card=lambda n: f"k{n % 9}", device_id=lambda n: f"d{n}")
    assert "account_token: card #" in real.line("account_token")
    assert "device_id: device_id #" in real.line("device_id")


def test_what_customers_are_does_not_tell_them_apart(tmp_path: Path) -> None:
    columns = {"CustomerOccupation": lambda n: ["Doctor", "Student", "Retired"][n % 3]}
    found = _mapped(tmp_path, columns, customer=None, AccountID=lambda n: f"a{n % 9}")
    assert "AccountID # unsure: no column of customers: accounts" in found.line("customer_id")
    found = _mapped(tmp_path, columns, customer=None, cust_no=lambda n: "ab"[n % 2])
    assert "customer_id: cust_no # by its name" in found.line("customer_id")


def test_one_customer_is_left_to_check(tmp_path: Path) -> None:
    with pytest.raises(Fatal, match="customer_id: 'c1' has 40 of 40 rows"):
        _mapped(tmp_path, customer=lambda _: "c1")
    text = (tmp_path / "in.csv.mapping.yaml").read_text()
    assert "customer_id: customer # unsure: one customer alone" in text


@pytest.mark.parametrize("name", ["W\u00e4hrung", "waehrung", "ccy", "cur", "tx_currency", "unit"])
def test_codes_of_currencies_are_found_and_brought_to_capitals(tmp_path: Path, name: str) -> None:
    found = _mapped(tmp_path, {name: lambda n: ["eur", "Eur", "EUR "][n % 3]})
    assert "values: {eur: EUR, Eur: EUR, 'EUR ': EUR}" in found.line("currency")
    assert found.counted("currency") == f"EUR {ROWS}"


def test_the_check_that_is_printed_names_the_currency_of_the_sums(tmp_path: Path) -> None:
    found = _mapped(tmp_path, ccy=lambda _: "USD")
    assert found.said.splitlines()[-1].endswith("--base-currency USD`")
    assert found.counted("currency") == f"USD {ROWS}"
    found = _mapped(tmp_path, amount=lambda n: f"USD {n}.12")
    assert (found.counted("currency"), found.counted("left out")) == (f"USD {ROWS}", "0")
    found = _mapped(tmp_path, ccy=lambda n: "GBP" if n % 4 else "USD")
    assert "unsure: GBP 30, USD 10: rows of GBP alone" in found.line("currency")
    assert found.counted("fit") == "30"


def test_a_currency_without_cents_has_amounts_of_its_own_units(tmp_path: Path) -> None:
    found = _mapped(tmp_path, amount=lambda n: n + 10, ccy=lambda _: "JPY")
    assert "major: true" in found.line("amount_minor")
    assert found.counted("least amount") == "10 JPY"


def test_countries_categories_and_channels_are_found_by_name_and_values(tmp_path: Path) -> None:
    found = _mapped(
        tmp_path,
        Land=lambda n: ["DE", "at"][n % 2],
        Branche=lambda n: ["0742", "5411"][n % 2],
        Kanal=lambda n: ["Karte", "Online", "Fax"][n % 3],
    )
    assert "country: {column: Land, values: {at: AT}}" in found.line("country")
    assert "mcc: Branche" in found.line("mcc")
    assert "unsure: nothing known is meant by 'Fax'" in found.line("channel")
    assert found.counted("channel") == "POS 14, ECOM 13, UNKNOWN 13"
    found = _mapped(tmp_path, Land=lambda n: ["Germany", "Austria"][n % 2], MCC=lambda _: "food")
    assert found.line("country") == found.line("mcc") == ""
    assert "no country: Land has no codes of two letters, like 'Germany', 'Austria'" in found.text


def test_words_for_no_value_are_declared(tmp_path: Path) -> None:
    found = _mapped(
        tmp_path,
        terminal=lambda n: "n/a" if n % 2 else f"T{n}",
        country=lambda _: "NA",
        fraud=lambda n: "-" if n % 2 else n % 10 // 8,
    )
    assert "  empty: ['-', n/a]" in found.text
    assert found.counted("country") == "NA 40"
    assert (found.counted("fit"), found.counted("labels")) == ("40", "20, 20 rows without")


@pytest.mark.parametrize(
    ("above", "end"),
    [
        (["Report of May", "", ""], "\n"),
        (["Export;;;;", ""], "\n"),
        ([], ";\n"),
        (["Date and total of May"], "\n"),
    ],
)
def test_names_below_a_title_and_rows_that_end_in_a_separator(
    tmp_path: Path, above: list[str], end: str
) -> None:
    table = _table()
    lines = [*above, ";".join(table[0]), *(";".join(row) + end[:-1] for row in table[1:])]
    (tmp_path / "in.csv").write_text("".join(f"{line}\n" for line in lines))
    found = Mapped(tmp_path / "in.csv")
    assert "columns: [txn_id, customer, amount, when, fraud" in found.text
    assert f"# line {len(above) + 1} names the columns" in found.text
    assert found.counted("fit") == str(ROWS)
    assert not _is_unsure(found.line("amount_minor"))


def test_utf_16_without_a_mark_is_read(tmp_path: Path) -> None:
    for encoding in ("utf-16-be", "utf-16-le"):
        found = Mapped(_csv(tmp_path / "in.csv", _table(), encoding))
        assert f"encoding: {encoding}" in found.text
        assert found.counted("fit") == str(ROWS)


def test_an_encoding_is_a_guess_that_shows_a_word(tmp_path: Path) -> None:
    path = _csv(tmp_path / "in.csv", _table(shop=lambda _: "Müller"), "cp437")
    assert "\n  encoding: cp1252 # unsure: it is no UTF-8, and a guess; like " not in _said(path)
    path = _csv(tmp_path / "in.csv", _table(shop=lambda _: "Müller"), "mac_roman")
    assert "encoding: cp1252 # unsure: it is no UTF-8, and a guess; like 'MŸller'" in _said(path)


def _said(path: Path) -> str:
    """What `map` prints, or why it refuses the file."""
    try:
        return _run("map", str(path), "--yes")
    except Fatal as error:
        return str(error)


def test_one_nul_does_not_make_a_file_wide(tmp_path: Path) -> None:
    table = _table(customer=lambda n: "c\0" if n == 5 else f"c{n}")
    assert "line 7 holds a NUL, which no text has" in _said(_csv(tmp_path / "in.csv", table))


def test_html_is_named_for_what_it_is(tmp_path: Path) -> None:
    (tmp_path / "in.xls").write_text("\n<html><table><tr><td>amount</td></tr></table></html>")
    assert "it is HTML or XML, whatever its name says" in _said(tmp_path / "in.xls")


def test_other_sheets_are_named(tmp_path: Path) -> None:
    write_workbook(tmp_path / "in.xlsx", {"Jan": _table(), "Feb": _table()})
    found = Mapped(tmp_path / "in.xlsx")
    assert "# sheets not read: Feb" in found.text
    assert found.counted("sheets not read") == "Feb"


def test_the_sheet_with_a_table_is_found(tmp_path: Path) -> None:
    cover, below = [["Report"], ["of May"]], [["Report"], [], *_table()]
    write_workbook(tmp_path / "in.xlsx", {"Cover": cover, "Data": _table()})
    found = Mapped(tmp_path / "in.xlsx")
    assert "  sheet: Data\n" in found.text
    assert found.counted("fit") == str(ROWS)
    write_workbook(tmp_path / "in.xlsx", {"Cover": cover, "Data": below})
    assert Mapped(tmp_path / "in.xlsx").counted("fit") == str(ROWS)
    write_workbook(tmp_path / "in.xlsx", {"Cover": cover, "More": cover})
    with pytest.raises(Fatal, match="its sheets are Cover, More, of which"):
        Mapped(tmp_path / "in.xlsx")


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"amount": lambda _: "5%"}, "amount_minor; amount has '5%', not a number"),
        ({"when": lambda _: "08:23"}, "when has '08:23', a time of day without a date"),
        (
            {"when": lambda n: 1_740_000_000 * (1000 if n % 2 else 1)},
            "when has '1740000000' among others, before 2000 ",
        ),
    ],
)
def test_what_does_not_fit_the_nearest_column_is_named(
    tmp_path: Path, columns: dict[str, Any], said: str
) -> None:
    with pytest.raises(Fatal) as caught:
        _mapped(tmp_path, columns)
    assert said in str(caught.value)


def test_files_that_are_no_table_are_named_for_what_they_are(tmp_path: Path) -> None:
    (tmp_path / "in.json").write_text('{"data": [{"id": 1, "amount": 2}]}')
    with pytest.raises(Fatal, match=r"write an object a line \(`jq -c '.data\[\]'` does so\)"):
        Mapped(tmp_path / "in.json")
    with zipfile.ZipFile(tmp_path / "in.zip", "w") as packed:
        packed.writestr("in.csv", "a,b\n1,2\n")
    with pytest.raises(Fatal, match="unpack it; of packed files, gzip, zstd and bzip2 are read"):
        Mapped(tmp_path / "in.zip")
    folder = tmp_path / "folder"
    folder.mkdir()
    _csv(folder / "a.csv", _table())
    (folder / "readme.txt").write_text("hello\nyou\n")
    with pytest.raises(Fatal, match=r"or leave it out by a pattern, like '\*.csv'"):
        Mapped(folder)
    (tmp_path / "rows.csv").write_text("t1,c1,12.50,2025-03-01 08:00:00,0\n" * 3)
    with pytest.raises(Fatal, match=r"if its first line is a row, `file: {columns: \[NAME"):
        Mapped(tmp_path / "rows.csv")
