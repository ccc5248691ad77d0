"""Which message a document is, by its first element, and the mapping for it."""

import re
from collections.abc import Mapping
from typing import NamedTuple

from riskstream.gateway.iso20022.limits import refusal
from riskstream.gateway.iso20022.mapping import Mapping as Declared

_NAMESPACE = re.compile(r"urn:iso:std:iso:20022:tech:xsd:(([a-z]{4}\.[0-9]{3})\.001\.([0-9]{2}))")


class Opened(NamedTuple):
    """`message`: the type with its version, like pacs.008.001.08."""

    message: str
    namespace: str
    mapping: Declared


def opened(name: str, mappings: Mapping[str, Declared], line: int) -> Opened:
    """The message of a document whose first element is `name`, with its namespace before it."""
    namespace, _, local = name.rpartition(" ")
    found = _NAMESPACE.fullmatch(namespace)
    mapping = mappings.get(found[2]) if found else None
    known = ", ".join(
        f"{each.message}.001.{each.first:02} to {each.last:02}" for each in mappings.values()
    )
    allowed = f"Document in a namespace urn:iso:std:iso:20022:tech:xsd:MESSAGE, with {known}"
    if local != "Document":
        detail = f"the body begins with {local[:64]}, not with Document (line {line})"
        raise refusal("wrong-message", detail, "/", allowed)
    if found is None or mapping is None:
        given = f"the namespace {namespace[:96]}" if namespace else "no namespace"
        detail = f"Document has {given}, which is no message that is read here (line {line})"
        raise refusal("wrong-message", detail, "/Document", allowed)
    if not mapping.first <= int(found[3]) <= mapping.last:
        detail = f"the version of {found[1]} is not read here (line {line})"
        raise refusal("wrong-message", detail, "/Document", allowed)
    return Opened(found[1], namespace, mapping)
