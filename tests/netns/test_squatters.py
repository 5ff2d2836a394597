"""A host of the LAN has an address that a Service is about to get: real kernels, IPv4 and IPv6."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from swimlb.lab import namespaces
from swimlb.lab.lab import Lab
from swimlb.lab.observers import Referee
from swimlb.lab.topology import INSIDE
from swimlb.lab.waiting import pause, wait_until
from swimlb.speaker.probing import RETRY_INTERVAL
from tests.netns.dual import addresses4, addresses6, write_manifests

FREE, (SQUATTED4, SQUATTED6) = [addresses4(1)[0], addresses6(1)[0]], (addresses4(2)[1], addresses6(2)[1])


@pytest.fixture(scope="module")
def manifests(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_manifests(tmp_path_factory.mktemp("manifests"), FREE)


@pytest.fixture(params=[SQUATTED4, SQUATTED6], ids=["ipv4", "ipv6"])
def squatted(request: pytest.FixtureRequest, lab: Lab) -> Iterator[str]:
    """An address that the client's kernel has."""
    address: str = request.param
    client = lab.sandbox.namespace(INSIDE.name)
    what = f"{address}/32 dev eth0" if "." in address else f"{address}/128 dev eth0 nodad"
    namespaces.ip_batch([f"address add {what}"], client)
    try:
        yield address
    finally:
        # The test takes it away itself; after a failure it may be there still.
        if address in namespaces.run(namespaces.execute(client, "ip", "address", "show", "dev", "eth0")):
            namespaces.ip_batch([f"address del {what.removesuffix(' nodad')}"], client)


def release(lab: Lab, address: str) -> None:
    length = 32 if "." in address else 128
    namespaces.ip_batch([f"address del {address}/{length} dev eth0"], lab.sandbox.namespace(INSIDE.name))


def withheld_in_use(lab: Lab) -> list[str]:
    """Nodes that say why they do not announce."""
    return [
        node
        for node, status in lab.statuses().items()
        if status is not None and any(one.reason == "AddressInUse" for one in status.withheld)
    ]


def announcers(lab: Lab, address: str) -> list[str]:
    return [
        node
        for node, status in lab.statuses().items()
        if status is not None and any(one.address == address and one.is_announced_here for one in status.l2)
    ]


def logged(lab: Lab, node: str, event: str, address: str) -> list[dict[str, object]]:
    lines = map(json.loads, lab.log(node).read_text().splitlines())
    return [line for line in lines if line["event"] == event and line["address"] == address]


def test_an_address_in_use_is_withheld_until_it_is_free(lab: Lab, manifests: Path, squatted: str) -> None:
    """Its host is named by MAC; nobody of ours says a word about the address on the wire before it is free."""
    with Referee(lab.sandbox) as referee:
        write_manifests(manifests, [*FREE, squatted])
        (owner,) = wait_until(
            lambda: withheld_in_use(lab), timeout=5, what="the owner to say why it is silent"
        )
        pause(1.0)

        (line,) = logged(lab, owner, "address_in_use", squatted)
        assert (line["mac"], line["interface"]) == (lab.mac(INSIDE.name), "eth0")
        nodes = {lab.mac(node.name) for node in lab.network.nodes}
        assert not nodes & {claim.mac for claim in referee.claims() if claim.address == squatted}
        assert announcers(lab, squatted) == []
        assert all(len(announcers(lab, address)) == 1 for address in FREE)

        release(lab, squatted)
        wait_until(
            lambda: announcers(lab, squatted) == [owner],
            timeout=RETRY_INTERVAL + 3,
            what="the address to be announced",
        )

    assert len(logged(lab, owner, "address_free", squatted)) == 1
    assert withheld_in_use(lab) == []
