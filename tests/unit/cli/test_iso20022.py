"""`riskstream iso20022`: what is read of a file, what is wrong, and with which exit code."""

import json
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner, Result
from tests.support.iso20022 import IBANS, credit, pacs008

from riskstream.cli.main import root
from riskstream.runtime.errors import Fatal
from riskstream.runtime.exits import Exit


def _run(*words: str) -> Result:
    return CliRunner().invoke(root, ["iso20022", *words])


def _check(path: Path, text: str, *words: str) -> Result:
    file = path / "payments.xml"
    file.write_text(text)
    return _run("check", str(file), *words)


def test_a_good_file_shows_what_would_be_read(tmp_path: Path) -> None:
    done = _check(tmp_path, pacs008([credit(1), credit(2)]), "--show", "1")
    assert done.exit_code == 0
    lines = done.output.splitlines()
    place, _, values = lines[0].partition(": ")
    assert place == "transaction 1 (line 4)"
    assert json.loads(values)["amount_minor"] == 1050
    assert lines[1] == "pacs.008.001.08 M-1: 2 transactions would be read, 0 refused"
    assert lines[2] == "left out, with how often it is there:"
    assert lines[3].split() == ["CdtTrfTxInf/PmtId/EndToEndId", "2"]
    assert not any(iban in done.output for iban in IBANS)


def test_a_wrong_transaction_is_told_and_ends_with_1(tmp_path: Path) -> None:
    done = _check(tmp_path, pacs008([credit(1), credit(2, "1e3")]))
    assert isinstance(done.exception, Fatal)
    assert done.exception.exit_code == Exit.NO
    assert done.exception.what == "1 transaction of 2 would be refused"
    assert "transaction 2 (line 5) is wrong:" in done.output
    place = "/Document/FIToFICstmrCdtTrf/CdtTrfTxInf[2]/IntrBkSttlmAmt: it is '1e3'"
    assert place in done.output


def test_a_message_that_is_refused_ends_with_2_and_shows_its_transactions(tmp_path: Path) -> None:
    done = _check(tmp_path, pacs008(count=9))
    assert isinstance(done.exception, Fatal)
    assert done.exception.exit_code == Exit.INPUT
    assert "it is '9', and 1 transaction is there" in str(done.exception)
    assert "transaction 1 (line 4): {" in done.output
    assert "GrpHdr/NbOfTxs: it is '9'" in done.output


def test_no_xml_ends_with_2(tmp_path: Path) -> None:
    done = _check(tmp_path, "a,b\n1,2\n")
    assert isinstance(done.exception, Fatal)
    assert done.exception.exit_code == Exit.INPUT
    missing = _run("check", str(tmp_path / "none.xml"))
    assert isinstance(missing.exception, Fatal)
    assert missing.exception.exit_code == Exit.INPUT


@pytest.mark.parametrize("message", ["pacs.008", "pain.001"])
def test_the_shipped_mapping_can_be_changed(tmp_path: Path, message: str) -> None:
    shown = _run("show", message)
    assert shown.exit_code == 0
    data = yaml.safe_load(shown.output)
    assert data["message"] == message
    data["fields"]["channel"] = {"value": "BRANCH"}
    own = tmp_path / "own.yaml"
    own.write_text(yaml.safe_dump(data))
    done = _check(tmp_path, pacs008(), "--mapping", str(own))
    assert ('"BRANCH"' in done.output) == (message == "pacs.008")


def test_a_key_changes_the_tokens(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("secret\n")
    plain = _check(tmp_path, pacs008())
    keyed = _check(tmp_path, pacs008(), "--account-key", str(tmp_path / "key"))
    assert keyed.exit_code == plain.exit_code == 0
    assert keyed.output != plain.output
