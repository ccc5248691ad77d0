"""XML in pieces to calls, by expat. Nothing is expanded, fetched or kept: a document type is
refused before expat sees it, and so is any encoding but UTF-8.

A piece is large enough that expat, which begins an unfinished tag again with each piece, does so
twice at most.
"""

import codecs
from collections.abc import Iterable, Iterator
from typing import Protocol
from xml.parsers import expat

from riskstream.gateway.iso20022.limits import Limits, over, refusal, too_many_bytes

PIECE_BYTES = 65_536
_DOCUMENT_TYPE = (b"<!DOCTYPE", b"<!ENTITY")
_OVERLAP = max(map(len, _DOCUMENT_TYPE)) - 1
_UTF_8 = ("utf-8", "utf8", "us-ascii", "ascii")
_WIDE = (b"\xff\xfe", b"\xfe\xff", b"<\0", b"\0<", b"\0\0\0<", b"\0\0\xfe\xff")
"""What texts in UTF-16 and UTF-32 begin with."""


class Reading(Protocol):
    """What is called. `interrupted`: a comment or an instruction stands here."""

    def start(self, name: str, attributes: dict[str, str]) -> None: ...
    def end(self) -> None: ...
    def text(self, data: str) -> None: ...
    def interrupted(self) -> None: ...


def pieces(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """The same bytes in pieces of PIECE_BYTES to twice as many, however they came; the last may be
    shorter.
    """
    held = bytearray()
    for chunk in chunks:
        for at in range(0, len(chunk), PIECE_BYTES):
            held += chunk[at : at + PIECE_BYTES]
            if len(held) >= PIECE_BYTES:
                yield bytes(held)
                held.clear()
    if held:
        yield bytes(held)


class SafeXml:
    """Reads one document for `reading`. Names are `namespace local`. A Problem where it is no XML,
    not safe, or over a limit.
    """

    def __init__(self, reading: Reading, limits: Limits) -> None:
        self._reading, self._limits = reading, limits
        self._fed = self._lines = self._depth = self._size = 0
        self._tail = b""
        self._decoder = codecs.getincrementaldecoder("utf-8")()
        parser = self._parser = expat.ParserCreate("utf-8", " ")
        parser.buffer_text = True
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._text
        parser.CommentHandler = lambda _: reading.interrupted()
        parser.ProcessingInstructionHandler = lambda _target, _data: reading.interrupted()
        parser.XmlDeclHandler = self._declared
        parser.StartNamespaceDeclHandler = lambda _prefix, _uri: self._check_names()
        parser.StartDoctypeDeclHandler = lambda *_: self._refuse_document_type()
        parser.EntityDeclHandler = lambda *_: self._refuse_document_type()

    @property
    def line(self) -> int:
        """The line of what is being read."""
        return self._parser.CurrentLineNumber

    def read(self, piece: bytes) -> None:
        """Calls `reading` for what the next piece ends."""
        self._check_bytes(piece)
        self._parse(piece, is_last=False)
        unfinished = self._fed - self._parser.CurrentByteIndex
        if unfinished > self._limits.max_text + 2 * PIECE_BYTES:
            raise over(f"a tag or comment has {unfinished:,} bytes and has not ended{self._at()}")

    def close(self) -> None:
        """The document's end."""
        if not self._fed:
            raise refusal("empty-body", "the body is empty; send one message of ISO 20022 as XML")
        try:
            self._decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            raise self._not_utf_8(self._fed) from None
        self._parse(b"", is_last=True)

    def free(self) -> None:
        """Lets go of the parser and of what it calls, which know each other."""
        del self._parser, self._reading

    def _at(self) -> str:
        return f" at line {self.line}"

    def _parse(self, data: bytes, *, is_last: bool) -> None:
        try:
            self._parser.Parse(data, is_last)
        except expat.ExpatError as error:
            words = expat.ErrorString(error.code)
            where = f"at line {error.lineno}, column {error.offset + 1}"
            raise refusal("malformed-xml", f"the body is not XML: {words} {where}") from None

    def _check_bytes(self, piece: bytes) -> None:
        """Refuses what expat shall not see."""
        if not self._fed and piece.startswith(_WIDE):
            raise refusal("xml-encoding", "the body is UTF-16 or UTF-32; send UTF-8")
        if self._fed + len(piece) > self._limits.max_bytes:
            raise too_many_bytes(self._limits.max_bytes)
        try:
            self._decoder.decode(piece)
        except UnicodeDecodeError as error:
            # what was left of the piece before stands before this one
            kept = len(error.object) - len(piece)
            raise self._not_utf_8(self._fed - kept + error.start) from None
        seen = self._tail + piece
        if any(each in seen for each in _DOCUMENT_TYPE):
            at = min(found for each in _DOCUMENT_TYPE if (found := seen.find(each)) >= 0)
            self._refuse_document_type(self._lines + 1 + seen.count(b"\n", 0, at))
        self._tail = seen[-_OVERLAP:]
        self._lines += seen.count(b"\n") - self._tail.count(b"\n")
        self._fed += len(piece)

    def _not_utf_8(self, at: int) -> Exception:
        return refusal("xml-encoding", f"the body is not UTF-8 at byte {at}; send UTF-8")

    def _refuse_document_type(self, line: int | None = None) -> None:
        detail = "a document type or an entity is declared, and none is read here"
        raise refusal(
            "xml-document-type",
            f"{detail}, at line {line or self.line}",
            allowed="a message without <!DOCTYPE and <!ENTITY, in comments and texts too",
        )

    def _declared(self, version: str, encoding: str | None, _standalone: int) -> None:
        if version != "1.0":
            raise refusal("xml-encoding", f"it is XML {version[:16]}; send XML 1.0")
        if encoding is not None and encoding.lower() not in _UTF_8:
            raise refusal(
                "xml-encoding", f"the encoding {encoding[:32]} is declared; send UTF-8 and say so"
            )

    def _check_names(self) -> None:
        if len(self._parser.intern) > self._limits.max_names:
            raise over(f"it has more than {self._limits.max_names:,} different names{self._at()}")

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        limits = self._limits
        self._depth += 1
        self._size = 0
        if self._depth > limits.max_depth:
            raise over(f"elements are more than {limits.max_depth} deep{self._at()}")
        if len(self._parser.intern) > limits.max_names:
            self._check_names()
        if attributes:
            if len(attributes) > limits.max_attributes:
                raise over(
                    f"an element has {len(attributes):,} attributes, {limits.max_attributes} at "
                    f"most{self._at()}"
                )
            if max(map(len, attributes.values())) > limits.max_text:
                raise self._long()
        self._reading.start(name, attributes)

    def _end(self, _name: str) -> None:
        self._depth -= 1
        self._size = 0
        self._reading.end()

    def _text(self, data: str) -> None:
        self._size += len(data)
        if self._size > self._limits.max_text:
            raise self._long()
        self._reading.text(data)

    def _long(self) -> Exception:
        return over(f"a text has more than {self._limits.max_text:,} characters{self._at()}")
