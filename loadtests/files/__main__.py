"""`make test-files`: files that are very large, and files that are damaged.

python -m loadtests.files large [--rows 10000000] [--formats csv,parquet] [--commands check]
python -m loadtests.files damaged [--count 100000] [--seed 16] [--only N]
"""

import argparse
import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from loadtests.files import damaged, large

FOLDER = Path("build/files")


def _large(given: list[str]) -> int:
    parser = argparse.ArgumentParser("python -m loadtests.files large")
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--formats", default=",".join(large.WRITERS))
    parser.add_argument("--commands", default="check,replay,map")
    options = parser.parse_args(given)
    kinds, commands = options.formats.split(","), options.commands.split(",")
    found = large.run(kinds, commands, options.rows, FOLDER / "large")
    _written("large", {"rows": [each.written() for each in found]})
    return int(not all(each.is_well for each in found))


def _damaged(given: list[str]) -> int:
    parser = argparse.ArgumentParser("python -m loadtests.files damaged")
    parser.add_argument("--count", type=int, default=100_000)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--seed", type=int, default=16)
    parser.add_argument("--only", type=int, help="look at one file again, and keep it")
    options = parser.parse_args(given)
    if options.only is not None:
        damage, path, mapping = damaged.made(options.seed, options.only, FOLDER)
        kept = path.rename(path.with_name(f"{options.only}{path.suffix}"))
        kept.with_suffix(".mapping.yaml").write_text(mapping)
        print(kept, damage, damaged.look_at(options.seed, options.only, FOLDER), sep="\n")
        return 0
    found = damaged.run(options.seed, options.first, options.count, FOLDER / "damaged").written()
    _written("damaged", found)
    print(json.dumps(found, indent=1))
    return int(bool(found["problems"]))


def _written(name: str, found: dict[str, Any]) -> None:
    at = datetime.now(UTC).isoformat(timespec="seconds")
    path = FOLDER / f"{name}.json"
    path.write_text(json.dumps({"at": at, **found}, indent=1) + "\n")


def main(words: list[str]) -> int:
    """The exit code: 1 where a file showed a problem."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    match words:
        case ["large", *given]:
            return _large(given)
        case ["damaged", *given]:
            return _damaged(given)
        # what those two run in processes of their own
        case ["write", kind, path, rows]:
            large.write(kind, Path(path), int(rows))
        case ["replay", path, mapping]:
            large.replay(Path(path), Path(mapping))
        case ["work", seed, first, count, folder]:
            damaged.work(int(seed), int(first), int(count), Path(folder))
        case _:
            print(__doc__)
            return 2
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
