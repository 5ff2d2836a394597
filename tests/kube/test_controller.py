"""The controller on a real API server, with the chart's roles: who leads, what is kept, and what survives being killed."""

from __future__ import annotations

import json
import random
import signal
import subprocess
from collections import defaultdict
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from swimlb.lab.kubernetes.detour_words import Faults
from swimlb.lab.kubernetes.installation import NAMESPACE
from swimlb.lab.kubernetes.lab import KubernetesLab
from swimlb.lab.waiting import pause, wait_until
from swimlb.runtime import clock
from tests.kube.conftest import clear

TIMEOUT = 30.0


@pytest.fixture
def lab(cluster: KubernetesLab) -> Iterator[KubernetesLab]:
    """A pool, and no controller yet; those that the test starts are ended."""
    try:
        apply_pool(cluster, "192.0.2.0/24", "203.0.113.0/24")
        yield cluster
    finally:
        for label in replicas(cluster):
            cluster.kill_controller(label)
        for log in cluster.sandbox.home.glob("controller-*.log"):
            log.unlink()
        # Three hundred are not waited for one by one.
        cluster.kubectl("delete", "services", "--field-selector", "metadata.name!=kubernetes", "--wait=false")
        cluster.installation.vacate_lease()
        clear(cluster)


def apply_pool(lab: KubernetesLab, *addresses: str) -> None:
    lab.kubectl.apply_objects(
        [
            {
                "apiVersion": "metallb.io/v1beta1",
                "kind": "IPAddressPool",
                "metadata": {"name": "lab", "namespace": NAMESPACE},
                "spec": {"addresses": list(addresses)},
            }
        ]
    )


def service(name: str, **annotations: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": "default", "annotations": annotations},
        "spec": {
            "type": "LoadBalancer",
            "allocateLoadBalancerNodePorts": False,
            "ports": [{"port": 80}],
            "selector": {"app": name},
        },
    }


def replicas(lab: KubernetesLab) -> list[str]:
    return [label for label in (f"controller-{n}" for n in range(200)) if lab.sandbox.process(label)]


def log_of(lab: KubernetesLab, label: str) -> list[dict[str, Any]]:
    path = lab.controller_log(label)
    lines = path.read_text().splitlines() if path.exists() else []
    return [json.loads(line) for line in lines if line.startswith("{") and line.endswith("}")]


def times_of(lab: KubernetesLab, label: str, event: str) -> list[datetime]:
    return [datetime.fromisoformat(line["time"]) for line in log_of(lab, label) if line["event"] == event]


def wait_for_leader(lab: KubernetesLab, labels: Sequence[str], timeout: float = TIMEOUT) -> str:
    """The replica that has begun to lead and has not ended."""

    def look() -> str | None:
        leading = [
            one
            for one in labels
            if len(times_of(lab, one, "leading")) > len(times_of(lab, one, "leading_ended"))
        ]
        return leading[0] if leading else None

    leader = wait_until(look, timeout=timeout, interval=0.02, what="a replica to lead")
    assert leader is not None
    return leader


def addresses(lab: KubernetesLab) -> dict[str, str]:
    items = lab.kubectl.json("get", "services")["items"]
    return {
        one["metadata"]["name"]: ingress[0]["ip"]
        for one in items
        if (ingress := one["status"].get("loadBalancer", {}).get("ingress"))
    }


def wait_for_addresses(lab: KubernetesLab, count: int, timeout: float = TIMEOUT) -> dict[str, str]:
    def look() -> dict[str, str] | None:
        return found if len(found := addresses(lab)) >= count else None

    found = wait_until(look, timeout=timeout, interval=0.2, what=f"{count} Services to have addresses")
    assert found is not None
    return found


@contextmanager
def every_version(lab: KubernetesLab, file: Path) -> Generator[None]:
    """kubectl writes down each version of each Service, so that nothing passes unseen."""
    seen = 'jsonpath={.metadata.name} {.status.loadBalancer.ingress[*].ip}{"\\n"}'
    with file.open("wb") as out:
        process = subprocess.Popen(lab.kubectl.argv("get", "services", "--watch", "-o", seen), stdout=out)
        try:
            yield
        finally:
            process.terminate()
            process.wait(10)


