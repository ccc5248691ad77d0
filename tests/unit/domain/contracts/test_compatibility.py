"""`contracts check` names the exact field of a breaking change."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from riskstream.cli.contracts import command
from riskstream.domain.contracts.catalog import shipped
from riskstream.domain.contracts.compatibility import Finding, check, unreleased

Change = Callable[[list[dict[str, Any]]], None]


def _checked(tmp_path: Path, change: Change) -> list[Finding]:
    folder = tmp_path / "schemas"
    shutil.copytree(shipped("schemas"), folder)
    path = folder / "transaction.v1.avsc"
    schema = json.loads(path.read_text())
    change(schema["fields"])
    path.write_text(json.dumps(schema))
    return check(folder)[0]


def _field(fields: list[dict[str, Any]], name: str) -> dict[str, Any]:
    return next(field for field in fields if field["name"] == name)


def test_the_schemas_as_they_are_are_compatible_with_every_release() -> None:
    findings, compared = check(shipped("schemas"))
    assert findings == []
    assert compared >= 8


@pytest.mark.parametrize(
    ("change", "where"),
    [
        (lambda f: f.append({"name": "added", "type": "string", "doc": "No default."}), "added"),
        (lambda f: _field(f, "amount_minor").update(type="string"), "amount_minor"),
        (lambda f: _field(f, "mcc").update(type=["null", "string"]), "mcc"),
        (
            lambda f: _field(f, "kind")["type"].update(
                symbols=["UNKNOWN", "PURCHASE"], default=None
            ),
            "kind",
        ),
        (
            lambda f: _field(f, "occurred_at").update(
                type={"type": "long", "logicalType": "timestamp-micros"}
            ),
            "occurred_at",
        ),
        (lambda f: _field(f, "customer_id").update(name="client_id"), "client_id"),
    ],
)
def test_a_breaking_change_is_found_at_its_field(
    tmp_path: Path, change: Change, where: str
) -> None:
    def without_none(fields: list[dict[str, Any]]) -> None:
        change(fields)
        for field in fields:
            if isinstance(field["type"], dict) and field["type"].get("default", "") is None:
                del field["type"]["default"]

    findings = _checked(tmp_path, without_none)
    assert findings
    assert all(each.contract == "transaction.v1" for each in findings)
    assert any(where in f"{each.path} {each.problem}" for each in findings), findings


def test_a_field_with_a_default_breaks_nothing(tmp_path: Path) -> None:
    added = {"name": "added", "type": ["null", "string"], "default": None, "doc": "New."}
    assert _checked(tmp_path, lambda fields: fields.append(added)) == []


def test_a_contract_that_went_is_found(tmp_path: Path) -> None:
    folder = tmp_path / "schemas"
    shutil.copytree(shipped("schemas"), folder)
    (folder / "label.v1.avsc").unlink()
    assert [each.contract for each in check(folder)[0]] == ["label.v1"]


def test_what_is_written_today_is_kept_with_golden_bytes() -> None:
    assert unreleased(shipped("schemas")) == [], (
        "run `riskstream contracts release` and commit what it writes"
    )


def test_a_schema_that_differs_from_every_released_one_is_told(tmp_path: Path) -> None:
    added = {"name": "added", "type": ["null", "string"], "default": None, "doc": "New."}
    assert _checked(tmp_path, lambda fields: fields.append(added)) == []
    assert unreleased(tmp_path / "schemas") == ["transaction.v1"]
    said = CliRunner().invoke(
        command, ["check", "--schemas", str(tmp_path / "schemas")], standalone_mode=False
    )
    assert said.return_value == 1
    assert (
        "transaction.v1: the schema is not kept as released: run `riskstream contracts release`"
        in said.output
    )
