"""What the operator and the protocol let one choose about a peer."""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address
from typing import TypeAlias

from announce.bgp.errors import InvalidConfig
from announce.bgp.nlri import IPV4_UNICAST, IPV6_UNICAST, Family

IpAddress: TypeAlias = IPv4Address | IPv6Address

PASSWORD_OCTETS_MAX = 80
"""What the kernel takes as a TCP MD5 key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerConfig:
    local_asn: int
    peer_asn: int
    peer_address: IpAddress
    peer_port: int = 179

    source_address: IpAddress | None = None
    """Local address to connect from; it must be on the host. None: the kernel chooses."""

    router_id: IPv4Address | None = None
    """BGP Identifier. None: the local IPv4 address of the session, or else one made of `node_name`."""

    node_name: str = ""
    """Only for a router ID where the session has no IPv4 address."""

    password: str | None = field(default=None, repr=False)
    """TCP MD5 key (RFC 2385)."""

    families: tuple[Family, ...] = (IPV4_UNICAST, IPV6_UNICAST)
    """What is offered in OPEN. Routes go out for the families that the peer names too."""

    hold_time: int = 90
    """Seconds without a message after which the peer is dead; the smaller of both sides' counts. 0: never."""

    keepalive_time: float | None = None
    """Seconds between KEEPALIVEs, at most a third of the negotiated hold time, which is the default."""

    send_hold_time: float = 480.0
    """Seconds during which a peer may take nothing of what we send, before it is given up (RFC 9687)."""

    connect_timeout: float = 5.0
    """Time for TCP to connect."""

    open_timeout: float = 10.0
    """Time from there to Established. RFC 4271 suggests minutes, during which a dead peer would block a retry."""

    connect_retry: tuple[float, ...] = (1.0, 2.0, 4.0, 8.0, 16.0)
    """Waits after one, two, ... failures in a row, each shortened by up to a quarter; the last one repeats."""

    stable_after: float = 30.0
    """How long a session must have been Established for its end not to count as one more failure.

    A peer that accepts OPEN and then refuses us would otherwise be called again without a pause.
    """

    default_local_pref: int = 100
    """LOCAL_PREF of routes that name none, to internal peers."""

    drain_time: float = 0.3
    """From the last withdrawal to the end of the session on a planned stop: routers first forget the routes."""

    stop_timeout: float = 2.0
    """A planned stop takes no longer, even if the peer has stopped to read."""

    send_octets_max: int = 32 * 1024
    """What may be on its way to the kernel before UPDATEs wait.

    It bounds the memory that a stuck peer costs, and how long encoding occupies the process at a time.
    """

    def __post_init__(self) -> None:
        for name, asn in (("local_asn", self.local_asn), ("peer_asn", self.peer_asn)):
            if not 0 < asn < 1 << 32:
                raise InvalidConfig(name, "choose an AS number from 1 to 4294967295")
        if not 0 < self.peer_port < 1 << 16:
            raise InvalidConfig("peer_port", "choose a port from 1 to 65535")
        if self.source_address is not None and self.source_address.version != self.peer_address.version:
            raise InvalidConfig("source_address", "choose an address of the family of peer_address")
        if not (self.hold_time == 0 or 3 <= self.hold_time < 1 << 16):
            raise InvalidConfig("hold_time", "choose 0, or from 3 to 65535 seconds (RFC 4271 section 4.2)")
        if self.keepalive_time is not None and self.keepalive_time <= 0:
            raise InvalidConfig(
                "keepalive_time", "choose a time above 0, or none; hold_time 0 ends keepalives"
            )
        if self.router_id is not None and int(self.router_id) == 0:
            raise InvalidConfig("router_id", "choose an identifier other than 0.0.0.0 (RFC 6286)")
        if self.password is not None and not 0 < len(self.password.encode()) <= PASSWORD_OCTETS_MAX:
            raise InvalidConfig("password", f"choose 1 to {PASSWORD_OCTETS_MAX} octets")
        if not self.connect_retry or min(self.connect_retry) <= 0:
            raise InvalidConfig("connect_retry", "give at least one wait, all above 0")
        if not self.families:
            raise InvalidConfig("families", "offer at least one address family")

    @property
    def is_internal(self) -> bool:
        """IBGP: LOCAL_PREF is sent, and AS_PATH stays empty."""
        return self.local_asn == self.peer_asn
