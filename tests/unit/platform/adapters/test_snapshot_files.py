"""A snapshot that was cut or changed anywhere is seen, and what may go is never the newest."""

import io
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from riskstream.platform.adapters.snapshot_files import Damaged, Reader, Rows, Writer
from riskstream.platform.adapters.snapshot_places import FolderPlace, place_of
from riskstream.platform.adapters.snapshot_shelf import Shelf
from riskstream.runtime.errors import Fatal, Retryable

TOPICS, OTHERS = "transactions.v1=a/4", "transactions.v1=b/4"


def _written(rows: Rows) -> bytes:
    file = io.BytesIO()
    writer = Writer(file, {"partition": 3})
    for at in range(0, len(rows), 7):
        writer.add(rows[at : at + 7])
    writer.end({})
    assert writer.size == len(file.getvalue())
    return file.getvalue()


def _read(data: bytes) -> Rows:
    reader = Reader(io.BytesIO(data))
    rows = [row for batch in reader.batches() for row in batch]
    assert reader.tail()["rows"] == len(rows)
    assert reader.head["partition"] == 3
    return rows


@given(st.lists(st.tuples(st.binary(max_size=20), st.binary(max_size=200)), max_size=60))
def test_rows_come_back_as_they_were(rows: Rows) -> None:
    assert _read(_written(rows)) == rows


def test_rows_of_many_blocks_come_back() -> None:
    rows = [(b":%d" % n, bytes([n % 251]) * 5000) for n in range(1000)]
    assert _read(_written(rows)) == rows


@given(st.data())
def test_a_cut_or_a_changed_byte_is_seen(data: st.DataObject) -> None:
    whole = _written([(b":%d" % n, b"row %d" % n * 20) for n in range(40)])
    at = data.draw(st.integers(0, len(whole) - 1))
    if data.draw(st.booleans()):
        bad = whole[:at]
    else:
        bad = whole[:at] + bytes([whole[at] ^ data.draw(st.integers(1, 255))]) + whole[at + 1 :]
    with pytest.raises(Damaged):
        _read(bad)


def _put(shelf: Shelf, s: int, identity: str = TOPICS, *, since: int = 0) -> None:
    with shelf.write(
        0, {"s": str(s), "e": "0", "identity": identity, "whole_since": str(since)}
    ) as writer:
        writer.end({})


def _watermarks(shelf: Shelf, identity: str | None = None) -> list[int]:
    return [each.stored_src for each in shelf.known(0, identity)]


def test_pruning_keeps_the_newest_of_these_topics_whatever_its_age(tmp_path: Path) -> None:
    shelf = Shelf(FolderPlace(tmp_path), "scorer.standard.v1")
    for s in (10, 200, 30, 4):
        _put(shelf, s)
    _put(shelf, 999, OTHERS)
    assert _watermarks(shelf) == [999, 200, 30, 10, 4]
    assert _watermarks(shelf, TOPICS) == [200, 30, 10, 4]
    assert shelf.prune(0, TOPICS, 3, 3600) == 1
    assert _watermarks(shelf, TOPICS) == [200, 30, 10]
    assert shelf.prune(0, TOPICS, 3, -1) == 3, "all are too old: those of other topics go as well"
    assert _watermarks(shelf) == [200]
    assert shelf.prune(0, TOPICS, 1, -1) == 0


def test_pruning_keeps_the_newest_whole_one_beside_partial_ones(tmp_path: Path) -> None:
    shelf = Shelf(FolderPlace(tmp_path), "scorer.standard.v1")
    for s, since in ((10, 0), (20, 0), (30, 500), (40, 500), (50, 500)):
        _put(shelf, s, since=since)
    assert shelf.prune(0, TOPICS, 2, 3600) == 2
    assert [(each.stored_src, each.is_whole) for each in shelf.known(0)] == [
        (50, False),
        (40, False),
        (20, True),
    ]


def test_an_exception_while_it_is_written_leaves_no_file(tmp_path: Path) -> None:
    shelf = Shelf(FolderPlace(tmp_path), "scorer.standard.v1")

    def write_some() -> None:
        with shelf.write(0, {"s": "1", "e": "0", "identity": TOPICS}) as writer:
            writer.add([(b":a", b"row")])
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write_some()
    assert [each for each in tmp_path.rglob("*") if each.is_file()] == []


def test_what_a_killed_writer_left_goes_after_a_day(tmp_path: Path) -> None:
    shelf = Shelf(FolderPlace(tmp_path), "scorer.standard.v1")
    _put(shelf, 5)
    [whole] = [each for each in tmp_path.rglob("*") if each.is_file()]
    now = int(time.time() * 1000)
    for age_ms in (1000, 25 * 3600 * 1000):
        (whole.parent / f"s{5:020d}-0123abcd-{now - age_ms:013d}.state.12345678.part").touch()
    assert shelf.prune(0, TOPICS, 3, 3600) == 1
    assert len(list(whole.parent.iterdir())) == 2
    assert _watermarks(shelf) == [5], "half a file is no snapshot"


def test_names_of_groups_lead_to_no_other_folder(tmp_path: Path) -> None:
    (tmp_path / "place").mkdir()
    _put(Shelf(FolderPlace(tmp_path / "place"), "../../elsewhere.standard.v1"), 5)
    assert [each.name for each in tmp_path.iterdir()] == ["place"]


def test_a_folder_that_is_gone_or_full_is_the_worlds_fault(tmp_path: Path) -> None:
    gone = Shelf(FolderPlace(tmp_path / "gone"), "scorer.standard.v1")
    with pytest.raises(Retryable, match="make it or mount it"):
        _put(gone, 5)
    with pytest.raises(Retryable, match="refuses"):
        gone.known(0)
    assert not (tmp_path / "gone").exists(), (
        "a volume that is not mounted is not replaced by a folder in its place"
    )
    full = Shelf(FolderPlace(Path("/dev/full")), "scorer.standard.v1")
    with pytest.raises(Retryable, match="refuses"):
        _put(full, 5)


@pytest.mark.parametrize(
    "text",
    [
        "gs://bucket/x",
        "s3:bucket",
        "s3://",
        "s3://bucket/x?access_key=a",
        "s3://key:secret@bucket/x",
        "file:///x",
    ],
)
def test_a_place_of_no_known_kind_is_said_at_once(text: str) -> None:
    with pytest.raises(Fatal) as found:
        place_of(text)
    assert found.value.exit_code == 2
    assert "secret" not in str(found.value)
