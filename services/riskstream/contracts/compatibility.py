"""Whether the schemas can still read what was released: Apache Avro's own checker, and golden bytes decoded."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import avro.schema
from avro.compatibility import ReaderWriterCompatibilityChecker, SchemaCompatibilityType
from fastavro.read import SchemaResolutionError

from riskstream.contracts.catalog import contracts, schema_id
from riskstream.contracts.codec import Codec
from riskstream.runtime.errors import Rejected


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One breaking change: contract, released version, the field's path, and what changed."""

    contract: str
    version: str
    path: str
    problem: str


def check(schemas: Path) -> tuple[list[Finding], int]:
    """(breaking changes, released versions compared) of the schemas of a folder against its released/ ones."""
    findings = []
    compared = 0
    for path in sorted(schemas.glob("*.avsc")):
        name = path.name.removesuffix(".avsc")
        now = json.loads(path.read_text())
        for released in sorted((schemas / "released" / name).glob("*.avsc")):
            compared += 1
            before = json.loads(released.read_text())
            findings += _compare(name, released.stem, now, before)
            findings += _golden(name, released, now, before)
    for folder in sorted((schemas / "released").glob("*")):
        if not (schemas / f"{folder.name}.avsc").exists():
            findings.append(Finding(contract=folder.name, version="all", path="/", problem="the contract was removed"))
    return findings, compared


def release(schemas: Path) -> list[str]:
    """Write the present schemas, with golden bytes of their examples, into released/ where they are new."""
    written = []
    for name, each in contracts().items():
        folder = schemas / "released" / name
        if each.id in {schema_id(json.loads(old.read_text())) for old in folder.glob("*.avsc")}:
            continue
        number = len(list(folder.glob("*.avsc"))) + 1
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{number}.avsc").write_text(json.dumps(each.schema, indent=2) + "\n")
        golden = {
            example.stem: Codec(name).encode(json.loads(example.read_text())).hex()
            for example in sorted((schemas / "examples" / name).glob("*.json"))
        }
        (folder / f"{number}.golden.json").write_text(json.dumps(golden, indent=2) + "\n")
        written.append(f"{name} as version {number}")
    return written


def _compare(name: str, version: str, now: dict[str, Any], before: dict[str, Any]) -> list[Finding]:
    """Field by field, since Avro's checker gives the place of a type that differs only as the record itself."""
    out = []
    written = {field["name"]: field for field in _inlined(before, {})["fields"]}
    for field in _inlined(now, {})["fields"]:
        old = written.get(field["name"])
        reader = _record(now, [field])
        writer = _record(now, [old] if old else [])
        found = ReaderWriterCompatibilityChecker().get_compatibility(reader, writer)
        if found.compatibility is not SchemaCompatibilityType.compatible:
            problem = "; ".join(sorted(str(message) for message in found.messages)) or "incompatible"
            out.append(Finding(contract=name, version=version, path=f"/fields/{field['name']}", problem=problem))
    return out + _logical(name, version, now, before)


def _record(like: dict[str, Any], fields: list[dict[str, Any]]) -> Any:
    return avro.schema.parse(json.dumps({**like, "fields": fields}))


def _inlined(schema: Any, known: dict[str, Any]) -> Any:
    """The schema with references to named types replaced by their definitions, so that a field can stand alone."""
    if isinstance(schema, str):
        return known.get(schema.rsplit(".", 1)[-1], schema)
    if isinstance(schema, list):
        return [_inlined(branch, known) for branch in schema]
    out = dict(schema)
    if isinstance(schema.get("type"), dict | list) or "fields" in schema or "items" in schema:
        if "fields" in schema:
            out["fields"] = [{**field, "type": _inlined(field["type"], known)} for field in schema["fields"]]
        elif "items" in schema:
            out["items"] = _inlined(schema["items"], known)
        else:
            out["type"] = _inlined(schema["type"], known)
    if "name" in schema and schema["type"] in ("record", "enum"):
        known[schema["name"]] = out
    return out


def _logical(name: str, version: str, now: dict[str, Any], before: dict[str, Any]) -> list[Finding]:
    """Avro's checker does not look at logical types: an instant in other units reads, and means something else."""
    mine = {field["name"]: _logical_type(field["type"]) for field in now["fields"]}
    return [
        Finding(
            contract=name, version=version, path=f"/fields/{field['name']}",
            problem=f"logical type {_logical_type(field['type'])} became {mine[field['name']]}",
        )
        for field in before["fields"]
        if field["name"] in mine and _logical_type(field["type"]) != mine[field["name"]]
    ]  # fmt: skip


def _logical_type(schema: Any) -> str | None:
    if isinstance(schema, list):
        return next((found for found in map(_logical_type, schema) if found), None)
    return schema.get("logicalType") if isinstance(schema, dict) else None


def _golden(name: str, released: Path, now: dict[str, Any], before: dict[str, Any]) -> list[Finding]:
    golden = json.loads(released.with_name(f"{released.stem}.golden.json").read_text())
    reader = Codec.of(name, now, [now, before])
    out = []
    for example, frame in golden.items():
        try:
            reader.decode(bytes.fromhex(frame))
        except (Rejected, SchemaResolutionError) as error:
            out.append(Finding(contract=name, version=released.stem, path=f"golden {example}", problem=str(error)))
    return out
