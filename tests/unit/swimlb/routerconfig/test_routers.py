"""The routers' side of the sessions: who is whose neighbor, and what each kind of router is told."""

from __future__ import annotations

import re
import tomllib
from dataclasses import replace
from ipaddress import ip_address

import pytest

from swimlb.model import (
    AddressRange,
    BfdProfile,
    BgpAdvertisement,
    BgpPeer,
    Configuration,
    DynamicAsn,
    LabelSelector,
    Node,
    Pool,
)
from swimlb.routerconfig import DIALECTS, CannotTell, routers, unsaid, write

ROUTER = ip_address("192.0.2.1")
PEER = BgpPeer(name="tor", my_asn=64496, peer_asn=64497, peer_address=ROUTER)
POOL = Pool(name="pool", ranges=(AddressRange(ip_address("198.51.100.0"), ip_address("198.51.100.255")),))
ADDRESSES = {
    "node-a": (ip_address("192.0.2.10"), ip_address("2001:db8::10")),
    "node-b": (ip_address("192.0.2.11"),),
}
UNNUMBERED = replace(PEER, peer_address=None, interface="swp1")
RICH = replace(
    PEER,
    hold_time=9,
    keepalive_time=3,
    password="secret",
    has_graceful_restart=True,
    is_dual_stack=True,
    hops_max=1,
    bfd=BfdProfile(name="fast", transmit_interval_ms=50, receive_interval_ms=100),
)


def configuration(*peers: BgpPeer, nodes: tuple[Node, ...] = ()) -> Configuration:
    return Configuration(pools=(POOL,), bgp_peers=peers, nodes=nodes)


def neighbors(*peers: BgpPeer, nodes: tuple[Node, ...] = ()) -> list[list[tuple[str, str]]]:
    """Of each router: node and address."""
    return [
        [(one.node, str(one.address)) for one in router.neighbors]
        for router in routers(configuration(*peers, nodes=nodes), ADDRESSES)
    ]


def test_every_node_that_the_peer_selects_is_a_neighbor_of_the_router() -> None:
    rack = (Node(name="node-a", labels=(("rack", "1"),)), Node(name="node-b"))
    selective = replace(PEER, node_selectors=(LabelSelector((("rack", "1"),)),))

    assert neighbors(PEER) == [[("node-a", "192.0.2.10"), ("node-b", "192.0.2.11")]]
    assert neighbors(selective, nodes=rack) == [[("node-a", "192.0.2.10")]]


def test_a_node_is_known_by_the_address_of_the_session_s_family() -> None:
    """Or by the one that the session is told to come from."""
    six = replace(PEER, peer_address=ip_address("2001:db8::1"))
    from_loopback = replace(PEER, source_address=ip_address("203.0.113.5"))

    assert neighbors(six) == [[("node-a", "2001:db8::10")]]
    assert neighbors(from_loopback)[0][0] == ("node-a", "203.0.113.5")


def test_the_router_sees_the_local_as() -> None:
    (router,) = routers(configuration(replace(PEER, local_asn=64500)), ADDRESSES)

    assert {one.asn for one in router.neighbors} == {64500}


def test_says_what_is_missing() -> None:
    dynamic = replace(PEER, peer_asn=None, dynamic_asn=DynamicAsn.EXTERNAL)
    with pytest.raises(CannotTell, match="there is no BGPPeer"):
        routers(Configuration(), ADDRESSES)
    with pytest.raises(CannotTell, match="no node has an address"):
        routers(configuration(PEER), {})
    with pytest.raises(CannotTell, match="--router-asn"):
        routers(configuration(dynamic), ADDRESSES)

    assert routers(configuration(dynamic), ADDRESSES, asn=64499)[0].asn == 64499


@pytest.mark.parametrize("dialect", DIALECTS)
def test_every_dialect_names_all_nodes_and_no_secret(dialect: str) -> None:
    (router,) = routers(configuration(RICH), ADDRESSES)

    text = write(router, dialect)

    assert all(str(addresses[0]) in text for addresses in ADDRESSES.values())
    assert "64496" in text
    assert "64497" in text
    assert "secret" not in text
    assert "PASSWORD" in text
    assert text.endswith("\n")


@pytest.mark.parametrize("dialect", sorted(set(DIALECTS) - {"ios-xe"}))
def test_every_dialect_but_one_takes_a_peer_without_address(dialect: str) -> None:
    (router,) = routers(configuration(UNNUMBERED), ADDRESSES)

    assert "swp1" in write(router, dialect)
    with pytest.raises(CannotTell, match="IOS XE has no neighbors on interfaces, as BGPPeer tor"):
        write(router, "ios-xe")


