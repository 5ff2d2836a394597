"""What OPEN settles between two speakers (RFC 4271 sections 4.2 and 6.2)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address
from zlib import crc32

from announce.bgp.capabilities import (
    BgpRole,
    Capability,
    CapabilityCode,
    EnhancedRouteRefresh,
    ExtendedMessage,
    ExtendedNextHop,
    FourOctetAs,
    GracefulRestart,
    Multiprotocol,
    Role,
    RouteRefreshSupport,
    code_of,
)
from announce.bgp.config import DynamicAsn, IpAddress, PeerConfig
from announce.bgp.effects import SessionEstablished
from announce.bgp.errors import NotificationError, OpenError
from announce.bgp.messages import Open
from announce.bgp.nlri import IPV4_UNICAST, Afi

_ROLE_OF_THE_OTHER = {
    Role.PROVIDER: Role.CUSTOMER,
    Role.CUSTOMER: Role.PROVIDER,
    Role.ROUTE_SERVER: Role.ROUTE_SERVER_CLIENT,
    Role.ROUTE_SERVER_CLIENT: Role.ROUTE_SERVER,
    Role.PEER: Role.PEER,
}
"""RFC 9234 section 4.2, table 2."""


@dataclass(frozen=True, slots=True)
class LocalEnd:
    """Our end of a TCP connection."""

    local_address: IpAddress
    next_hops: tuple[IpAddress, ...] = ()
    is_inbound: bool = False


@dataclass(frozen=True, slots=True)
class History:
    """What of the past stands in OPEN."""

    has_restarted: bool = False
    """The peer may hold routes of the process before this one."""
    is_forwarding: bool = False
    """What the peer may hold is still being served."""
    withheld: frozenset[int] = frozenset()
    """Codes of capabilities that the peer cannot bear to hear of."""


def router_id(config: PeerConfig, end: LocalEnd) -> IPv4Address:
    """The BGP Identifier: configured, or our IPv4 address, or the one that MetalLB makes of the node's name.

    A loopback address beside a session's own is every node's, and no identifier (RFC 6286 section 2.1).
    """
    if config.router_id is not None:
        return config.router_id
    beside = (address for address in end.next_hops if not address.is_loopback)
    for address in (end.local_address, *beside):
        if isinstance(address, IPv4Address) and int(address):
            return address
    return IPv4Address(crc32(config.node_name.encode()).to_bytes(4, "little"))


def own_open(config: PeerConfig, end: LocalEnd, history: History) -> Open:
    capabilities = tuple(
        capability
        for capability in _capabilities(config, end, history)
        if code_of(capability) not in history.withheld
    )
    return Open(config.local_asn, config.hold_time, router_id(config, end), capabilities)


def _capabilities(config: PeerConfig, end: LocalEnd, history: History) -> Iterator[Capability]:
    """In ascending order of code."""
    yield from map(Multiprotocol, config.families)
    yield RouteRefreshSupport()
    if end.local_address.version == 6 and IPV4_UNICAST in config.families:
        yield ExtendedNextHop(((IPV4_UNICAST, Afi.IPV6),))
    yield ExtendedMessage()
    if config.role is not None:
        yield BgpRole(config.role)
    if config.restart_time:
        families = tuple((family, history.is_forwarding) for family in config.families)
        yield GracefulRestart(
            config.restart_time, history.has_restarted, keeps_on_notification=True, families=families
        )
    yield FourOctetAs(config.local_asn)
    yield EnhancedRouteRefresh()


def check_open(message: Open, config: PeerConfig, own_router_id: IPv4Address) -> None:
    """RFC 4271 section 6.2 in its order, RFC 6286 for the identifier, RFC 7607 for AS 0."""
    if not _is_expected(message.asn, config):
        rule = config.peer_asn
        expected = f"an {rule} AS" if isinstance(rule, DynamicAsn) else f"AS {rule}"
        raise NotificationError(
            OpenError.BAD_PEER_AS, f"it says it is AS {message.asn}, we expect {expected}"
        )
    if message.hold_time in (1, 2):
        raise NotificationError(OpenError.UNACCEPTABLE_HOLD_TIME, f"a hold time of {message.hold_time} s")
    if not int(message.identifier):
        raise NotificationError(OpenError.BAD_BGP_IDENTIFIER, "its BGP Identifier is 0.0.0.0")
    if config.is_internal and message.identifier == own_router_id:
        raise NotificationError(
            OpenError.BAD_BGP_IDENTIFIER, f"its BGP Identifier {message.identifier} is ours too"
        )
    _check_role(message, config)


def _is_expected(asn: int, config: PeerConfig) -> bool:
    match config.peer_asn:
        case DynamicAsn.INTERNAL:
            return asn == config.local_asn
        case DynamicAsn.EXTERNAL:
            return asn not in (0, config.local_asn)
        case expected:
            return asn == expected


def _check_role(message: Open, config: PeerConfig) -> None:
    """RFC 9234 section 4.2."""
    if config.role is None:
        return
    named = {it.role for it in message.capabilities if isinstance(it, BgpRole)}
    if not named and not config.is_role_strict:
        return
    if named != {_ROLE_OF_THE_OTHER[config.role]}:
        theirs = " and ".join(_role_words(role) for role in sorted(named)) or "not named"
        raise NotificationError(
            OpenError.ROLE_MISMATCH,
            f"its role is {theirs}, which does not fit ours, {_role_words(config.role)}",
        )


def _role_words(role: int) -> str:
    try:
        return Role(role).name.lower().replace("_", " ")
    except ValueError:
        return str(role)


def negotiated(config: PeerConfig, own: Open, remote: Open, end: LocalEnd) -> SessionEstablished:
    both = {code_of(it) for it in own.capabilities} & {code_of(it) for it in remote.capabilities}
    restart = remote.graceful_restart if CapabilityCode.GRACEFUL_RESTART in both else None
    return SessionEstablished(
        local_address=end.local_address,
        router_id=own.identifier,
        remote_asn=remote.asn,
        remote_router_id=remote.identifier,
        # "the smaller of its configured Hold Time and the Hold Time received": 0 on either side is none.
        hold_time=min(own.hold_time, remote.hold_time),
        families=own.families & remote.families,
        is_four_octet_as=CapabilityCode.FOUR_OCTET_AS in both,
        remote_capabilities=remote.capabilities,
        is_inbound=end.is_inbound,
        next_hops=end.next_hops,
        has_graceful_restart=restart is not None,
        keeps_on_notification=restart is not None and restart.keeps_on_notification,
        has_extended_next_hop=CapabilityCode.EXTENDED_NEXT_HOP in both and _takes_ipv6_next_hops(remote),
        has_extended_messages=CapabilityCode.EXTENDED_MESSAGE in both,
        has_enhanced_refresh=CapabilityCode.ENHANCED_ROUTE_REFRESH in both,
    )


def _takes_ipv6_next_hops(remote: Open) -> bool:
    return any(
        (IPV4_UNICAST, Afi.IPV6) in capability.next_hops
        for capability in remote.capabilities
        if isinstance(capability, ExtendedNextHop)
    )
