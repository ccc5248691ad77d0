"""The bytes of a file: unpacked, and as UTF-8 whatever its encoding."""

import codecs
from pathlib import Path

import pyarrow as pa

from riskstream.runtime.causes import cause
from riskstream.workbench.files.rows import unreadable

HEAD_BYTES = 1 << 18
"""What is looked at to find out how a file is written."""
_PACKED = ((b"\x1f\x8b", "gzip"), (b"\x28\xb5\x2f\xfd", "zstd"), (b"BZh", "bz2"))
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
"""Byte order marks. The one of UTF-32 little endian begins as that of UTF-16 does."""


def packed_by(path: Path) -> str | None:
    """gzip, zstd or bz2 by the file's first bytes; None where it is not packed."""
    with path.open("rb") as file:
        first = file.read(4)
    return next((name for magic, name in _PACKED if first.startswith(magic)), None)


def unpacked(path: Path) -> pa.NativeFile:
    """A stream of the file's bytes, unpacked as its first bytes say."""
    packing = packed_by(path)
    return pa.input_stream(str(path), compression=packing)


def head_of(path: Path, size: int = HEAD_BYTES) -> bytes:
    """The first bytes, unpacked. Fatal where they cannot be read."""
    try:
        with unpacked(path) as stream:
            return bytes(stream.read(size))
    except (OSError, pa.ArrowException) as error:
        raise unreadable(
            path, f"the file cannot be read: {cause(error)}", "give one that is whole"
        ) from error


def marked_encoding(head: bytes) -> tuple[str, int]:
    """(encoding, bytes of the mark) where the file begins with a byte order mark; ("", 0)."""
    return next(((name, len(mark)) for mark, name in _MARKS if head.startswith(mark)), ("", 0))


def is_wide(head: bytes) -> bool:
    """Whether bytes without a mark may be UTF-16: every second one of common letters is a NUL."""
    return head.count(0) * 4 > len(head)


def wide_encoding(head: bytes) -> str:
    """UTF-16 of bytes without a mark: of common letters, its big end is the NUL in front."""
    return "utf-16-be" if head[::2].count(0) > head[1::2].count(0) else "utf-16-le"


_NO_FILES = {"charmap", "idna", "mbcs", "oem", "punycode", "undefined", "utf-7"}
_NO_FILES |= {"raw-unicode-escape", "unicode-escape"}
"""Encodings of Python that no file is written in."""


def is_encoding(name: str) -> bool:
    """Whether texts of files are written in an encoding of this name."""
    try:
        "".encode(name)
        codecs.getincrementaldecoder(name)
        known = codecs.lookup(name).name
    except (LookupError, ValueError):
        return False
    return known.replace("_", "-") not in _NO_FILES


class Utf8Stream:
    """Reads a file's bytes as UTF-8, block by block. `encoding`: what the bytes are."""

    def __init__(self, path: Path, encoding: str) -> None:
        self.path, self.encoding = path, encoding
        self._stream = unpacked(path)
        self._decoder = codecs.getincrementaldecoder(encoding)("strict")
        self._skip = marked_encoding(self._stream.read(4))[1]
        self._stream.close()
        self._stream = unpacked(path)
        self._is_utf8 = codecs.lookup(encoding).name == "utf-8"
        self._was_held_back = False
        self.lines = 0
        """Line ends that were read."""

    def read(self, size: int) -> bytes:
        """About so many bytes, b"" at the end. Fatal where bytes are no text of the encoding, or
        the file is damaged.
        """
        try:
            raw = bytes(self._stream.read(size))
        except (OSError, pa.ArrowException) as error:
            raise unreadable(
                self.path,
                f"the file is damaged after line {self.lines:,}: {cause(error)}",
                "write it again",
            ) from error
        if self._skip:
            raw, self._skip = raw[self._skip :], 0
        try:
            text = self._decoder.decode(raw, final=not raw)
        except UnicodeDecodeError as error:
            raise self._no_text(error) from error
        if "\x00" in text:
            line = self.lines + text[: text.index("\x00")].count("\n") + 1
            raise unreadable(
                self.path,
                f"line {line:,} holds a NUL, which no text has",
                f"give a text file, or say its encoding ({wide_encoding(raw)}, say)"
                if is_wide(raw)
                else "write the file again without it",
            )
        self.lines += text.count("\n")
        if raw and not text:
            return self.read(size)
        # the decoder keeps the first bytes of a character that the block cuts
        is_held_back = bool(self._decoder.getstate()[0])
        is_same = self._is_utf8 and not is_held_back and not self._was_held_back
        self._was_held_back = is_held_back
        return raw if is_same else text.encode()

    def _no_text(self, error: UnicodeDecodeError) -> Exception:
        before = error.object[: error.start]
        line = self.lines + before.count(b"\n") + 1
        behind = error.object[error.start : error.start + 10].split(b"\n")[0]
        near = before[-10:].split(b"\n")[-1] + behind.rstrip(b"\r")
        other = "cp1252" if self._is_utf8 else "utf-8"
        return unreadable(
            self.path,
            f"line {line:,} is no {self.encoding} (byte 0x{error.object[error.start]:02X}; "
            f"{near.decode(other, 'replace')!r} in {other})",
            f"say its encoding, `file: {{encoding: {other}}}` in the mapping"
            + ("" if self._is_utf8 else ", or another one, like cp850 or shift_jis"),
        )

    def close(self) -> None:
        self._stream.close()
