"""A real keepalived in the same LAN that holds addresses of ours: found, named by its MAC, and defended against."""

from __future__ import annotations

import json

import pytest

from swimlb.lab import namespaces, topology
from swimlb.lab.keepalived import Keepalived, Vrrp
from swimlb.lab.lab import Lab
from swimlb.lab.sandbox import Sandbox
from swimlb.lab.topology import SWITCH, Host
from swimlb.lab.waiting import wait_until
from tests.netns.conftest import start_lab
from tests.netns.dual import Pair, Watch, addresses4, addresses6, find_pair, rest, write_manifests

RIVAL = Host("rival", "192.168.3.90")


@pytest.fixture(scope="module")
def lab(sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Lab:
    manifests = write_manifests(tmp_path_factory.mktemp("manifests"), [*addresses4(6), *addresses6(6)])
    return start_lab(sandbox, manifests)


@pytest.fixture
def pair(lab: Lab) -> Pair:
    return find_pair(lab)


@pytest.fixture
def rival(lab: Lab, sandbox: Sandbox, pair: Pair) -> Keepalived:
    """A machine with keepalived for both addresses, not yet started; it tells its own neighbours every second."""
    sandbox.add_namespaces(RIVAL.name)
    namespaces.plug_in(sandbox.namespace(SWITCH), {RIVAL.port: sandbox.namespace(RIVAL.name)})
    topology.configure_host(sandbox, RIVAL)
    return Keepalived(
        sandbox,
        RIVAL.name,
        Vrrp(addresses=pair.addresses, version=3, advert_interval=0.1, announces_again_every=1),
    )


def strangers(lab: Lab, node: str) -> set[tuple[object, object]]:
    """Address and MAC of each rival that the node has reported and that is no member."""
    lines = map(json.loads, lab.log(node).read_text().splitlines())
    return {
        (line["address"], line["mac"])
        for line in lines
        if line["event"] == "address_conflict" and line["member"] is None
    }


def test_keepalived_is_reported_by_its_mac_and_defended_against(
    lab: Lab, pair: Pair, rival: Keepalived
) -> None:
    mac = lab.mac(RIVAL.name)
    wanted = {(address, mac) for address in pair.addresses}
    with Watch(lab, pair) as watch:
        rival.start()
        try:
            wait_until(
                lambda: strangers(lab, pair.node) >= wanted,
                timeout=15,
                what="the owner to report the rival for both addresses",
                seen=lambda: strangers(lab, pair.node),
            )
            wait_until(
                lambda: all(lab.resolve(address) == lab.mac(pair.node) for address in pair.addresses),
                timeout=15,
                what="the owner to defend its addresses",
            )
            owned_by = lab.require_status(pair.node)
        finally:
            rival.stop()
        rest(lab)
        watch.forget_neighbours()
        watch.await_answers_of(pair.node)

    assert strangers(lab, pair.node) == wanted
    assert {owned_by.owner_of(address) for address in pair.addresses} == {pair.node}
    others = [node.name for node in lab.network.nodes if node.name != pair.node]
    assert [strangers(lab, node) for node in others] == [set(), set()]
