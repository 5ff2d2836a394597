"""What OPEN settles between two speakers (RFC 4271 sections 4.2 and 6.2)."""

from __future__ import annotations

from ipaddress import IPv4Address
from zlib import crc32

from announce.bgp.capabilities import FourOctetAs, Multiprotocol, RouteRefreshSupport
from announce.bgp.config import DynamicAsn, IpAddress, PeerConfig
from announce.bgp.effects import SessionEstablished
from announce.bgp.errors import NotificationError, OpenError
from announce.bgp.messages import Open


def router_id(config: PeerConfig, local_address: IpAddress) -> IPv4Address:
    """The BGP Identifier: configured, or our IPv4 address, or the one that MetalLB makes of the node's name."""
    if config.router_id is not None:
        return config.router_id
    if isinstance(local_address, IPv4Address):
        return local_address
    return IPv4Address(crc32(config.node_name.encode()).to_bytes(4, "little"))


def own_open(config: PeerConfig, local_address: IpAddress) -> Open:
    capabilities = (
        *map(Multiprotocol, config.families),
        RouteRefreshSupport(),
        FourOctetAs(config.local_asn),
    )
    return Open(config.local_asn, config.hold_time, router_id(config, local_address), capabilities)


def check_open(message: Open, config: PeerConfig, own_router_id: IPv4Address) -> None:
    """RFC 4271 section 6.2 in its order, RFC 6286 for the identifier, RFC 7607 for AS 0 (never configured)."""
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


def _is_expected(asn: int, config: PeerConfig) -> bool:
    match config.peer_asn:
        case DynamicAsn.INTERNAL:
            return asn == config.local_asn
        case DynamicAsn.EXTERNAL:
            return asn not in (0, config.local_asn)
        case expected:
            return asn == expected


def negotiated(config: PeerConfig, remote: Open, local_address: IpAddress) -> SessionEstablished:
    return SessionEstablished(
        local_address=local_address,
        router_id=router_id(config, local_address),
        remote_asn=remote.asn,
        remote_router_id=remote.identifier,
        # "the smaller of its configured Hold Time and the Hold Time received": 0 on either side is none.
        hold_time=min(config.hold_time, remote.hold_time),
        families=frozenset(config.families) & remote.families,
        is_four_octet_as=remote.is_four_octet_as,
        remote_capabilities=remote.capabilities,
    )
