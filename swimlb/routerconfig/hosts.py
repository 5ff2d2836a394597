"""Routers that are programs on a host: FRR, BIRD 2 (also on OpenWrt) and GoBGP."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Address

from swimlb.model import BfdProfile
from swimlb.routerconfig.routers import BGP_PORT, Neighbor, Router

PLACEHOLDER = "PASSWORD"
"""Stands where the operator puts the password of the BGPPeer."""


def profiles(router: Router) -> Iterable[BfdProfile]:
    found = {one.peer.bfd.name: one.peer.bfd for one in router.neighbors if one.peer.bfd is not None}
    return found.values()


def frr(router: Router) -> str:
    """Merged into the running configuration by `vtysh -f FILE`."""
    lines: list[str] = []
    for profile in profiles(router):
        lines += [
            "bfd",
            f" profile {profile.name}",
            f"  detect-multiplier {profile.detect_multiplier}",
            # The router hears what the node sends, and the other way round.
            f"  receive-interval {profile.transmit_interval_ms}",
            f"  transmit-interval {profile.receive_interval_ms}",
            # It has no meaning for a neighbor that is near.
            f"  minimum-ttl {profile.minimum_ttl}",
            " exit",
            "exit",
        ]
    for version in router.versions:
        word = "ip" if version == 4 else "ipv6"
        lines += [f"{word} prefix-list swimlb-{version} {entry}" for entry in router.prefix_list(version)]
    lines.append(f"router bgp {router.asn}")
    if isinstance(router.address, IPv4Address):
        lines.append(f" bgp router-id {router.address}")
    lines += [" no bgp default ipv4-unicast", " no bgp ebgp-requires-policy"]
    if len(router.node_asns) > 1:
        lines.append(" bgp bestpath as-path multipath-relax")
    for one in router.neighbors:
        lines += [f" {line}" for line in _frr_neighbor(one)]
    for version in router.versions:
        lines.append(f" address-family ipv{version} unicast")
        for one in router.neighbors:
            if version in one.versions:
                name = _frr_name(one)
                lines.append(f"  neighbor {name} activate")
                lines.append(f"  neighbor {name} prefix-list swimlb-{version} in")
        lines += [f"  maximum-paths {router.paths_max}", f"  maximum-paths ibgp {router.paths_max}"]
        lines.append(" exit-address-family")
    return "\n".join([*lines, "exit", ""])


def _frr_name(one: Neighbor) -> str:
    return str(one.address) if one.address is not None else one.peer.interface


def _frr_neighbor(one: Neighbor) -> list[str]:
    name, peer = _frr_name(one), one.peer
    head = f"neighbor {name} interface remote-as" if one.address is None else f"neighbor {name} remote-as"
    lines = [f"{head} {one.asn}", f"neighbor {name} description {peer.name} {one.node}"]
    if not peer.opening.is_listening and one.address is not None:
        lines.append(f"neighbor {name} passive")
    if one.is_extended and one.address is not None:
        # On an interface it is the default.
        lines.append(f"neighbor {name} capability extended-nexthop")
    if peer.hold_time is not None:
        lines.append(f"neighbor {name} timers {peer.keepalive_time or peer.hold_time // 3} {peer.hold_time}")
    if one.has_md5:
        lines.append(f"neighbor {name} password {PLACEHOLDER}")
    if peer.hops_max is not None:
        # It goes over so many hops, too; FRR does not take both.
        lines.append(f"neighbor {name} ttl-security hops {peer.hops_max}")
    elif peer.ebgp_multihop and not one.is_internal:
        lines.append(f"neighbor {name} ebgp-multihop")
    if peer.bfd is not None:
        lines += [f"neighbor {name} bfd", f"neighbor {name} bfd profile {peer.bfd.name}"]
        if peer.has_graceful_restart:
            # A speaker that restarts is silent in BFD, too, which is no reason to drop what it left.
            lines.append(f"neighbor {name} bfd check-control-plane-failure")
    if peer.has_graceful_restart:
        lines.append(f"neighbor {name} graceful-restart-helper")
    return lines


def bird(router: Router) -> str:
    """A whole bird.conf for BIRD 2."""
    lines = [] if not isinstance(router.address, IPv4Address) else [f"router id {router.address};"]
    lines += ["protocol device {}"]
    # The way to a far neighbor is looked for in BIRD's own tables, which have none but by these two.
    has_far = any(one.is_far or one.has_unknown_distance for one in router.neighbors)
    if has_far:
        lines.append("protocol direct { ipv4; ipv6; }")
    for version in (4, 6):
        lines += [
            f"protocol kernel kernel{version} {{",
            *(["  learn;"] if has_far else []),
            f"  ipv{version} {{ export where source = RTS_BGP; }};",
            f"  merge paths on limit {router.paths_max};",
            "}",
        ]
        pools = ", ".join(f"{pool}+" for pool in router.pools_of(version))
        verdict = f"if net ~ [ {pools} ] then accept; reject;" if pools else "reject;"
        lines.append(f"filter swimlb{version} {{ {verdict} }}")
    if any(one.peer.bfd is not None for one in router.neighbors):
        lines.append("protocol bfd {}")
    for one in router.neighbors:
        lines += _bird_neighbor(router, one)
    return "\n".join([*lines, ""])


def _is_multihop(one: Neighbor) -> bool:
    """To BIRD, which takes an internal neighbor for one until it is told otherwise.

    That does no harm to one that is near, but for BFD: BIRD would speak that of several hops then.
    """
    return one.is_far or (one.has_unknown_distance and one.peer.bfd is None)


def _bird_neighbor(router: Router, one: Neighbor) -> list[str]:
    peer = one.peer
    who = (
        f"neighbor range fe80::/10 as {one.asn}"
        if one.address is None
        else f"neighbor {one.address} as {one.asn}"
    )
    # BIRD asks for it where BFD goes over several hops.
    local = f" {router.address}" if one.is_far or one.has_unknown_distance else ""
    local += f" port {router.port}" if router.port != BGP_PORT else ""
    lines = [f"protocol bgp {one.label} {{", f"  local{local} as {router.asn};", f"  {who};"]
    if one.address is None:
        lines.append(f'  interface "{peer.interface}";')
    if peer.opening.is_listening is False and one.address is not None:
        lines.append("  passive on;")
    if _is_multihop(one):
        if peer.bfd is not None and not peer.ebgp_multihop:
            lines.append(
                "  # And BFD is that of several hops. If there is no router between: direct, in place of multihop."
            )
        lines.append("  multihop;" if peer.hops_max is None else f"  multihop {peer.hops_max};")
    elif one.address is not None:
        if one.has_unknown_distance:
            lines.append(
                "  # And BFD is that of one hop. If there are routers between: multihop, in place of direct."
            )
        lines.append("  direct;")
    if peer.hops_max is not None:
        lines.append("  ttl security on;")
    if peer.hold_time is not None:
        lines.append(f"  hold time {peer.hold_time};")
        if peer.keepalive_time:
            lines.append(f"  keepalive time {peer.keepalive_time};")
    if one.has_md5:
        lines.append(f'  password "{PLACEHOLDER}";')
    if peer.bfd is not None:
        lines += [
            "  bfd {",
            f"    min rx interval {peer.bfd.transmit_interval_ms} ms;",
            f"    min tx interval {peer.bfd.receive_interval_ms} ms;",
            f"    multiplier {peer.bfd.detect_multiplier};",
            "  };",
        ]
        if peer.has_graceful_restart:
            lines.append("  bfd graceful;")
    lines.append("  graceful restart aware;")
    for version in one.versions:
        extra = " extended next hop on;" if version == 4 and one.is_extended else ""
        lines.append(f"  ipv{version} {{ import filter swimlb{version}; export none;{extra} }};")
    return [*lines, "}"]


def gobgp(router: Router) -> str:
    """A gobgpd.conf in TOML. GoBGP needs zebra beside it to put routes into the kernel."""
    lines = [
        *_gobgp_filter(router),
        "[global.config]",
        f"  as = {router.asn}",
        _gobgp_router_id(router),
        *([f"  port = {router.port}"] if router.port != BGP_PORT else []),
        "[global.apply-policy.config]",
        '  import-policy-list = ["swimlb"]',
        # For other neighbors, and the router itself: an import policy of GoBGP judges its own routes, too.
        '  default-import-policy = "accept-route"',
        "[global.use-multiple-paths.config]",
        "  enabled = true",
    ]
    for one in router.neighbors:
        peer = one.peer
        lines += ["[[neighbors]]", "  [neighbors.config]", f"    peer-as = {one.asn}"]
        if one.address is None:
            lines.append(f'    neighbor-interface = "{peer.interface}"')
        else:
            lines.append(f'    neighbor-address = "{one.address}"')
        if one.has_md5:
            lines.append(f'    auth-password = "{PLACEHOLDER}"')
        if not peer.opening.is_listening and one.address is not None:
            lines += ["  [neighbors.transport.config]", "    passive-mode = true"]
        if peer.hold_time is not None:
            lines += ["  [neighbors.timers.config]", f"    hold-time = {peer.hold_time}"]
        if peer.hops_max is not None:
            # It goes over so many hops, too; GoBGP does not take both.
            lines += ["  [neighbors.ttl-security.config]", "    enabled = true"]
            lines.append(f"    ttl-min = {256 - peer.hops_max}")
        elif peer.ebgp_multihop and not one.is_internal:
            lines += ["  [neighbors.ebgp-multihop.config]", "    enabled = true", "    multihop-ttl = 255"]
        if peer.has_graceful_restart:
            lines += ["  [neighbors.graceful-restart.config]", "    enabled = true", "    helper-only = true"]
        for version in one.versions:
            lines += [
                "  [[neighbors.afi-safis]]",
                "    [neighbors.afi-safis.config]",
                f'      afi-safi-name = "ipv{version}-unicast"',
            ]
            if peer.has_graceful_restart:
                lines += ["    [neighbors.afi-safis.mp-graceful-restart.config]", "      enabled = true"]
    return "\n".join([*lines, ""])


def _gobgp_router_id(router: Router) -> str:
    """It chooses none by itself, as the others do."""
    if isinstance(router.address, IPv4Address):
        return f'  router-id = "{router.address}"'
    return '  router-id = "192.0.2.1"  # Put an IPv4 address of this router in its place.'


def _gobgp_filter(router: Router) -> list[str]:
    # A neighbor that is found on an interface has a link-local address.
    nodes = ", ".join(sorted({f'"{one.address or "fe80::/10"}"' for one in router.neighbors}))
    lines = [
        "[[defined-sets.neighbor-sets]]",
        '  neighbor-set-name = "swimlb"',
        f"  neighbor-info-list = [{nodes}]",
    ]
    versions = [version for version in router.versions if router.pools_of(version)]
    for version in versions:
        lines += ["[[defined-sets.prefix-sets]]", f'  prefix-set-name = "swimlb-{version}"']
        for pool in router.pools_of(version):
            lines += [
                "  [[defined-sets.prefix-sets.prefix-list]]",
                f'    ip-prefix = "{pool}"',
                f'    masklength-range = "{pool.prefixlen}..{pool.max_prefixlen}"',
            ]
    lines += ["[[policy-definitions]]", '  name = "swimlb"']
    for version in versions:
        lines += [
            *_gobgp_statement(f"swimlb-{version}", "accept-route"),
            "    [policy-definitions.statements.conditions.match-prefix-set]",
            f'      prefix-set = "swimlb-{version}"',
        ]
    return lines + _gobgp_statement("swimlb-others", "reject-route")


def _gobgp_statement(name: str, disposition: str) -> list[str]:
    return [
        "  [[policy-definitions.statements]]",
        f'    name = "{name}"',
        "    [policy-definitions.statements.actions]",
        f'      route-disposition = "{disposition}"',
        "    [policy-definitions.statements.conditions.match-neighbor-set]",
        '      neighbor-set = "swimlb"',
    ]


def openwrt(router: Router) -> str:
    """BIRD, and what OpenWrt needs around it."""
    head = [
        "# OpenWrt: opkg install bird2 bird2c",
        "# This file is /etc/bird.conf; then: service bird restart",
        "# Flows of one client over several nodes: sysctl -w net.ipv4.fib_multipath_hash_policy=1",
    ]
    return "\n".join([*head, bird(router)])
