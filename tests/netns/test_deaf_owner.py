"""An owner that gets no question any more, though it lives, gossips and announces: found by the others, and replaced."""

from __future__ import annotations

import json
from typing import Any

import pytest

from swimlb.lab.lab import Lab
from swimlb.lab.sandbox import Sandbox
from swimlb.lab.waiting import pause, wait_until
from swimlb.runtime import clock
from swimlb.speaker.hearing import HOLD, INTERVAL
from tests.netns.conftest import start_lab
from tests.netns.dual import Pair, addresses4, addresses6, ask, find_pair, owners, rest, write_manifests

NODES = 5
PROVEN_AFTER = 2.5 * INTERVAL
"""By then everybody has asked, and been answered, once."""
REPLACED_MAX = 30.0
BACK_MAX = HOLD + 3 * INTERVAL


@pytest.fixture(scope="module")
def lab(sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Lab:
    manifests = tmp_path_factory.mktemp("manifests")
    write_manifests(manifests, [*addresses4(10), *addresses6(10)])
    return start_lab(sandbox, manifests, NODES)


def log_lines(lab: Lab, node: str, event: str) -> list[dict[str, Any]]:
    lines = map(json.loads, lab.log(node).read_text().splitlines())
    return [line for line in lines if line.get("event") == event]


def resolve_anew(lab: Lab, address: str) -> str | None:
    """Who answers a client that knows nobody."""
    lab.sandbox.run("inside", "ip", "neigh", "flush", "all")
    ask(lab.sandbox.namespace("inside"), address)
    pause(0.3)
    mac = lab.resolve(address)
    return None if mac is None else lab.node_of_mac(mac)


def check_is_replaced(lab: Lab, pair: Pair, hurt_at: float) -> float:
    """Both addresses are another's, for every speaker and for a client; gives the seconds that it took."""
    witness = next(node.name for node in lab.network.nodes if node.name != pair.node)

    def are_moved() -> bool:
        now = owners(lab, witness)
        return all(now[address] not in (None, pair.node) for address in pair.addresses)

    wait_until(are_moved, timeout=REPLACED_MAX, what=f"{pair.node} to be replaced")
    replaced_after = clock.monotonic() - hurt_at
    rest(lab)
    for address in pair.addresses:
        assert resolve_anew(lab, address) == owners(lab)[address] != pair.node
    return replaced_after


def check_is_told(lab: Lab, pair: Pair) -> None:
    """The log and status of every other node name the deaf one and who found it; the node itself gives the reason."""
    for node in lab.network.nodes:
        if node.name != pair.node:
            line = log_lines(lab, node.name, "member_deaf")[-1]
            assert line["member"] == pair.node
            assert len(line["found_by"]) >= 2
            told = {one.name: one.deaf_to for one in lab.require_status(node.name).members}
            assert [name for name, deaf_to in told.items() if len(deaf_to) >= 2] == [pair.node]
    reasons = {one.reason for one in lab.require_status(pair.node).withheld}
    assert "NodeDeaf" in reasons


def test_an_owner_that_gets_no_arp_is_replaced_until_it_does(
    lab: Lab, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its IPv6 addresses move with the others, and all come back when it hears again, a minute later at the soonest."""
    pause(PROVEN_AFTER)
    pair = find_pair(lab)
    before = owners(lab)
    hurt_at = clock.monotonic()

    lab.drop_questions(pair.node, 4)
    try:
        replaced_after = check_is_replaced(lab, pair, hurt_at)
        check_is_told(lab, pair)
    finally:
        lab.drop_questions(None)
    wait_until(
        lambda: owners(lab) == before, timeout=BACK_MAX, what="the owner to be back", seen=lambda: owners(lab)
    )

    with capsys.disabled():
        back_after = clock.monotonic() - hurt_at
        print(
            f"\n  no ARP: replaced after {replaced_after:.1f} s, owner again after {back_after:.1f} s", end=""
        )
    rest(lab)
    for address in pair.addresses:
        assert resolve_anew(lab, address) == pair.node


def test_an_owner_that_gets_no_solicitation_is_replaced(lab: Lab, capsys: pytest.CaptureFixture[str]) -> None:
    """The same by neighbour discovery alone: ARP goes on."""
    pause(PROVEN_AFTER)
    pair = find_pair(lab)
    hurt_at = clock.monotonic()

    lab.drop_questions(pair.node, 6)
    try:
        replaced_after = check_is_replaced(lab, pair, hurt_at)
        check_is_told(lab, pair)
    finally:
        lab.drop_questions(None)

    with capsys.disabled():
        print(f"\n  no neighbour discovery: replaced after {replaced_after:.1f} s", end="")
