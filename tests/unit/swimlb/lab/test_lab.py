"""What a lab notes of itself. How it lives is tested as root, in tests/netns."""

from __future__ import annotations

from pathlib import Path

import pytest

from swimlb.lab.errors import LabError
from swimlb.lab.lab import Lab
from swimlb.lab.ledger import Ledger
from swimlb.lab.sandbox import Sandbox
from swimlb.lab.topology import walkthrough


def ledger(tmp_path: Path) -> Ledger:
    """Of a lab whose namespaces are gone."""
    return Ledger(path=tmp_path / "demo" / "state.json", name="demo", prefix="swl0", owner=None)


def test_a_fault_that_could_not_be_made_is_not_in_the_way_of_the_next_one(tmp_path: Path) -> None:
    """All faults are written as one: one that is refused and remembered would be refused for ever."""
    noted = ledger(tmp_path)
    noted.note_settings(loss={"worker-02": 5.0}, partition=[])
    lab = Lab(Sandbox(noted), walkthrough(), tmp_path)

    with pytest.raises(LabError):
        lab.lose("worker-01", 20)
    with pytest.raises(LabError):
        lab.part([["worker-01"], ["worker-02"]])

    assert Ledger.load(noted.path).settings == {"loss": {"worker-02": 5.0}, "partition": []}
