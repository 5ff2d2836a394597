"""What is announced when nothing about an address changes: nothing, or a slow refresh that was asked for."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from swimlb.lab.lab import Lab
from swimlb.lab.measure import Claim
from swimlb.lab.observers import Referee
from swimlb.lab.sandbox import Sandbox
from swimlb.lab.waiting import pause, wait_until
from tests.netns.conftest import BASE, start_lab
from tests.netns.dual import addresses4, addresses6, owners, rest, service, write_manifests

ADDRESSES = [*addresses4(6), *addresses6(6)]
TAKEOVER = 10.0
"""The pattern of a takeover is over by then: eight rounds, the last after 5 s."""
REFRESH = 2.0
REFRESHES = 4
LATE_MAX = 1.0
"""A machine that has much to do announces late."""


@pytest.fixture
def manifests(tmp_path: Path) -> Path:
    return write_manifests(tmp_path, ADDRESSES)


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """One for each test: their speakers have different options."""
    with Sandbox.create(f"test-{secrets.token_hex(3)}", BASE) as created:
        yield created


def at_rest(sandbox: Sandbox, manifests: Path, refresh_interval: float) -> Lab:
    """A lab whose takeovers are over."""
    lab = start_lab(sandbox, manifests, options=("--refresh-interval", f"{refresh_interval:g}"))
    pause(TAKEOVER)
    return lab


def announcements(referee: Referee) -> list[Claim]:
    """What was said to everybody: who is asked answers the one that has asked."""
    return [claim for claim in referee.claims() if claim.target in (claim.address, "ff02::1")]


def test_nothing_is_announced_that_does_not_move(sandbox: Sandbox, manifests: Path) -> None:
    """A Service is added, another one gets another address, and a member comes: only what moves is announced."""
    lab, services = at_rest(sandbox, manifests, 0), manifests / "services.yaml"
    added, moved = "192.168.3.220", "192.168.3.221"
    joining = lab.network.nodes[-1].name

    with Referee(sandbox) as referee:
        before = services.read_text()
        services.write_text(
            before.replace(f'"{ADDRESSES[0]}"', f'"{moved}"') + service(number=len(ADDRESSES), address=added)
        )
        wait_until(
            lambda: {added, moved} <= owners(lab).keys() and ADDRESSES[0] not in owners(lab),
            timeout=20,
            what="the edit to take effect",
            seen=lambda: owners(lab),
        )
        pause(1.0)
        edited = announcements(referee)
    assert {claim.address for claim in edited} == {added, moved}

    lab.stop(joining)
    lab.wait_until_settled(*(node.name for node in lab.network.nodes if node.name != joining))
    pause(TAKEOVER)
    without = owners(lab)
    with Referee(sandbox) as referee:
        lab.start(joining)
        rest(lab)
        pause(1.0)
        joined = announcements(referee)
    returned = {address for address, owner in owners(lab).items() if owner != without[address]}
    assert returned
    assert {claim.address for claim in joined} == returned


def test_a_refresh_comes_at_its_interval(sandbox: Sandbox, manifests: Path) -> None:
    """Each address is announced again and again by its owner, between three quarters of the interval and all of it."""
    lab = at_rest(sandbox, manifests, REFRESH)
    owner = owners(lab)

    with Referee(sandbox) as referee:
        pause((REFRESHES + 1) * REFRESH)
        heard = announcements(referee)

    assert {claim.address for claim in heard} == set(ADDRESSES)
    assert {(claim.address, lab.node_of_mac(claim.mac)) for claim in heard} == set(owner.items())
    for address in ADDRESSES:
        # One of the two forms of an announcement by ARP; by neighbor discovery there is only one.
        is_ipv4 = ":" not in address
        times = [claim.time for claim in heard if claim.address == address and claim.is_reply == is_ipv4]
        assert len(times) >= REFRESHES
        gaps = [after - before for before, after in pairwise(times)]
        assert min(gaps) >= 0.75 * REFRESH - LATE_MAX / 2
        assert max(gaps) <= REFRESH + LATE_MAX


def test_nothing_is_refreshed_where_that_is_switched_off(sandbox: Sandbox, manifests: Path) -> None:
    lab = at_rest(sandbox, manifests, 0)

    with Referee(sandbox) as referee:
        pause(3 * REFRESH)
        heard = announcements(referee)

    assert heard == []
    assert owners(lab).keys() == set(ADDRESSES)
