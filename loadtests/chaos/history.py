"""What was done to the cluster and when, as lines for a person and as JSON for a program."""

import json
import threading
import time
from pathlib import Path


class History:
    """Writes `history.jsonl` as things happen; `text()` is the same for a person."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._file = (folder / "history.jsonl").open("w")
        self._lock = threading.Lock()
        self._started = time.monotonic()
        self._lines: list[str] = []

    def note(self, what: str, **details: object) -> None:
        at = round(time.monotonic() - self._started, 2)
        with self._lock:
            self._file.write(
                json.dumps(
                    {"at_s": at, "epoch_ms": int(time.time() * 1000), "what": what, **details}
                )
                + "\n"
            )
            self._file.flush()
            words = " ".join(f"{key}={value}" for key, value in details.items())
            self._lines.append(f"{at:8.2f} s  {what:24} {words}")
            print(self._lines[-1], flush=True)

    def text(self) -> str:
        return "\n".join(self._lines) + "\n"

    def close(self) -> None:
        self._file.close()