def test_frr_is_told_all_of_it() -> None:
    (router,) = routers(configuration(RICH), {"node-a": ADDRESSES["node-a"]})

    assert write(router, "frr").splitlines() == [
        "bfd",
        " profile fast",
        "  detect-multiplier 3",
        "  receive-interval 50",
        "  transmit-interval 100",
        "  minimum-ttl 254",
        " exit",
        "exit",
        "ip prefix-list swimlb-4 seq 5 permit 198.51.100.0/24 le 32",
        "ipv6 prefix-list swimlb-6 seq 5 deny ::/0 le 128",
        "router bgp 64497",
        " bgp router-id 192.0.2.1",
        " no bgp default ipv4-unicast",
        " no bgp ebgp-requires-policy",
        " neighbor 192.0.2.10 remote-as 64496",
        " neighbor 192.0.2.10 description tor node-a",
        " neighbor 192.0.2.10 passive",
        " neighbor 192.0.2.10 timers 3 9",
        " neighbor 192.0.2.10 password PASSWORD",
        " neighbor 192.0.2.10 ttl-security hops 1",
        " neighbor 192.0.2.10 bfd",
        " neighbor 192.0.2.10 bfd profile fast",
        " neighbor 192.0.2.10 bfd check-control-plane-failure",
        " neighbor 192.0.2.10 graceful-restart-helper",
        " address-family ipv4 unicast",
        "  neighbor 192.0.2.10 activate",
        "  neighbor 192.0.2.10 prefix-list swimlb-4 in",
        "  maximum-paths 2",
        "  maximum-paths ibgp 2",
        " exit-address-family",
        " address-family ipv6 unicast",
        "  neighbor 192.0.2.10 activate",
        "  neighbor 192.0.2.10 prefix-list swimlb-6 in",
        "  maximum-paths 2",
        "  maximum-paths ibgp 2",
        " exit-address-family",
        "exit",
    ]


def test_the_filter_lets_aggregates_through() -> None:
    """A node advertises 198.51.100.8/30 for the first address of this range."""
    uneven = replace(POOL, ranges=(AddressRange(ip_address("198.51.100.10"), ip_address("198.51.100.20")),))
    told = Configuration(
        pools=(uneven,),
        bgp_peers=(PEER,),
        bgp_advertisements=(
            BgpAdvertisement(name="all", aggregation_length=30),
            BgpAdvertisement(name="others", pools=("other",), aggregation_length=16),
        ),
    )

    (router,) = routers(told, ADDRESSES)

    # The last block is that of .20: an aggregate may cover what the pool does not have.
    assert list(map(str, router.pools)) == ["198.51.100.8/29", "198.51.100.16/29"]


@pytest.mark.parametrize("dialect", sorted(set(DIALECTS) - {"bird", "openwrt", "junos", "gobgp"}))
def test_a_family_without_pools_is_refused_rather_than_unfiltered(dialect: str) -> None:
    (router,) = routers(configuration(replace(PEER, is_dual_stack=True)), ADDRESSES)

    text = write(router, dialect)

    assert "deny ::/0 le 128" in text
    assert "prefix-list swimlb-6 in" in text


def test_junos_accepts_nothing_where_there_is_no_pool() -> None:
    (router,) = routers(Configuration(bgp_peers=(PEER,)), ADDRESSES)

    assert "then accept" not in write(router, "junos")


def test_gobgp_filters_what_the_nodes_send() -> None:
    """And nothing else: an import policy of GoBGP judges the router's own routes, too."""
    (router,) = routers(configuration(PEER), ADDRESSES)

    told = tomllib.loads(write(router, "gobgp"))

    nodes = {"match-neighbor-set": {"neighbor-set": "swimlb"}}
    pools = {"match-prefix-set": {"prefix-set": "swimlb-4"}}
    assert told["defined-sets"] == {
        "neighbor-sets": [
            {"neighbor-set-name": "swimlb", "neighbor-info-list": ["192.0.2.10", "192.0.2.11"]}
        ],
        "prefix-sets": [
            {
                "prefix-set-name": "swimlb-4",
                "prefix-list": [{"ip-prefix": "198.51.100.0/24", "masklength-range": "24..32"}],
            }
        ],
    }
    assert [
        (one["conditions"], one["actions"]["route-disposition"])
        for one in told["policy-definitions"][0]["statements"]
    ] == [({**nodes, **pools}, "accept-route"), (nodes, "reject-route")]
    assert told["global"]["apply-policy"]["config"]["import-policy-list"] == ["swimlb"]


