"""A command that runs beside the tests, from the beginning of the run on."""

import shutil
import sys
import tempfile
import time
from pathlib import Path

from riskstream.local.server import Server


class Beside:
    """`python -m MODULE ... --out FILE`; it ends with this process."""

    def __init__(self, module: str, *arguments: str) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="riskstream-beside-"))
        self._out, self._log = self._folder / "result.json", self._folder / "output.log"
        command = [sys.executable, "-m", module, *arguments, "--out", str(self._out)]
        self._server = Server(module, command, self._log)

    def result(self) -> str:
        """The text of FILE, when the command has ended; AssertionError with its output where there is none."""
        while self._server.is_running:
            time.sleep(0.1)
        assert self._out.exists(), self._log.read_text(errors="replace")[-4000:]
        return self._out.read_text()

    def stop(self) -> None:
        """End the command where it still runs, and forget its result."""
        self._server.stop()
        shutil.rmtree(self._folder, ignore_errors=True)
