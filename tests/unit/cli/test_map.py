"""`riskstream map`: a mapping for a file that nobody has described; the other commands take it."""

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from riskstream.cli.main import root
from riskstream.runtime.errors import Fatal
from riskstream.workbench.mapping.advice import EARLIEST_MS
from riskstream.workbench.mapping.file import read_mapping

HEAD = "id,customer,when,amount,fraud\n"


def _run(*arguments: str, answers: str | None = None) -> Result:
    done = CliRunner().invoke(root, list(arguments), input=answers)
    if done.exception:
        raise done.exception
    return done


def _mapped(tmp_path: Path, text: str, encoding: str = "utf-8", answers: str | None = None) -> str:
    """The mapping that is proposed; `check` takes it."""
    path, out = tmp_path / "in.csv", tmp_path / "in.csv.mapping.yaml"
    path.write_text(text, encoding=encoding)
    more = [] if answers is not None else ["--yes"]
    done = _run("map", str(path), *more, answers=answers)
    assert f"mapping in {out}" in done.stdout
    base = read_mapping(out).fields["currency"].value or "EUR"
    _run("check", str(path), "--mapping", str(out), "--base-currency", base)
    return out.read_text()


def test_a_european_export_is_read_as_it_is_written(tmp_path: Path) -> None:
    rows = "".join(
        f'"b{n}";"k{n % 7}";"{n % 28 + 1:02d}.03.2024 09:{n:02d}";"1.{n:03d},50";"{n % 5 == 0:d}"\n'
        for n in range(40)
    )
    head = '"Buchung-ID";"Kunde";"Wertstellung";"Betrag (EUR)";"Betrug"\n'
    text = _mapped(tmp_path, head + rows, "cp1252")
    mapping = read_mapping(tmp_path / "in.csv.mapping.yaml")
    amount = mapping.fields["amount_minor"]
    assert (amount.written.decimal, amount.written.thousands, int(amount.scale)) == (",", ".", 100)
    assert mapping.fields["occurred_at"].clock.format == "%d.%m.%Y %H:%M"
    assert mapping.fields["transaction_id"].columns == ("Buchung-ID",)
    assert mapping.fields["customer_id"].columns == ("Kunde",)
    assert mapping.is_fraud is not None
    assert "# a different value in each row" in text


def test_another_encoding_is_proposed(tmp_path: Path) -> None:
    rows = "".join(f"x{n},Müller{n % 3},2024-03-01 10:{n:02d}:00,10.00,0\n" for n in range(20))
    assert "encoding: cp1252" in _mapped(tmp_path, HEAD + rows, "latin-1")


@pytest.mark.parametrize(("unit", "per_s"), [("s", 1), ("us", 10**6), ("ns", 10**9)])
def test_the_unit_of_a_time_is_told_by_its_size(tmp_path: Path, unit: str, per_s: int) -> None:
    first = EARLIEST_MS // 1000 + 86_400 * 9000
    rows = "".join(f"x{n},c{n % 3},{(first + n) * per_s},10.00,{n % 2}\n" for n in range(20))
    assert f"unit: {unit}" in _mapped(tmp_path, HEAD + rows)


def test_day_and_month_that_cannot_be_told_apart_are_asked(tmp_path: Path) -> None:
    rows = "".join(f"x{n},c{n % 3},0{n % 9 + 1}/03/2024 10:00,10.50,{n % 2}\n" for n in range(20))
    text = _mapped(tmp_path, HEAD + rows, answers="%m/%d/%Y %H:%M\n")
    assert "format: '%m/%d/%Y %H:%M'} # unsure: " in text
    assert "format: '%d/%m/%Y %H:%M'} # unsure: " in _mapped(tmp_path, HEAD + rows)


def test_labels_and_channels_in_words_get_their_meaning(tmp_path: Path) -> None:
    rows = "".join(
        f"x{n},c{n % 3},2024-03-01 10:{n:02d}:00,${n}.10,{('Yes', 'No')[n % 2]},"
        f"{('Online', 'Chip')[n % 2]}\n"
        for n in range(20)
    )
    _mapped(tmp_path, HEAD.replace("\n", ",channel\n") + rows)
    mapping = read_mapping(tmp_path / "in.csv.mapping.yaml")
    assert mapping.is_fraud is not None
    assert dict(mapping.is_fraud.values) == {"Yes": True, "No": False}
    assert dict(mapping.fields["channel"].values) == {"Online": "ECOM", "Chip": "POS"}
    assert mapping.fields["currency"].value == "USD"


def test_what_is_not_found_is_said_and_nothing_is_written(tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text("a,b\n1,2\n3,4\n")
    with pytest.raises(Fatal, match="no column of it looks like amount_minor or occurred_at"):
        _run("map", str(tmp_path / "in.csv"), "--yes")
    (tmp_path / "mine.yaml").write_text("transaction: {}\n")
    with pytest.raises(Fatal, match="did not write"):
        _run("map", str(tmp_path / "in.csv"), "--out", str(tmp_path / "mine.yaml"))
    assert sorted(each.name for each in tmp_path.iterdir()) == ["in.csv", "mine.yaml"]


def test_the_default_rules_are_tried_on_a_file_that_lacks_what_one_of_them_reads(
    tmp_path: Path,
) -> None:
    rows = "".join(f"x{n},c{n % 3},2024-03-01 10:{n:02d}:00,10.50,{n % 2}\n" for n in range(50))
    _mapped(tmp_path, HEAD + rows)
    path = tmp_path / "in.csv"
    given = ["rules", "dry-run", "--data", str(path), "--mapping", f"{path}.mapping.yaml"]
    done = CliRunner().invoke(root, given)  # one of the rules stops more than it may: exit code 1
    assert not isinstance(done.exception, Fatal), done.exception
    assert "blocked-terminal" in done.stdout
    assert "not in the mapping, and so empty in each row: terminal_id" in done.stderr
