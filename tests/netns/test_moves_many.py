"""A thousand addresses: all answered, and all answered by others when an owner dies."""

from __future__ import annotations

import socket
from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import suppress
from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest

from announce.l2 import arp
from swimlb.lab import namespaces
from swimlb.lab.lab import Lab
from swimlb.lab.observers import Referee
from swimlb.lab.sandbox import Sandbox
from swimlb.lab.topology import INSIDE
from swimlb.lab.waiting import wait_until
from swimlb.runtime import clock
from tests.netns.conftest import start_lab
from tests.netns.dual import owners, write_manifests

EACH = 500
MOVED_WITHIN = 5.0
ADDRESSES4 = [str(IPv4Address("192.168.64.0") + number) for number in range(1, EACH + 1)]
ADDRESSES6 = [str(IPv6Address("2001:db8:3::1000") + number) for number in range(EACH)]
ASK_AGAIN = 1.0
DISCARD_PORT = 9


@pytest.fixture(scope="module")
def lab(sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Lab:
    manifests = write_manifests(tmp_path_factory.mktemp("manifests"), [*ADDRESSES4, *ADDRESSES6])
    return start_lab(sandbox, manifests)


class Asker:
    """Asks the LAN who has addresses: by ARP itself, and by neighbor discovery through the kernel."""

    def __init__(self, lab: Lab) -> None:
        self._namespace = lab.sandbox.namespace(INSIDE.name)
        self._mac = bytes.fromhex(lab.mac(INSIDE.name).replace(":", ""))
        with namespaces.entered(self._namespace):
            self._raw = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
            self._datagrams = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
        self._raw.bind(("eth0", 0))

    def __enter__(self) -> Asker:
        return self

    def __exit__(self, *_: object) -> None:
        self._raw.close()
        self._datagrams.close()

    def ask(self, addresses: Iterable[str]) -> None:
        for text in addresses:
            address = ip_address(text)
            if isinstance(address, IPv4Address):
                self._raw.send(arp.encode(self._question(address)))
            else:
                solicit(self._datagrams, text)

    def forget(self) -> None:
        namespaces.run(namespaces.execute(self._namespace, "ip", "neigh", "flush", "all"))

    def _question(self, address: IPv4Address) -> arp.ArpFrame:
        return arp.ArpFrame(
            destination=arp.BROADCAST,
            source=self._mac,
            operation=arp.Operation.REQUEST,
            sender_mac=self._mac,
            sender_address=IPv4Address(INSIDE.address),
            target_mac=bytes(6),
            target_address=address,
        )


def solicit(client: socket.socket, address: str) -> None:
    """Let the kernel ask for a neighbour; what it sends then is lost or refused, which does not matter."""
    with suppress(OSError):
        client.sendto(b"?", (address, DISCARD_PORT))


def answered_by(
    lab: Lab, asker: Asker, referee: Referee, wanted: Mapping[str, str | None], since: float
) -> float:
    """Ask until each address has been answered or announced by the node it is wanted from; when the last one was."""
    macs = {node.name: lab.mac(node.name) for node in lab.network.nodes}
    missing = dict(wanted)
    asked_at = float("-inf")
    last = since

    def have_all_answered() -> bool:
        nonlocal asked_at, last
        for claim in referee.claims():
            if claim.time >= since and macs.get(missing.get(claim.address) or "") == claim.mac:
                del missing[claim.address]
                last = max(last, claim.time)
        if missing and clock.monotonic() - asked_at >= ASK_AGAIN:
            asker.forget()
            asker.ask(list(missing))
            asked_at = clock.monotonic()
        return not missing

    wait_until(
        have_all_answered,
        timeout=20,
        what="all addresses to be answered",
        seen=lambda: f"{len(missing)} are not, as {next(iter(missing.items()), None)}",
        interval=0.1,
    )
    return last


def test_a_thousand_addresses_move(lab: Lab, sandbox: Sandbox, capsys: pytest.CaptureFixture[str]) -> None:
    """Each is claimed by its owner alone; the dead owner's are claimed by others, announced without being asked."""
    everything = [*ADDRESSES4, *ADDRESSES6]
    before = owners(lab)
    victim = Counter(before.values()).most_common(1)[0][0]
    assert victim is not None
    witness = next(node.name for node in lab.network.nodes if node.name != victim)
    moving = [address for address in everything if before[address] == victim]
    macs = {lab.mac(node.name): node.name for node in lab.network.nodes}

    with Asker(lab) as asker, Referee(sandbox) as referee:
        asked_at = clock.monotonic()
        answered_at = answered_by(lab, asker, referee, {one: before[one] for one in everything}, asked_at)
        foreign = [
            claim
            for claim in referee.claims()
            if claim.address in before and macs.get(claim.mac) != before[claim.address]
        ]

        killed_at = clock.monotonic()
        lab.kill(victim)
        announced_at: dict[str, float] = {}

        def have_all_moved() -> bool:
            for claim in referee.claims():
                if claim.time > killed_at and before.get(claim.address) == victim != macs.get(claim.mac):
                    announced_at.setdefault(claim.address, claim.time)
            return len(announced_at) == len(moving)

        wait_until(
            have_all_moved,
            timeout=20,
            what="all addresses of the dead to be announced by others",
            seen=lambda: (
                f"{len(announced_at)} of {len(moving)}; missing "
                f"{[(one, owners(lab, witness)[one]) for one in moving if one not in announced_at][:3]}, withheld "
                f"{lab.require_status(witness).withheld[:3]}"
            ),
            interval=0.1,
        )
        moved_within = max(announced_at.values()) - killed_at
        after = owners(lab, witness)
        again_at = clock.monotonic()
        all_again_at = answered_by(lab, asker, referee, {one: after[one] for one in everything}, again_at)

    with capsys.disabled():
        print(
            f"\n  {len(everything)} addresses answered in {answered_at - asked_at:.2f} s; an owner of {len(moving)} "
            f"killed: the first announced by others after {min(announced_at.values()) - killed_at:.2f} s, the last "
            f"after {moved_within:.2f} s; all {len(everything)} answered in {all_again_at - again_at:.2f} s",
            end="",
        )
    assert set(before) == set(everything)
    assert foreign == []
    assert victim not in after.values()
    assert None not in after.values()
    assert moved_within < MOVED_WITHIN
