"""The record by which a lab is found and removed, also by somebody else."""

from __future__ import annotations

import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from swimlb.lab.errors import LabError
from swimlb.lab.ledger import Ledger
from swimlb.lab.processes import ProcessId, identify, myself


def ledger(tmp_path: Path, owner: ProcessId | None = None) -> Ledger:
    return Ledger(path=tmp_path / "demo" / "state.json", name="demo", prefix="swl0", owner=owner)


def dead_process() -> ProcessId:
    with subprocess.Popen(["sleep", "60"]) as child:
        identity = identify(child.pid)
        child.kill()
    assert identity is not None
    return identity


def test_what_is_noted_is_on_the_disk_at_once(tmp_path: Path) -> None:
    mine = ledger(tmp_path, owner=myself())

    mine.note_namespaces("swl0-node-a", "swl0-switch")
    mine.note_directory(Path("/etc/frr/swl0-router"))
    mine.note_process("speaker/node-a", ProcessId(17, 4711))
    mine.note_settings(nodes=3)

    assert Ledger.load(mine.path) == mine


def test_it_is_stale_once_its_owner_is_dead(tmp_path: Path) -> None:
    assert not ledger(tmp_path, owner=myself()).is_stale
    assert ledger(tmp_path, owner=dead_process()).is_stale


def test_a_process_that_got_the_dead_owners_pid_is_not_the_owner(tmp_path: Path) -> None:
    me = myself()

    assert ledger(tmp_path, owner=ProcessId(me.pid, me.started - 1)).is_stale


def test_a_lab_that_was_handed_over_is_stale_once_its_namespaces_are_gone(tmp_path: Path) -> None:
    mine = ledger(tmp_path, owner=myself())
    mine.note_namespaces("swl0-no-such-namespace")

    mine.hand_over()

    assert Ledger.load(mine.path).is_stale


def test_a_missing_lab_is_named_with_the_way_to_get_one(tmp_path: Path) -> None:
    with pytest.raises(LabError, match="no lab `demo`: start it with `swimlb lab up`"):
        Ledger.load(tmp_path / "demo" / "state.json")


def test_the_other_labs_are_named_where_one_is_missing(tmp_path: Path) -> None:
    """`swimlb demo --keep` leaves one called `demo`, and `swimlb lab status` looks for `default`."""
    ledger(tmp_path).save()

    with pytest.raises(LabError, match=r"no lab `default`: .*; with `--name` there is demo$"):
        Ledger.load(tmp_path / "default" / "state.json")


@pytest.mark.parametrize("text", ["", "[]", '{"version": 99}', '{"version": 1}'])
def test_a_record_that_cannot_be_understood_is_an_error_of_one_line(tmp_path: Path, text: str) -> None:
    path = tmp_path / "state.json"
    path.write_text(text)

    with pytest.raises(LabError, match="cannot read") as caught:
        Ledger.load(path)
    assert "\n" not in str(caught.value)


def test_threads_may_note_at_the_same_time(tmp_path: Path) -> None:
    """A lab that is played by several threads loses no process of any of them."""
    ledger = Ledger(path=tmp_path / "lab" / "state.json", name="lab", prefix="swl", owner=None)
    labels = [f"{thread}/{number}" for thread in range(8) for number in range(25)]

    with ThreadPoolExecutor(8) as pool:
        for done in [pool.submit(ledger.note_process, label, ProcessId(1, 1)) for label in labels]:
            done.result()

    assert set(Ledger.load(ledger.path).processes) == set(labels)
