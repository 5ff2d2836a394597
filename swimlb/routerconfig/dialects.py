"""The kinds of routers that a configuration can be written for, by name."""

from __future__ import annotations

from collections.abc import Callable

from swimlb.routerconfig import hosts, switches
from swimlb.routerconfig.routers import Router

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
