"""Manifests are edited under running speakers: good edits take effect, bad ones are reported and harm nothing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from swimlb.lab.lab import Lab
from swimlb.lab.measure import outages
from swimlb.lab.observers import ProbeRun
from swimlb.lab.status import Problem
from swimlb.lab.waiting import wait_until
from tests.netns.conftest import copy_manifests

ADDRESS = "192.168.3.170"
MOVED_ADDRESS = "192.168.3.175"
PORT = 8080
TIMEOUT = 10.0


@pytest.fixture
def edited(lab: Lab, manifests: Path) -> Iterator[Path]:
    """The manifests, to be edited; put back as they were afterwards."""
    processes = {node: status.processes for node, status in lab.statuses().items() if status is not None}
    yield manifests
    for extra in manifests.iterdir():
        extra.unlink()
    copy_manifests(manifests, "nginx.yaml", "layer2.yaml")
    await_addresses(lab, "nginx-svc", (ADDRESS,))
    wait_until(
        lambda: all(status is not None and not status.problems for status in lab.statuses().values()),
        timeout=TIMEOUT,
        what="all problems to be gone with their cause",
    )
    # An address that was nobody's is asked for on the LAN first; until then speakers are of one mind, too.
    wait_until(
        lambda: all(status is not None and status.owner_of(ADDRESS) for status in lab.statuses().values()),
        timeout=TIMEOUT,
        what=f"all speakers to name an owner of {ADDRESS}",
    )
    lab.wait_until_settled()
    assert {
        node: status.processes for node, status in lab.statuses().items() if status is not None
    } == processes


def await_addresses(lab: Lab, service: str, addresses: tuple[str, ...]) -> None:
    def said() -> list[tuple[str, ...] | None]:
        found = [None if one is None else one.service(service) for one in lab.statuses().values()]
        return [None if one is None else one.addresses for one in found]

    wait_until(
        lambda: set(said()) == {addresses},
        timeout=TIMEOUT,
        what=f"all speakers to give {service} {addresses}",
        seen=said,
    )


def await_problems(lab: Lab) -> tuple[Problem, ...]:
    """The problems on which all speakers agree, once there are some."""

    def agreed() -> tuple[Problem, ...] | None:
        said = {None if status is None else status.problems for status in lab.statuses().values()}
        return said.pop() if len(said) == 1 else None

    return wait_until(agreed, timeout=TIMEOUT, what="all speakers to report the problem")


def test_an_edit_takes_effect_without_a_restart(lab: Lab, edited: Path) -> None:
    manifest = edited / "nginx.yaml"

    manifest.write_text(manifest.read_text().rstrip() + f"\n  loadBalancerIP: {MOVED_ADDRESS}\n")

    await_addresses(lab, "nginx-svc", (MOVED_ADDRESS,))
    lab.wait_until_settled()
    response = lab.get(MOVED_ADDRESS, PORT)
    assert (response.status, response.text) == (200, lab.require_status("worker-01").owner_of(MOVED_ADDRESS))


def test_a_deleted_service_is_withdrawn_everywhere(lab: Lab, edited: Path) -> None:
    (edited / "nginx.yaml").unlink()

    wait_until(
        lambda: all(status is not None and not status.l2 for status in lab.statuses().values()),
        timeout=TIMEOUT,
        what="nobody to have the address",
    )
    lab.sandbox.run("inside", "ip", "neigh", "flush", "all")
    with pytest.raises(OSError, match=r"timed out|No route to host"):
        lab.get(ADDRESS, PORT)


BROKEN = {
    "bad YAML": ("kind: Service\nmetadata: {name: [}\n", 2),
    "an unknown kind": ("apiVersion: metallb.io/v1beta1\nkind: IPAdressPool\nmetadata: {name: x}\n", None),
    "an inverted range": (
        "apiVersion: metallb.io/v1beta1\nkind: IPAddressPool\nmetadata: {name: x, namespace: metallb-system}\n"
        "spec:\n  addresses:\n  - 192.168.3.190-192.168.3.180\n",
        6,
    ),
    "an overlap": (
        "apiVersion: metallb.io/v1beta1\nkind: IPAddressPool\nmetadata: {name: x, namespace: metallb-system}\n"
        "spec:\n  addresses:\n  - 192.168.3.0/24\n",
        6,
    ),
    "a wrong type": (
        "apiVersion: metallb.io/v1beta1\nkind: IPAddressPool\nmetadata: {name: x, namespace: metallb-system}\nspec:\n  addresses: 7\n",
        5,
    ),
}


@pytest.mark.parametrize("what", BROKEN)
def test_a_broken_manifest_is_reported_and_all_else_stays_in_force(lab: Lab, edited: Path, what: str) -> None:
    text, line = BROKEN[what]
    with ProbeRun(lab.sandbox, ADDRESS, PORT) as probes:
        (edited / "zz-broken.yaml").write_text(text)

        problems = await_problems(lab)

    errors = [one for one in problems if one.severity == "error"]
    assert len(errors) == 1
    assert errors[0].message
    assert errors[0].hint
    assert Path(errors[0].file or "").name == "zz-broken.yaml"
    assert line is None or errors[0].line == line
    assert lab.require_status("worker-01").owner_of(ADDRESS) is not None
    assert [one for one in outages(probes.recording().probes) if one.lost_for > 0.020] == []


def test_a_good_manifest_that_turns_bad_keeps_its_last_good_version(lab: Lab, edited: Path) -> None:
    with ProbeRun(lab.sandbox, ADDRESS, PORT) as probes:
        (edited / "layer2.yaml").write_text((edited / "layer2.yaml").read_text().replace("3.179", "3.69"))

        problems = await_problems(lab)

    assert any(one.object.startswith("IPAddressPool/") for one in problems)
    assert [one for one in outages(probes.recording().probes) if one.lost_for > 0.020] == []