def test_gobgp_says_where_a_router_id_has_to_be_put() -> None:
    """It takes no configuration without, and a router that is known by IPv6, or by an interface, has told none."""
    over_six = replace(PEER, peer_address=ip_address("2001:db8::1"))

    texts = [write(routers(configuration(one), ADDRESSES)[0], "gobgp") for one in (PEER, over_six)]

    assert ["Put an IPv4 address of this router" in text for text in texts] == [False, True]
    assert tomllib.loads(texts[1])["global"]["config"]["router-id"] == "192.0.2.1"


GTSM = {
    "frr": ("neighbor 192.0.2.10 ttl-security hops 1", "neighbor 192.0.2.10 ttl-security hops 3"),
    "bird": ("direct;\n  ttl security on;", "multihop 3;\n  ttl security on;"),
    "openwrt": ("direct;\n  ttl security on;", "multihop 3;\n  ttl security on;"),
    "gobgp": ("ttl-min = 255", "ttl-min = 253"),
    "junos": ("group tor_node_a ttl 255", "group tor_node_a multihop ttl 255"),
    "ios-xe": ("neighbor 192.0.2.10 ttl-security hops 1", "neighbor 192.0.2.10 ttl-security hops 3"),
    "nxos": ("  ttl-security hops 1", "  ttl-security hops 3"),
    "eos": ("neighbor 192.0.2.10 ttl maximum-hops 1", "neighbor 192.0.2.10 ttl maximum-hops 3"),
}
"""What a router is told whose node is one hop away, or three at most."""


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("is_multihop", [False, True])
def test_a_router_sends_what_gtsm_lets_through(dialect: str, is_multihop: bool) -> None:
    """The node drops what arrives with a TTL below 256 less the hops, and an external session has 1 by default."""
    near = replace(PEER, hops_max=1)
    far = replace(PEER, hops_max=3, ebgp_multihop=is_multihop)

    texts = [write(routers(configuration(peer), ADDRESSES)[0], dialect) for peer in (near, far)]

    assert [told in text for told, text in zip(GTSM[dialect], texts, strict=True)] == [True, True]
    assert "ebgp-multihop" not in texts[1]


INTERNAL = replace(PEER, peer_asn=PEER.my_asn)


@pytest.mark.parametrize("dialect", sorted(set(DIALECTS) - {"junos", "ios-xe"}))
def test_gtsm_is_the_same_for_internal_neighbors(dialect: str) -> None:
    peers = (replace(INTERNAL, hops_max=1), replace(INTERNAL, hops_max=3))

    texts = [write(routers(configuration(peer), ADDRESSES)[0], dialect) for peer in peers]

    assert [told in text for told, text in zip(GTSM[dialect], texts, strict=True)] == [True, True]


def test_gtsm_of_internal_neighbors_where_it_is_not_the_same() -> None:
    """Junos sends to them with 64 unless told otherwise; IOS XE sends with 255, and checks external ones only."""
    (router,) = routers(configuration(replace(INTERNAL, hops_max=1)), ADDRESSES)

    assert "group tor_node_a multihop ttl 255" in write(router, "junos")
    ios_xe = write(router, "ios-xe")
    assert "neighbor 192.0.2.10 ttl-security" not in ios_xe
    assert " ! 192.0.2.10: ttl-security is for external neighbors only." in ios_xe


@pytest.mark.parametrize("dialect", DIALECTS)
def test_internal_neighbors_need_no_leave_to_be_far(dialect: str) -> None:
    """Routers refuse what is for external ones, or pass over it."""
    told = replace(PEER, peer_asn=None, dynamic_asn=DynamicAsn.INTERNAL, ebgp_multihop=True)
    (router,) = routers(configuration(told), ADDRESSES)

    text = write(router, dialect)

    assert "ebgp-multihop" not in text
    assert ("multihop;" in text) == (dialect in ("bird", "openwrt"))


WATCHED = replace(INTERNAL, bfd=BfdProfile(name="normal"))


