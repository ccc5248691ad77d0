"""Where snapshots lie: a folder, or a bucket of an S3 server (`s3://bucket/prefix`, by pyarrow).

A file is written under another name and renamed, so that a reader never sees half of one under its
own. Only its owner may read it: rows hold ids of customers.
"""

import os
import re
import uuid
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, Protocol, cast
from urllib.parse import parse_qs

from riskstream.runtime.errors import Fatal, Retryable
from riskstream.runtime.exits import Exit

PART = ".part"
"""Ends the name of a file that is being written."""
_BUCKET = re.compile(
    r"s3://(?P<bucket>[a-z0-9][a-z0-9.-]+)(?:/(?P<prefix>[^?#]*))?(?:\?(?P<query>[^#]*))?"
)
_OPTIONS = {"region", "scheme", "endpoint_override"}
_CONNECT_S, _REQUEST_S, _TRIES = 5, 10, 2


class Place(Protocol):
    """Files by relative path. Raises Retryable where it does not answer or refuses."""

    def files(self, folder: str) -> list[tuple[str, int]]: ...

    def write(self, path: str) -> AbstractContextManager[BinaryIO]: ...

    def read(self, path: str) -> AbstractContextManager[BinaryIO]: ...

    def delete(self, path: str) -> None: ...


def place_of(text: str) -> Place:
    """The place that a setting names; Fatal where it is of a kind that we do not know."""
    if text.startswith("s3:"):
        return BucketPlace(text)
    if "://" in text:
        raise Fatal(
            what=f"{text.split('://')[0]} is not a place for snapshots",
            where="snapshots",
            do="give a folder or s3://bucket/prefix",
            exit_code=Exit.INPUT,
        )
    return FolderPlace(Path(text))


class FolderPlace:
    """A folder that is there already, shared by all scorers: a folder that is gone is a volume that
    is not mounted.
    """

    def __init__(self, root: Path) -> None:
        self._root = root

    def files(self, folder: str) -> list[tuple[str, int]]:
        """(path, bytes) of each file in and below a folder, by name; nothing where there is no such
        folder in the place.
        """
        try:
            self._check_root()
            found = []
            for parent, _, names in os.walk(self._root / folder, onerror=_raise_unless_gone):
                found += [Path(parent) / name for name in names]
            return [
                (str(each.relative_to(self._root)), each.stat().st_size) for each in sorted(found)
            ]
        except OSError as error:
            raise self._away(error) from error

    @contextmanager
    def write(self, path: str) -> Iterator[BinaryIO]:
        """A file under its own name once the block has ended without an exception, and else not
        there.
        """
        target = self._root / path
        part = target.with_name(f"{target.name}.{uuid.uuid4().hex[:8]}{PART}")
        try:
            self._check_root()
            for folder in reversed(target.relative_to(self._root).parents):
                (self._root / folder).mkdir(exist_ok=True, mode=0o700)
            with os.fdopen(
                os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb"
            ) as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            part.replace(target)
            _sync(target.parent)
        except OSError as error:
            raise self._away(error) from error
        finally:
            with suppress(OSError):
                part.unlink(missing_ok=True)

    @contextmanager
    def read(self, path: str) -> Iterator[BinaryIO]:
        try:
            with (self._root / path).open("rb") as file:
                yield file
        except OSError as error:
            raise self._away(error) from error

    def delete(self, path: str) -> None:
        try:
            (self._root / path).unlink(missing_ok=True)
        except OSError as error:
            raise self._away(error) from error

    def _check_root(self) -> None:
        if not self._root.is_dir():
            raise FileNotFoundError(2, "there is no such folder, make it or mount it")

    def _away(self, error: OSError) -> Retryable:
        return Retryable(
            what=f"the folder of snapshots refuses: {error.strerror or error}",
            where=str(self._root),
        )


class BucketPlace:
    """A prefix of a bucket. Keys come from where the AWS tools look; region and endpoint as well,
    or from the URL's query.
    """

    def __init__(self, url: str) -> None:
        told = _BUCKET.fullmatch(url)
        options = (
            {name: values[-1] for name, values in parse_qs(told["query"] or "").items()}
            if told
            else {}
        )
        if told is None or not options.keys() <= _OPTIONS:
            raise Fatal(
                what="the address of a bucket is "
                "s3://bucket/prefix[?region=…&endpoint_override=…&scheme=…]",
                where="snapshots",
                do="give that, and keys by the environment",
                exit_code=Exit.INPUT,
            )
        try:
            from pyarrow import fs
        except ModuleNotFoundError as error:
            raise Fatal(
                what="snapshots in S3 need pyarrow",
                where="snapshots",
                do="install the extra: pip install 'riskstream[scorer]'",
                exit_code=Exit.INPUT,
            ) from error
        self._url = url.split("?")[0]
        self._root = f"{told['bucket']}/{told['prefix'] or ''}".rstrip("/")
        self._fs = fs.S3FileSystem(
            **{**_endpoint(), **options},
            connect_timeout=_CONNECT_S,
            request_timeout=_REQUEST_S,
            retry_strategy=fs.AwsStandardS3RetryStrategy(max_attempts=_TRIES),
        )
        self._selector = fs.FileSelector

    def files(self, folder: str) -> list[tuple[str, int]]:
        """As a folder's."""
        try:
            chosen = self._selector(f"{self._root}/{folder}", allow_not_found=True, recursive=True)
            found = [each for each in self._fs.get_file_info(chosen) if each.is_file]
        except OSError as error:
            raise self._away(error) from error
        return sorted(
            (each.path.removeprefix(f"{self._root}/"), int(each.size or 0)) for each in found
        )

    @contextmanager
    def write(self, path: str) -> Iterator[BinaryIO]:
        """As a folder's: pyarrow ends an upload also after an exception, and the rename alone makes
        it a snapshot.
        """
        part = f"{self._root}/{path}.{uuid.uuid4().hex[:8]}{PART}"
        try:
            with self._fs.open_output_stream(part) as file:
                yield cast(BinaryIO, file)
            self._fs.move(part, f"{self._root}/{path}")
        except OSError as error:
            self._clean(part)
            raise self._away(error) from error
        except BaseException:
            self._clean(part)
            raise

    @contextmanager
    def read(self, path: str) -> Iterator[BinaryIO]:
        try:
            with self._fs.open_input_stream(f"{self._root}/{path}", buffer_size=1 << 20) as file:
                yield cast(BinaryIO, file)
        except OSError as error:
            raise self._away(error) from error

    def delete(self, path: str) -> None:
        try:
            self._fs.delete_file(f"{self._root}/{path}")
        except FileNotFoundError:
            pass
        except OSError as error:
            raise self._away(error) from error

    def _clean(self, part: str) -> None:
        with suppress(OSError):
            self._fs.delete_file(part)

    def _away(self, error: OSError) -> Retryable:
        return Retryable(what=f"the bucket of snapshots refuses: {error}", where=self._url)


def _endpoint() -> dict[str, str]:
    """AWS_ENDPOINT_URL, as the AWS tools know it, in pyarrow's words."""
    told = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL", "")
    scheme, _, host = told.rstrip("/").rpartition("://")
    return {"endpoint_override": host, "scheme": scheme or "https"} if host else {}


def _raise_unless_gone(error: OSError) -> None:
    if not isinstance(error, FileNotFoundError):
        raise error


def _sync(folder: Path) -> None:
    """A rename is on disk once its folder is."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
