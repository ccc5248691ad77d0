"""Files that are there whole or not at all."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from riskstream.runtime.errors import Fatal


@contextmanager
def whole(path: Path, option: str = "--out") -> Iterator[Path]:
    """A path beside `path` to write to, put in its place at the end. Fatal, naming the option, where it cannot be written."""
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield partial
        partial.replace(path)
    except OSError as error:
        raise Fatal(
            what=f"{path.name} cannot be written: {error.strerror}", where=str(path.parent), do=f"give another {option}"
        ) from error
    finally:
        with suppress(OSError):
            partial.unlink(missing_ok=True)
