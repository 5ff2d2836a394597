"""What each process of the speaker pays for: the modules that it loads."""

from __future__ import annotations

import subprocess
import sys

import pytest

NEVER = {"pydantic", "scapy", "kubernetes", "pyroute2", "rich", "matplotlib", "hypothesis", "pytest"}
NOT_IN_WIRE = {
    "aiohttp",
    "yaml",
    "click",
    "msgspec",
    "cryptography",
    "swimlb.config",
    "swimlb.sources",
    "swimlb.lab",
}
NOT_IN_WATCH = {"announce.net", "membership.net", "swimlb.wire", "swimlb.lab"}
NOT_IN_WATCH_ON_KUBERNETES = NOT_IN_WATCH | {"yaml", "announce", "swimlb.sources", "swimlb.health"}

WIRE = "swimlb.app swimlb.wire.process swimlb.wire.ring swimlb.wire.lan swimlb.wire.peers"
WATCH = "swimlb.app swimlb.watch.process swimlb.watch.standalone"
WATCH_ON_KUBERNETES = "swimlb.app swimlb.watch.cluster_process"
SUPERVISOR = "swimlb.app swimlb.runtime.processes"


def loaded_by(modules: str) -> set[str]:
    script = f"import sys\nfor name in {modules.split()!r}: __import__(name)\nprint(*sys.modules, sep='\\n')"
    return set(subprocess.check_output([sys.executable, "-c", script], text=True).split())


@pytest.mark.parametrize(
    ("modules", "forbidden"),
    [
        (WIRE, NEVER | NOT_IN_WIRE),
        (WATCH, NEVER | NOT_IN_WATCH),
        (WATCH_ON_KUBERNETES, NEVER | NOT_IN_WATCH_ON_KUBERNETES),
        (SUPERVISOR, NEVER | NOT_IN_WIRE | {"asyncio"}),
    ],
    ids=["wire", "watch", "watch on Kubernetes", "supervisor"],
)
def test_loads_only_what_it_needs(modules: str, forbidden: set[str]) -> None:
    """wire must start and fail over fast; neither process carries the lab's or the tests' weight."""
    assert not loaded_by(modules) & forbidden
