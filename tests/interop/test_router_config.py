"""What `router-config` prints is taken by the daemons it is for: they read it, and complain of nothing."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from swimlb.model import BgpPeer
from swimlb.routerconfig import routers, write
from tests.unit.swimlb.routerconfig.test_routers import ADDRESSES, PEER, RICH, configuration

pytestmark = pytest.mark.interop

COMMANDS = {
    "frr": ("vtysh", "-C", "-f"),
    "bird": ("bird", "-p", "-c"),
    "openwrt": ("bird", "-p", "-c"),
    "gobgp": ("gobgpd", "--dry-run", "-f"),
}
PEERS = {
    "plain": PEER,
    "rich": RICH,
    "multihop": replace(RICH, ebgp_multihop=True, hops_max=None),
    "limited": replace(RICH, ebgp_multihop=True, hops_max=3),
    "internal": replace(RICH, peer_asn=RICH.my_asn, bfd=None, hops_max=None),
    "internal with BFD": replace(RICH, peer_asn=RICH.my_asn, hops_max=None),
    "internal near": replace(RICH, peer_asn=RICH.my_asn),
    "internal far": replace(RICH, peer_asn=RICH.my_asn, ebgp_multihop=True, hops_max=3),
    "unnumbered": replace(PEER, peer_address=None, interface="lo"),
}


@pytest.mark.parametrize("dialect", COMMANDS)
@pytest.mark.parametrize("peer", PEERS.values(), ids=PEERS)
def test_the_daemon_reads_it(dialect: str, peer: BgpPeer, tmp_path: Path) -> None:
    if dialect == "gobgp" and peer.peer_address is None:
        pytest.skip("gobgpd reads such a neighbor only where there is one on the interface already")
    (router,) = routers(configuration(peer), ADDRESSES)
    file = tmp_path / "router.conf"
    file.write_text(write(router, dialect))

    done = subprocess.run(
        [*COMMANDS[dialect], str(file)], capture_output=True, text=True, timeout=10, check=False
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert "% " not in done.stdout
