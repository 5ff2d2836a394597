"""A network interface as the kernel describes it, and whether addresses may be announced on it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Interface, IPv6Address, IPv6Interface

DEFAULT_EXCLUDED_INTERFACES = (
    "^docker.*",
    "^cbr.*",
    "^dummy.*",
    "^virbr.*",
    "^lxcbr.*",
    "^veth.*",
    "^lo$",
    "^cali.*",
    "^tunl.*",
    "^flannel.*",
    "^kube-ipvs.*",
    "^cni.*",
    "^nodelocaldns.*",
    "^lxc.*",
)
"""Interfaces of containers and overlays: the list that MetalLB's manifests ship."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Interface:
    """One interface of the host; two of them compare equal when nothing about the interface has changed."""

    name: str
    index: int
    mac: bytes
    """Six octets; empty for an interface without an Ethernet address."""
    is_up: bool
    """By the administrator (IFF_UP). Whether there is a link is `has_carrier`."""
    has_carrier: bool
    is_loopback: bool = False
    is_noarp: bool = False
    can_broadcast: bool = True
    master: int | None = None
    """Index of the bridge, bond or VRF that this interface is a port of."""
    addresses: tuple[IPv4Interface | IPv6Interface, ...] = ()
    """Those that can be used already, sorted by family, then by value."""

    @property
    def asks_from(self) -> IPv6Address | None:
        """The link-local address from which neighbours are asked; None: nobody can be asked by IPv6 here."""
        own = (one for one in self.addresses if isinstance(one, IPv6Interface) and one.is_link_local)
        return next((one.ip for one in own), None)


class InterfaceRules:
    """Which interfaces addresses may be announced on, unless an advertisement names fewer."""

    def __init__(self, excluded: Iterable[str]) -> None:
        self._excluded = [re.compile(pattern) for pattern in excluded]

    def suits(self, interface: Interface) -> bool:
        """True for an Ethernet-like interface that is up and stands for itself.

        A port of a bridge, bond or VRF does not: its master speaks for it. Carrier is not asked for: whether an
        address may stay on a node whose link is cut is a question about the other nodes, so others decide it.
        """
        return (
            interface.is_up
            and interface.can_broadcast
            and not interface.is_loopback
            and not interface.is_noarp
            and interface.master is None
            and len(interface.mac) == 6
            and not any(pattern.search(interface.name) for pattern in self._excluded)
        )
