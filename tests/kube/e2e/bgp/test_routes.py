"""Which nodes lead to which addresses: routes at real routers, and clients behind them that are served."""

from __future__ import annotations

import pytest

from swimlb.lab.router import FAMILIES, family_of
from tests.kube.e2e.bgp.routers import (
    EXTERNAL,
    GUEST,
    INTERNAL_FAR,
    NODES_ASN,
    OTHER_ASN,
    STANDING,
    peer_name,
)
from tests.kube.e2e.bgp.scene import PAIR, VARIANTS, Scene, communities, of, pools, prefix_of, prefixes_of
from tests.kube.e2e.objects import bgp as advertisement
from tests.kube.e2e.objects import l2, peer, pool, selector, service
from tests.kube.e2e.seen import wait_for_announcer, wait_for_answer

OVER_BOTH = {
    "ipv4": ("ipv4",),
    "ipv6": ("ipv6",),
    "dual": ("ipv4", "ipv6"),
    "dual by IPv6 alone": ("ipv6",),
}
"""The sessions that an advertisement is for, by what the Service has."""
FOREIGN = {"ipv4": "203.0.113.0/24", "ipv6": "2001:db8:f00::/48"}
over = pytest.mark.parametrize("case", OVER_BOTH)
each_family = pytest.mark.parametrize("family", FAMILIES)


def variant_of(case: str) -> str:
    return case.split()[0]


@each_family
def test_all_nodes_are_next_hops_of_a_service_with_the_policy_cluster(bgp: Scene, family: str) -> None:
    bgp.apply(*pools(family), advertisement())

    (address,) = bgp.serve(service("web", **of(family)))

    bgp.routers.wait_for({prefix_of(address): bgp.nodes})
    for place in STANDING:
        wait_for_answer(bgp.lab, address, client=place.host)


@each_family
def test_only_nodes_with_endpoints_are_next_hops_with_the_policy_local(bgp: Scene, family: str) -> None:
    bgp.apply(*pools(family), advertisement())

    (address,) = bgp.serve(service("web", app=PAIR, externalTrafficPolicy="Local", **of(family)))

    nodes = bgp.nodes_of(PAIR)
    assert len(nodes) == 2
    bgp.routers.wait_for({prefix_of(address): nodes})
    for place in STANDING:
        wait_for_answer(bgp.lab, address, client=place.host)


@pytest.mark.parametrize("variant", VARIANTS)
def test_addresses_that_are_asked_for_by_annotation_are_announced(bgp: Scene, variant: str) -> None:
    wanted = {"ipv4": "192.0.2.25", "ipv6": "2001:db8:100::19"}
    asked = tuple(wanted[family] for family in VARIANTS[variant])
    bgp.apply(*pools(variant), advertisement())

    addresses = bgp.serve(
        service("web", annotations={"loadBalancerIPs": ",".join(asked)}, **of(variant)), families=len(asked)
    )

    assert addresses == asked
    bgp.routers.wait_for(dict.fromkeys(prefixes_of(asked), bgp.nodes))
    for address in asked:
        wait_for_answer(bgp.lab, address, client=EXTERNAL.host)


@each_family
def test_two_services_that_share_an_address_are_one_route(bgp: Scene, family: str) -> None:
    shared = {
        "allow-shared-ip": "key",
        "loadBalancerIPs": "192.0.2.20" if family == "ipv4" else "2001:db8:100::14",
    }
    bgp.apply(*pools(family), advertisement())

    first, second = bgp.serve(
        service("web", ports=[(8080, "TCP")], annotations=shared, **of(family)),
        service("other", app=PAIR, ports=[(8081, "TCP")], annotations=shared, **of(family)),
    )

    assert first == second
    bgp.routers.wait_for({prefix_of(first): bgp.nodes})
    for port in (8080, 8081):
        wait_for_answer(bgp.lab, first, port, EXTERNAL.host)


