from __future__ import annotations

import json
from pathlib import Path

import pytest

from swimlb.lab.sim.curves import Detection, FalseDeaths
from swimlb.lab.sim.publish import BEGIN, END, insert, write

DETECTIONS = [
    Detection("normal", 3, 300, 0.41, 0.47, 0.48, 62.0),
    Detection("normal", 10_000, 1, 0.5, 0.5, 0.5, 64.4),
]
DEATHS = [
    FalseDeaths("normal", 3, 0.05, 0.0, 0, 2.0, 0),
    FalseDeaths("normal", 3, 0.2, 0.0, 0, 2.0, 3),
    FalseDeaths("normal", 10, 0.0, 0.3, 40, 2.0, 1),
]


def test_the_tables_stand_between_the_markers(tmp_path: Path) -> None:
    """All else of the document stays; a second time changes nothing."""
    document = tmp_path / "page.md"
    document.write_text(f"# Title\n\n{BEGIN}\nold\n{END}\n\nLast words.\n")

    insert(document, DETECTIONS, DEATHS)
    once = document.read_text()
    insert(document, DETECTIONS, DEATHS)

    assert document.read_text() == once
    assert once.startswith(f"# Title\n\n{BEGIN}\n\n| profile |")
    assert once.endswith(f"|\n\n{END}\n\nLast words.\n")
    assert "| normal | 10,000 | 1 | 0.50 s | - | 0.50 s | 64.4 |" in once
    assert "| normal | 3 | 2.0 | 0 | 3 (1.5 per member-hour) |" in once
    assert "| normal | 10 | 1 of 40 |" in once
    assert "old" not in once


def test_a_document_without_markers_is_refused(tmp_path: Path) -> None:
    """And not written to."""
    document = tmp_path / "page.md"
    document.write_text("# Title\n")

    with pytest.raises(ValueError, match="curves: begin"):
        insert(document, DETECTIONS, DEATHS)

    assert document.read_text() == "# Title\n"


def test_the_numbers_stand_beside_the_drawings(tmp_path: Path) -> None:
    """Three drawings, and all that was measured."""
    written = write(tmp_path / "images", DETECTIONS, DEATHS)

    assert sorted(path.suffix for path in written) == [".json", ".svg", ".svg", ".svg"]
    numbers = json.loads((tmp_path / "images" / "membership-curves.json").read_text())
    assert [row["worst"] for row in numbers["detection"]] == [0.48, 0.5]
    assert [row["deaths"] for row in numbers["false_deaths"]] == [0, 3, 1]
