"""The snapshots of one group and feature layout: their names, which is the newest, which may go.

`<group>.<layout>/p<partition>/s<watermark>-<topics>-<taken at>.state` in a Place (`.partial.state`
where rows do not know everything that was ever appended); what is inside is `snapshot_files`'
matter.
"""

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from urllib.parse import quote

from riskstream.platform.adapters.snapshot_files import Damaged, Reader, Writer
from riskstream.platform.adapters.snapshot_places import PART, Place
from riskstream.runtime.durations import DAY_S

Fields = dict[str, str]
"""The mark as the store has it, field by field: `s` (stored_src), `e` (output_offset), `identity`,
and what later releases add.
"""

_STEM = r"s(\d{20})-([0-9a-f]{8})-(\d{13})(\.partial)?\.state"
_NAME = re.compile(_STEM)
_PART_OF = re.compile(rf"{_STEM}\.[0-9a-f]+{re.escape(PART)}")
_STALE_PART_S = DAY_S


@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotName:
    """What the name of a snapshot tells: its watermark, when it was taken (ms since 1970 UTC), a
    digest of its topics.

    `is_whole`: its rows know all that was appended up to the watermark. `path` is where it lies in
    its place, `size` its bytes.
    """

    partition: int
    stored_src: int
    topics: str
    taken_at: int
    is_whole: bool
    path: str
    size: int


class Shelf:
    """Snapshots in one place, of one namespace of the state store. Raises Retryable where the place
    does not answer.
    """

    def __init__(self, place: Place, namespace: str) -> None:
        self._place, self._namespace = place, namespace

    def known(self, partition: int, identity: str | None = None) -> list[SnapshotName]:
        """Newest watermark first, of equal ones the one taken last; of these topics alone where
        `identity` is given.
        """
        found = []
        for path, size in self._place.files(self._folder(partition)):
            told = _NAME.fullmatch(path.rpartition("/")[2])
            if told and (identity is None or told[2] == topics_digest(identity)):
                found.append(
                    SnapshotName(
                        partition=partition,
                        stored_src=int(told[1]),
                        topics=told[2],
                        taken_at=int(told[3]),
                        is_whole=told[4] is None,
                        path=path,
                        size=size,
                    )
                )
        return sorted(found, key=lambda each: (each.stored_src, each.taken_at), reverse=True)

    def partitions(self) -> list[int]:
        """Those that have a file here."""
        found = {
            path.split("/")[-2] for path, _ in self._place.files(quote(self._namespace, safe=""))
        }
        return sorted(int(name[1:]) for name in found if re.fullmatch(r"p\d{5,}", name))

    @contextmanager
    def open(
        self, name: SnapshotName, identity: str | None = None
    ) -> Iterator[tuple[Fields, Reader]]:
        """Its watermark and its reader, whose `tail` must be reached before anything of it counts.

        Damaged where it is not of this namespace, partition and watermark, or not of the topics of
        `identity`.
        """
        with self._place.read(name.path) as file:
            reader = Reader(file)
            for wanted, value in (("namespace", self._namespace), ("partition", name.partition)):
                if reader.head.get(wanted) != value:
                    raise Damaged(why=f"it is of {wanted} {reader.head.get(wanted)}, not {value}")
            fields = reader.head.get("fields")
            if not isinstance(fields, dict) or not all(
                isinstance(each, str) for each in fields.values()
            ):
                raise Damaged(why="it has no watermark")
            if fields.get("s") != str(name.stored_src) or not {"e", "identity"} <= fields.keys():
                raise Damaged(why=f"its watermark is {fields.get('s')}, not {name.stored_src}")
            if identity is not None and fields["identity"] != identity:
                raise Damaged(why=f"it is of other topics: {fields['identity']}, not {identity}")
            yield fields, reader

    @contextmanager
    def write(self, partition: int, fields: Fields) -> Iterator[Writer]:
        """A new snapshot, there once the block has ended without an exception and `Writer.end` was
        called in it.
        """
        taken_at = int(time.time() * 1000)
        kind = "" if is_whole(fields) else ".partial"
        topics = topics_digest(fields["identity"])
        name = f"s{int(fields['s']):020d}-{topics}-{taken_at:013d}{kind}.state"
        head = {
            "namespace": self._namespace,
            "partition": partition,
            "taken_at": taken_at,
            "fields": fields,
        }
        with self._place.write(f"{self._folder(partition)}/{name}") as file:
            yield Writer(file, head)

    def prune(self, partition: int, identity: str, keep: int, most_age_s: float) -> int:
        """Delete what is past the newest `keep` of these topics, or older than that age, but never
        the newest; how many.

        The newest whole one stays as well, for as long as its age allows: it knows what partial
        ones do not. Of topics that are no more, age alone counts. Called after a snapshot was
        written, so that the newest is no half file.
        """
        now = time.time()
        oldest = (now - most_age_s) * 1000
        known = self.known(partition)
        mine = [each for each in known if each.topics == topics_digest(identity)]
        whole = next((each for each in mine if each.is_whole), None)
        gone = [
            each.path
            for at, each in enumerate(mine)
            if at and (each.taken_at < oldest or (at >= keep and each is not whole))
        ]
        gone += [each.path for each in known if each not in mine and each.taken_at < oldest]
        for path, _ in self._place.files(self._folder(partition)):
            told = _PART_OF.fullmatch(path.rpartition("/")[2])
            if told and int(told[3]) < (now - _STALE_PART_S) * 1000:  # whoever wrote it was ended
                gone.append(path)
        for path in gone:
            self._place.delete(path)
        return len(gone)

    def _folder(self, partition: int) -> str:
        return f"{quote(self._namespace, safe='')}/p{partition:05d}"


def is_whole(fields: Fields) -> bool:
    """True where the rows behind this mark know all that was ever appended."""
    return fields.get("whole_since", "0") == "0"


def topics_digest(identity: str) -> str:
    """Eight hex digits that stand for the topics' ids and partition counts in a snapshot's name."""
    return sha256(identity.encode()).hexdigest()[:8]