@pytest.mark.parametrize(
    ("peer", "words"),
    [
        (PEER, "direct;"),
        (INTERNAL, "multihop;"),
        (replace(INTERNAL, hops_max=1), "direct;"),
        (WATCHED, "direct;"),
        (replace(WATCHED, hops_max=3), "multihop 3;"),
    ],
    ids=["external", "internal", "one hop", "bfd", "far with bfd"],
)
def test_internal_neighbors_of_bird_may_be_far_unless_that_changes_bfd(peer: BgpPeer, words: str) -> None:
    """The nodes speak BFD of one hop where the router is on a network of theirs, which BIRD does not find out."""
    (router,) = routers(configuration(peer), {"node-a": ADDRESSES["node-a"]})

    lines = list(map(str.strip, write(router, "bird").splitlines()))

    assert [line for line in lines if line.startswith(("direct", "multihop"))] == [words]


def test_bird_has_all_for_an_internal_neighbor_with_bfd_to_be_far_but_one_word() -> None:
    """A comment says which one."""
    (router,) = routers(configuration(WATCHED), ADDRESSES)

    text = write(router, "bird")

    assert "  local 192.0.2.1 as 64496;" in text
    assert "protocol direct { ipv4; ipv6; }" in text
    assert "If there are routers between: multihop, in place of direct.\n  direct;" in text


@pytest.mark.parametrize("hops_max", [1, 3])
@pytest.mark.parametrize("is_multihop", [False, True])
def test_bird_is_told_what_bfd_of_several_hops_stands_on_where_that_is_not_certain(
    hops_max: int, is_multihop: bool
) -> None:
    """Nodes that are on the router's network speak that of one hop, unless the BGPPeer says that they are not."""
    peer = replace(PEER, hops_max=hops_max, ebgp_multihop=is_multihop, bfd=BfdProfile(name="normal"))
    (router,) = routers(configuration(peer), {"node-a": ADDRESSES["node-a"]})

    text = write(router, "bird")

    advice = "If there is no router between: direct, in place of multihop.\n  multihop 3;"
    assert (advice in text) == ("no router between" in text) == (hops_max == 3 and not is_multihop)


@pytest.mark.parametrize("hold_time", [0, 3, 19])
def test_junos_is_not_told_of_a_hold_time_that_not_all_releases_take(hold_time: int) -> None:
    """The node's is in force all the same, as it is the shorter one."""
    (router,) = routers(configuration(replace(PEER, hold_time=hold_time)), ADDRESSES)

    text = write(router, "junos")

    assert "hold-time" not in text.replace("minimum-hold-time", "")
    assert f"# BGPPeer tor has a holdTime of {hold_time} s" in text


def test_junos_is_told_of_a_longer_hold_time() -> None:
    (router,) = routers(configuration(replace(PEER, hold_time=20)), ADDRESSES)

    assert "set protocols bgp group tor_node_a hold-time 20" in write(router, "junos").splitlines()


def test_another_port_or_vrf_is_another_router() -> None:
    """A router knows its neighbors by address: what is told of one session would overwrite what is told of the other."""
    other_port, other_vrf = replace(PEER, name="other", peer_port=1179), replace(PEER, name="red", vrf="red")

    found = routers(configuration(PEER, other_port, other_vrf), ADDRESSES)

    assert list(map(str, found)) == [
        "192.0.2.1, AS 64497",
        "192.0.2.1 port 1179, AS 64497",
        "192.0.2.1 in VRF red, AS 64497",
    ]
    assert "local port 1179 as 64497;" in write(found[1], "bird")
    assert "  port = 1179" in write(found[1], "gobgp")


def test_eos_has_groups_for_neighbors_on_interfaces_and_blocks_for_lists() -> None:
    (router,) = routers(configuration(UNNUMBERED), {"node-a": ADDRESSES["node-a"]})

    assert write(router, "eos").splitlines() == [
        "ip prefix-list swimlb-4",
        " seq 5 permit 198.51.100.0/24 le 32",
        "ipv6 prefix-list swimlb-6",
        " seq 5 deny ::/0 le 128",
        "router bgp 64497",
        " maximum-paths 2 ecmp 2",
        " neighbor tor_node_a peer group",
        " neighbor interface swp1 peer-group tor_node_a remote-as 64496",
        " neighbor tor_node_a description tor node-a",
        " address-family ipv4",
        "  neighbor tor_node_a activate",
        "  neighbor tor_node_a prefix-list swimlb-4 in",
        "  neighbor tor_node_a next-hop address-family ipv6 originate",
        " address-family ipv6",
        "  neighbor tor_node_a activate",
        "  neighbor tor_node_a prefix-list swimlb-6 in",
    ]


