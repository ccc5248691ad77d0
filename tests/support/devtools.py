"""A page in a real Chromium by its debugging protocol: run a script in it, see what it asks."""

import asyncio
import json
import re
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp

from tests.support.browser import FLAGS
from tests.support.tools import tool


class Page:
    """`asked`: the URLs of its requests; `wrong`: what its console and its policy complained of."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket, self._number = socket, 0
        self.asked: list[str] = []
        self.wrong: list[str] = []

    async def call(self, method: str, **given: Any) -> Any:
        """A method of the protocol; RuntimeError where it fails."""
        self._number += 1
        await self._socket.send_json({"id": self._number, "method": method, "params": given})
        while True:
            said = json.loads((await self._socket.receive(60)).data)
            self._note(said)
            if said.get("id") == self._number:
                if "error" in said:
                    raise RuntimeError(said["error"]["message"])
                return said["result"]

    def _note(self, said: dict[str, Any]) -> None:
        match said.get("method"):
            case "Network.requestWillBeSent":
                self.asked.append(said["params"]["request"]["url"])
            case "Log.entryAdded":
                self.wrong.append(said["params"]["entry"]["text"])
            case "Runtime.exceptionThrown":
                self.wrong.append(str(said["params"]["exceptionDetails"]))

    async def run(self, script: str) -> Any:
        """The value of an expression, awaited where it is a promise."""
        found = await self.call(
            "Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True
        )
        if "exceptionDetails" in found:
            raise RuntimeError(str(found["exceptionDetails"]))
        return found["result"].get("value")

    async def until(self, script: str) -> Any:
        """Its value, once that is true; AssertionError after 20 s."""
        for _ in range(400):
            if found := await self.run(script):
                return found
            await asyncio.sleep(0.05)
        raise AssertionError(f"never true: {script}")

    async def press(self, key: str, code: int, text: str = "") -> None:
        """A key, as a person presses it."""
        named = {"key": key, "code": key, "windowsVirtualKeyCode": code}
        down = {"type": "keyDown", "text": text} if text else {"type": "rawKeyDown"}
        await self.call("Input.dispatchKeyEvent", **named, **down)
        await self.call("Input.dispatchKeyEvent", **named, type="keyUp")

    async def look(self, width: int, *, is_dark: bool = False) -> None:
        """Make it so wide, and dark or light."""
        await self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=1600,
            deviceScaleFactor=1,
            mobile=False,
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if is_dark else "light"}
        await self.call("Emulation.setEmulatedMedia", features=[scheme])


@asynccontextmanager
async def page(url: str) -> AsyncIterator[Page]:
    """The page of a URL, loaded."""
    program = tool("chromium", "chromium-browser", "google-chrome", package="chromium")
    with tempfile.TemporaryDirectory(
        prefix="riskstream-browser-", ignore_cleanup_errors=True
    ) as folder:
        child = await asyncio.create_subprocess_exec(
            program,
            *FLAGS,
            "--remote-debugging-port=0",
            f"--user-data-dir={folder}",
            "about:blank",
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            port = await asyncio.wait_for(_port(child), 60)
            async with aiohttp.ClientSession() as session:
                async with session.get(f"http://127.0.0.1:{port}/json") as answer:
                    tabs = [each for each in await answer.json() if each["type"] == "page"]
                async with session.ws_connect(
                    tabs[0]["webSocketDebuggerUrl"], max_msg_size=0
                ) as socket:
                    found = Page(socket)
                    for domain in ("Network", "Log", "Runtime", "Page"):
                        await found.call(f"{domain}.enable")
                    await found.call("Page.navigate", url=url)
                    await found.until("document.readyState === 'complete'")
                    yield found
        finally:
            child.kill()
            await child.wait()


async def _port(child: asyncio.subprocess.Process) -> int:
    assert child.stderr is not None
    while line := await child.stderr.readline():
        if told := re.search(rb"ws://127\.0\.0\.1:(\d+)/", line):
            return int(told[1])
    raise RuntimeError("the browser ended")
