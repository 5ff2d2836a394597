"""What the operator and the protocol let one choose about a peer."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from ipaddress import IPv4Address, IPv6Address
from typing import TypeAlias

from announce.bgp.capabilities import Role
from announce.bgp.errors import InvalidConfig
from announce.bgp.nlri import IPV4_UNICAST, IPV6_UNICAST, Family

IpAddress: TypeAlias = IPv4Address | IPv6Address

CONNECT_RETRY = (1.0, 2.0, 4.0, 8.0, 16.0)
"""Seconds."""

PASSWORD_OCTETS_MAX = 80
"""What the kernel takes as a TCP MD5 key."""


class DynamicAsn(StrEnum):
    """A rule in place of the peer's AS number, which its OPEN then tells."""

    INTERNAL = "internal"
    """The same as ours."""
    EXTERNAL = "external"
    """Any other than ours."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerConfig:
    local_asn: int
    """What this peer sees us as, in OPEN and in AS_PATH alike.

    An AS number that only this peer is to see (MetalLB's localASN) goes here: the path then has it alone, as
    with "no-prepend replace-as".
    """

    peer_asn: int | DynamicAsn
    peer_address: IpAddress
    """With a scope for a link-local one."""
    peer_port: int = 179

    is_active: bool = True
    """We open connections. Otherwise we wait for those of the peer."""

    is_listening: bool = False
    """Connections that the peer opens are taken, by `ConnectionAccepted`."""

    source_address: IpAddress | None = None
    """Local address to connect from; it must be on the host. None: the kernel chooses."""

    router_id: IPv4Address | None = None
    """BGP Identifier. None: the IPv4 address of the session or of its interface, or else one made of `node_name`."""

    node_name: str = ""
    """Only for a router ID where the interface of the session has no IPv4 address."""

    password: str | None = field(default=None, repr=False)
    """TCP MD5 key (RFC 2385)."""

    is_distance_checked: bool = False
    """The sockets drop what has come from too far off (GTSM, RFC 5082): a reason for getting no answer."""

    families: tuple[Family, ...] = (IPV4_UNICAST, IPV6_UNICAST)
    """What is offered in OPEN. Routes go out for the families that the peer names too."""

    role: Role | None = None
    """What we are to the peer (RFC 9234); only with external ones. Where the peer names a role, it must fit."""

    is_role_strict: bool = False
    """A peer that names no role is refused."""

    restart_time: int = 0
    """Seconds for which the peer keeps our routes when we restart (RFC 4724). 0: no graceful restart."""

    is_restarting: bool = False
    """This process follows one that left its routes standing, so the first OPEN has the restart bit.

    End-of-RIB, which ends what is left of the old routes, then waits for `RoutesComplete`. Counts as the peer begins: a
    later configuration does not change the past.
    """

    restart_deferral: float = 60.0
    """End-of-RIB waits no longer than this for `RoutesComplete`: stale routes must not stay for ever."""

    hold_time: int = 90
    """Seconds without a message after which the peer is dead; the smaller of both sides' counts. 0: never."""

    keepalive_time: float | None = None
    """Seconds between KEEPALIVEs, at most a third of the negotiated hold time, which is the default."""

    send_hold_time: float = 480.0
    """Seconds during which a peer may take nothing of what we send, before it is given up (RFC 9687); or twice the
    negotiated hold time, where that is longer."""

    connect_timeout: float = 5.0
    """Time for TCP to connect."""

    delay_open: float = 0.0
    """How long the peer may send its OPEN first, on a new connection (RFC 4271 section 8.1.1: DelayOpenTime)."""

    open_timeout: float = 10.0
    """Time from our OPEN to Established. RFC 4271 suggests minutes, during which a dead peer would block a retry."""

    connect_retry: tuple[float, ...] = CONNECT_RETRY
    """Waits after one, two, ... failures in a row, each shortened by up to a quarter; the last one repeats."""

    stable_after: float = 30.0
    """How long a session must have been Established for its end not to count as one more failure.

    A peer that accepts OPEN and then refuses us would otherwise be called again without a pause.
    """

    default_local_pref: int = 100
    """LOCAL_PREF of routes that name none, to internal peers."""

    update_interval: float = 0.05
    """Least time between two batches of UPDATEs. The first change goes out at once, those after it together."""

    received_prefixes_max: int | None = None
    """Prefixes that the peer may send; with more, the session ends by Cease (RFC 4486). None: any number."""

    prefix_limit_wait: float = 300.0
    """Wait after a session that ended so: somebody has to look at the router first."""

    keeps_received: bool = False
    """What the peer sends is kept for people to look at, as far as `received_prefixes_max` allows."""

    shutdown_wait: float = 0.0
    """A planned stop first lowers the preference of all routes for so long (RFC 8326), then withdraws. 0: it
    withdraws at once."""

    drain_time: float = 0.3
    """From the last withdrawal to the end of the session on a planned stop: routers first forget the routes."""

    stop_timeout: float = 2.0
    """A planned stop takes no longer than this and `shutdown_wait`, even if the peer has stopped to read."""

    send_octets_max: int = 32 * 1024
    """What may be on its way to the kernel before UPDATEs wait.

    It bounds the memory that a stuck peer costs, and how long encoding occupies the process at a time.
    """

    def __post_init__(self) -> None:
        for name, asn in (("local_asn", self.local_asn), ("peer_asn", self.peer_asn)):
            if not isinstance(asn, DynamicAsn) and not 0 < asn < 1 << 32:
                raise InvalidConfig(name, "choose an AS number from 1 to 4294967295")
        if not (self.is_active or self.is_listening):
            raise InvalidConfig("is_active", "a peer that we neither call nor listen to has no session")
        if self.role is not None and self.is_internal:
            raise InvalidConfig("role", "roles are for external peers only (RFC 9234 section 4.1)")
        if not 0 <= self.restart_time < 1 << 12:
            raise InvalidConfig("restart_time", "choose from 0 to 4095 seconds (RFC 4724 section 3)")
        if self.received_prefixes_max is not None and self.received_prefixes_max <= 0:
            raise InvalidConfig("received_prefixes_max", "choose at least 1, or none for any number")
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
    def reasons_for_silence(self) -> str:
        """What may keep the kernel from taking what the peer sends, as the end of a sentence."""
        password = "; is the password the same on both sides?" if self.password else ""
        distance = "; does the router send with a TTL of 255 (GTSM)?" if self.is_distance_checked else ""
        return password + distance

    @property
    def is_internal(self) -> bool:
        """IBGP: LOCAL_PREF is sent, and AS_PATH stays empty."""
        if isinstance(self.peer_asn, DynamicAsn):
            return self.peer_asn is DynamicAsn.INTERNAL
        return self.local_asn == self.peer_asn