def histories(file: Path) -> dict[str, list[str]]:
    """By Service, the addresses it was seen with, one after the other."""
    found: defaultdict[str, list[str]] = defaultdict(list)
    for line in file.read_text().splitlines():
        name, _, address = line.partition(" ")
        if address and (not found[name] or found[name][-1] != address):
            found[name].append(address)
    return found


def test_what_metallb_left_is_taken_over_without_touching_it(lab: KubernetesLab) -> None:
    """The same annotation, the same status, no condition: no write, and nobody else gets the addresses."""
    lab.kubectl.apply_objects(
        [service("old", **{"metallb.io/ip-allocated-from-pool": "lab"}), service("fresh")]
    )
    status = json.dumps({"status": {"loadBalancer": {"ingress": [{"ip": "192.0.2.0", "ipMode": "VIP"}]}}})
    lab.kubectl("patch", "service", "old", "--subresource=status", "--type=merge", "-p", status)
    before = lab.kubectl.json("get", "service", "old")

    lab.start_controller("controller-0")
    found = wait_for_addresses(lab, 2)

    assert found == {"old": "192.0.2.0", "fresh": "192.0.2.1"}
    assert lab.kubectl.json("get", "service", "old") == before


def test_statuses_tell_what_is_given_and_why_something_is_not(lab: KubernetesLab) -> None:
    """Annotation, condition, Events, counts of the pool and the ConfigurationState; no permission is lacking."""
    lab.start_controller("controller-0")
    lab.kubectl.apply_objects(
        [service("served"), service("refused", **{"metallb.io/loadBalancerIPs": "198.51.100.1"})]
    )
    wait_for_addresses(lab, 1)

    def settled() -> bool:
        pool = lab.kubectl.json("-n", NAMESPACE, "get", "ipaddresspool", "lab")
        told = [one["reason"] for one in lab.kubectl.json("get", "events")["items"]]
        return pool.get("status", {}).get("assignedIPv4") == 1 and {"IPAllocated", "AllocationFailed"} <= set(
            told
        )

    wait_until(settled, timeout=TIMEOUT, interval=0.3, what="the counts and the Events")
    served, refused = (lab.kubectl.json("get", "service", name) for name in ("served", "refused"))
    state = lab.kubectl.json("-n", NAMESPACE, "get", "configurationstate", "controller")

    assert served["metadata"]["annotations"]["metallb.io/ip-allocated-from-pool"] == "lab"
    (condition,) = refused["status"]["conditions"]
    assert (condition["type"], condition["status"]) == ("swimlb.io/AddressAssigned", "False")
    assert "no pool contains 198.51.100.1" in condition["message"]
    assert state["status"]["result"] == "Valid"
    troubles = {"cannot_follow", "write_refused"}
    assert not [line for line in log_of(lab, "controller-0") if line["event"] in troubles]


def test_conditions_and_entries_of_others_stay(lab: KubernetesLab) -> None:
    """Another controller has its own condition, and ports in the entry of an address that stays."""
    lab.kubectl.apply_objects([service("shared", **{"metallb.io/ip-allocated-from-pool": "former"})])
    condition = {
        "type": "example.com/Seen",
        "status": "True",
        "reason": "Seen",
        "message": "",
        "lastTransitionTime": "2026-01-01T00:00:00Z",
    }
    entry = {"ip": "192.0.2.7", "ipMode": "Proxy", "ports": [{"port": 80, "protocol": "TCP"}]}
    status = {"status": {"conditions": [condition], "loadBalancer": {"ingress": [entry]}}}
    lab.kubectl(
        "patch", "service", "shared", "--subresource=status", "--type=merge", "-p", json.dumps(status)
    )

    lab.start_controller("controller-0")
    wait_until(
        lambda: (
            lab.kubectl.json("get", "service", "shared")["metadata"]["annotations"].get(
                "metallb.io/ip-allocated-from-pool"
            )
            == "lab"
        ),
        timeout=TIMEOUT,
        interval=0.2,
        what="the annotation to name the pool",
    )

    after = lab.kubectl.json("get", "service", "shared")["status"]
    assert after["loadBalancer"]["ingress"] == [entry]
    assert condition in after["conditions"]