@pytest.mark.parametrize(
    ("family", "addresses", "first"),
    [
        ("ipv4", "192.0.2.64-192.0.2.67", "192.0.2.64"),
        ("ipv4", "192.0.2.80/30", "192.0.2.80"),
        ("ipv6", "2001:db8:100::40-2001:db8:100::43", "2001:db8:100::40"),
        ("ipv6", "2001:db8:100::50/126", "2001:db8:100::50"),
    ],
)
def test_pools_may_be_ranges_and_networks(bgp: Scene, family: str, addresses: str, first: str) -> None:
    bgp.apply(pool("first", addresses), advertisement())

    assert bgp.serve(service("web", **of(family))) == (first,)

    bgp.routers.wait_for({prefix_of(first): bgp.nodes})
    wait_for_answer(bgp.lab, first, client=EXTERNAL.host)


@each_family
def test_each_change_of_the_configuration_is_followed_by_routes(bgp: Scene, family: str) -> None:
    bgp.apply(*pools(family), advertisement())
    (one,) = bgp.serve(service("one", **of(family)))
    bgp.routers.wait_for({prefix_of(one): bgp.nodes})

    bgp.apply(*pools(family, "second"))
    (two,) = bgp.serve(service("two", annotations={"address-pool": "second"}, **of(family)))

    bgp.routers.wait_for({prefix_of(one): bgp.nodes, prefix_of(two): bgp.nodes})
    for address in (one, two):
        wait_for_answer(bgp.lab, address, client=EXTERNAL.host)


@each_family
def test_peers_that_come_one_by_one_are_told_what_there_is(bgp: Scene, family: str) -> None:
    for place in STANDING:
        bgp.api.delete("BGPPeer", peer_name(place.name, family))
    bgp.routers.wait_for_sessions(family, ())
    bgp.apply(*pools(family), advertisement())
    (address,) = bgp.serve(service("web", **of(family)))

    for count, place in enumerate(STANDING, 1):
        bgp.apply(*(one for one in place.peers() if one["metadata"]["name"] == peer_name(place.name, family)))
        bgp.routers.wait_for({prefix_of(address): bgp.nodes}, *STANDING[:count])
        if STANDING[count:]:
            bgp.routers.wait_for({}, *STANDING[count:])


@each_family
def test_pools_are_chosen_by_their_labels(bgp: Scene, family: str) -> None:
    first, second = pools(family, "first", "second")
    labelled = {**first, "metadata": {**first["metadata"], "labels": {"tier": "gold"}}}
    bgp.apply(labelled, second, advertisement(ipAddressPoolSelectors=[selector(tier="gold")]))

    announced, silent = bgp.serve(
        service("announced", annotations={"address-pool": "first"}, **of(family)),
        service("silent", annotations={"address-pool": "second"}, **of(family)),
    )

    assert announced != silent
    bgp.routers.wait_for({prefix_of(announced): bgp.nodes})


@pytest.mark.parametrize("family", FAMILIES)
def test_a_node_without_a_network_is_no_next_hop(bgp: Scene, family: str) -> None:
    gone, *others = bgp.nodes
    bgp.apply(*pools(family), advertisement())
    (address,) = bgp.serve(service("web", **of(family)))
    bgp.routers.wait_for({prefix_of(address): bgp.nodes})

    with bgp.without_network(gone):
        bgp.routers.wait_for({prefix_of(address): others})

    bgp.routers.wait_for({prefix_of(address): bgp.nodes})


@each_family
def test_what_routers_announce_is_not_taken(bgp: Scene, family: str) -> None:
    """Neither by the nodes' kernels, nor told on to other routers."""
    foreign = FOREIGN[family]
    external = bgp.routers[EXTERNAL.name]
    section = ("configure terminal", f"router bgp {EXTERNAL.asn}", f"address-family {family} unicast")
    bgp.apply(*pools(family), advertisement())
    (address,) = bgp.serve(service("web", **of(family)))
    external.vtysh(*section, f"network {foreign}")
    try:
        bgp.wait_for_session(
            peer_name(EXTERNAL.name, family),
            lambda one: one["counters"]["routes_received"] > 0,
            "all speakers to hear of the foreign route",
        )
        bgp.routers.wait_for({prefix_of(address): bgp.nodes})

        assert [bgp.kernel_routes(node, foreign) for node in bgp.nodes] == [[]] * len(bgp.nodes)
    finally:
        external.vtysh(*section, f"no network {foreign}")


