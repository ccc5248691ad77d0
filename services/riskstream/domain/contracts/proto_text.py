"""`schemas/gateway.proto` as text, from its model."""

from collections.abc import Iterator

from riskstream.domain.contracts.proto_model import (
    PACKAGE,
    SERVICE,
    ProtoEnum,
    ProtoField,
    ProtoFile,
    ProtoMessage,
)

_HEAD = f"""// The gRPC door of the gateway: docs/grpc.md.
// Made by `make gen`: change a schema, not this file.
syntax = "proto3";

package {PACKAGE};
"""


def proto_text(file: ProtoFile) -> str:
    """The file's text."""
    parts = [_HEAD, "\n".join(_service(file))]
    parts += ["\n".join(_message(each)) for each in file.messages]
    parts += ["\n".join(_enum(each)) for each in file.enums]
    return "\n\n".join(part.rstrip("\n") for part in parts) + "\n"


def _service(file: ProtoFile) -> Iterator[str]:
    yield f"service {SERVICE} {{"
    for each in file.methods:
        stream = "stream " if each.is_stream else ""
        yield f"  // {each.doc}"
        yield f"  rpc {each.name}({stream}{each.takes}) returns ({stream}{each.gives});"
    yield "}"


def _message(message: ProtoMessage) -> Iterator[str]:
    yield f"// {message.doc}"
    yield f"message {message.name} {{"
    yield from _reserved(message.reserved)
    for each in message.fields:
        yield f"  // {each.doc}"
        yield f"  {_label(each)}{each.kind} {each.name} = {each.number};"
    yield "}"


def _enum(enum: ProtoEnum) -> Iterator[str]:
    yield f"// {enum.doc}"
    yield f"enum {enum.name} {{"
    yield from _reserved(tuple((enum.word(name), number) for name, number in enum.reserved))
    for symbol, number in enum.symbols:
        yield f"  {enum.word(symbol)} = {number};"
    yield "}"


def _label(field: ProtoField) -> str:
    return f"{field.label} " if field.label else ""


def _reserved(gone: tuple[tuple[str, int], ...]) -> Iterator[str]:
    for name, number in gone:
        yield f"  reserved {number};"
        yield f'  reserved "{name}";'
