"""Where a sandbox keeps its record. What it does on the machine is tested as root, in tests/netns."""

from __future__ import annotations

from pathlib import Path

import pytest

from swimlb.lab.errors import LabError
from swimlb.lab.ledger import Ledger
from swimlb.lab.processes import myself
from swimlb.lab.sandbox import Sandbox


def save_ledger(directory: Path) -> None:
    Ledger(path=directory / "state.json", name="demo", prefix="swl0", owner=myself()).save()


@pytest.mark.parametrize(
    "name", ["", ".", "..", "../demo", "demo/", "/demo", "-demo", "de mo", "demo\n", "d" * 65]
)
def test_a_name_that_leads_elsewhere_is_refused(tmp_path: Path, name: str) -> None:
    """The directory of that name is deleted when the lab is taken down: `..` would be all of /run."""
    base = tmp_path / "labs"
    for directory in (tmp_path, base, base / "demo", tmp_path / "demo"):
        save_ledger(directory)

    with pytest.raises(LabError, match="cannot be the name of a lab: take up to 64 letters"):
        Sandbox.attach(name, base)


@pytest.mark.parametrize("name", ["demo", "bench-MetalLB--100-ms-3-1-21461", "a.b_c", "4"])
def test_usual_names_are_taken(tmp_path: Path, name: str) -> None:
    save_ledger(tmp_path / name)

    assert Sandbox.attach(name, tmp_path).home == tmp_path / name


def test_a_base_is_the_same_wherever_the_next_command_is_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is recorded of files, and told to daemons, does not hang on the directory that `up` was called in."""
    save_ledger(tmp_path / "labs" / "demo")
    monkeypatch.chdir(tmp_path)

    assert Sandbox.attach("demo", Path("labs")).home == tmp_path / "labs" / "demo"