@each_family
def test_what_a_router_announces_is_told_where_a_peer_asks_for_it(bgp: Scene, family: str) -> None:
    """By its annotation, in the speaker's status: FRR's configuration could let them in, here is none."""
    foreign = FOREIGN[family]
    name = peer_name(GUEST.name, family)
    section = (f"address-family {family} unicast", f"network {foreign}", "exit-address-family")
    bgp.routers.tell_guest(*bgp.routers.neighbours(family), lines=section)
    one = peer(name, GUEST.addresses[family], NODES_ASN, OTHER_ASN)
    annotations = {"swimlb.io/keep-received": "true"}

    bgp.apply({**one, "metadata": {**one["metadata"], "annotations": annotations}})

    bgp.wait_for_session(
        name,
        lambda session: [each["prefix"] for each in session.get("received") or ()] == [foreign],
        "all speakers to tell of the foreign route",
    )
    assert [bgp.kernel_routes(node, foreign) for node in bgp.nodes] == [[]] * len(bgp.nodes)


@each_family
def test_an_announcement_on_the_lan_besides_leaves_the_routes_alone(bgp: Scene, family: str) -> None:
    """The address lies on the LAN, so that it can be announced there at all. No router is told anything meanwhile."""
    local = "192.168.3.200/32" if family == "ipv4" else "2001:db8:3::200/128"
    bgp.apply(pool("first", local), advertisement())
    (address,) = bgp.serve(service("web", **of(family)))
    bgp.routers.wait_for({prefix_of(address): bgp.nodes})
    before = bgp.updates(EXTERNAL, family)

    bgp.apply(l2())
    wait_for_announcer(bgp.api, "web", *bgp.nodes)
    wait_for_answer(bgp.lab, address, client=INTERNAL_FAR.host)
    bgp.api.delete("L2Advertisement", "lan")
    bgp.api.wait("ServiceL2Status", lambda left: not left, "nobody to announce it on the LAN")

    bgp.routers.wait_for({prefix_of(address): bgp.nodes})
    wait_for_answer(bgp.lab, address, client=INTERNAL_FAR.host)
    assert bgp.updates(EXTERNAL, family) == before


@over
def test_an_advertisement_for_one_router_is_told_to_no_other(bgp: Scene, case: str) -> None:
    variant, sessions = variant_of(case), OVER_BOTH[case]
    bgp.apply(*pools(variant), advertisement(peers=[peer_name(EXTERNAL.name, one) for one in sessions]))

    addresses = bgp.serve(service("web", **of(variant)), families=len(VARIANTS[variant]))

    told = {prefix_of(one): bgp.nodes for one in addresses if family_of(one) in sessions}
    bgp.routers.wait_for(told, EXTERNAL)
    bgp.routers.wait_for({}, *(place for place in STANDING if place != EXTERNAL))


@over
def test_two_advertisements_are_told_to_the_router_of_each(bgp: Scene, case: str) -> None:
    variant, sessions = variant_of(case), OVER_BOTH[case]
    wanted = {EXTERNAL: "64496:1", INTERNAL_FAR: "64496:2"}
    bgp.apply(
        *pools(variant),
        *(
            advertisement(
                place.name,
                peers=[peer_name(place.name, one) for one in sessions],
                communities=[community],
            )
            for place, community in wanted.items()
        ),
    )

    addresses = bgp.serve(service("web", **of(variant)), families=len(VARIANTS[variant]))

    told = {prefix_of(one): bgp.nodes for one in addresses if family_of(one) in sessions}
    tables = bgp.routers.wait_for(told, *wanted)
    bgp.routers.wait_for({}, *(place for place in STANDING if place not in wanted))
    for place, community in wanted.items():
        assert communities(tables[place.name]) == {prefix: {community} for prefix in told}


@pytest.mark.parametrize("sessions", [("ipv4",), ("ipv6",), FAMILIES])
def test_sessions_carry_the_family_of_their_addresses(bgp: Scene, sessions: tuple[str, ...]) -> None:
    """One family of a dual-stack Service where there are sessions over one family, and both where there are both."""
    names = [peer_name(place.name, family) for place in STANDING for family in sessions]
    bgp.apply(*pools("dual"), advertisement(peers=names))

    addresses = bgp.serve(service("web", **of("dual")), families=2)

    bgp.routers.wait_for({prefix_of(one): bgp.nodes for one in addresses if family_of(one) in sessions})
