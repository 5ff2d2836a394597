"""Routers and switches that are boxes: Junos, IOS XE, NX-OS and EOS. To be read before they are pasted."""

from __future__ import annotations

from collections.abc import Iterator

from swimlb.model import BfdProfile, BgpPeer
from swimlb.routerconfig.hosts import PLACEHOLDER
from swimlb.routerconfig.routers import CannotTell, Neighbor, Router

JUNOS_HOLD_TIME_MIN = 20
"""Seconds: older releases take from 20 on, some from 10, newer ones from 3."""
NXOS_MULTIHOP_INTERVALS = (250, 999)
"""Milliseconds: the least and the most."""


def junos(router: Router) -> str:
    lines = [f"set routing-options autonomous-system {router.asn}"]
    lines += [
        f"set policy-options policy-statement swimlb term pools from route-filter {pool} orlonger"
        for pool in router.pools
    ]
    if router.pools:
        # A term without a condition would accept everything.
        lines.append("set policy-options policy-statement swimlb term pools then accept")
    lines += [
        "set policy-options policy-statement swimlb then reject",
        "set policy-options policy-statement swimlb-ecmp then load-balance per-packet",
        "set routing-options forwarding-table export swimlb-ecmp",
    ]
    for one in router.neighbors:
        peer = one.peer
        group = f"set protocols bgp group {one.label}"
        lines += [
            f"{group} type {'internal' if one.is_internal else 'external'}",
            f"{group} peer-as {one.asn}",
            f"{group} import swimlb",
            f"{group} multipath" + (" multiple-as" if len(router.node_asns) > 1 else ""),
        ]
        inet = "inet unicast extended-nexthop" if one.is_extended else "inet unicast"
        lines += [f"{group} family {inet if version == 4 else 'inet6 unicast'}" for version in one.versions]
        neighbor = (
            f"{group} neighbor {one.address}"
            if one.address is not None
            else f"{group} dynamic-neighbor nodes"
        )
        if one.address is None:
            lines.append(f"{neighbor} peer-auto-discovery family inet6 ipv6-nd")
            lines.append(f"{neighbor} peer-auto-discovery interface {peer.interface}")
        elif not peer.opening.is_listening:
            lines.append(f"{neighbor} passive")
        else:
            lines.append(neighbor)
        lines += _junos_hold_time(group, peer)
        if one.has_md5:
            lines.append(f"{group} authentication-key {PLACEHOLDER}")
        # With GTSM the node drops what has been sent with the usual TTL, which is 1 (64 over several hops, and to internal ones).
        ttl = "" if peer.hops_max is None else " ttl 255"
        if one.is_internal:
            lines += [f"{group} multihop{ttl}"] if ttl else []
        elif one.is_far:
            lines.append(f"{group} multihop{ttl}")
        elif ttl:
            lines.append(f"{group}{ttl}")
        if peer.bfd is not None:
            bfd = f"{group} bfd-liveness-detection"
            lines += [
                f"{bfd} minimum-interval {max(peer.bfd.transmit_interval_ms, peer.bfd.receive_interval_ms)}",
                f"{bfd} multiplier {peer.bfd.detect_multiplier}",
            ]
    return "\n".join([*lines, ""])


def _junos_hold_time(group: str, peer: BgpPeer) -> list[str]:
    """What all releases take: the shorter one of both sides is in force, so that the node's alone does as well."""
    if peer.hold_time is None:
        return []
    if peer.hold_time >= JUNOS_HOLD_TIME_MIN:
        return [f"{group} hold-time {peer.hold_time}"]
    told = f"# BGPPeer {peer.name} has a holdTime of {peer.hold_time} s, which is in force without being said here:"
    if peer.hold_time == 0:
        return [told, "# neither side watches the other by it."]
    return [
        told,
        f"# the shorter one is, and not all releases take less than {JUNOS_HOLD_TIME_MIN} s. A minimum-hold-time above it refuses the",
        "# session. Juniper advises `set protocols bgp precision-timers` where the time is so short.",
    ]


