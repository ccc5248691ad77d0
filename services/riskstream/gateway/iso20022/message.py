"""Reads one message of ISO 20022 as it comes: its transactions, one after the other, then what it
is as a whole.

Memory holds one transaction, the header's texts and a hash of each id. A message's counts and
sums are known at its end: nothing of it may be sent before.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from riskstream.gateway.iso20022.assembly import Assembly
from riskstream.gateway.iso20022.converter import Converter, Item
from riskstream.gateway.iso20022.elements import Element, tree_of
from riskstream.gateway.iso20022.limits import Limits, over, refusal
from riskstream.gateway.iso20022.mapping import Mapping as Declared
from riskstream.gateway.iso20022.opened import opened
from riskstream.gateway.iso20022.safe_xml import SafeXml, pieces
from riskstream.gateway.problem import Problem
from riskstream.gateway.rates import Rates

_INSTANCE = "http://www.w3.org/2001/XMLSchema-instance "
_SPACE = " \t\r\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """A whole message: its type with version, its id, and how many transactions it has and how
    many of them are wrong. `left_out`: (path, count) of what no field was read from.
    """

    message: str
    message_id: str
    transactions: int
    wrong: int
    left_out: tuple[tuple[str, int], ...]


def read_message(
    chunks: bytes | Iterable[bytes],
    mappings: Mapping[str, Declared],
    rates: Rates,
    now_ms: int,
    limits: Limits | None = None,
    account_key: bytes = b"",
) -> "Message":
    """The message in a body, to be gone through once. `chunks`: its bytes, as they come.

    `mappings` by message type; `account_key`: that of the tokens which stand for accounts.
    """
    return Message(chunks, mappings, limits or Limits(), (rates, now_ms, account_key))


class Message:
    """Gives its transactions one by one; then it has a `summary`. A Problem, raised where it is
    found, where the message as a whole is refused.
    """

    def __init__(
        self,
        chunks: bytes | Iterable[bytes],
        mappings: Mapping[str, Declared],
        limits: Limits,
        converting: tuple[Rates, int, bytes],
    ) -> None:
        self._chunks = [chunks] if isinstance(chunks, bytes) else chunks
        self._reading = _Reading(mappings, limits, converting)
        self._xml = SafeXml(self._reading, limits)
        self._reading.xml = self._xml

    def __iter__(self) -> Iterator[Item]:
        try:
            for piece in pieces(self._chunks):
                yield from self._read(piece)
            yield from self._read(None)
        finally:
            self._xml.free()

    def _read(self, piece: bytes | None) -> Iterator[Item]:
        """The transactions that a piece ends, None for the message's end; then the Problem."""
        try:
            if piece is None:
                self._xml.close()
            else:
                self._xml.read(piece)
        except Problem:
            yield from self._reading.taken()
            raise
        yield from self._reading.taken()

    @property
    def summary(self) -> Summary:
        """Of the message as far as it was read."""
        return self._reading.summary()


