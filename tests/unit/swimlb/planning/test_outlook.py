from __future__ import annotations

from ipaddress import ip_address, ip_network

import pytest

from swimlb.model import IpAddress
from swimlb.planning import InvalidWhatIf, WhatIf
from swimlb.planning.fleet import Rules
from swimlb.planning.records import BgpEntry, L2Entry, Move, ServiceState
from tests.unit.swimlb.planning.worlds import (
    LAN,
    NODES,
    PEER,
    POOL,
    ROUTES,
    ahead,
    endpoints,
    node,
    only,
    service,
    told,
    withheld,
)


def address(text: str) -> IpAddress:
    return ip_address(text)


def test_the_walkthrough_s_service_in_full() -> None:
    """The form that is an interface: every key, and the order of succession of MetalLB's election."""
    outlook = ahead(POOL, LAN, PEER, ROUTES, NODES, service(), endpoints("web", "node-b"))

    assert told(outlook) == {
        "services": [
            {
                "namespace": "default",
                "name": "web",
                "state": "allocated",
                "reason": None,
                "addresses": ["192.0.2.10"],
                "pool": "pool",
                "l2": [
                    {
                        "address": "192.0.2.10",
                        "node": "node-c",
                        "interfaces": ["*"],
                        "candidates": ["node-c", "node-b", "node-a"],
                    }
                ],
                "bgp": [
                    {
                        "prefix": "192.0.2.10/32",
                        "peer": "router",
                        "nodes": ["node-a", "node-b", "node-c"],
                        "localPref": None,
                        "communities": [],
                        "largeCommunities": [],
                    }
                ],
                "withheld": [],
            }
        ],
        "pools": [
            {
                "name": "pool",
                "assignedIPv4": 1,
                "availableIPv4": 9,
                "assignedIPv6": 0,
                "availableIPv6": 0,
            }
        ],
        "problems": [],
    }


# States


def test_every_service_is_listed_by_namespace_and_name() -> None:
    outlook = ahead(
        POOL,
        service("zebra"),
        service("lonely", "loadBalancerIP: 203.0.113.9"),
        service("inner", "").replace("type: LoadBalancer", "type: ClusterIP"),
        service("foreign", "loadBalancerClass: other"),
        service("broken", "externalTrafficPolicy: Sometimes"),
    )

    assert [(one.name, one.state) for one in outlook.services] == [
        ("broken", ServiceState.PENDING),
        ("foreign", ServiceState.IGNORED),
        ("inner", ServiceState.IGNORED),
        ("lonely", ServiceState.PENDING),
        ("zebra", ServiceState.ALLOCATED),
    ]
    broken, foreign, _, lonely, _ = outlook.services
    assert broken.reason is not None
    assert "spec.externalTrafficPolicy" in broken.reason
    assert foreign.reason == "its loadBalancerClass is other"
    assert lonely.reason is not None
    assert "203.0.113.9" in lonely.reason


def test_who_has_an_address_keeps_it_before_anybody_else_is_served() -> None:
    outlook = ahead(
        POOL,
        service("older", created="2020-01-01T00:00:00Z"),
        service("newer", held="192.0.2.10", created="2026-01-01T00:00:00Z"),
    )

    assert {one.name: one.addresses for one in outlook.services} == {
        "newer": (address("192.0.2.10"),),
        "older": (address("192.0.2.11"),),
    }


def test_a_new_request_that_cannot_be_met_leaves_what_there_is() -> None:
    one = only(ahead(POOL, service(spec="loadBalancerIP: 203.0.113.9", held="192.0.2.12")))

    assert one.state is ServiceState.ALLOCATED
    assert one.addresses == (address("192.0.2.12"),)
    assert one.reason is not None
    assert "203.0.113.9" in one.reason


def test_addresses_that_are_no_longer_right_are_given_up() -> None:
    """A changed family policy is no new request."""
    spec = "ipFamilyPolicy: RequireDualStack, ipFamilies: [IPv4, IPv6]"

    one = only(ahead(POOL, LAN, NODES, service(spec=spec, held="192.0.2.12")))

    assert one.state is ServiceState.PENDING
    assert one.addresses == ()
    assert one.l2 == ()


def test_dual_stack_comes_ipv4_first_and_the_first_address_elects_for_all() -> None:
    pool = POOL.replace("192.0.2.19", "192.0.2.19, 2001:db8::10-2001:db8::19")
    spec = "ipFamilyPolicy: RequireDualStack, ipFamilies: [IPv6, IPv4]"

    one = only(ahead(pool, LAN, NODES, service(spec=spec)))

    assert one.addresses == (address("192.0.2.10"), address("2001:db8::10"))
    order = ("node-c", "node-b", "node-a")
    assert one.l2 == tuple(L2Entry(each, order, None) for each in one.addresses)


# Layer 2


