"""Pages in a real Chromium: how wide they are, and whether their text can be read."""

import html
import json
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.support.tools import tool

FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-sync",
    "--disable-background-networking",
    "--disable-component-update",
    "--hide-scrollbars",
]
_DARK = "--blink-settings=preferredColorScheme=0"
LOOK = """
const rgb = text => text.match(/[\\d.]+/g).map(Number);
const bright = ([r, g, b]) => [r, g, b].map(v => v / 255)
  .map(v => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
  .reduce((sum, v, at) => sum + v * [0.2126, 0.7152, 0.0722][at], 0);
const contrast = (a, b) => { const [x, y] = [bright(a), bright(b)].sort((p, q) => q - p);
  return (x + 0.05) / (y + 0.05); };
function ground(view, element) {
  for (let at = element; at; at = at.parentElement) {
    const found = rgb(view.getComputedStyle(at).backgroundColor);
    if (found.length < 4 || found[3] > 0) return found;
  }
  return [255, 255, 255];
}
function look(frame) {
  const page = frame.contentDocument, view = frame.contentWindow, root = page.documentElement;
  const texts = [...page.body.querySelectorAll('*')].filter(each =>
    each.tagName !== 'title' && each.getClientRects().length &&
    [...each.childNodes].some(node => node.nodeType === 3 && node.data.trim()));
  const faint = [];
  let least = 99;
  for (const each of texts) {
    const style = view.getComputedStyle(each);
    const ink = rgb(each.closest('svg') ? style.fill : style.color);
    const found = contrast(ink, ground(view, each));
    least = Math.min(least, found);
    if (found < 4.5) faint.push(each.textContent.trim().slice(0, 40) + ' ' + found.toFixed(1));
  }
  const small = texts.filter(each => {
    const size = parseFloat(view.getComputedStyle(each).fontSize);
    const svg = each.closest('svg');
    return size * (svg ? svg.getBoundingClientRect().width / svg.viewBox.baseVal.width : 1) < 8.5;
  }).map(each => each.textContent.trim().slice(0, 40));
  const cut = texts.filter(each => {
    const svg = each.closest('svg');
    if (!svg) return false;
    const box = each.getBBox(), all = svg.viewBox.baseVal;
    return box.x < all.x - 1 || box.x + box.width > all.x + all.width + 1;
  }).map(each => each.textContent.trim());
  const lines = kind => [...page.querySelectorAll('path.' + kind)].map(each =>
    view.getComputedStyle(each).strokeDasharray);
  return {wide: root.scrollWidth, room: root.clientWidth, least, faint, small, cut,
    texts: texts.length, ground: rgb(view.getComputedStyle(page.body).backgroundColor),
    dashes: {a: lines('a'), b: lines('b')}};
}
"""
"""JavaScript: `look(frame)` says how a page looks."""
_LOOK_AT_ALL = """
onload = () => {
  const found = {};
  for (const frame of document.querySelectorAll('iframe')) found[frame.title] = look(frame);
  const out = document.createElement('pre');
  out.id = 'found';
  out.textContent = JSON.stringify(found);
  document.body.append(out);
};
"""


def looked_at(pages: Mapping[str, str], width: int, *, is_dark: bool = False) -> dict[str, Any]:
    """By the name of each page (HTML): how `wide` it is in so much `room`, the `least` contrast of
    its texts, which are `faint`, `small` or `cut` off by their chart, and how its lines are dashed.
    """
    frames = "".join(
        f'<iframe title="{html.escape(name)}" srcdoc="{html.escape(text)}" '
        f'style="width:{width}px;height:2000px;border:0"></iframe>'
        for name, text in pages.items()
    )
    with tempfile.TemporaryDirectory(prefix="riskstream-browser-") as folder:
        path = Path(folder) / "pages.html"
        path.write_text(
            "<!doctype html><meta charset=utf-8>"
            f"<script>{LOOK}{_LOOK_AT_ALL}</script><body>{frames}</body>"
        )
        done = subprocess.run(
            [
                tool("chromium", "chromium-browser", "google-chrome", package="chromium"),
                *FLAGS,
                *([_DARK] if is_dark else []),
                f"--user-data-dir={folder}/profile",
                "--virtual-time-budget=10000",
                "--dump-dom",
                path.as_uri(),
            ],
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
    _, there, rest = done.stdout.partition('<pre id="found">')
    assert there, done.stderr[-2000:]
    found: dict[str, Any] = json.loads(html.unescape(rest.partition("</pre>")[0]))
    return found
