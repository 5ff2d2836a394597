"""A BGPPeer's settings as the session's core and as the sockets want them."""

from __future__ import annotations

from dataclasses import replace

from announce import bfd, bgp
from announce.net.listeners import Admission
from announce.net.tcp_options import AoKeyIds, SocketOptions
from swimlb.model import AoAlgorithm, BgpPeer, IpAddress, Opening, Role

DEFAULT_HOLD_TIME = 90
"""Seconds, where the BGPPeer names none."""
DEFAULT_RESTART_TIME = 120
"""Seconds, as RFC 4724 section 4 suggests: as long as routers keep the routes of a process that starts again."""
DEFAULT_SHUTDOWN_WAIT = 0.5
"""Seconds, where the BGPPeer names none: routers need a part of it to find another way and to use it."""

_AO_ALGORITHMS = {AoAlgorithm.HMAC_SHA_1: "hmac(sha1)", AoAlgorithm.AES_128_CMAC: "cmac(aes128)"}
"""The kernel's names."""
_ROLES = {
    Role.PROVIDER: bgp.Role.PROVIDER,
    Role.CUSTOMER: bgp.Role.CUSTOMER,
    Role.PEER: bgp.Role.PEER,
    Role.ROUTE_SERVER: bgp.Role.ROUTE_SERVER,
    Role.ROUTE_SERVER_CLIENT: bgp.Role.ROUTE_SERVER_CLIENT,
}


def session_config(
    peer: BgpPeer, address: IpAddress, node: str, *, is_restarting: bool = False
) -> bgp.PeerConfig:
    """`address` is the router's: as configured, or as found on the interface. May raise InvalidConfig."""
    config = bgp.PeerConfig(
        local_asn=peer.local_asn or peer.my_asn,
        peer_asn=_asn(peer),
        peer_address=address,
        peer_port=peer.peer_port,
        source_address=peer.source_address,
        router_id=peer.router_id,
        node_name=node,
        password=peer.password,
        is_distance_checked=peer.hops_max is not None,
        families=_families(peer, address),
        is_active=peer.opening is not Opening.PASSIVE,
        is_listening=peer.opening.is_listening,
        role=None if peer.role is None else _ROLES[peer.role],
        is_role_strict=peer.is_role_strict,
        restart_time=_restart_time(peer),
        is_restarting=is_restarting and peer.has_graceful_restart,
        hold_time=DEFAULT_HOLD_TIME if peer.hold_time is None else peer.hold_time,
        keepalive_time=peer.keepalive_time or None,
        received_prefixes_max=peer.prefixes_max,
        keeps_received=peer.keeps_received,
        shutdown_wait=DEFAULT_SHUTDOWN_WAIT if peer.shutdown_wait is None else peer.shutdown_wait,
    )
    if peer.connect_time is None:
        return config
    return replace(config, connect_retry=(float(peer.connect_time),))


def _asn(peer: BgpPeer) -> int | bgp.DynamicAsn:
    if peer.dynamic_asn is not None:
        return bgp.DynamicAsn(peer.dynamic_asn.value)
    assert peer.peer_asn is not None, "the configuration has one of the two"
    return peer.peer_asn


def _restart_time(peer: BgpPeer) -> int:
    if not peer.has_graceful_restart:
        return 0
    return DEFAULT_RESTART_TIME if peer.restart_time is None else peer.restart_time


def _families(peer: BgpPeer, address: IpAddress) -> tuple[bgp.Family, ...]:
    """That of the session's addresses, as in MetalLB; both where that is asked for, or the peer has no address."""
    if peer.is_dual_stack or peer.interface:
        return (bgp.IPV4_UNICAST, bgp.IPV6_UNICAST)
    return (bgp.IPV4_UNICAST if address.version == 4 else bgp.IPV6_UNICAST,)


def socket_options(peer: BgpPeer) -> SocketOptions:
    return SocketOptions(hops_max=peer.hops_max, device=peer.interface or peer.vrf, ao=_ao_key_ids(peer))


def _ao_key_ids(peer: BgpPeer) -> AoKeyIds | None:
    if peer.ao is None:
        return None
    return AoKeyIds(
        send_id=peer.ao.send_id,
        receive_id=peer.ao.receive_id,
        algorithm=_AO_ALGORITHMS[peer.ao.algorithm],
    )


def admission(peer: BgpPeer, address: IpAddress) -> Admission | None:
    """None: this peer is not to connect to us."""
    if not peer.opening.is_listening:
        return None
    return Admission(
        peer=address,
        local=peer.source_address,
        password=peer.password,
        ao=_ao_key_ids(peer),
        vrf=peer.vrf,
    )


def bfd_config(
    peer: BgpPeer, address: IpAddress, *, is_internal: bool, is_on_link: bool
) -> bfd.SessionConfig | None:
    """How BFD watches a peer; None: it has no profile.

    `is_on_link`: the address is of a network that this host is on. An external peer that is not multihop must be so
    anyhow; an internal one, or one that may be several hops away (GTSM), may be elsewhere, and then routers stand between.
    """
    profile = peer.bfd
    if profile is None:
        return None
    may_be_far = is_internal or (peer.hops_max or 1) > 1
    is_multihop = peer.ebgp_multihop or (may_be_far and not is_on_link and not peer.interface)
    # RFC 5883 has no Echo function, and ours speaks IPv4.
    has_echo = profile.has_echo and address.version == 4 and not is_multihop
    return bfd.SessionConfig(
        peer_address=address,
        source_address=peer.source_address,
        interface=peer.interface or None,
        device=peer.vrf or None,
        is_multihop=is_multihop,
        minimum_ttl=profile.minimum_ttl,
        is_passive=profile.is_passive,
        timing=bfd.Timing(
            desired_min_tx_us=profile.transmit_interval_ms * 1000,
            required_min_rx_us=profile.receive_interval_ms * 1000,
            detect_multiplier=profile.detect_multiplier,
            echo_interval_us=profile.echo_interval_ms * 1000 if has_echo else None,
        ),
    )