def ios_xe(router: Router) -> str:
    if unnumbered := [one.peer for one in router.neighbors if one.address is None]:
        raise CannotTell(
            f"IOS XE has no neighbors on interfaces, as BGPPeer {unnumbered[0].name} has them; give it a peerAddress"
        )
    lines = [f"{_list_name(version)} {entry}" for version, entry in _entries(router)]
    lines += _ios_xe_bfd(router)
    lines += [f"router bgp {router.asn}", *_bgp_settings(router, "bgp ")]
    for one in router.neighbors:
        restart = ["ha-mode graceful-restart"] if one.peer.has_graceful_restart else []
        bfd = "fall-over bfd multi-hop" if one.is_far else "fall-over bfd"
        told = (f"remote-as {one.asn}", *_settings(one, [bfd], _ios_xe_gtsm(one)), *restart)
        lines += [f" neighbor {one.address} {line}" for line in told]
        if one.is_internal and one.peer.hops_max is not None:
            lines.append(
                f" ! {one.address}: ttl-security is for external neighbors only. Packets to internal ones"
            )
            lines.append(" ! leave with a TTL of 255 anyhow, as the node wants them.")
    for version in router.versions:
        lines += _family(router, version)
        # It takes no more, and other numbers not at all.
        lines += [f"  {line}" for line in _paths(router, most=32)]
    return "\n".join([*lines, ""])


def _ios_xe_gtsm(one: Neighbor) -> str:
    return "" if one.is_internal else "ttl-security hops"


def _ios_xe_bfd(router: Router) -> Iterator[str]:
    """Over several hops intervals do not belong to an interface, but to the two addresses."""
    far = [(one, one.peer.bfd) for one in router.neighbors if one.is_far and one.peer.bfd is not None]
    for profile in {profile.name: profile for _, profile in far}.values():
        yield f"bfd-template multi-hop swimlb-{profile.name}"
        yield (
            f" interval min-tx {profile.receive_interval_ms} min-rx {profile.transmit_interval_ms}"
            f" multiplier {profile.detect_multiplier}"
        )
    for one, profile in far:
        assert one.address is not None, "one on an interface is near"
        length = one.address.max_prefixlen
        yield (
            f"bfd map ipv{one.address.version} {one.address}/{length} {router.address}/{length} swimlb-{profile.name}"
        )


def eos(router: Router) -> str:
    """The lines of IOS, but for ECMP, BFD, GTSM, lists, which are blocks, and neighbors on interfaces, which are groups."""
    lines: list[str] = []
    for version in router.versions:
        lines += [_list_name(version), *(f" {entry}" for entry in router.prefix_list(version))]
    lines += [f"router bgp {router.asn}", f" maximum-paths {router.paths_max} ecmp {router.paths_max}"]
    lines += _bgp_settings(router, "bgp ")
    for one in router.neighbors:
        name = _name(one)
        if one.address is None:
            lines.append(f" neighbor {name} peer group")
            lines.append(f" neighbor interface {one.peer.interface} peer-group {name} remote-as {one.asn}")
        else:
            lines.append(f" neighbor {name} remote-as {one.asn}")
        lines += [f" neighbor {name} {line}" for line in _settings(one, ["bfd"], "ttl maximum-hops")]
        if one.peer.bfd is not None:
            lines.append(f" neighbor {name} {bfd_interval(one.peer.bfd, 'min-rx')}")
    for version in router.versions:
        lines += _family(router, version)
        if version == 4:
            lines += [
                f"  neighbor {_name(one)} next-hop address-family ipv6 originate"
                for one in router.neighbors
                if one.is_extended
            ]
    return "\n".join([*lines, ""])


