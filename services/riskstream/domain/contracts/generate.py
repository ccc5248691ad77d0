"""Writes `domain/contracts/records.py` and `schemas/gateway.proto` from `schemas/`: `make gen`."""

import json
import keyword
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from riskstream.domain.contracts.bounds import Bounds, bounds_of
from riskstream.domain.contracts.catalog import contracts, shipped
from riskstream.domain.contracts.proto_model import grown, numbers_file, proto_file
from riskstream.domain.contracts.proto_text import proto_text

HEAD = '''"""The records of the contracts. Made by `make gen`: change a schema, not this file."""

from dataclasses import dataclass
from typing import Literal
'''
PRIMITIVES = {
    "string": "str",
    "long": "int",
    "int": "int",
    "float": "float",
    "double": "float",
    "boolean": "bool",
    "null": "None",
    "bytes": "bytes",
}


def _literal(default: Any) -> str:
    """A default of JSON as Python writes it."""
    return json.dumps(default) if isinstance(default, str) else repr(default)


class Generator:
    """Turns schemas into frozen, slotted, keyword-only dataclasses; enums become Literal
    aliases.
    """

    def __init__(self) -> None:
        self.aliases: dict[str, str] = {}
        self.classes: dict[str, str] = {}

    def annotation(self, schema: Any) -> str:
        if isinstance(schema, list):
            return " | ".join(
                sorted(
                    (self.annotation(branch) for branch in schema), key=lambda name: name == "None"
                )
            )
        if isinstance(schema, str):
            return PRIMITIVES.get(schema, schema.rsplit(".", 1)[-1])
        kind = schema["type"]
        if kind == "enum":
            symbols = ", ".join(json.dumps(symbol) for symbol in schema["symbols"])
            self.aliases[schema["name"]] = f"{schema['name']} = Literal[{symbols}]\n"
            return str(schema["name"])
        if kind == "array":
            return f"tuple[{self.annotation(schema['items'])}, ...]"
        if kind == "record":
            self.record(schema, {})
            return str(schema["name"])
        return self.annotation(kind)

    def record(self, schema: dict[str, Any], bounds: Mapping[str, Bounds]) -> None:
        lines = ["@dataclass(frozen=True, slots=True, kw_only=True)", f"class {schema['name']}:"]
        lines.append(f'    """{schema["doc"]}"""\n')
        for field in schema["fields"]:
            name = field["name"]
            assert not keyword.iskeyword(name)
            line = f"    {name}: {self.annotation(field['type'])}"
            if "default" in field:
                default = field["default"]
                line += " = " + ("()" if default == [] else _literal(default))
            said = bounds[name].said() if name in bounds else ""
            lines += [line, f'    """{field["doc"]}{f" Bounds: {said}." if said else ""}"""']
        self.classes[schema["name"]] = "\n".join(lines) + "\n"

    def text(self) -> str:
        for each in contracts().values():
            self.record(each.schema, bounds_of(each.name))
        parts = [HEAD, "".join(self.aliases[name] for name in sorted(self.aliases))]
        parts += [self.classes[name] for name in self.classes]
        return "\n\n".join(part.rstrip("\n") for part in parts) + "\n"


def main() -> None:
    path = Path(__file__).with_name("records.py")
    path.write_text(Generator().text())
    print(f"wrote {path.name}: {sum(1 for _ in contracts())} contracts")
    numbers = grown(numbers_file())
    _write("gateway.numbers.json", json.dumps(numbers, indent=1) + "\n")
    _write("gateway.proto", proto_text(proto_file(numbers)))


def _write(name: str, text: str) -> None:
    (shipped("schemas") / name).write_text(text)
    print(f"wrote {name}")


if __name__ == "__main__":
    main()