def test_interfaces_are_those_of_all_advertisements_that_include_the_owner() -> None:
    some = LAN + "spec: {interfaces: [eth1, eth0]}"
    more = LAN.replace("name: lan", "name: more") + "spec: {interfaces: [eth2]}"
    elsewhere = (
        LAN.replace("name: lan", "name: elsewhere")
        + "spec: {nodeSelectors: [{matchLabels: {kubernetes.io/hostname: node-x}}], interfaces: [eth9]}"
    )

    one = only(ahead(POOL, some, more, elsewhere, NODES, service()))

    assert one.l2[0].interfaces == ("eth0", "eth1", "eth2")


def test_local_traffic_makes_candidates_of_nodes_with_endpoints_only() -> None:
    one = only(
        ahead(POOL, LAN, NODES, service(spec="externalTrafficPolicy: Local"), endpoints("web", "node-b"))
    )

    assert one.l2[0].candidates == ("node-b",)
    assert withheld(one) == {
        ("l2", "node-a", "NoReadyEndpoint"),
        ("l2", "node-c", "NoReadyEndpoint"),
    }


def test_without_any_ready_endpoint_nobody_announces_and_that_is_said_once() -> None:
    one = only(ahead(POOL, LAN, PEER, ROUTES, NODES, service(), endpoints("web")))

    assert one.l2 == ()
    assert one.bgp == ()
    assert withheld(one) == {("l2", None, "NoReadyEndpoint"), ("bgp", None, "NoReadyEndpoint")}


def test_a_service_without_endpoint_slices_is_taken_as_ready_unless_told_otherwise() -> None:
    lenient = only(ahead(POOL, LAN, NODES, service()))
    strict = only(ahead(POOL, LAN, NODES, service(), rules=Rules(are_endpoints_strict=True)))

    assert lenient.l2 != ()
    assert strict.l2 == ()
    assert withheld(strict) == {("l2", None, "NoReadyEndpoint")}


def test_nodes_may_be_excluded_cut_off_or_not_selected() -> None:
    nodes = "---".join(
        (
            node("node-a", "node.kubernetes.io/exclude-from-external-load-balancers: ''"),
            node("node-b", condition="NetworkUnavailable"),
            node("node-c"),
            node("node-d", "zone: far"),
        )
    )
    near = LAN + "spec: {nodeSelectors: [{matchExpressions: [{key: zone, operator: DoesNotExist}]}]}"

    one = only(ahead(POOL, near, nodes, service()))
    ignoring = only(ahead(POOL, near, nodes, service(), rules=Rules(is_exclude_label_ignored=True)))

    assert one.l2[0].candidates == ("node-c",)
    assert withheld(one) == {
        ("l2", "node-a", "NodeExcluded"),
        ("l2", "node-b", "NodeNetworkUnavailable"),
        ("l2", "node-d", "NodeNotSelected"),
    }
    assert set(ignoring.l2[0].candidates) == {"node-a", "node-c"}


def test_readiness_and_cordon_of_nodes_play_no_role() -> None:
    nodes = node("node-a", condition="DiskPressure") + "spec: {unschedulable: true}"

    assert only(ahead(POOL, LAN, nodes, service())).l2[0].node == "node-a"


def test_an_address_that_nobody_advertises() -> None:
    one = only(ahead(POOL, NODES, service()))

    assert one.state is ServiceState.ALLOCATED
    assert withheld(one) == {
        ("l2", None, "NoMatchingAdvertisement"),
        ("bgp", None, "NoMatchingAdvertisement"),
    }


def test_service_selectors() -> None:
    """One that selects another Service withholds this one; with a sharing key they do not go at all."""
    selective = LAN + "spec: {serviceSelectors: [{matchLabels: {tier: gold}}]}"

    plain = only(ahead(POOL, selective, NODES, service()))
    gold = only(ahead(POOL, selective, NODES, service(labels="tier: gold")))
    shared = only(
        ahead(
            POOL, selective, NODES, service(labels="tier: gold", annotations="metallb.io/allow-shared-ip: k")
        )
    )

    assert withheld(plain) == {("l2", None, "NoMatchingAdvertisement")}
    assert gold.l2 != ()
    assert withheld(shared) == {("l2", None, "SharedAddressWithServiceSelectors")}


def test_services_on_one_address_each_show_it() -> None:
    key = "metallb.io/allow-shared-ip: k"
    outlook = ahead(
        POOL,
        LAN,
        NODES,
        service("web", "loadBalancerIP: 192.0.2.12", annotations=key),
        service("dns", "loadBalancerIP: 192.0.2.12", annotations=key).replace("port: 80", "port: 53"),
    )

    dns, web = outlook.services
    assert dns.l2 == web.l2 != ()
    assert outlook.pools[0].assigned_ipv4 == 1


# BGP


