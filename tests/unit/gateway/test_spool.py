"""Answers that the broker has not taken: there after a kill, in order, bounded."""

import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from riskstream.gateway.spool import Spool
from riskstream.runtime.errors import Fatal

ROWS = [(b"c-%d" % at, b"answer %d" % at * at) for at in range(20)]


def _rows(spool: Spool) -> list[tuple[bytes, bytes]]:
    return [(key, value) for _, key, value in spool.records()]


def test_what_is_kept_is_there_after_a_kill(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "new" / "answers", 2**16)
    assert all(spool.append(*each) for each in ROWS)
    os.close(spool._file)  # as a kill does
    spool = Spool(tmp_path / "new" / "answers", 2**16)
    assert _rows(spool) == ROWS
    assert (tmp_path / "new" / "answers").stat().st_mode & 0o777 == 0o600


def test_what_stands_behind_damage_is_set_aside(tmp_path: Path) -> None:
    path = tmp_path / "answers"
    spool = Spool(path, 2**16)
    ends = [spool.size for each in ROWS if spool.append(*each)]
    spool.close()
    raw = bytearray(path.read_bytes())
    raw[ends[4] + 14] ^= 255
    path.write_bytes(raw)
    spool = Spool(path, 2**16)
    assert _rows(spool) == ROWS[:5]
    assert spool.damaged == f"{path}.damaged"
    assert Path(spool.damaged).read_bytes() == raw[ends[4] :]
    spool.close()
    spool = Spool(path, 2**16)
    assert (spool.damaged, _rows(spool)) == ("", ROWS[:5])


@settings(max_examples=60, deadline=None)
@given(cut=st.integers(0, 400), junk=st.binary(max_size=40))
def test_a_record_that_was_cut_off_ends_the_file(
    cut: int, junk: bytes, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("spool") / "answers"
    spool = Spool(path, 2**16)
    ends = [0]
    for each in ROWS[:12]:
        spool.append(*each)
        ends.append(spool.size)
    spool.close()
    whole = sum(end <= cut for end in ends) - 1
    raw = path.read_bytes()[:cut]
    path.write_bytes(raw + (junk if len(raw) == cut else b""))
    spool = Spool(path, 2**16)
    assert _rows(spool)[:whole] == ROWS[:whole]
    assert len(_rows(spool)) in (whole, min(whole + 1, 12))
    assert spool.append(b"k", b"v")
    assert _rows(spool)[-1] == (b"k", b"v")
    spool.close()


def test_a_full_file_takes_no_more_and_shrinks_once_all_is_delivered(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "answers", 200)
    kept = [each for each in ROWS if spool.append(*each)]
    assert 0 < len(kept) < len(ROWS)
    assert spool.size <= 200
    places = [until for until, _, _ in spool.records()]
    spool.drop(places[1])
    assert _rows(spool) == kept[2:]
    assert spool.waiting == spool.size - places[1]
    spool.drop(places[-1])
    assert (_rows(spool), spool.waiting, spool.size) == ([], 0, 0)
    assert (tmp_path / "answers").stat().st_size == 0
    assert spool.append(*ROWS[1])
    assert _rows(spool) == [ROWS[1]]


def test_a_disk_that_is_full_leaves_no_part_of_a_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool = Spool(tmp_path / "answers", 2**16)
    spool.append(*ROWS[1])
    write = os.write
    monkeypatch.setattr("os.write", lambda file, frame: write(file, frame[:5]))
    assert not spool.append(*ROWS[2])
    monkeypatch.undo()
    assert spool.append(*ROWS[3])
    assert _rows(spool) == [ROWS[1], ROWS[3]]


def test_a_file_that_cannot_be_used_is_refused_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    for path in (tmp_path, tmp_path / "link", tmp_path / "file" / "answers"):
        (tmp_path / "file").write_text("")
        with pytest.raises(Fatal, match="the spool of answers cannot be used"):
            Spool(path, 2**16)
    assert not (tmp_path / "elsewhere").exists()