def test_ios_xe_is_told_all_of_it() -> None:
    (router,) = routers(configuration(RICH), {"node-a": ADDRESSES["node-a"]})

    assert write(router, "ios-xe").splitlines() == [
        "ip prefix-list swimlb-4 seq 5 permit 198.51.100.0/24 le 32",
        "ipv6 prefix-list swimlb-6 seq 5 deny ::/0 le 128",
        "router bgp 64497",
        " bgp router-id 192.0.2.1",
        " neighbor 192.0.2.10 remote-as 64496",
        " neighbor 192.0.2.10 description tor node-a",
        " neighbor 192.0.2.10 timers 3 9",
        " neighbor 192.0.2.10 password PASSWORD",
        " neighbor 192.0.2.10 ttl-security hops 1",
        " neighbor 192.0.2.10 fall-over bfd",
        " neighbor 192.0.2.10 ha-mode graceful-restart",
        " address-family ipv4",
        "  neighbor 192.0.2.10 activate",
        "  neighbor 192.0.2.10 prefix-list swimlb-4 in",
        "  maximum-paths 2",
        " address-family ipv6",
        "  neighbor 192.0.2.10 activate",
        "  neighbor 192.0.2.10 prefix-list swimlb-6 in",
        "  maximum-paths 2",
    ]


@pytest.mark.parametrize(("dialect", "most"), [("ios-xe", 32), ("nxos", 64)])
def test_no_more_paths_are_asked_for_than_the_router_takes(dialect: str, most: int) -> None:
    """Of internal and of external neighbors each, where a router has both."""
    nodes = {f"node-{number}": (ip_address(f"192.0.2.{number}"),) for number in range(100, 140)}
    internal = replace(PEER, name="own", local_asn=PEER.peer_asn, source_address=ip_address("192.0.2.99"))
    (router,) = routers(configuration(PEER, internal), nodes)

    lines = list(map(str.strip, write(router, dialect).splitlines()))

    assert [line for line in lines if line.startswith("maximum-paths")] == [
        f"maximum-paths {most}",
        f"maximum-paths ibgp {most}",
    ]


def test_intervals_of_bfd_are_the_neighbor_s_on_eos_and_the_interface_s_on_models_of_cisco() -> None:
    (router,) = routers(configuration(RICH), ADDRESSES)

    assert " neighbor 192.0.2.10 bfd interval 100 min-rx 50 multiplier 3" in write(router, "eos").splitlines()
    assert [need for _, need in unsaid(router, "ios-xe")] == [
        "the interface to the nodes has to have `bfd interval 100 min_rx 50 multiplier 3`"
    ]


def test_bfd_over_several_hops_is_asked_for_with_its_intervals() -> None:
    """They do not belong to an interface then."""
    slow = BfdProfile(name="slow", transmit_interval_ms=300, receive_interval_ms=1500, detect_multiplier=4)
    far = replace(PEER, ebgp_multihop=True, bfd=slow)
    (router,) = routers(configuration(far), {"node-a": ADDRESSES["node-a"]})

    nxos, ios_xe = (list(map(str.strip, write(router, one).splitlines())) for one in ("nxos", "ios-xe"))

    first = nxos.index("bfd multihop")
    assert nxos[first : first + 2] == ["bfd multihop", "bfd multihop interval 999 min_rx 300 multiplier 4"]
    assert ios_xe[1:4] == [
        "bfd-template multi-hop swimlb-slow",
        "interval min-tx 1500 min-rx 300 multiplier 4",
        "bfd map ipv4 192.0.2.10/32 192.0.2.1/32 swimlb-slow",
    ]
    assert "neighbor 192.0.2.10 fall-over bfd multi-hop" in ios_xe
    assert [need for _, need in unsaid(router, "ios-xe")] == []
    assert [need for _, need in unsaid(router, "nxos")] == [
        "the neighbors have to have `update-source` of the interface with 192.0.2.1"
    ]


def test_nxos_gets_no_intervals_over_several_hops_that_it_does_not_take() -> None:
    quick = BfdProfile(name="quick", transmit_interval_ms=50, receive_interval_ms=100)
    (router,) = routers(configuration(replace(PEER, ebgp_multihop=True, bfd=quick)), ADDRESSES)

    text = write(router, "nxos")

    assert "  bfd multihop interval 250 min_rx 250 multiplier 3\n" in text
    assert "  ! BFDProfile quick is quicker than the 250 ms" in text


