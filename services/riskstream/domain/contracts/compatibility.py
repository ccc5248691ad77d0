"""Whether the schemas can still read what was released: by our decoders' rules, Apache Avro's
checker, and golden bytes.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import avro.schema
from avro.compatibility import ReaderWriterCompatibilityChecker, SchemaCompatibilityType

from riskstream.domain.contracts.catalog import contracts, schema_id
from riskstream.domain.contracts.codec import Codec
from riskstream.domain.contracts.resolution import Incompatible, problems
from riskstream.runtime.errors import Rejected


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One breaking change: contract, released version, the field's path, and what changed."""

    contract: str
    version: str
    path: str
    problem: str


def check(schemas: Path) -> tuple[list[Finding], int]:
    """(breaking changes, released versions compared) of the schemas of a folder against its
    released/ ones.
    """
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
            findings.append(
                Finding(
                    contract=folder.name,
                    version="all",
                    path="/",
                    problem="the contract was removed",
                )
            )
    return findings, compared


def release(schemas: Path) -> list[str]:
    """Write the present schemas, with golden bytes of their examples, into released/ where they are
    new.
    """
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


def unreleased(schemas: Path) -> list[str]:
    """Contracts whose present schema is none of the released ones: no golden bytes hold what is
    written by it.
    """
    out = []
    for path in sorted(schemas.glob("*.avsc")):
        name = path.name.removesuffix(".avsc")
        kept = {
            schema_id(json.loads(old.read_text()))
            for old in (schemas / "released" / name).glob("*.avsc")
        }
        if schema_id(json.loads(path.read_text())) not in kept:
            out.append(name)
    return out


def _compare(name: str, version: str, now: dict[str, Any], before: dict[str, Any]) -> list[Finding]:
    """By what the decoders themselves go by; where they find nothing, Avro's own checker is asked
    as well.
    """
    found = [
        Finding(contract=name, version=version, path=each.path, problem=each.problem)
        for each in problems(now, before)
    ]
    if found:
        return found
    reader, writer = (avro.schema.parse(json.dumps(each)) for each in (now, before))
    other = ReaderWriterCompatibilityChecker().get_compatibility(reader, writer)
    if other.compatibility is SchemaCompatibilityType.compatible:
        return []
    said = "; ".join(sorted(map(str, other.messages))) or "incompatible"
    return [Finding(contract=name, version=version, path="/", problem=said)]


def _golden(
    name: str, released: Path, now: dict[str, Any], before: dict[str, Any]
) -> list[Finding]:
    golden = json.loads(released.with_name(f"{released.stem}.golden.json").read_text())
    try:
        reader = Codec.of(name, now, [now, before])
    except Incompatible:  # said already, with its path
        return []
    out = []
    for example, frame in golden.items():
        try:
            reader.decode(bytes.fromhex(frame))
        except Rejected as error:
            out.append(
                Finding(
                    contract=name,
                    version=released.stem,
                    path=f"golden {example}",
                    problem=str(error),
                )
            )
    return out
