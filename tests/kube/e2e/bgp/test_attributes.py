"""What advertisements put on routes, as real routers of the nodes' AS and of another have it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from swimlb.lab.router import FAMILIES
from tests.kube.e2e.api import Object
from tests.kube.e2e.bgp.routers import GUEST, NODES_ASN, peer_name
from tests.kube.e2e.bgp.scene import (
    DEFAULT_PREFERENCE,
    Scene,
    communities,
    of,
    pools,
    preferences,
    prefix_of,
    prefixes_of,
)
from tests.kube.e2e.objects import bgp as advertisement
from tests.kube.e2e.objects import community, peer, selector, service

AGGREGATES = {"ipv4": "192.0.2.16/28", "ipv6": "2001:db8:100::10/124"}
AGGREGATED: Mapping[str, Any] = {"aggregationLength": 28, "aggregationLengthV6": 124}
each_family = pytest.mark.parametrize("family", FAMILIES)


def serve(bgp: Scene, family: str, *advertisements: Object) -> str:
    """One Service of the first pool, by these advertisements: its prefix."""
    bgp.apply(*pools(family), *advertisements)
    (address,) = bgp.serve(service("web", **of(family)))
    return prefix_of(address)


@each_family
@pytest.mark.parametrize(
    ("said", "told", "preference"),
    [
        ({"communities": ["64496:7", "64496:8"], "localPref": 300}, {"64496:7", "64496:8"}, 300),
        ({"localPref": 300}, set[str](), 300),
        ({"communities": ["64496:7"]}, {"64496:7"}, DEFAULT_PREFERENCE),
        ({"communities": ["large:64496:1:2"], "localPref": 300}, {"64496:1:2"}, 300),
    ],
    ids=["communities and preference", "preference alone", "communities alone", "large community"],
)
def test_communities_and_local_preference_arrive(
    bgp: Scene, family: str, said: dict[str, Any], told: set[str], preference: int
) -> None:
    prefix = serve(bgp, family, advertisement(**said))

    bgp.wait_for_paths({prefix: told}, preference)


@each_family
def test_a_community_may_be_named_by_an_alias(bgp: Scene, family: str) -> None:
    bgp.apply(community("names", blue="64496:7", large="large:64496:1:2"))

    prefix = serve(bgp, family, advertisement(communities=["blue", "large"]))

    bgp.wait_for_paths({prefix: {"64496:7", "64496:1:2"}})


@each_family
def test_advertisements_of_one_prefix_add_their_communities_up(bgp: Scene, family: str) -> None:
    prefix = serve(
        bgp,
        family,
        advertisement("one", communities=["64496:1", "64496:2"]),
        advertisement("two", communities=["64496:2", "64496:3"]),
    )

    bgp.wait_for_paths({prefix: {"64496:1", "64496:2", "64496:3"}})


@each_family
def test_changes_of_an_advertisement_are_told_at_once(bgp: Scene, family: str) -> None:
    prefix = serve(bgp, family, advertisement(communities=["64496:7"]))

    bgp.apply(advertisement(communities=["64496:8"]))
    bgp.wait_for_paths({prefix: {"64496:8"}}, DEFAULT_PREFERENCE)
    bgp.apply(advertisement(communities=["64496:8"], localPref=200))
    bgp.wait_for_paths({prefix: {"64496:8"}}, 200)
    bgp.apply(advertisement(communities=["64496:8"], localPref=200, **AGGREGATED))
    bgp.wait_for_paths({AGGREGATES[family]: {"64496:8"}}, 200)


@pytest.mark.parametrize("over", FAMILIES)
def test_a_session_of_both_families_carries_attributes_on_both(bgp: Scene, over: str) -> None:
    """One of the nodes' AS, whose next hops are the nodes' addresses of each family."""
    name = peer_name(GUEST.name, over)
    bgp.routers.tell_guest(*bgp.routers.neighbours(over, families=FAMILIES), asn=NODES_ASN)
    bgp.apply(peer(name, GUEST.addresses[over], NODES_ASN, NODES_ASN, dualStackAddressFamily=True))
    bgp.apply(*pools("dual"), advertisement(peers=[name], communities=["64496:7"], localPref=300))

    prefixes = prefixes_of(bgp.serve(service("web", **of("dual")), families=2))

    table = bgp.routers.wait_for(dict.fromkeys(prefixes, bgp.nodes), GUEST)[GUEST.name]
    assert communities(table) == {prefix: {"64496:7"} for prefix in prefixes}
    assert preferences(table) == dict.fromkeys(prefixes, 300)


# Advertisements for some Services, and for all.


@each_family
def test_an_aggregate_for_all_stands_beside_routes_of_some(bgp: Scene, family: str) -> None:
    bgp.apply(
        *pools(family),
        advertisement("some", serviceSelectors=[selector(tier="gold")]),
        advertisement("all", **AGGREGATED),
    )

    (silver,) = bgp.serve(service("silver", labels={"tier": "silver"}, **of(family)))
    bgp.routers.wait_for({AGGREGATES[family]: bgp.nodes})
    (gold,) = bgp.serve(service("gold", labels={"tier": "gold"}, **of(family)))

    assert gold != silver
    bgp.routers.wait_for({AGGREGATES[family]: bgp.nodes, prefix_of(gold): bgp.nodes})


@each_family
def test_a_selected_service_has_the_communities_of_all_others_too(bgp: Scene, family: str) -> None:
    bgp.apply(
        *pools(family),
        advertisement("some", serviceSelectors=[selector(tier="gold")], communities=["64496:1"]),
        advertisement("all", communities=["64496:2"]),
    )

    gold, silver = bgp.serve(
        service("gold", labels={"tier": "gold"}, **of(family)), service("silver", **of(family))
    )

    bgp.wait_for_paths({prefix_of(gold): {"64496:1", "64496:2"}, prefix_of(silver): {"64496:2"}})


@each_family
def test_services_of_different_selectors_have_communities_of_their_own(bgp: Scene, family: str) -> None:
    tiers = {"gold": "64496:1", "silver": "64496:2"}
    bgp.apply(
        *pools(family),
        *(
            advertisement(tier, serviceSelectors=[selector(tier=tier)], communities=[own])
            for tier, own in tiers.items()
        ),
    )

    addresses = bgp.serve(*(service(tier, labels={"tier": tier}, **of(family)) for tier in tiers))

    bgp.wait_for_paths(
        {prefix: {own} for prefix, own in zip(prefixes_of(addresses), tiers.values(), strict=True)}
    )