def join(lab: KubernetesLab, label: str) -> None:
    """Start a replica, and wait until it stands for election, and has seen who leads."""
    lab.start_controller(label)
    wait_until(
        lambda: times_of(lab, label, "cluster_read"), timeout=TIMEOUT, what=f"{label} to read the cluster"
    )
    pause(2.0)


def test_another_replica_takes_over_at_once_after_a_clean_stop(lab: KubernetesLab) -> None:
    """Within a second; the best of three counts, as this machine may be busy with other things."""
    join(lab, "controller-0")
    gaps: list[float] = []
    for number in range(3):
        leader, follower = f"controller-{number}", f"controller-{number + 1}"
        join(lab, follower)
        lab.stop_controller(leader)
        wait_for_leader(lab, [follower])
        (stopping,), (leading,) = (
            times_of(lab, leader, "controller_stopping"),
            times_of(lab, follower, "leading"),
        )
        gaps.append((leading - stopping).total_seconds())

    lab.kubectl.apply_objects([service("one")])
    wait_for_addresses(lab, 1)
    assert min(gaps) <= 1.0
    assert max(gaps) <= 5.0


def test_another_replica_takes_over_within_fifteen_seconds_after_a_crash(lab: KubernetesLab) -> None:
    """And serves what was created meanwhile, from other addresses than those that were given before."""
    join(lab, "controller-0")
    join(lab, "controller-1")
    lab.kubectl.apply_objects([service("before")])
    wait_for_addresses(lab, 1)

    killed = datetime.fromtimestamp(clock.wall(), UTC)
    lab.kill_controller("controller-0")
    lab.kubectl.apply_objects([service("meanwhile")])
    wait_for_leader(lab, ["controller-1"])
    found = wait_for_addresses(lab, 2)

    (leading,) = times_of(lab, "controller-1", "leading")
    assert (leading - killed).total_seconds() <= 15.0
    assert found == {"before": "192.0.2.0", "meanwhile": "192.0.2.1"}


def test_a_busy_and_slow_api_server_loses_and_doubles_nothing(lab: KubernetesLab, tmp_path: Path) -> None:
    """A third of the calls refused (429), the others late, watches dropped: in the end all is as if nothing had been."""
    detour = lab.open_detour()
    try:
        detour.suffer(Faults(delay=0.3, refused_percent=33, watch_lifetime=5.0))
        lab.start_controller("controller-0")
        with every_version(lab, tmp_path / "versions"):
            for batch in range(5):
                lab.kubectl.apply_objects([service(f"s{batch * 10 + number}") for number in range(10)])
                pause(1.0)
            found = wait_for_addresses(lab, 50, timeout=120)
            pause(1.0)
    finally:
        lab.kill_controller("controller-0")
        detour.stop()
        lab.installation.server = None

    seen = histories(tmp_path / "versions")
    assert len(set(found.values())) == 50
    assert {name: history for name, history in seen.items() if len(history) != 1} == {}


def test_fifty_kills_during_three_hundred_creations(lab: KubernetesLab, tmp_path: Path) -> None:
    """No address is given twice, none is ever changed: as seen by kubectl, version by version."""
    rng = random.Random(7)
    started = 0
    alive: list[str] = []

    def start() -> None:
        nonlocal started
        label = f"controller-{started}"
        started += 1
        lab.start_controller(label, "--lease-duration", "3")
        alive.append(label)

    start()
    start()
    with every_version(lab, tmp_path / "versions"):
        for batch in range(50):
            lab.kubectl.apply_objects([service(f"s{batch * 6 + number}") for number in range(6)])
            victim = wait_for_leader(lab, alive)
            # In the middle of its first writes, or a little later.
            pause(rng.uniform(0, 0.4))
            lab.sandbox.signal(victim, signal.SIGKILL, timeout=10)
            alive.remove(victim)
            start()
        found = wait_for_addresses(lab, 300, timeout=60)
        pause(2.0)

    seen = histories(tmp_path / "versions")
    assert len(found) == 300
    assert len(set(found.values())) == 300
    assert {name: history for name, history in seen.items() if len(history) != 1} == {}
    assert {name: history[0] for name, history in seen.items()} == found
