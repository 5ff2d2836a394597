"""Pages as a browser shows them: Debian's Chromium, without a window and without any network, lays out what we write.

    page ──► in a frame as wide as a screen or a phone, `look.js` at its end ──► Chromium ──► what it found

Pages of ours have no scripts; the one that looks is added here only.
"""

from __future__ import annotations

import json
import re
import subprocess
from dataclasses import dataclass
from html import escape, unescape
from pathlib import Path

SCREEN, PHONE = 1280, 390
"""Widths in CSS pixels."""

_SCRIPT = Path(__file__).with_name("look.js")
_HEIGHT = 900
_WINDOW_WIDTH = 1400
"""A window is 500 pixels wide at least, so the page is in a frame of its own width."""
_TIMEOUT = 120.0
_CHROMIUM = (
    # Whatever it begins ends with it, and it reaches nobody.
    *("unshare", "--net", "--pid", "--fork", "--kill-child", "--mount-proc"),
    *("chromium", "--headless", "--disable-gpu", "--no-first-run", "--disable-background-networking"),
    # Root may not have its sandbox; pages are our own.
    "--no-sandbox",
    "--hide-scrollbars",
    f"--window-size={_WINDOW_WIDTH},{_HEIGHT}",
    # In virtual time: the page has been loaded, however slow the machine is.
    "--virtual-time-budget=10000",
    "--dump-dom",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What a browser made of a page. Lengths are in CSS pixels."""

    width: int
    content_width: int
    """More than `width`: the reader has to scroll sideways."""
    is_dark: bool
    drawings: int
    tables: int
    fetched: list[str]
    """Addresses of what the page wants besides itself."""
    dead_links: list[str]
    """Within the page: to what is not there."""
    cut_off: list[str]
    """Texts that stand out of their drawing."""
    covered: list[list[str]]
    """Pairs of texts of a drawing, one upon the other."""
    small: list[list[object]]
    """Texts of less than 8 pixels, and how many."""
    faint: list[list[object]]
    """Texts with a contrast below 4.5 (WCAG 2.1 section 1.4.3), and which."""
    height: int
    """Of all of it; nothing would be a page whose text has no font."""


def look_at(page: str, scratch: Path, *, width: int = SCREEN, is_dark: bool = False) -> Look:
    """Show an HTML page in a browser. `scratch` is an empty directory. AssertionError when it shows nothing."""
    script = f"<script>{_SCRIPT.read_text()}</script>"
    assert page.count("</body>") == 1
    frame = escape(page.replace("</body>", script + "</body>"))
    style = f"border: 0; width: {width}px; height: {_HEIGHT}px"
    outer = scratch / "page.html"
    outer.write_text(
        f'<!DOCTYPE html><html><body style="margin: 0"><iframe style="{style}" srcdoc="{frame}"></iframe></body></html>'
    )
    shown = subprocess.run(
        (
            *_CHROMIUM,
            f"--user-data-dir={scratch / 'profile'}",
            f"--blink-settings=preferredColorScheme={0 if is_dark else 1}",
            outer.as_uri(),
        ),
        capture_output=True,
        text=True,
        timeout=_TIMEOUT,
        check=False,
    )
    found = unescape(re.sub(r"<[^>]*>", "", shown.stdout)).strip()
    assert found.startswith("{"), f"the browser shows nothing: {shown.stdout[:300]} {shown.stderr[-1000:]}"
    return Look(**json.loads(found))


def drawing_alone(svg: str) -> str:
    """A drawing as a page of its own."""
    return f'<!DOCTYPE html><html><body style="margin: 0">{svg[svg.index("<svg") :]}</body></html>'


def require_readable(look: Look) -> None:
    """What holds for every page of ours, on every screen."""
    assert look.height > 0
    assert look.content_width <= look.width
    assert look.fetched == []
    assert look.dead_links == []
    assert look.cut_off == []
    assert look.covered == []
    assert look.small == []
    assert look.faint == []
