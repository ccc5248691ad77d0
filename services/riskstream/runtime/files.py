"""Files and folders that are there whole or not at all, and that never replace what somebody else
put there.

A command asks `check_file` or `check_folder` before its work, and writes with `whole` or
`whole_folder` after it. What it reads is asked by `check_input` or read by `read_regular`: opening
a named pipe waits for its writer, a device may never end.
"""

import errno
import os
import secrets
import shutil
import stat
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from riskstream.runtime.errors import Fatal
from riskstream.runtime.exits import Exit

IsOwn = Callable[[Path], bool]
"""True where what stands at a path was written by the same command; raises nothing that is no
OSError or ValueError.
"""

_KINDS = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a named pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, ("a device")),
    (stat.S_ISBLK, "a device"),
)


def check_input(path: Path, option: str, *, may_be_pipe: bool = False) -> None:
    """Fatal where `path` is there and is no regular file; what is missing or may not be read its
    reader says.

    `may_be_pipe`: what the process was given open is as well, /dev/stdin or /dev/fd/N, where it is
    a pipe.
    """
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError):
        return
    is_given = path == Path("/dev/stdin") or path.parent == Path("/dev/fd")
    if stat.S_ISREG(mode) or (may_be_pipe and is_given and stat.S_ISFIFO(mode)):
        return
    do = f"give a regular file as {option}" + (
        ", or /dev/stdin behind a pipe" if may_be_pipe else ""
    )
    raise Fatal(
        what=f"{path.name or path} cannot be read: it is {_kind(mode)}",
        where=str(path),
        do=do,
        exit_code=Exit.INPUT,
    )


def read_regular(path: Path, most: int = -1) -> bytes:
    """The file's content, at most so many bytes of it; OSError where it is no regular file, or
    cannot be read.
    """
    mode = path.stat().st_mode
    if not stat.S_ISREG(mode):
        raise OSError(errno.EINVAL, f"it is {_kind(mode)}")
    with path.open("rb") as file:
        return file.read(most)


def _kind(mode: int) -> str:
    return next((name for is_so, name in _KINDS if is_so(mode)), "no regular file")


_FILE_ROOM, _FOLDER_ROOM = 4096, 1 << 20
"""Bytes that must be free for an output, so that a full disk is found before the work."""
_IS_FULL = (errno.ENOSPC, errno.EDQUOT)


def check_file(
    path: Path, option: str = "--out", *, is_own: IsOwn, inputs: Collection[Path | None] = ()
) -> None:
    """Fatal where `path` cannot be written as a file, is one of `inputs`, or holds anything that is
    not `is_own`.
    """
    target = _followed(path, option)
    try:
        _check_is_no_input(target, path, option, inputs)
        if target.is_dir():
            raise _refused(
                "it is a folder, a file is to be written", path, f"give a file as {option}"
            )
        if target.exists():
            if not stat.S_ISREG(target.stat().st_mode):
                raise _refused("it is no regular file", path, f"give another {option}")
            if target.stat().st_size and not _is_so(is_own, target):
                raise _in_the_way("a file that this command did not write is there", path, option)
        _check_parent(target.parent, path, option, _FILE_ROOM)
    except OSError as error:
        raise _unwritable(error, path, option) from error


def check_folder(
    path: Path,
    option: str = "--out",
    *,
    is_own: IsOwn,
    inputs: Collection[Path | None] = (),
    is_replaced: bool = True,
) -> None:
    """Fatal where `path` cannot become a folder, is one of `inputs`, or is a folder with anything
    but what is `is_own`.

    `is_replaced`: a new folder takes its place, else files are written into it.
    """
    target = _followed(path, option)
    try:
        _check_is_no_input(target, path, option, inputs)
        if target.exists():
            if not target.is_dir():
                raise _refused(
                    "it is a file, a folder is to be written", path, f"give a folder as {option}"
                )
            if is_replaced and (os.path.ismount(target) or target == Path.cwd()):
                raise _refused(
                    "a mounted folder or the one you stand in cannot be replaced",
                    path,
                    "give a folder in it",
                )
            if any(target.iterdir()) and not _is_so(is_own, target):
                raise _in_the_way(
                    "the folder holds files that this command did not write", path, option
                )
        _check_parent(target.parent if is_replaced else target, path, option, _FOLDER_ROOM)
    except OSError as error:
        raise _unwritable(error, path, option) from error


