"""Routers and switches that are boxes: Junos, IOS XE, NX-OS and EOS. To be read before they are pasted."""

from __future__ import annotations

from swimlb.routerconfig.hosts import PLACEHOLDER
from swimlb.routerconfig.routers import Neighbor, Router


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
            f"{group} type {'internal' if one.asn == router.asn else 'external'}",
            f"{group} peer-as {one.asn}",
            f"{group} import swimlb",
            f"{group} multipath" + (" multiple-as" if len(router.node_asns) > 1 else ""),
        ]
        lines += [f"{group} family inet{'6' if version == 6 else ''} unicast" for version in one.versions]
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
        if peer.hold_time is not None:
            lines.append(f"{group} hold-time {peer.hold_time}")
        if one.has_md5:
            lines.append(f"{group} authentication-key {PLACEHOLDER}")
        # With GTSM the node drops what has been sent with the usual TTL, which is 1 (64 over several hops).
        ttl = "" if peer.hops_max is None else " ttl 255"
        if one.is_far:
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


def ios_xe(router: Router) -> str:
    return _cisco(router, bfd="fall-over bfd", gtsm="ttl-security hops", nested=False)


def eos(router: Router) -> str:
    """EOS reads the lines of IOS; only ECMP, BFD and GTSM are said otherwise."""
    text = _cisco(router, bfd="bfd", gtsm="ttl maximum-hops", nested=False)
    paths = f" maximum-paths {router.paths_max}"
    without = [line for line in text.splitlines() if "maximum-paths" not in line]
    without.insert(without.index(f"router bgp {router.asn}") + 1, f"{paths} ecmp {router.paths_max}")
    return "\n".join([*without, ""])


def nxos(router: Router) -> str:
    return (
        "feature bgp\n"
        + ("feature bfd\n" if _has_bfd(router) else "")
        + _cisco(router, bfd="bfd", gtsm="ttl-security hops", nested=True)
    )


def _has_bfd(router: Router) -> bool:
    return any(one.peer.bfd is not None for one in router.neighbors)


def _cisco(router: Router, *, bfd: str, gtsm: str, nested: bool) -> str:
    """IOS names the neighbor in each line; NX-OS (`nested`) opens a block for it."""
    lines: list[str] = []
    for version in router.versions:
        word = "ip" if version == 4 else "ipv6"
        lines += [f"{word} prefix-list swimlb-{version} {entry}" for entry in router.prefix_list(version)]
    lines += [f"router bgp {router.asn}"]
    if router.address is not None and router.address.version == 4:
        lines.append(f" {'router-id' if nested else 'bgp router-id'} {router.address}")
    if len(router.node_asns) > 1:
        lines.append(
            " bestpath as-path multipath-relax" if nested else " bgp bestpath as-path multipath-relax"
        )
    kind = "ibgp " if router.node_asns == {router.asn} else ""
    if nested:
        for version in router.versions:
            lines += [f" address-family ipv{version} unicast", f"  maximum-paths {kind}{router.paths_max}"]
        for one in router.neighbors:
            lines.append(f" neighbor {_name(one)}")
            lines += [f"  {line}" for line in ("remote-as " + str(one.asn), *_settings(one, bfd, gtsm))]
            for version in one.versions:
                lines.append(f"  address-family ipv{version} unicast")
                lines.append(f"   prefix-list swimlb-{version} in")
        return "\n".join([*lines, ""])
    for one in router.neighbors:
        name = _name(one)
        lines += [
            f" neighbor {name} {line}" for line in ("remote-as " + str(one.asn), *_settings(one, bfd, gtsm))
        ]
    for version in router.versions:
        lines.append(f" address-family ipv{version}")
        for one in router.neighbors:
            if version in one.versions:
                lines.append(f"  neighbor {_name(one)} activate")
                lines.append(f"  neighbor {_name(one)} prefix-list swimlb-{version} in")
        lines.append(f"  maximum-paths {kind}{router.paths_max}")
    return "\n".join([*lines, ""])


def _name(one: Neighbor) -> str:
    return str(one.address) if one.address is not None else one.peer.interface


def _settings(one: Neighbor, bfd: str, gtsm: str) -> list[str]:
    peer = one.peer
    lines = [f"description {peer.name} {one.node}"]
    if peer.hold_time is not None:
        lines.append(f"timers {peer.keepalive_time or peer.hold_time // 3} {peer.hold_time}")
    if one.has_md5:
        lines.append(f"password {PLACEHOLDER}")
    if peer.hops_max is not None:
        # It goes over so many hops, too; none of them takes both.
        lines.append(f"{gtsm} {peer.hops_max}")
    elif peer.ebgp_multihop:
        lines.append("ebgp-multihop 255")
    if peer.bfd is not None:
        lines.append(bfd)
    return lines
