"""The pages and drawings that people look at, in a real browser, on a screen and on a phone, light and dark."""

from __future__ import annotations

from pathlib import Path

import pytest

from swimlb.lab.report import render_report
from tests.browser.pages import PHONE, SCREEN, drawing_alone, look_at, require_readable
from tests.unit.swimlb.lab.test_report import story

ROOT = Path(__file__).parents[2]
DRAWINGS = [path for path in sorted((ROOT / "docs/images").glob("*.svg")) if "<text" in path.read_text()]
everywhere = pytest.mark.parametrize(
    ("width", "is_dark"), [(SCREEN, False), (SCREEN, True), (PHONE, False), (PHONE, True)]
)


@everywhere
def test_the_failover_page(tmp_path: Path, width: int, is_dark: bool) -> None:
    look = look_at((ROOT / "docs/benchmarks/index.html").read_text(), tmp_path, width=width, is_dark=is_dark)

    require_readable(look)
    assert (look.width, look.is_dark) == (width, is_dark)
    assert look.drawings > 0
    assert look.tables > 0


@everywhere
@pytest.mark.parametrize("holds", [True, False])
def test_the_report_of_a_demo(tmp_path: Path, width: int, is_dark: bool, holds: bool) -> None:
    page = render_report(story(holds=holds, lateness=0.001 if holds else 0.5), "2026-01-01 12:00 UTC")

    look = look_at(page, tmp_path, width=width, is_dark=is_dark)

    require_readable(look)
    assert look.drawings == 2


@pytest.mark.parametrize("path", DRAWINGS, ids=lambda path: path.name)
def test_a_drawing_with_text(tmp_path: Path, path: Path) -> None:
    require_readable(look_at(drawing_alone(path.read_text()), tmp_path))


def test_an_unreadable_page_is_told_of(tmp_path: Path) -> None:
    """Or the others could not fail."""
    page = """<!DOCTYPE html><html><head><link rel="stylesheet" href="http://192.0.2.1/style.css"/></head>
        <body style="background: #fff"><p style="color: #999">pale</p><p style="width: 2000px">wide</p><a href="#nowhere">on</a>
        <svg width="200" height="50"><text x="150" y="20">cut off at the side</text><text x="10" y="20">first</text>
        <text x="12" y="22">second</text></svg><p style="font-size: 7px">fine print</p></body></html>"""

    look = look_at(page, tmp_path)

    assert look.content_width > look.width
    assert look.fetched == ["http://192.0.2.1/style.css"]
    assert look.dead_links == ["nowhere"]
    assert look.cut_off == ["cut off at the side"]
    assert look.covered == [["first", "second"]]
    assert [text for text, _ in look.small] == ["fine print"]
    assert [text for text, _ in look.faint] == ["pale"]
