"""Damaged files: each gives rows of the contract, or one sentence that says what is wrong.

Worker processes read them, one after the other. The parent ends a worker that takes too long over
a file, and begins another one behind that file.
"""

import json
import os
import select
import subprocess
import sys
import time
import traceback
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

from tests.support.tables.truth import NOW_MS

from loadtests.files.damage import damaged
from loadtests.files.good import Good, good_file
from riskstream.domain.contracts.bounds import bounds_of
from riskstream.runtime.errors import Fatal
from riskstream.workbench.files.reader import Files
from riskstream.workbench.mapping.columns_seen import columns_seen, further
from riskstream.workbench.mapping.convert import Converted, Converter
from riskstream.workbench.mapping.file import parsed
from riskstream.workbench.mapping.looked import Looked
from riskstream.workbench.mapping.proposal.lacking import lacking, what_to_do
from riskstream.workbench.mapping.proposal.opening import opened
from riskstream.workbench.mapping.proposal.proposal import proposed

DEADLINE_S = 10.0
MOST_MB = 400
PER_WORKER = 2000
MOST_PROBLEMS = 200
"""Then the rest is not looked at."""
_SHARED = 40
"""Damages of one good file after the other: making one takes longer than reading it."""
_WORDS = 1500
"""Most letters of a sentence: it may quote columns of the file."""
_TICK_S = 1 / os.sysconf("SC_CLK_TCK")


@dataclass(slots=True)
class Found:
    """What came of one file. `said`: the sentence, empty where rows were read; `wrong`: what must
    not be.
    """

    number: int
    damage: str
    rows: int = 0
    said: str = ""
    wrong: str = ""
    seconds: float = 0.0
    memory_mb: int = 0


def made(seed: int, number: int, folder: Path, *, is_quick: bool = False) -> tuple[str, Path, str]:
    """(damage, file, mapping) of a number; the same seed gives the same. `is_quick`: without
    damages that take long to make.
    """
    good = _good(seed, number // _SHARED, folder)
    name, raw, suffix = damaged(Random(f"{seed}:{number}"), good, is_quick=is_quick)
    path = folder / f"in{suffix}"
    path.write_bytes(raw)
    return name, path, good.mapping


_LAST: dict[tuple[int, int], Good] = {}


def _good(seed: int, number: int, folder: Path) -> Good:
    if (seed, number) not in _LAST:
        _LAST.clear()
        _LAST[seed, number] = good_file(Random(f"{seed} {number}"), folder)
    return _LAST[seed, number]


def look_at(seed: int, number: int, folder: Path, *, is_quick: bool = False) -> Found:
    """Make a file and read it as `check` and `map` do. The peak of memory is that of the reading,
    where the kernel lets it be set back.
    """
    name, path, mapping = made(seed, number, folder, is_quick=is_quick)
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
    found, started = Found(number=number, damage=name), time.monotonic()
    try:
        if number % 10:
            found.rows = _checked(path, mapping)
        else:
            _proposed(path)
    except Fatal as error:
        found.said = str(error)
        found.wrong = _no_sentence(error)
    except Exception:
        found.wrong = traceback.format_exc()
    finally:
        path.unlink(missing_ok=True)
    found.seconds = round(time.monotonic() - started, 3)
    return found


def _checked(path: Path, text: str) -> int:
    mapping = parsed(text, path)
    files = Files(path, mapping.layout)
    converter = Converter(mapping, "", NOW_MS)
    looked = Looked()
    for rows in files.batches(converter.columns, converter.absent):
        found = converter.convert(rows)
        looked.add(rows, found)
        _check(found)
    looked.repeats()
    looked.survey.check(path, ())
    return looked.survey.good


def _check(found: Converted) -> None:
    """The rows keep the contract's bounds."""
    table = found.transactions
    table.validate(full=True)
    assert table.num_rows == len(found.places)
    for name, bounds in bounds_of("transaction.v1").items():
        if name in table.column_names:
            assert bounds.is_nullable or not table[name].null_count, name


def _proposed(path: Path) -> None:
    found = opened(path)
    files, names_at = found.files, found.names_at
    seen, _ = columns_seen(files, names_at)
    if seen:
        more = partial(further, files, names_at)
        draft = proposed(seen, found.layout, NOW_MS, "EUR", _first, more)
        if lacking(draft):
            what_to_do(draft, files.names, files.sheets)


def _first(_question: str, answers: list[str]) -> str:
    return answers[0]


def _no_sentence(error: Fatal) -> str:
    """Why what is said is not one sentence a person can read."""
    said = str(error)
    if "\n" in said or not all((error.what, error.where, error.do)):
        return f"no sentence: {said!r}"
    if len(said) > _WORDS:
        return f"{len(said):,} letters: {said[:300]!r}"
    if not all(each.isprintable() for each in error.what):
        return f"letters that cannot be shown: {said!r}"
    return ""


def work(seed: int, first: int, count: int, folder: Path) -> None:
    """Look at files, a line of JSON each."""
    for number in range(first, first + count):
        found = look_at(seed, number, folder)
        found.memory_mb = _peak_mb()
        print(json.dumps({name: getattr(found, name) for name in Found.__slots__}), flush=True)


def _peak_mb() -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) // 1024
    return 0