class _Reading:
    """What the parser calls: knows which element it is in, and whether that may be there."""

    xml: SafeXml
    _node: Element
    _assembly: Assembly

    def __init__(
        self,
        mappings: Mapping[str, Declared],
        limits: Limits,
        converting: tuple[Rates, int, bytes],
    ) -> None:
        self._mappings, self._limits, self._converting = mappings, limits, converting
        self._document: Element | None = None
        self._parts: list[str] = []
        self._message = ""
        self._line = self._made = 0
        self._is_broken = self._has_text = False

    def start(self, name: str, attributes: dict[str, str]) -> None:
        if self._document is None:
            self._open_document(name)
            return
        parent = self._node
        if self._has_text:
            self._mixed(parent)
        node = self._node = parent.children.get(name) or self._unknown(parent, name)
        if node.is_mapped:
            if node.is_begin:
                self._assembly.open(node, self.xml.line)
            else:
                self._assembly.meet(node, self.xml.line)
            if node.slot is not None:
                self._parts.clear()
                self._line, self._is_broken = self.xml.line, False
        elif parent.slot is not None:
            self._break(parent, "it has elements inside, a text is needed")
        if attributes:
            self._attributes(node, attributes)

    def end(self) -> None:
        node = self._node
        if node.slot is not None:
            if not self._is_broken:
                text = "".join(self._parts).strip(_SPACE)
                self._assembly.keep(node.slot, text, self._line)
        elif self._has_text:
            self._mixed(node)
        elif not (node.children or node.is_mapped):
            node.count += 1
        if node.is_begin:
            self._assembly.close()
        elif node.parent is None:
            self._check_message(node)
        self._node = node.parent or node

    def text(self, data: str) -> None:
        if self._node.slot is not None:
            if not self._is_broken:
                self._parts.append(data)
        elif not self._has_text and data.strip(_SPACE):
            self._has_text = True

    def interrupted(self) -> None:
        """Readers differ in what a value with a comment inside is."""
        if self._document is not None and self._node.slot is not None and not self._is_broken:
            self._break(self._node, "a comment or an instruction is inside the value")

    def taken(self) -> list[Item]:
        """The transactions that have ended since the last call."""
        if self._document is None:
            return []
        ready, self._assembly.ready = self._assembly.ready, []
        return ready

    def summary(self) -> Summary:
        """Of the message as far as it was read."""
        if self._document is None:
            return Summary(message="", message_id="", transactions=0, wrong=0, left_out=())
        (message,) = self._document.children.values()
        return Summary(
            message=self._message,
            message_id=self._assembly.message_id,
            transactions=self._assembly.count,
            wrong=self._assembly.wrong,
            left_out=tuple(message.left_out()),
        )

    def _open_document(self, name: str) -> None:
        self._message, namespace, mapping = opened(name, self._mappings, self.xml.line)
        self._document, nodes = tree_of(namespace, mapping.root, mapping.repeated, mapping.slots)
        converter = Converter(mapping, *self._converting)
        self._assembly = Assembly(mapping, nodes, converter, self._limits)
        self._node = self._document

    def _check_message(self, document: Element) -> None:
        if not self._assembly.count:
            (root,) = (each.name for each in document.children.values())
            detail = f"Document holds no {root} (line {self.xml.line})"
            raise refusal("wrong-message", detail, "/Document", f"one {root}")

    def _unknown(self, parent: Element, key: str, name: str = "") -> Element:
        """A new element, or attribute, that the mapping does not read."""
        name = name or key.rpartition(" ")[2][:64]
        if parent is self._document:
            detail = f"Document holds {name} (line {self.xml.line})"
            (root,) = (each.name for each in parent.children.values())
            raise refusal("wrong-message", detail, "/Document", f"one {root} and nothing else")
        self._made += 1
        if self._made > self._limits.max_paths:
            detail = f"it has elements in more than {self._limits.max_paths:,} different places"
            raise over(f"{detail} (line {self.xml.line})")
        return parent.child(key, name)

    def _attributes(self, node: Element, attributes: dict[str, str]) -> None:
        for key, value in attributes.items():
            if key.startswith(_INSTANCE):
                if key.endswith(" nil") and node.is_mapped and value.strip(_SPACE) != "false":
                    self._break(node, "it is nil; leave it out")
                continue
            child = node.children.get(key if " " in key else f"@{key}")
            if child is None:
                name = f"@{key.rpartition(' ')[2][:64]}"
                child = self._unknown(node, key if " " in key else f"@{key}", name)
            if child.slot is None:
                child.count += 1
            else:
                self._assembly.keep(child.slot, value.strip(_SPACE), self.xml.line)

    def _mixed(self, node: Element) -> None:
        """Text beside elements."""
        self._has_text = False
        if node.is_mapped:
            detail = f"{node.name} holds a text, elements are needed"
            self._assembly.fault(node, "mixed-content", detail, self.xml.line)
        else:
            node.count += 1

    def _break(self, node: Element, detail: str) -> None:
        """A value that is none."""
        self._is_broken = True
        self._assembly.fault(node, "invalid-field", detail, self.xml.line)
