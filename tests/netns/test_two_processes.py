"""A speaker is two processes: what the death of each of them costs."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from swimlb.lab import processes
from swimlb.lab.lab import Lab
from swimlb.lab.measure import outages
from swimlb.lab.observers import ProbeRun, Referee
from swimlb.lab.waiting import pause, wait_until
from swimlb.runtime import clock
from tests.netns.conftest import WALKTHROUGH

ADDRESS = "192.168.3.170"
NEW_ADDRESS = "192.168.3.171"
PORT = 8080
SECOND_SERVICE = """
apiVersion: v1
kind: Service
metadata: {name: second}
spec:
  type: LoadBalancer
  loadBalancerIP: 192.168.3.171
  ports: [{name: http, port: 8080}]
"""


@pytest.fixture
def owner(lab: Lab, manifests: Path) -> Iterator[str]:
    """The owner of the address, in a lab at rest on unedited manifests."""
    lab.wait_until_settled()
    owner = lab.require_status("worker-01").owner_of(ADDRESS)
    assert owner is not None
    yield owner
    (manifests / "second.yaml").unlink(missing_ok=True)
    shutil.copy(WALKTHROUGH / "nginx.yaml", manifests)
    lab.wait_until_joined()
    lab.wait_until_settled()


def test_the_death_of_watch_costs_no_announcement(lab: Lab, owner: str) -> None:
    """SIGKILL, three times in a row: no probe is lost for long, nobody else claims the address, watch comes back."""
    wire = lab.speaker_process(owner, "wire")
    began = clock.monotonic()
    with ProbeRun(lab.sandbox, ADDRESS, PORT) as probes, Referee(lab.sandbox) as referee:
        for _ in range(3):
            victim = lab.speaker_process(owner, "watch")
            processes.kill([victim])
            wait_until(lambda: lab.status(owner) is not None, timeout=10, what="watch to answer again")
            assert lab.speaker_process(owner, "watch") != victim
        claimed = referee.claimants(ADDRESS, began)

    assert [one for one in outages(probes.recording().probes) if one.lost_for > 0.020] == []
    assert set(claimed) <= {lab.mac(owner)}
    assert lab.speaker_process(owner, "wire") == wire


def test_watch_catches_up_with_an_edit_that_it_missed(lab: Lab, manifests: Path, owner: str) -> None:
    """All three are dead when the manifest is edited; once they are back the new Service is there, and answers."""
    victims = [lab.speaker_process(node.name, "watch") for node in lab.network.nodes]
    processes.kill(victims)
    (manifests / "second.yaml").write_text(SECOND_SERVICE)

    wait_until(
        lambda: all(
            status is not None and status.owner_of(NEW_ADDRESS) is not None
            for status in lab.statuses().values()
        ),
        timeout=15,
        what="all speakers to know the new Service",
        seen=lab.unsettled,
    )
    lab.wait_until_settled()

    assert lab.get(NEW_ADDRESS, PORT).status == 200


def test_the_death_of_wire_is_a_failover_and_it_comes_back(lab: Lab, owner: str) -> None:
    """Its announcements end with it; in the end the address has exactly one owner that answers."""
    victim = lab.speaker_process(owner, "wire")
    supervisor = lab.speaker_process(owner, "supervisor")

    processes.kill([victim])

    wait_until(
        lambda: (status := lab.status(owner)) is not None and status.processes.wire not in (None, victim.pid),
        timeout=10,
        what="wire to be started again",
    )
    lab.wait_until_joined()
    lab.wait_until_settled()
    settled_at = clock.monotonic()
    with Referee(lab.sandbox) as referee:
        lab.sandbox.run("inside", "ip", "neigh", "flush", "all")
        response = lab.get(ADDRESS, PORT)
        pause(0.5)
        claimed = referee.claimants(ADDRESS, settled_at)
    assert (response.status, response.text) == (200, owner)
    assert claimed == (lab.mac(owner),)
    assert lab.speaker_process(owner, "supervisor") == supervisor


def test_a_wire_that_stays_dead_is_a_failover(lab: Lab, owner: str) -> None:
    """Without its supervisor nobody starts it again, and another node answers instead."""
    lab.kill(owner)

    survivors = [node.name for node in lab.network.nodes if node.name != owner]
    try:
        wait_until(
            lambda: {lab.require_status(name).owner_of(ADDRESS) for name in survivors}.isdisjoint(
                {owner, None}
            ),
            timeout=10,
            what="the survivors to agree on another owner",
        )
        lab.sandbox.run("inside", "ip", "neigh", "flush", "all")
        response = lab.get(ADDRESS, PORT)
    finally:
        lab.start(owner)

    assert response.status == 200
    assert response.text in survivors
