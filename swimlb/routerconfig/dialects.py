"""The kinds of routers that a configuration can be written for, by name."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from swimlb.model import BgpPeer, Opening
from swimlb.routerconfig import hosts, switches
from swimlb.routerconfig.routers import BGP_PORT, Router

DIALECTS: dict[str, Callable[[Router], str]] = {
    "frr": hosts.frr,
    "bird": hosts.bird,
    "gobgp": hosts.gobgp,
    "openwrt": hosts.openwrt,
    "junos": switches.junos,
    "ios-xe": switches.ios_xe,
    "nxos": switches.nxos,
    "eos": switches.eos,
}


def write(router: Router, dialect: str) -> str:
    """One router's text; a password is never in it, only where it belongs."""
    return DIALECTS[dialect](router)


def unsaid(router: Router, dialect: str) -> Iterator[tuple[BgpPeer, str]]:
    """What the nodes need of the router besides what is written, and by which peer."""
    for one in {one.peer.name: one for one in router.neighbors}.values():
        peer = one.peer
        if peer.ao is not None:
            ids = f"SendID {peer.ao.receive_id}, RecvID {peer.ao.send_id}"
            yield peer, f"the key is one of TCP-AO ({ids}, {peer.ao.algorithm}), not a password"
        if (
            peer.peer_port != BGP_PORT
            and peer.opening is not Opening.PASSIVE
            and dialect not in _TOLD_OF_PORT
        ):
            yield peer, f"BGP has to listen on port {peer.peer_port}"
        if peer.bfd is not None and dialect == "gobgp":
            yield peer, "a BFD daemon has to watch the nodes"
        if peer.bfd is not None and not one.is_far and dialect in ("ios-xe", "nxos"):
            yield (
                peer,
                f"the interface to the nodes has to have `{switches.bfd_interval(peer.bfd, 'min_rx')}`",
            )
        if peer.bfd is not None and one.is_far and dialect == "nxos":
            yield peer, f"the neighbors have to have `update-source` of the interface with {router.address}"


_TOLD_OF_PORT = ("bird", "openwrt", "gobgp")
