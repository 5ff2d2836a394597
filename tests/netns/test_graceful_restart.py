"""A speaker that dies, or is restarted, and is back within seconds: with graceful restart the router goes on using its node.

The router keeps what the last process told it (RFC 4724), until the next one has told all of it again: which it must not
say before its first health checks are over, or the router drops a node that serves.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from swimlb.lab import processes
from swimlb.lab.lab import Lab
from swimlb.lab.measure import outages
from swimlb.lab.observers import ProbeRun
from swimlb.lab.topology import OUTSIDE
from swimlb.lab.waiting import pause, wait_until
from tests.netns.conftest import ROUTED_SERVICE, copy_manifests

ADDRESS = "192.168.0.10"
PREFIX = f"{ADDRESS}/32"
PORT = 8080
TIMEOUT = 10.0
DEAD_FOR = 2.0
"""Long after the router has seen the connection end."""
SETTLED_FOR = 2.0
"""Long after everything has been told again."""
SAMPLE_INTERVAL = 0.1
LOST_FOR_MAX = 0.020
ON_STOP_RESTART = """\
  annotations: {swimlb.io/on-stop: restart}
"""


@pytest.fixture(scope="module")
def manifests(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = copy_manifests(tmp_path_factory.mktemp("manifests"), "bgp.yaml")
    peers = directory / "bgp.yaml"
    text = peers.read_text()
    peers.write_text(text.replace("myASN: 65001", "myASN: 65001\n  enableGracefulRestart: true"))
    (directory / "service.yaml").write_text(ROUTED_SERVICE)
    return directory


def kill_wire(lab: Lab, node: str) -> None:
    """Its supervisor starts it again."""
    processes.kill([lab.speaker_process(node, "wire")])


def restart(lab: Lab, node: str) -> None:
    """By SIGUSR2, which is what systemd sends for a restart."""
    lab.stop(node, is_restart=True)


def stop_as_annotated(lab: Lab, node: str) -> None:
    """By SIGTERM, as a pod is stopped that is about to be replaced."""
    peers = lab.manifests / "bgp.yaml"
    before = lab.log(node).read_text().count('"configuration_read"')
    peers.write_text(peers.read_text().replace("  name: sample\n", "  name: sample\n" + ON_STOP_RESTART, 1))
    wait_until(
        lambda: lab.log(node).read_text().count('"configuration_read"') > before,
        timeout=TIMEOUT,
        what="the annotation to be read",
    )
    pause(0.5)
    lab.stop(node)


@pytest.mark.parametrize("end", [kill_wire, Lab.kill, restart, stop_as_annotated])
def test_no_probe_is_lost_and_no_route(lab: Lab, end: Callable[[Lab, str], None]) -> None:
    """Whatever way it goes, the whole speaker is started again where nobody else does it."""
    lab.wait_until_settled()
    nodes = tuple(node.address for node in lab.network.nodes)
    seen: set[tuple[str, ...]] = set()

    with ProbeRun(lab.sandbox, ADDRESS, PORT, client=OUTSIDE) as probes:
        # Probes are one flow, which the router sends by one of the nodes.
        victim = lab.network.node(wait_until(probes.answering, timeout=TIMEOUT, what="an answer"))
        pause(0.5)
        end(lab, victim.name)
        was_stale = wait_until(
            lambda: _is_stale(lab, victim.address), timeout=TIMEOUT, what="the router to notice"
        )
        seen |= _next_hops_during(lab, DEAD_FOR)
        if end is not kill_wire:
            lab.start(victim.name)
        wait_until(
            lambda: not _is_stale(lab, victim.address),
            timeout=TIMEOUT,
            what="the router to be told again",
            seen=lambda: lab.router.routes().get(PREFIX),
        )
        seen |= _next_hops_during(lab, SETTLED_FOR)
        recording = probes.recording()

    assert was_stale
    assert seen == {nodes}, _told_of_health(lab)
    assert [one for one in outages(recording.probes) if one.lost_for > LOST_FOR_MAX] == []
    assert set(recording.answers_by_node()) == {victim.name}


def _told_of_health(lab: Lab) -> list[str]:
    """Why a node may have withdrawn its route by itself."""
    lines = [line for node in lab.network.nodes for line in lab.log(node.name).read_text().splitlines()]
    return [line for line in lines if '"health_changed"' in line]


def _is_stale(lab: Lab, node: str) -> bool:
    """The router has this node's path from a session that is over. It fails where the path is gone."""
    (path,) = [one for one in lab.router.routes()[PREFIX] if one["peerId"] == node]
    return bool(path.get("stale", False))


def _next_hops_during(lab: Lab, seconds: float) -> set[tuple[str, ...]]:
    seen: set[tuple[str, ...]] = set()
    for _ in range(round(seconds / SAMPLE_INTERVAL)):
        seen.add(lab.router.next_hops(PREFIX))
        pause(SAMPLE_INTERVAL)
    return seen