@contextmanager
def whole(path: Path, option: str = "--out", *, private: bool = False) -> Iterator[Path]:
    """A path beside `path` to write to, put in its place at the end. Fatal, naming the option,
    where it cannot be written.

    `private`: only its owner may read it, for files with ids of customers. A symlink stays, and its
    target is written.
    """
    target = _followed(path, option)
    partial = target.with_name(f".{target.name[:100]}.{os.getpid()}")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        os.close(
            os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600 if private else 0o666)
        )
        yield partial
        _sync(partial)
        partial.replace(target)
    except OSError as error:
        raise _unwritable(error, path, option) from error
    finally:
        with suppress(OSError):
            partial.unlink(missing_ok=True)


@contextmanager
def whole_folder(path: Path, option: str = "--out") -> Iterator[Path]:
    """A new folder beside `path` to write to; at the end it takes the place of what is there, which
    then goes.

    After any failure what was there is there again; after a kill between two renames it stands
    beside as `.NAME-….old`.
    """
    target = _followed(path, option)
    partial = target.with_name(f".{target.name[:100]}-{secrets.token_hex(4)}")
    old = partial.with_name(f"{partial.name}.old")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        partial.mkdir()
        yield partial
        for each in partial.iterdir():
            _sync(each)
        _swap(partial, target, old)
    except OSError as error:
        raise _unwritable(error, path, option) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    shutil.rmtree(old, ignore_errors=True)


def _swap(partial: Path, target: Path, old: Path) -> None:
    has_old = target.exists()
    if has_old:
        target.rename(old)
    try:
        partial.rename(target)
    except OSError:
        if has_old:
            old.rename(target)
        raise


def _sync(path: Path) -> None:
    """The disk has it before its name does."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _followed(path: Path, option: str) -> Path:
    """Where symlinks lead."""
    try:
        target = path.resolve()
        target.exists()  # a path that no file can have: a NUL, or a name that is too long
    except OSError as error:
        raise _unwritable(error, path, option) from error
    except (RuntimeError, ValueError) as error:
        raise _refused(f"{error}", path, f"give another {option}") from error
    return target


def _check_is_no_input(
    target: Path, path: Path, option: str, inputs: Collection[Path | None]
) -> None:
    for each in inputs:
        if each is not None and _is_at(each, target):
            raise _refused("it is also read", path, f"give another {option}")


def _is_at(path: Path, target: Path) -> bool:
    try:
        return path.resolve() == target
    except (OSError, RuntimeError, ValueError):
        return False  # whoever reads it says what is wrong with it


def _check_parent(folder: Path, path: Path, option: str, room: int) -> None:
    """The nearest folder that is there takes a new file of `room` bytes; OSError where it does
    not.
    """
    while not folder.exists():
        folder = folder.parent
    if not folder.is_dir():
        raise _refused(
            f"{folder.name} is a file, a folder is needed", path, f"give another {option}"
        )
    probe = folder / f".riskstream-{secrets.token_hex(6)}"
    handle = os.open(probe, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        if os.write(handle, bytes(room)) < room:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    finally:
        os.close(handle)
        probe.unlink()


def _is_so(is_own: IsOwn, target: Path) -> bool:
    try:
        return is_own(target)
    except (OSError, ValueError):
        return False


def _refused(what: str, path: Path, do: str) -> Fatal:
    return Fatal(
        what=f"{path.name} cannot be written: {what}", where=str(path), do=do, exit_code=Exit.INPUT
    )


def _in_the_way(what: str, path: Path, option: str) -> Fatal:
    return _refused(what, path, f"give another {option}, or move away what is there")


def _unwritable(error: OSError, path: Path, option: str) -> Fatal:
    is_full = error.errno in _IS_FULL
    return Fatal(
        what=f"{path.name} cannot be written: "
        f"{os.strerror(error.errno or 0) if is_full else error.strerror or error}",
        where=str(path.parent),
        do=f"free some space, or give another {option}" if is_full else f"give another {option}",
        exit_code=Exit.NO_DISK if is_full else Exit.NO,
    )
