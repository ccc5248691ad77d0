"""The page that tries the routes, in a real Chromium: at the gateway's own server, by keyboard,
wide and narrow, light and dark.
"""

import asyncio
import json
import threading
import time
from collections.abc import Iterator

import pytest
from prometheus_client import CollectorRegistry
from tests.support.browser import LOOK
from tests.support.devtools import Page, page
from tests.support.fake_door import fake_door
from tests.support.guarded import KeyTopic

from riskstream.gateway.auth.caller import SCOPES
from riskstream.gateway.auth.guard import Access
from riskstream.gateway.listening import bound
from riskstream.gateway.serving import http_server
from riskstream.gateway.settings import GatewaySettings
from riskstream.platform.telemetry.metrics import GatewayMetrics
from riskstream.runtime.clock import SystemClock

KEYS = KeyTopic(CollectorRegistry())
NARROW, WIDE = 390, 1100


@pytest.fixture(scope="module")
def gateway() -> Iterator[str]:
    """URL of a gateway that asks for a key, and whose handler has no Kafka."""
    app, _ = fake_door(Access(KEYS.live, SystemClock()))
    listening = bound("127.0.0.1", 0)
    server = http_server(app, GatewaySettings(), GatewayMetrics(CollectorRegistry()))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    server.should_exit = True
    thread.join()


async def _sees(found: Page) -> None:
    """Text is readable and fits, at each width and in both colours."""
    for width in (NARROW, WIDE):
        for is_dark in (False, True):
            await found.look(width, is_dark=is_dark)
            frame = "{contentDocument: document, contentWindow: window}"
            seen = await found.run(f"(() => {{ {LOOK} return look({frame}); }})()")
            assert seen["wide"] <= seen["room"], (width, seen)
            assert seen["faint"] == [], (width, is_dark)
            assert seen["small"] == []
            assert (sum(seen["ground"][:3]) < 200) == is_dark


def test_the_page_sends_what_is_edited_and_shows_what_comes_back(gateway: str) -> None:
    key = KEYS.make(*SCOPES)

    async def look() -> None:
        async with page(f"{gateway}/docs") as found:
            await found.until("document.querySelectorAll('details.route').length")
            said = "document.querySelector('#decide .status').textContent"
            # all by keyboard: the first field is the key; the route is open, and Enter sends
            await found.run("document.getElementById('key').focus()")
            await found.call("Input.insertText", text=key)
            await found.run("document.querySelector('#decide button[type=submit]').focus()")
            await found.press("Enter", 13, "\r")
            assert (await found.until(f"/^\\d/.test({said}) && {said}")).startswith("200 OK in")
            shown = json.loads(await found.run("document.querySelector('#decide pre').textContent"))
            assert (shown["decision"], shown["rung"]) == ("APPROVE", "SCORE")
            body = json.loads(await found.run("document.getElementById('decide-body').value"))
            assert shown["transaction_id"] == body["transaction_id"]
            assert abs(body["occurred_at"] - time.time() * 1000) < 600_000
            headers = await found.run("document.querySelectorAll('#decide pre')[1].textContent")
            assert "x-request-id: " in headers
            # every route can be opened by its own line, and sent as it stands
            opened = "document.querySelectorAll('details.route')"
            count = await found.run(f"{opened}.forEach(each => each.open = true), {opened}.length")
            for name in ("accept", "accept_many", "label", "iso20022", "subjects", "version"):
                said = f"document.querySelector('#{name} .status').textContent"
                await found.until(f"document.querySelector('#{name} button[type=submit]') !== null")
                await found.run(f"document.querySelector('#{name} button[type=submit]').click()")
                assert (await found.until(f"/^\\d/.test({said}) && {said}"))[0] == "2", name
            await found.run("document.getElementById('key').value = 'rsk_wrong'")
            await found.run("document.querySelector('#label button[type=submit]').click()")
            said = "document.querySelector('#label .status').textContent"
            assert await found.until(f"{said}.startsWith('401')")
            await _sees(found)
            # each field has a label, each route is reached by Tab alone
            unnamed = "[...document.querySelectorAll('input, select, textarea')]"
            assert await found.run(f"{unnamed}.filter(each => !each.labels.length).length") == 0
            await found.run("document.querySelector('#decide summary').focus()")
            await found.press("Enter", 13, "\r")
            assert await found.run("document.getElementById('decide').open") is False
            assert count == 11
            assert {url.split("?")[0] for url in found.asked if not url.startswith(gateway)} <= {
                "data:,"
            }
            refused = [each for each in found.wrong if "401" not in each]
            assert refused == []

    asyncio.run(look())