@dataclass(slots=True)
class Summary:
    """Of all files."""

    files: int = 0
    read: int = 0
    refused: int = 0
    problems: list[str] = field(default_factory=list)
    most_memory: list[tuple[int, int, str]] = field(default_factory=list)
    longest: list[tuple[float, int, str]] = field(default_factory=list)
    sentences: Counter[str] = field(default_factory=Counter)

    def add(self, found: Found) -> None:
        self.files += 1
        self.read += not found.said and not found.wrong
        self.refused += bool(found.said)
        self.sentences["rows" if not found.said else " ".join(found.said.split()[:3])] += 1
        who = f"file {found.number} ({found.damage})"
        if found.wrong:
            self.problems.append(f"{who}: {found.wrong}")
        if found.memory_mb > MOST_MB:
            self.problems.append(f"{who}: {found.memory_mb} MB of memory")
        self.most_memory = _top(self.most_memory, (found.memory_mb, found.number, found.damage))
        self.longest = _top(self.longest, (found.seconds, found.number, found.damage))

    def written(self) -> dict[str, Any]:
        return {
            "files": self.files,
            "read": self.read,
            "refused": self.refused,
            "most_memory_mb": self.most_memory,
            "longest_s": self.longest,
            "problems": self.problems,
            "sentences": dict(self.sentences.most_common(40)),
        }


def _top(known: list[Any], one: Any) -> list[Any]:
    return sorted([*known, one], reverse=True)[:8]


def run(seed: int, first: int, count: int, folder: Path) -> Summary:
    """Look at so many files, by workers one after the other."""
    folder.mkdir(parents=True, exist_ok=True)
    out, number, stop = Summary(), first, first + count
    told = time.monotonic()
    while number < stop:
        size = min(PER_WORKER - number % PER_WORKER, stop - number)
        ended = ""
        for found, why in _worker(seed, number, size, folder):
            if found is None:
                ended = why
                break
            before = len(out.problems)
            out.add(found)
            if out.problems[before:]:
                print(out.problems[-1][-2000:], file=sys.stderr)
            number = found.number + 1
            if time.monotonic() - told > 20:
                told = time.monotonic()
                print(f"{out.files:,} files, {len(out.problems)} problems", file=sys.stderr)
        if ended:
            out.files += 1
            out.problems.append(f"file {number}: {ended}")
            print(out.problems[-1], file=sys.stderr)
            number += 1
        if len(out.problems) > MOST_PROBLEMS:
            break
    return out


def _worker(seed: int, first: int, count: int, folder: Path) -> Iterator[tuple[Found | None, str]]:
    """(what was found of a file, "") for each; (None, why) where the worker died or took too
    long.
    """
    words = [sys.executable, "-m", "loadtests.files", "work", str(seed), str(first), str(count)]
    process = subprocess.Popen([*words, str(folder)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    left, started, spent = count, time.monotonic(), None
    try:
        while left:
            if select.select([process.stdout], [], [], 0.5)[0]:
                line = process.stdout.readline()
                if not line:
                    break
                left -= 1
                started, spent = time.monotonic(), _cpu_s(process.pid)
                yield Found(**json.loads(line)), ""
            elif spent is not None and _is_late(process.pid, started, spent):
                yield None, f"not read after {DEADLINE_S} s"
                return
        if left:
            yield None, f"the process ended with {process.wait()}"
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def _is_late(pid: int, started: float, spent: float) -> bool:
    """By its own time, where others take the processor; six times as long at most."""
    waited = time.monotonic() - started
    return waited > 6 * DEADLINE_S or (_cpu_s(pid) - spent > DEADLINE_S)


def _cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) * _TICK_S