def test_routes_of_different_form_are_told_apart_and_equal_ones_united() -> None:
    here = ROUTES + (
        "spec: {localPref: 150, communities: ['64500:1'], "
        "nodeSelectors: [{matchLabels: {kubernetes.io/hostname: node-a}}]}"
    )
    also = here.replace("name: routes", "name: also").replace("64500:1", "large:64500:2:3")
    rest = ROUTES.replace("name: routes", "name: rest") + (
        "spec: {nodeSelectors: [{matchExpressions: "
        "[{key: kubernetes.io/hostname, operator: NotIn, values: [node-a]}]}]}"
    )

    one = only(ahead(POOL, PEER, here, also, rest, NODES, service()))

    prefix = ip_network("192.0.2.10/32")
    assert one.bgp == (
        BgpEntry(prefix, "router", ("node-a",), 150, ("64500:1",), ("64500:2:3",)),
        BgpEntry(prefix, "router", ("node-b", "node-c"), None, (), ()),
    )


def test_conflicting_preferences_silence_only_where_both_apply() -> None:
    everywhere = ROUTES + "spec: {localPref: 100}"
    here = ROUTES.replace("name: routes", "name: here") + (
        "spec: {localPref: 200, nodeSelectors: [{matchLabels: {kubernetes.io/hostname: node-a}}]}"
    )

    one = only(ahead(POOL, PEER, everywhere, here, NODES, service()))

    assert [entry.nodes for entry in one.bgp] == [("node-b", "node-c")]
    assert withheld(one) == {("bgp", "node-a", "ConflictingAdvertisements")}


def test_aggregates_and_peers() -> None:
    wide = ROUTES + "spec: {aggregationLength: 24, peers: [router]}"
    nobody = ROUTES + "spec: {peers: [absent]}"

    assert only(ahead(POOL, PEER, wide, NODES, service())).bgp == ()
    spacious = POOL.replace("192.0.2.10-192.0.2.19", "192.0.2.0/24")
    aggregated = only(ahead(spacious, PEER, wide, NODES, service()))
    assert [str(entry.prefix) for entry in aggregated.bgp] == ["192.0.2.0/24"]
    assert withheld(only(ahead(POOL, PEER, nobody, NODES, service()))) == {("bgp", None, "NoPeer")}


# Questions


def test_what_moves_when_a_node_dies() -> None:
    services = [service(name) for name in ("a", "b", "c", "d", "e", "f")]
    before = ahead(POOL, LAN, PEER, ROUTES, NODES, *services)
    after = ahead(POOL, LAN, PEER, ROUTES, NODES, *services, what_if=WhatIf(down=frozenset({"node-c"})))

    owned = {entry.address: one for one in before.services for entry in one.l2 if entry.node == "node-c"}
    assert before.moves is None
    assert owned
    assert after.moves == tuple(
        Move(entry.address, "node-c", entry.node, one.key)
        for one in after.services
        for entry in one.l2
        if entry.address in owned
    )
    for one in after.services:
        assert withheld(one) == {("l2", "node-c", "NodeDown"), ("bgp", "node-c", "NodeDown")}
        assert "node-c" not in one.bgp[0].nodes


def test_a_node_that_leaves_is_not_down() -> None:
    one = only(ahead(POOL, LAN, NODES, service(), what_if=WhatIf(drained=frozenset({"node-c"}))))

    assert one.l2[0].candidates == ("node-b", "node-a")
    assert withheld(one) == {("l2", "node-c", "NodeLeaving")}


def test_the_last_node_goes_and_nobody_is_left() -> None:
    outlook = ahead(POOL, LAN, node("node-a"), service(), what_if=WhatIf(down=frozenset({"node-a"})))

    assert outlook.moves == (Move(address("192.0.2.10"), "node-a", None, "default/web"),)
    assert withheld(only(outlook)) == {("l2", "node-a", "NodeDown")}


def test_a_node_that_does_not_serve_anyway_says_why_also_when_it_is_down() -> None:
    excluded = node("node-x", "node.kubernetes.io/exclude-from-external-load-balancers: ''")

    one = only(ahead(POOL, LAN, NODES, excluded, service(), what_if=WhatIf(down=frozenset({"node-x"}))))

    assert withheld(one) == {("l2", "node-x", "NodeExcluded")}


def test_a_node_that_is_added_takes_only_what_hashes_to_it() -> None:
    services = [service(name) for name in ("a", "b", "c", "d", "e", "f")]

    outlook = ahead(POOL, LAN, NODES, *services, what_if=WhatIf(added=("node-d", "node-e")))

    assert outlook.moves
    assert {move.target for move in outlook.moves} <= {"node-d", "node-e"}
    assert all(move.source in ("node-a", "node-b", "node-c") for move in outlook.moves)


@pytest.mark.parametrize(
    ("what_if", "text"),
    [
        (
            WhatIf(down=frozenset({"node-x"})),
            "--down: there is no node node-x; known are node-a, node-b, node-c",
        ),
        (WhatIf(drained=frozenset({"node-x"})), "--drain: there is no node node-x"),
        (WhatIf(added=("node-a",)), "--add-node: there is a node node-a already"),
        (
            WhatIf(down=frozenset({"node-a"}), drained=frozenset({"node-a"})),
            "--drain: node-a is also down; give one of the two",
        ),
    ],
)
def test_questions_that_make_no_sense(what_if: WhatIf, text: str) -> None:
    with pytest.raises(InvalidWhatIf, match=text):
        ahead(POOL, NODES, what_if=what_if)