def nxos(router: Router) -> str:
    lines = ["feature bgp", *(["feature bfd"] if any(one.peer.bfd for one in router.neighbors) else [])]
    lines += [f"{_list_name(version)} {entry}" for version, entry in _entries(router)]
    lines += [f"router bgp {router.asn}", *_bgp_settings(router, "")]
    for version in router.versions:
        lines.append(f" address-family ipv{version} unicast")
        lines += [f"  {line}" for line in _paths(router, most=64)]
    for one in router.neighbors:
        lines += [f" neighbor {one.address or one.peer.interface}", f"  remote-as {one.asn}"]
        if one.is_internal and one.peer.hops_max is not None:
            lines.append("  ! Where ttl-security is refused for an internal neighbor, the annotation")
            lines.append(f"  ! swimlb.io/ttl-security-hops has to go from BGPPeer {one.peer.name}.")
        lines += [f"  {line}" for line in _settings(one, _nxos_bfd(one), "ttl-security hops")]
        for version in one.versions:
            lines += [f"  address-family ipv{version} unicast", f"   prefix-list swimlb-{version} in"]
    return "\n".join([*lines, ""])


def _nxos_bfd(one: Neighbor) -> list[str]:
    profile = one.peer.bfd
    if profile is None or not one.is_far:
        return ["bfd"]
    wanted = (profile.receive_interval_ms, profile.transmit_interval_ms)
    sent, received = (sorted((*NXOS_MULTIHOP_INTERVALS, interval))[1] for interval in wanted)
    lines = ["bfd multihop"]
    if min(wanted) < NXOS_MULTIHOP_INTERVALS[0]:
        lines.append(
            f"! BFDProfile {profile.name} is quicker than the {NXOS_MULTIHOP_INTERVALS[0]} ms that NX-OS takes over several hops."
        )
    lines.append(
        f"bfd multihop interval {sent} min_rx {received} multiplier {min(profile.detect_multiplier, 50)}"
    )
    return lines


def bfd_interval(profile: BfdProfile, least: str) -> str:
    """The router sends as often as the node receives, and the other way round."""
    sent, received = profile.receive_interval_ms, profile.transmit_interval_ms
    return f"bfd interval {sent} {least} {received} multiplier {profile.detect_multiplier}"


def _list_name(version: int) -> str:
    return f"{'ip' if version == 4 else 'ipv6'} prefix-list swimlb-{version}"


def _entries(router: Router) -> Iterator[tuple[int, str]]:
    return ((version, entry) for version in router.versions for entry in router.prefix_list(version))


def _bgp_settings(router: Router, prefix: str) -> list[str]:
    lines: list[str] = []
    if router.address is not None and router.address.version == 4:
        lines.append(f" {prefix}router-id {router.address}")
    if len(router.node_asns) > 1:
        lines.append(f" {prefix}bestpath as-path multipath-relax")
    return lines


def _family(router: Router, version: int) -> list[str]:
    lines = [f" address-family ipv{version}"]
    for one in router.neighbors:
        if version in one.versions:
            lines.append(f"  neighbor {_name(one)} activate")
            lines.append(f"  neighbor {_name(one)} prefix-list swimlb-{version} in")
    return lines


def _paths(router: Router, *, most: int) -> Iterator[str]:
    count = min(router.paths_max, most)
    if router.node_asns - {router.asn}:
        yield f"maximum-paths {count}"
    if router.asn in router.node_asns:
        yield f"maximum-paths ibgp {count}"


def _name(one: Neighbor) -> str:
    """Of the neighbor, or of the group that stands for it."""
    return one.label if one.address is None else str(one.address)


def _settings(one: Neighbor, bfd: list[str], gtsm: str) -> list[str]:
    """`gtsm` is empty where the router has none for this neighbor."""
    peer = one.peer
    lines = [f"description {peer.name} {one.node}"]
    if peer.hold_time is not None:
        lines.append(f"timers {peer.keepalive_time or peer.hold_time // 3} {peer.hold_time}")
    if one.has_md5:
        lines.append(f"password {PLACEHOLDER}")
    if peer.hops_max is not None:
        # It goes over so many hops, too; none of them takes both.
        lines += [f"{gtsm} {peer.hops_max}"] if gtsm else []
    elif peer.ebgp_multihop and not one.is_internal:
        lines.append("ebgp-multihop 255")
    if peer.bfd is not None:
        lines += bfd
    return lines
