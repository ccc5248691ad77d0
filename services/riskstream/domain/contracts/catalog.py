"""The catalog: every schema and topic that ships, read from `schemas/` and `topics/`.

A schema's id is derived from its content (ADR 0002), so it is the same everywhere without a
registry server.
"""

import hashlib
import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from riskstream.runtime.errors import Fatal
from riskstream.runtime.exits import Exit

MAX_AMOUNT_MINOR = 10**13
"""Largest amount of a transaction, in minor units."""

MESSAGE_BYTES = 1_048_588
"""max.message.bytes of a topic that declares none: Kafka's own default."""
DEAD_LETTER_ROOM = 65_536
"""What a dead letter's topic takes more than its source: whatever the source held fits with the
headers that say why.
"""
DEFAULT_PARTITIONS = 4
"""Partitions of every keyed topic of a new installation; they must all have the same number."""

EVERY_TOPIC = {"unclean.leader.election.enable": "false"}
"""Settings of every topic: a copy that missed acknowledged records never becomes the leader."""

PARTIES = ("gateway", "scorer", "profiler", "tracker", "reporter", "CLI", "upstream")
"""Who may stand in `producers` and `consumers` of topics/: the services, the `riskstream` command,
and whoever sends payments.
"""
PARTIES_TO_COME = ("archiver", "casework", "console", "monitor", "narrator")
"""Services that topics/ already names and nobody has written; each is marked with TO_COME there."""
TO_COME = " (to come)"

_DROPPED = {"doc", "default", "aliases", "namespace", "maxBytes"}


@cache
def shipped(folder: str) -> Path:
    """Path of `schemas` or `topics`: inside an installed wheel, else in the checkout."""
    package = Path(__file__).resolve().parents[2]
    for candidate in (package / "_shipped" / folder, package.parent.parent / folder):
        if candidate.is_dir():
            return candidate
    raise Fatal(
        what=f"folder {folder}/ is missing", where=str(package), do="install riskstream again"
    )


def canonical_form(schema: Any, namespace: str = "") -> Any:
    """Avro's parsing canonical form, with logical types kept: what changes it changes the bytes or
    their meaning.
    """
    if isinstance(schema, str):
        return schema
    if isinstance(schema, list):
        return [canonical_form(branch, namespace) for branch in schema]
    namespace = schema.get("namespace", namespace)
    out = {key: value for key, value in schema.items() if key not in _DROPPED}
    if "name" in out and schema["type"] in ("record", "enum", "fixed"):
        name = out["name"]
        out["name"] = name if "." in name or not namespace else f"{namespace}.{name}"
    if "fields" in out:
        out["fields"] = [
            {"name": field["name"], "type": canonical_form(field["type"], namespace)}
            for field in out["fields"]
        ]
    for key in ("items", "values"):
        if key in out:
            out[key] = canonical_form(out[key], namespace)
    if isinstance(out["type"], dict | list):
        out["type"] = canonical_form(out["type"], namespace)
    return out


def schema_id(schema: dict[str, Any]) -> int:
    """Id of a schema: the first 31 bits of the SHA-256 of its canonical form."""
    text = json.dumps(canonical_form(schema), sort_keys=True, separators=(",", ":"))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big") & 0x7FFF_FFFF


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Contract:
    """One record type: `name` as in `transaction.v1`, its schema, the id of the schema, and
    released versions by id. Each object is equal to itself alone, so that what is made of one can
    be kept by it.
    """

    name: str
    schema: dict[str, Any]
    id: int
    versions: dict[int, dict[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Topic:
    """One topic as its YAML declares it. `contract` is None for dead letters (original bytes)."""

    name: str
    description: str
    owner: str
    producers: tuple[str, ...]
    consumers: tuple[str, ...]
    contract: str | None
    key: str
    config: dict[str, str]
    why: str
    source: str | None = None
    """Of dead letters: the topic whose records they are."""

    @property
    def max_bytes(self) -> int:
        """Largest batch that the broker takes (max.message.bytes)."""
        return int(self.config["max.message.bytes"])

    @property
    def is_compacted(self) -> bool:
        return "compact" in self.config["cleanup.policy"]

    @property
    def subject(self) -> str:
        """Subject of the topic's values, by Confluent's TopicNameStrategy."""
        return f"{self.name}-value"


@cache
def contracts() -> dict[str, Contract]:
    """Every contract by name."""
    out = {}
    for path in sorted(shipped("schemas").glob("*.avsc")):
        name = path.name.removesuffix(".avsc")
        schema = json.loads(path.read_text())
        versions = {schema_id(schema): schema}
        for released in sorted((shipped("schemas") / "released" / name).glob("*.avsc")):
            old = json.loads(released.read_text())
            versions.setdefault(schema_id(old), old)
        out[name] = Contract(name=name, schema=schema, id=schema_id(schema), versions=versions)
    return out


def contract(name: str) -> Contract:
    """The contract of that name; Fatal where there is none."""
    try:
        return contracts()[name]
    except KeyError:
        known = ", ".join(sorted(contracts()))
        raise Fatal(
            what=f"no contract {name}", where="schemas/", do=f"use one of {known}"
        ) from None


def _parties(file: str, field: str, names: list[str]) -> tuple[str, ...]:
    """The names of a topic's producers or consumers; Fatal at one that is in neither closed list,
    or lacks the mark.
    """
    known = {*PARTIES, *(name + TO_COME for name in PARTIES_TO_COME)}
    for name in names:
        if name not in known:
            raise Fatal(
                what=f"no service is named {name}",
                where=f"topics/{file}: {field}",
                do=f"use one of {', '.join(sorted(known))}, or add it to "
                "domain/contracts/catalog.py",
                exit_code=Exit.INPUT,
            )
    return tuple(names)


@cache
def topics() -> dict[str, Topic]:
    """Every topic by name."""
    return topics_in(shipped("topics"))


def topics_in(folder: Path) -> dict[str, Topic]:
    """The topics that a folder declares, by name; Fatal where one names a service that is not in
    the closed lists.
    """
    out = {}
    for path in sorted(folder.glob("*.yaml")):
        data = yaml.safe_load(path.read_text())
        name = path.name.removesuffix(".yaml")
        out[name] = Topic(
            name=name,
            description=data["description"],
            owner=data["owner"],
            producers=_parties(path.name, "producers", data["producers"]),
            consumers=_parties(path.name, "consumers", data["consumers"]),
            contract=data["schema"],
            key=data["key"],
            config={**EVERY_TOPIC, **{key: str(value) for key, value in data["config"].items()}},
            why=data["why"],
            source=data.get("partitions_as"),
        )
    for each in sorted(out.values(), key=lambda each: each.source is not None):  # sources first
        room = 0 if each.source is None else DEAD_LETTER_ROOM
        source_bytes = (
            str(MESSAGE_BYTES)
            if each.source is None
            else out[each.source].config["max.message.bytes"]
        )
        each.config.setdefault("max.message.bytes", str(int(source_bytes) + room))
    return out


def topic(name: str) -> Topic:
    """The topic of that name; Fatal where there is none."""
    try:
        return topics()[name]
    except KeyError:
        raise Fatal(
            what=f"no topic {name}",
            where="topics/",
            do=f"use one of {', '.join(sorted(topics()))}",
            exit_code=Exit.INPUT,
        ) from None


@cache
def contract_by_id() -> dict[int, Contract]:
    """Every known schema id, released ones too, with its contract."""
    return {known: each for each in contracts().values() for known in each.versions}
