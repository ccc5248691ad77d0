"""Messages of the gRPC door as classes, built from the model at the start: no generated Python, so
no version of it that must fit protobuf's runtime. Pure.

They stand in a pool of their own, so that a caller in the same process may have its own generated
ones.
"""

from functools import cache
from typing import Any

from google.protobuf import descriptor_pb2
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass

from riskstream.domain.contracts.proto_model import (
    PACKAGE,
    SERVICE,
    ProtoEnum,
    ProtoFile,
    ProtoMessage,
    gateway_file,
)

FILE = "riskstream/v1/gateway.proto"
_FIELD = descriptor_pb2.FieldDescriptorProto
_SCALARS = {
    "string": _FIELD.TYPE_STRING,
    "int32": _FIELD.TYPE_INT32,
    "int64": _FIELD.TYPE_INT64,
    "float": _FIELD.TYPE_FLOAT,
    "double": _FIELD.TYPE_DOUBLE,
    "bool": _FIELD.TYPE_BOOL,
}


@cache
def message_class(name: str) -> Any:
    """The class of a message of riskstream.v1, made once."""
    return GetMessageClass(_pool().FindMessageTypeByName(f"{PACKAGE}.{name}"))


@cache
def symbols_of(enum: str) -> dict[int, str]:
    """The contract's symbols by number."""
    return {number: symbol for symbol, number in gateway_file().enum(enum).symbols}


@cache
def numbers_of(enum: str) -> dict[str, int]:
    """The numbers of an enum by the contract's symbols."""
    return dict(gateway_file().enum(enum).symbols)


@cache
def _pool() -> DescriptorPool:
    pool = DescriptorPool()
    pool.Add(descriptor(gateway_file()))
    return pool


def descriptor(file: ProtoFile) -> Any:
    """The file as protoc would describe it."""
    out = descriptor_pb2.FileDescriptorProto(name=FILE, package=PACKAGE, syntax="proto3")
    enums = {each.name for each in file.enums}
    for message in file.messages:
        _add_message(out.message_type.add(), message, enums)
    for enum in file.enums:
        _add_enum(out.enum_type.add(), enum)
    service = out.service.add(name=SERVICE)
    for each in file.methods:
        service.method.add(
            name=each.name,
            input_type=f".{PACKAGE}.{each.takes}",
            output_type=f".{PACKAGE}.{each.gives}",
            client_streaming=each.is_stream or None,
            server_streaming=each.is_stream or None,
        )
    return out


def _add_message(out: Any, message: ProtoMessage, enums: set[str]) -> None:
    out.name = message.name
    for each in message.fields:
        field = out.field.add(name=each.name, number=each.number, json_name=_camel(each.name))
        is_list = each.label == "repeated"
        field.label = _FIELD.LABEL_REPEATED if is_list else _FIELD.LABEL_OPTIONAL
        if each.kind in _SCALARS:
            field.type = _SCALARS[each.kind]
        else:
            field.type = _FIELD.TYPE_ENUM if each.kind in enums else _FIELD.TYPE_MESSAGE
            field.type_name = f".{PACKAGE}.{each.kind}"
        if each.label == "optional":
            field.proto3_optional, field.oneof_index = True, len(out.oneof_decl)
            out.oneof_decl.add(name=f"_{each.name}")
    for name, number in message.reserved:
        out.reserved_name.append(name)
        out.reserved_range.add(start=number, end=number + 1)


def _add_enum(out: Any, enum: ProtoEnum) -> None:
    out.name = enum.name
    for symbol, number in enum.symbols:
        out.value.add(name=enum.word(symbol), number=number)
    for symbol, number in enum.reserved:
        out.reserved_name.append(enum.word(symbol))
        out.reserved_range.add(start=number, end=number)


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(each.capitalize() for each in rest)
