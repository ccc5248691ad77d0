"""Answers that the broker has not taken, in a file: bounded, append only, and there after a kill.

A record is its length, the length of its key, a CRC-32 of both parts, key and value. A record that
was cut off by a kill ends the file.
"""

import os
import struct
import zlib
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from riskstream.runtime.causes import cause
from riskstream.runtime.errors import Fatal
from riskstream.runtime.exits import Exit

_HEAD = struct.Struct("<III")


def spool_of(port: int) -> Path:
    """Where the gateway of a port has its spool by default: in the user's folder of state."""
    state = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(state) / "riskstream" / f"gateway-{port}.spool"


class Spool:
    """One process's file; Fatal where another one has it. What is appended outlives the process,
    not the machine.
    """

    def __init__(self, path: Path, max_bytes: int) -> None:
        self._path, self._max_bytes = path, max_bytes
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
            self._file = os.open(path, flags, 0o600)
            os.lockf(self._file, os.F_TLOCK, 0)
        except OSError as error:
            raise Fatal(
                what=f"the spool of answers cannot be used: {cause(error)}",
                where=str(path),
                do="give --spool a file that no other gateway uses, in a folder of its user",
                exit_code=Exit.INPUT,
            ) from error
        self._begin = 0
        self.size = max((at for at, _, _ in self.records()), default=0)
        self.damaged = self._set_aside(path)
        os.ftruncate(self._file, self.size)

    @property
    def waiting(self) -> int:
        """Bytes of the records that are not dropped."""
        return self.size - self._begin

    def append(self, key: bytes, value: bytes) -> bool:
        """Keep a record; False where the file is full, or the disk."""
        frame = _HEAD.pack(len(key), len(value), zlib.crc32(value, zlib.crc32(key))) + key + value
        if self.size + len(frame) > self._max_bytes:
            return False
        with suppress(OSError):
            if os.write(self._file, frame) == len(frame):
                self.size += len(frame)
                return True
        with suppress(OSError):
            os.ftruncate(self._file, self.size)
        return False

    def records(self) -> Iterator[tuple[int, bytes, bytes]]:
        """(where the next one begins, key, value) of each that is not dropped, in order."""
        at = self._begin
        while (found := self._record(at)) is not None:
            at = found[0]
            yield found

    def drop(self, until: int) -> None:
        """Forget the records before that place. The file shrinks when all of them are dropped;
        after a kill before that they come again.
        """
        self._begin = until
        if until == self.size:
            os.ftruncate(self._file, 0)
            self._begin = self.size = 0

    def _set_aside(self, path: Path) -> str:
        """Keep what stands behind a damaged record in a file beside; its name, "" where there is
        nothing, or only a record that a kill cut off.
        """
        rest = os.pread(self._file, self._max_bytes, self.size)
        head = _HEAD.unpack(rest[: _HEAD.size]) if len(rest) >= _HEAD.size else (0, 0, 0)
        if len(rest) < _HEAD.size + head[0] + head[1] <= self._max_bytes or not any(rest):
            return ""
        aside = path.with_name(f"{path.name}.damaged")
        aside.write_bytes(rest)
        return str(aside)

    def close(self) -> None:
        os.close(self._file)

    def _record(self, at: int) -> tuple[int, bytes, bytes] | None:
        head = os.pread(self._file, _HEAD.size, at)
        if len(head) < _HEAD.size:
            return None
        key_size, value_size, crc = _HEAD.unpack(head)
        if key_size + value_size > self._max_bytes:
            return None
        body = os.pread(self._file, key_size + value_size, at + _HEAD.size)
        if len(body) < key_size + value_size or zlib.crc32(body) != crc:
            return None
        return at + _HEAD.size + len(body), body[:key_size], body[key_size:]
