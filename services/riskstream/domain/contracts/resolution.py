"""Avro's schema resolution: whether a reader's schema can read all that a writer's may write, and
which field is which.

The plans of the columnar codec, the per-record codec, `contracts check` and the registry client all
ask here. Pure.
"""

from copy import deepcopy
from dataclasses import dataclass
from typing import Any

_PROMOTED = {
    ("int", "long"),
    ("int", "float"),
    ("int", "double"),
    ("long", "float"),
    ("long", "double"),
    ("float", "double"),
    ("string", "bytes"),
    ("bytes", "string"),
}
"""(writer, reader) of Avro's promotions."""

PRIMITIVES = {"null", "boolean", "int", "long", "float", "double", "bytes", "string"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """What of a writer's schema cannot be read: the path in the reader's schema, and why."""

    path: str
    problem: str

    def __str__(self) -> str:
        return f"{self.path}: {self.problem}"


@dataclass(eq=False, kw_only=True)
class Incompatible(Exception):
    """The writer's records cannot be read as the reader's: `problems` says where."""

    problems: list[Problem]

    def __str__(self) -> str:
        return "; ".join(map(str, self.problems))


def problems(reader: Any, writer: Any) -> list[Problem]:
    """Why records of `writer` cannot all be read as `reader`; empty where they can. ValueError
    where one is no schema.
    """
    try:
        return _Resolver(Names(reader), Names(writer)).compare(reader, writer, "")
    except (KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(f"this is not an Avro schema: {type(error).__name__} {error}") from error


def source_fields(reader: dict[str, Any], writer: dict[str, Any]) -> dict[str, str]:
    """By name of a reader's field the name of the writer's that fills it: its own, else the first
    of its aliases.
    """
    written = {field["name"] for field in writer["fields"]}
    out: dict[str, str] = {}
    for field in reader["fields"]:
        found = next(
            (name for name in (field["name"], *field.get("aliases", ())) if name in written), None
        )
        if found is not None:
            out[field["name"]] = found
    return out


def aligned(reader: dict[str, Any], writer: dict[str, Any]) -> dict[str, Any]:
    """The writer's record, byte for byte the same, under the reader's name and with the reader's
    names of its fields.
    """
    names = {source: name for name, source in source_fields(reader, writer).items()}
    fields = []
    writer = deepcopy(writer)
    for at, field in enumerate(writer["fields"]):
        fields.append({**field, "name": names.get(field["name"], f"not_read_{at}_{field['name']}")})
    out = {
        key: value for key, value in writer.items() if key not in ("namespace", "name", "aliases")
    }
    out |= {key: reader[key] for key in ("namespace", "name") if key in reader}
    if _full_name(out, None) != _full_name(writer, None):  # it may speak of itself
        _rename(
            fields,
            _full_name(writer, None),
            writer["name"].rsplit(".", 1)[-1],
            _full_name(out, None),
        )
    return {**out, "fields": fields}


def _rename(schema: Any, full: str, short: str, to: str) -> None:
    """References to a record, by its old name, in place."""
    inside = (
        schema.values() if isinstance(schema, dict) else schema if isinstance(schema, list) else ()
    )
    for part in inside:
        if isinstance(part, dict | list):
            _rename(part, full, short, to)
    if isinstance(schema, dict):
        for key in ("type", "items", "values"):
            if schema.get(key) in (full, short):
                schema[key] = to
    elif isinstance(schema, list):
        schema[:] = [
            to if isinstance(part, str) and part in (full, short) else part for part in schema
        ]


def is_zero_sized(schema: Any, names: "Names", seen: tuple[int, ...] = ()) -> bool:
    """True where a value of the type takes no byte: an array of such can claim any length."""
    schema = names.resolved(schema)
    if isinstance(schema, list) or id(schema) in seen:
        return False
    kind = kind_of(schema)
    if kind == "record":
        return all(
            is_zero_sized(field["type"], names, (*seen, id(schema))) for field in schema["fields"]
        )
    return kind == "null" or (kind == "fixed" and schema["size"] == 0)


def kind_of(schema: Any) -> str:
    """The Avro type's word: of a plain text, of {"type": ...} once or twice wrapped, `union` of a
    list.
    """
    while isinstance(schema, dict):
        schema = schema["type"]
    return "union" if isinstance(schema, list) else str(schema)


class Names:
    """The named types of one schema."""

    def __init__(self, schema: Any) -> None:
        self._held: dict[str, dict[str, Any]] = {}
        self._add(schema, None)

    def resolved(self, schema: Any) -> Any:
        """The type itself, where `schema` is a name of one or wraps one."""
        while isinstance(schema, dict) and isinstance(schema["type"], dict | list):
            schema = schema["type"]
        if isinstance(schema, dict):
            kind = schema["type"]
            return schema if kind not in self._held or kind in PRIMITIVES else self._held[kind]
        if isinstance(schema, list) or schema in PRIMITIVES:
            return schema
        return self._held[schema] if schema in self._held else self._held[schema.rsplit(".", 1)[-1]]

    def _add(self, schema: Any, namespace: str | None) -> None:
        if isinstance(schema, list):
            for branch in schema:
                self._add(branch, namespace)
        if not isinstance(schema, dict):
            return
        if schema["type"] in ("record", "error", "enum", "fixed"):
            full = _full_name(schema, namespace)
            namespace = full.rpartition(".")[0] or None
            self._held.setdefault(full.rsplit(".", 1)[-1], schema)
            self._held[full] = schema
        for field in schema.get("fields", ()):
            self._add(field["type"], namespace)
        for key in ("items", "values", "type"):
            if isinstance(schema.get(key), dict | list):
                self._add(schema[key], namespace)


def _full_name(schema: dict[str, Any], namespace: str | None) -> str:
    name: str = schema["name"]
    namespace = schema.get("namespace", namespace)
    return name if "." in name or not namespace else f"{namespace}.{name}"


class _Resolver:
    def __init__(self, reader: Names, writer: Names) -> None:
        self._reader, self._writer = reader, writer
        self._under_way: set[tuple[int, int]] = set()

    def compare(self, reader: Any, writer: Any, path: str) -> list[Problem]:
        reader, writer = self._reader.resolved(reader), self._writer.resolved(writer)
        if isinstance(writer, list):
            return self._written_union(reader, writer, path)
        if isinstance(reader, list):
            tried = [self.compare(branch, writer, path) for branch in reader]
            if [] in tried:
                return []
            same = [
                found
                for branch, found in zip(reader, tried, strict=True)
                if self._is_like(branch, writer)
            ]
            why = (
                same[0]
                if same
                else [_problem(path, f"no branch of the union reads {kind_of(writer)}")]
            )
            return list(why)
        mine, theirs = kind_of(reader), kind_of(writer)
        if mine != theirs and (theirs, mine) not in _PROMOTED:
            return [
                _problem(path, f"reader type: {mine} not compatible with writer type: {theirs}")
            ]
        out = _logical(reader, writer, path)
        if mine in ("record", "enum", "fixed"):
            out += _names(reader, writer, path)
        if mine == "record":
            return out + self._records(reader, writer, path)
        if mine == "enum":
            return out + _enums(reader, writer, path)
        if mine == "fixed" and reader["size"] != writer["size"]:
            out.append(
                _problem(path, f"fixed of {writer['size']} bytes, {reader['size']} are read")
            )
        for key, kind in (("items", "array"), ("values", "map")):
            if mine == kind:
                out += self.compare(reader[key], writer[key], f"{path}/{key}")
        if mine == "array" and is_zero_sized(writer["items"], self._writer):
            out.append(
                _problem(path, "items of an array take no bytes: its length could be anything")
            )
        return out

    def _written_union(self, reader: Any, writer: list[Any], path: str) -> list[Problem]:
        out = []
        for branch in writer:
            found = self.compare(reader, branch, path)
            if found:
                out.append(
                    _problem(
                        path,
                        f"the union's branch {kind_of(branch)} cannot be read: {found[0].problem}",
                    )
                )
        return out

    def _is_like(self, branch: Any, writer: Any) -> bool:
        return kind_of(self._reader.resolved(branch)) == kind_of(writer)

    def _records(self, reader: dict[str, Any], writer: dict[str, Any], path: str) -> list[Problem]:
        pair = id(reader), id(writer)
        if pair in self._under_way:
            return []
        self._under_way.add(pair)
        out = []
        written = {field["name"]: field for field in writer["fields"]}
        sources = source_fields(reader, writer)
        for field in reader["fields"]:
            where = f"{path}/fields/{field['name']}"
            if field["name"] in sources:
                out += self.compare(field["type"], written[sources[field["name"]]]["type"], where)
            elif "default" not in field:
                out.append(_problem(where, f"{field['name']} is not written and has no default"))
        for name in written.keys() - sources.values():
            if self._claims_any_length(written[name]["type"], ()):
                out.append(_problem(f"{path}/fields/{name}", "items of an array take no bytes"))
        self._under_way.discard(pair)
        return out

    def _claims_any_length(self, schema: Any, seen: tuple[int, ...]) -> bool:
        schema = self._writer.resolved(schema)
        if id(schema) in seen:
            return False
        seen = (*seen, id(schema))
        if isinstance(schema, list):
            return any(self._claims_any_length(branch, seen) for branch in schema)
        kind = kind_of(schema)
        if kind == "record":
            return any(self._claims_any_length(field["type"], seen) for field in schema["fields"])
        if kind == "map":
            return self._claims_any_length(schema["values"], seen)
        return kind == "array" and (
            is_zero_sized(schema["items"], self._writer)
            or self._claims_any_length(schema["items"], seen)
        )


def _problem(path: str, problem: str) -> Problem:
    return Problem(path=path or "/", problem=problem)


def _logical(reader: Any, writer: Any, path: str) -> list[Problem]:
    """An instant in other units, or a decimal of another scale, reads and means something else."""
    mine, theirs = (
        {key: _of(each, key) for key in ("logicalType", "scale")} for each in (reader, writer)
    )
    if mine == theirs:
        return []
    return [_problem(path, f"logical type {theirs['logicalType']} became {mine['logicalType']}")]


def _of(schema: Any, key: str) -> Any:
    return schema.get(key) if isinstance(schema, dict) else None


def _names(reader: dict[str, Any], writer: dict[str, Any], path: str) -> list[Problem]:
    mine, theirs = (each["name"].rsplit(".", 1)[-1] for each in (reader, writer))
    aliases = reader.get("aliases", ())
    if (
        mine == theirs
        or writer["name"] in aliases
        or _full_name(writer, None) in aliases
        or theirs in aliases
    ):
        return []
    return [_problem(path, f"{reader['type']} {theirs} is not {mine}")]


def _enums(reader: dict[str, Any], writer: dict[str, Any], path: str) -> list[Problem]:
    missing = [symbol for symbol in writer["symbols"] if symbol not in reader["symbols"]]
    if not missing or reader.get("default") in reader["symbols"]:
        return []
    return [
        _problem(path, f"symbols {', '.join(missing)} are not known, and the enum has no default")
    ]
