"""Which nodes and which Services an advertisement is for, which nodes a router is for, and what edits of that do."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from swimlb.lab.router import FAMILIES
from tests.kube.e2e.bgp.routers import EXTERNAL, GUEST, INTERNAL, OTHER_ASN, peer_name
from tests.kube.e2e.bgp.scene import Scene, of, pools, prefix_of
from tests.kube.e2e.objects import bgp as advertisement
from tests.kube.e2e.objects import on_node, peer, selector, service

NOWHERE = [selector(nowhere="true")]
each_family = pytest.mark.parametrize("family", FAMILIES)


def from_pool(family: str, name: str, **labels: str) -> dict[str, Any]:
    """A Service with an address of the pool of that name."""
    return dict(service(name, labels=labels, annotations={"address-pool": name}, **of(family)))


@each_family
@pytest.mark.parametrize(
    ("first", "second"),
    [((0, 1), (1, 2)), ((0,), (1, 2)), ((), (1, 2))],
    ids=["two and two", "one and two", "none and two"],
)
def test_two_advertisements_have_nodes_of_their_own(
    bgp: Scene, family: str, first: tuple[int, ...], second: tuple[int, ...]
) -> None:
    nodes = {
        name: [bgp.nodes[one] for one in chosen] for name, chosen in (("first", first), ("second", second))
    }
    bgp.apply(
        *pools(family, *nodes),
        *(
            advertisement(name, ipAddressPools=[name], nodeSelectors=on_node(*chosen) or NOWHERE)
            for name, chosen in nodes.items()
        ),
    )

    addresses = bgp.serve(*(from_pool(family, name) for name in nodes))

    bgp.routers.wait_for(dict(zip(map(prefix_of, addresses), nodes.values(), strict=True)))


@each_family
def test_one_service_is_told_by_the_nodes_of_both_its_advertisements(bgp: Scene, family: str) -> None:
    one, two, _ = bgp.nodes
    bgp.apply(
        *pools(family),
        advertisement("one", nodeSelectors=on_node(one)),
        advertisement("two", nodeSelectors=on_node(two)),
    )

    (address,) = bgp.serve(service("web", **of(family)))

    bgp.routers.wait_for({prefix_of(address): (one, two)})


@each_family
def test_a_node_that_gets_the_label_becomes_a_next_hop(bgp: Scene, family: str) -> None:
    one, two, _ = bgp.nodes
    bgp.apply(*pools(family), advertisement(nodeSelectors=[selector(edge="yes")]))
    (address,) = bgp.serve(service("web", **of(family)))
    prefix = prefix_of(address)

    with bgp.labelled(one, edge="yes"):
        bgp.routers.wait_for({prefix: (one,)})
        with bgp.labelled(two, edge="yes"):
            bgp.routers.wait_for({prefix: (one, two)})
        bgp.routers.wait_for({prefix: (one,)})
    bgp.routers.wait_for({})


@each_family
def test_an_advertisement_narrowed_to_no_node_withdraws_its_service_alone(bgp: Scene, family: str) -> None:
    bgp.apply(
        *pools(family, "first", "second"),
        advertisement("first", ipAddressPools=["first"]),
        advertisement("second", ipAddressPools=["second"]),
    )
    first, second = map(prefix_of, bgp.serve(from_pool(family, "first"), from_pool(family, "second")))
    bgp.routers.wait_for({first: bgp.nodes, second: bgp.nodes})

    bgp.apply(advertisement("first", ipAddressPools=["first"], nodeSelectors=NOWHERE))

    bgp.routers.wait_for({second: bgp.nodes})


@each_family
@pytest.mark.parametrize(
    ("internal", "external"),
    [((0,), (1, 2)), ((0, 1), (1, 2)), ((0, 1, 2), (2,))],
    ids=["one and two others", "two and two, one in both", "all and one"],
)
def test_routers_pair_with_the_nodes_that_their_peers_select(
    bgp: Scene, family: str, internal: tuple[int, ...], external: tuple[int, ...]
) -> None:
    chosen = {
        place: [bgp.nodes[one] for one in indices]
        for place, indices in ((INTERNAL, internal), (EXTERNAL, external))
    }
    bgp.apply(*pools(family), advertisement())
    (address,) = bgp.serve(service("web", **of(family)))
    try:
        for place, nodes in chosen.items():
            change = {"spec": {"nodeSelectors": on_node(*nodes)}}
            bgp.api.patch("BGPPeer", peer_name(place.name, family), change)
        for place, nodes in chosen.items():
            bgp.routers.wait_for_sessions(family, nodes, place)
            bgp.routers.wait_for({prefix_of(address): nodes}, place)
    finally:
        for place in chosen:
            change = {"spec": {"nodeSelectors": None}}
            bgp.api.patch("BGPPeer", peer_name(place.name, family), change)
        bgp.routers.wait_for_sessions(family, bgp.nodes)


@each_family
def test_each_node_may_have_an_as_of_its_own(bgp: Scene, family: str) -> None:
    numbers = dict(zip(bgp.nodes, (64501, 64502, 64503), strict=True))
    names = [f"guest-{node}" for node in bgp.nodes]
    neighbours = zip(bgp.routers.neighbours(family), numbers.values(), strict=True)
    bgp.routers.tell_guest(*(replace(one, asn=asn) for one, asn in neighbours))
    bgp.apply(
        *pools(family),
        advertisement(peers=names),
        *(
            peer(name, GUEST.addresses[family], asn, OTHER_ASN, nodeSelectors=on_node(node))
            for name, (node, asn) in zip(names, numbers.items(), strict=True)
        ),
    )

    (address,) = bgp.serve(service("web", **of(family)))

    prefix = prefix_of(address)
    paths = bgp.routers.wait_for({prefix: bgp.nodes}, GUEST)[GUEST.name][prefix]
    assert {node: path.as_path for node, path in paths.items()} == {
        node: (asn,) for node, asn in numbers.items()
    }


@each_family
def test_a_service_must_be_selected_and_in_the_pool(bgp: Scene, family: str) -> None:
    bgp.apply(
        *pools(family, "first", "second"),
        advertisement(ipAddressPools=["first"], serviceSelectors=[selector(tier="gold")]),
    )

    selected, *_ = bgp.serve(
        service("both", labels={"tier": "gold"}, annotations={"address-pool": "first"}, **of(family)),
        service("pool-alone", annotations={"address-pool": "first"}, **of(family)),
        service("label-alone", labels={"tier": "gold"}, annotations={"address-pool": "second"}, **of(family)),
    )

    bgp.routers.wait_for({prefix_of(selected): bgp.nodes})


@each_family
def test_one_of_several_service_selectors_is_enough(bgp: Scene, family: str) -> None:
    bgp.apply(*pools(family), advertisement(serviceSelectors=[selector(tier="gold"), selector(team="edge")]))

    gold, edge, _ = bgp.serve(
        service("gold", labels={"tier": "gold"}, **of(family)),
        service("edge", labels={"team": "edge"}, **of(family)),
        service("neither", labels={"tier": "edge"}, **of(family)),
    )

    bgp.routers.wait_for({prefix_of(gold): bgp.nodes, prefix_of(edge): bgp.nodes})


@each_family
def test_edited_service_selectors_move_the_routes(bgp: Scene, family: str) -> None:
    bgp.apply(*pools(family), advertisement(serviceSelectors=[selector(tier="gold")]))
    gold, silver = bgp.serve(
        *(service(tier, labels={"tier": tier}, **of(family)) for tier in ("gold", "silver"))
    )
    bgp.routers.wait_for({prefix_of(gold): bgp.nodes})

    bgp.apply(advertisement(serviceSelectors=[selector(tier="silver")]))

    bgp.routers.wait_for({prefix_of(silver): bgp.nodes})


@each_family
def test_edited_labels_of_services_move_the_routes(bgp: Scene, family: str) -> None:
    bgp.apply(*pools(family), advertisement(serviceSelectors=[selector(tier="gold")]))
    one, two = bgp.serve(
        service("one", labels={"tier": "gold"}, **of(family)),
        service("two", labels={"tier": "silver"}, **of(family)),
    )
    bgp.routers.wait_for({prefix_of(one): bgp.nodes})

    bgp.api.patch("Service", "two", {"metadata": {"labels": {"tier": "gold"}}})
    bgp.routers.wait_for({prefix_of(one): bgp.nodes, prefix_of(two): bgp.nodes})
    bgp.api.patch("Service", "one", {"metadata": {"labels": {"tier": None}}})
    bgp.routers.wait_for({prefix_of(two): bgp.nodes})