NEXT_DOOR = replace(UNNUMBERED, hops_max=3)
"""A neighbor on an interface is near, whatever is allowed."""


def test_bird_finds_the_way_to_a_far_neighbor() -> None:
    """And is told its own address, without which it refuses the whole file where there is BFD as well."""
    far = replace(PEER, ebgp_multihop=True, bfd=BfdProfile(name="far"))

    near, text = (write(routers(configuration(peer), ADDRESSES)[0], "bird") for peer in (NEXT_DOOR, far))

    assert "  local 192.0.2.1 as 64497;" in text.splitlines()
    assert "protocol direct { ipv4; ipv6; }" in text
    assert text.count("  learn;") == 2
    assert "protocol direct" not in near
    assert "learn" not in near


def test_frr_is_told_how_far_bfd_may_come_from() -> None:
    """Its own minimum, 254, is that of one router between."""
    far = replace(PEER, ebgp_multihop=True, bfd=BfdProfile(name="far", minimum_ttl=250))

    assert "  minimum-ttl 250" in write(routers(configuration(far), ADDRESSES)[0], "frr").splitlines()


@pytest.mark.parametrize("peer", ["tor", "10-rack", "top.of.rack-" * 10])
@pytest.mark.parametrize("node", ["node-a", "worker-01.frankfurt.example.com", "worker." * 36])
def test_names_are_ones_that_bird_takes(peer: str, node: str) -> None:
    (router,) = routers(configuration(replace(PEER, name=peer)), {node: (ip_address("192.0.2.10"),)})

    assert re.fullmatch("[a-z_][a-z0-9_]{0,63}", router.neighbors[0].label)


def test_long_names_are_told_apart_by_what_is_cut_off() -> None:
    nodes = {f"{'worker.' * 36}{number}": (ip_address(f"192.0.2.{number}"),) for number in range(1, 10)}

    (router,) = routers(configuration(PEER), nodes)

    assert len({one.label for one in router.neighbors}) == 9


def test_names_that_differ_in_what_routers_do_not_take_have_labels_of_their_own() -> None:
    """Whatever is told from the rest keeps its label, so that no session is another one for it."""
    peers = [replace(PEER, name=name) for name in ("a", "a-b", "a.b")]
    nodes = {
        name: (ip_address(f"192.0.2.{number}"),)
        for number, name in enumerate(("c", "b-c", "b.c", "d"), start=10)
    }
    configured = [
        replace(peer, source_address=ip_address(f"203.0.113.{10 * row + column}"), node_selectors=only(node))
        for row, peer in enumerate(peers)
        for column, node in enumerate(nodes)
    ]

    (router,) = routers(configuration(*configured), nodes)

    labels = {(one.peer.name, one.node): one.label for one in router.neighbors}
    assert len(labels) == len(set(labels.values())) == 12
    assert labels["a", "d"] == "a_d"
    assert re.fullmatch("a_b_c_[0-9a-f]{8}", labels["a", "b-c"])


def only(node: str) -> tuple[LabelSelector, ...]:
    return (LabelSelector((("kubernetes.io/hostname", node),)),)


def test_an_address_that_several_nodes_call_from_is_one_neighbor() -> None:
    """GoBGP takes no second one, and BIRD would have two protocols for it."""
    anycast = replace(PEER, source_address=ip_address("203.0.113.5"))

    assert neighbors(anycast) == [[("node-a", "203.0.113.5")]]


@pytest.mark.parametrize(
    ("dialect", "words"),
    [
        ("frr", ("extended-nexthop", "neighbor swp1 interface")),
        ("bird", ("extended next hop",)),
        ("junos", ("inet unicast extended-nexthop",)),
        ("eos", ("next-hop address-family ipv6 originate",)),
    ],
)
def test_next_hops_of_ipv6_are_agreed_on_where_the_session_is_one_of_ipv6(
    dialect: str, words: tuple[str, ...]
) -> None:
    """Without it a node that is found on an interface has no next hop for IPv4."""
    dual = replace(PEER, is_dual_stack=True)
    over_six = replace(dual, peer_address=ip_address("2001:db8::1"))

    texts = [
        write(routers(configuration(one), ADDRESSES)[0], dialect) for one in (dual, over_six, UNNUMBERED)
    ]

    assert [any(word in text for word in words) for text in texts] == [False, True, True]
