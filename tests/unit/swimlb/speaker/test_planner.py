"""The plan, rule by rule."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address, ip_network

from announce.bgp.routes import Route, RouteAttributes
from swimlb.model import (
    Community,
    Endpoints,
    LabelSelector,
    Node,
    PreferredNodes,
    TrafficPolicy,
    labels_of,
)
from swimlb.speaker.links import Link, SubnetRule, name_id
from swimlb.speaker.planner import EXCLUDE_LABEL, Duty, Reason, Withheld, plan
from swimlb.speaker.presence import Presence
from tests.unit.swimlb.speaker.world import ON_LAN, POOL, ROUTER, TO_ROUTERS, VIP, allocation, inventory


def hostname(name: str) -> LabelSelector:
    return LabelSelector(labels_of({"kubernetes.io/hostname": name}))


# 192.0.2.10 is node-c's by hash, then node-b's, then node-a's.
SUCCESSION = ("node-c", "node-b", "node-a")


def test_names_the_owner_and_its_successors() -> None:
    """Every live member is a candidate when nothing says otherwise."""
    planned = plan(inventory(POOL, ON_LAN, allocation()))

    assert planned.duties == {VIP: Duty(SUCCESSION, None)}
    assert planned.withheld == (Withheld("default/web", "l2", Reason.OWNED_ELSEWHERE),)


def test_passes_over_a_node_that_leaves() -> None:
    """Its successor takes the address while it still answers."""
    world = inventory(POOL, ON_LAN, allocation())
    world.presences["node-c"] = Presence(is_leaving=True)

    assert plan(world).duties[VIP].candidates == ("node-b", "node-a")


def test_passes_over_a_node_without_a_ready_endpoint() -> None:
    """Standalone: each node says by gossip what it cannot serve."""
    world = inventory(POOL, ON_LAN, allocation(), this_node="node-c")
    world.presences["node-c"] = Presence.of(is_leaving=False, unready_services=["default/web"])

    planned = plan(world)

    assert planned.duties[VIP].owner == "node-b"
    assert planned.withheld == (Withheld("default/web", "l2", Reason.NO_READY_ENDPOINT),)


def test_needs_an_endpoint_on_the_node_itself_under_policy_local() -> None:
    """Under Cluster any serving endpoint will do, for kube-proxy forwards."""
    endpoints = Endpoints(service="default/web", nodes=frozenset({"node-a"}))
    local = allocation(traffic_policy=TrafficPolicy.LOCAL)

    assert plan(inventory(POOL, ON_LAN, allocation(), endpoints)).duties[VIP].candidates == SUCCESSION
    assert plan(inventory(POOL, ON_LAN, local, endpoints)).duties[VIP].candidates == ("node-a",)


def test_announces_nothing_without_any_serving_endpoint() -> None:
    """Also under Cluster: there is nobody to answer."""
    nobody = Endpoints(service="default/web", nodes=frozenset())

    planned = plan(inventory(POOL, ON_LAN, TO_ROUTERS, ROUTER, allocation(), nobody))

    assert planned.duties[VIP].owner is None
    assert planned.routes == {"router": frozenset()}
    assert {(entry.by, entry.reason) for entry in planned.withheld} == {
        ("l2", Reason.NO_READY_ENDPOINT),
        ("bgp", Reason.NO_READY_ENDPOINT),
    }


def test_keeps_to_the_selected_nodes_and_their_interfaces() -> None:
    """Interfaces are those of the advertisements that include the owner; one without any means all."""
    named = replace(ON_LAN, node_selectors=(hostname("node-a"),), interfaces=("eth1",))
    elsewhere = replace(ON_LAN, name="elsewhere", node_selectors=(hostname("node-b"),))

    alone = plan(inventory(POOL, named, allocation()))
    both = plan(inventory(POOL, named, elsewhere, allocation()))

    assert alone.duties[VIP] == Duty(("node-a",), frozenset({"eth1"}))
    assert both.duties[VIP] == Duty(("node-b", "node-a"), None)


def test_prefers_the_nodes_with_the_higher_score() -> None:
    """The weights of all advertisements that include a node add up; the hash decides among equals."""
    preferring = replace(ON_LAN, preferred_nodes=(PreferredNodes(weight=10, preference=hostname("node-a")),))

    assert plan(inventory(POOL, preferring, allocation())).duties[VIP].candidates == (
        "node-a",
        "node-c",
        "node-b",
    )


def test_honours_the_exclude_label_unless_told_otherwise() -> None:
    """The label Kubernetes has for nodes that external load balancers must not use."""
    excluded = Node(name="node-c", labels=labels_of({EXCLUDE_LABEL: ""}))
    world = inventory(POOL, ON_LAN, allocation(), excluded)

    assert plan(world).duties[VIP].owner == "node-b"
    assert plan(world, is_exclude_label_ignored=True).duties[VIP].owner == "node-c"


def test_withholds_a_service_that_no_advertisement_wants() -> None:
    """And says so; a pool that is not announced on the LAN at all is no mistake."""
    picky = replace(ON_LAN, service_selectors=(LabelSelector(labels_of({"tier": "gold"})),))

    planned = plan(inventory(POOL, picky, allocation()))

    assert planned.duties == {}
    assert planned.withheld == (Withheld("default/web", "l2", Reason.NO_MATCHING_ADVERTISEMENT),)
    assert plan(inventory(POOL, allocation())).withheld == ()


def test_refuses_service_selectors_for_a_shared_address() -> None:
    """MetalLB's rule: sharers could be sent to different nodes."""
    picky = replace(ON_LAN, service_selectors=(LabelSelector(),))

    planned = plan(inventory(POOL, picky, allocation(sharing_key="dns")))

    assert planned.withheld == (Withheld("default/web", "l2", Reason.SHARED_ADDRESS_WITH_SERVICE_SELECTORS),)


def test_gives_one_owner_to_an_address_that_two_services_share() -> None:
    """Even where the nodes that could serve each of them differ."""
    world = inventory(POOL, ON_LAN, allocation("dns-tcp"), allocation("dns-udp"))
    world.presences["node-c"] = Presence.of(is_leaving=False, unready_services=["default/dns-udp"])

    assert plan(world).duties[VIP].candidates == ("node-b", "node-a")


def test_advertises_from_every_node_that_serves() -> None:
    """ECMP is the router's business; aggregation, preference and communities are the advertisement's."""
    wide = replace(
        TO_ROUTERS,
        aggregation_length=24,
        local_pref=200,
        communities=(Community((64496, 7)), Community((1, 2, 3))),
    )

    planned = plan(inventory(POOL, wide, ROUTER, allocation()))

    attributes = RouteAttributes(local_pref=200, communities=((64496, 7),), large_communities=((1, 2, 3),))
    assert planned.routes == {"router": frozenset({Route(ip_network("192.0.2.0/24"), attributes)})}
    assert planned.withheld == ()


def test_unites_equal_prefixes_of_several_services() -> None:
    """An aggregate is one route with all communities, and lives as long as one Service needs it."""
    wide = replace(TO_ROUTERS, aggregation_length=24)

    planned = plan(inventory(POOL, wide, ROUTER, allocation(), allocation("two", ip_address("192.0.2.77"))))

    assert planned.routes == {"router": frozenset({Route(ip_network("192.0.2.0/24"))})}


def test_withholds_when_advertisements_contradict_each_other() -> None:
    """One prefix to one peer can have only one local preference."""
    other = replace(TO_ROUTERS, name="other", local_pref=50)

    planned = plan(inventory(POOL, TO_ROUTERS, other, ROUTER, allocation()))

    assert planned.routes == {"router": frozenset()}
    assert planned.withheld == (Withheld("default/web", "bgp", Reason.CONFLICTING_ADVERTISEMENTS),)


def test_no_local_preference_and_0_do_not_contradict_each_other() -> None:
    """As in MetalLB, and in what is told of the configuration. What is said counts."""
    silent, said = (replace(TO_ROUTERS, name=name, local_pref=pref) for name, pref in (("a", None), ("b", 0)))

    planned = plan(inventory(POOL, silent, said, ROUTER, allocation()))

    (route,) = planned.routes["router"]
    assert route.attributes.local_pref == 0
    assert planned.withheld == ()


def test_talks_only_to_peers_that_select_this_node() -> None:
    """An advertisement without such a peer is withheld with a reason."""
    elsewhere = replace(ROUTER, node_selectors=(hostname("node-b"),))

    planned = plan(inventory(POOL, TO_ROUTERS, elsewhere, allocation()))

    assert planned.routes == {}
    assert planned.withheld == (Withheld("default/web", "bgp", Reason.NO_PEER),)


def test_withdraws_routes_from_a_node_that_leaves() -> None:
    """Before the session ends, so that routers let go first."""
    world = inventory(POOL, TO_ROUTERS, ROUTER, allocation())
    world.presences["node-a"] = Presence(is_leaving=True)

    assert plan(world).routes == {"router": frozenset()}


class TestReach:
    """A node that cannot be heard where an address is must not be elected for it."""

    NEAR = Presence.of(links=(Link(name_id("eth0"), bytes(6), (ip_network("192.0.2.0/24"),)),))
    FAR = Presence.of(links=(Link(name_id("eth0"), bytes(6), (ip_network("198.51.100.0/24"),)),))
    CUT_OFF = Presence.of(links=())

    def test_passes_over_a_node_without_a_link(self) -> None:
        """Its cable is out, and it says so over another one."""
        world = inventory(POOL, ON_LAN, allocation(), this_node="node-c")
        world.presences["node-c"] = self.CUT_OFF

        planned = plan(world)

        assert planned.duties[VIP].candidates == ("node-b", "node-a")
        assert planned.withheld == (Withheld("default/web", "l2", Reason.NO_INTERFACE),)

    def test_passes_over_a_node_without_the_interface_that_the_advertisement_names(self) -> None:
        """MetalLB elects it, and the address is silent."""
        on_eth1 = replace(ON_LAN, interfaces=("eth1",))
        world = inventory(POOL, on_eth1, allocation(), this_node="node-c")
        world.presences["node-c"] = self.NEAR

        assert plan(world).duties[VIP].candidates == ("node-b", "node-a")

    def test_prefers_nodes_with_the_subnet(self) -> None:
        """By default, in the order of succession among themselves."""
        world = inventory(POOL, ON_LAN, allocation())
        world.presences |= {"node-a": self.NEAR, "node-b": self.NEAR, "node-c": self.FAR}

        assert plan(world).duties[VIP].candidates == ("node-b", "node-a")

    def test_does_without_the_subnet_when_no_node_has_it(self) -> None:
        """A pool of a network of its own, which a router has on the same LAN."""
        world = inventory(POOL, ON_LAN, allocation())
        world.presences = dict.fromkeys(world.presences, self.FAR)

        assert plan(world).duties[VIP].candidates == SUCCESSION

    def test_may_require_the_subnet(self) -> None:
        """Then such an address stays silent, and the reason says why."""
        world = inventory(POOL, ON_LAN, allocation())
        world.presences = dict.fromkeys(world.presences, self.FAR)

        planned = plan(world, subnet_rule=SubnetRule.REQUIRE)

        assert planned.duties[VIP].owner is None
        assert planned.withheld == (Withheld("default/web", "l2", Reason.NO_SUBNET),)

    def test_may_ignore_the_subnet(self) -> None:
        """MetalLB's election to the letter."""
        world = inventory(POOL, ON_LAN, allocation())
        world.presences |= {"node-a": self.NEAR, "node-b": self.NEAR, "node-c": self.FAR}

        assert plan(world, subnet_rule=SubnetRule.IGNORE).duties[VIP].candidates == SUCCESSION

    def test_says_nothing_about_bgp(self) -> None:
        """Routers are reached by other ways."""
        world = inventory(POOL, TO_ROUTERS, ROUTER, allocation())
        world.presences["node-a"] = self.CUT_OFF

        assert plan(world).routes["router"]


class TestDeafness:
    def test_passes_over_a_deaf_node(self) -> None:
        """It learns why, as long as there is somebody to take its place."""
        world = inventory(POOL, ON_LAN, allocation(), this_node="node-c")
        world.deaf = {"node-c": ("node-a", "node-b")}

        planned = plan(world)

        assert planned.duties[VIP].candidates == ("node-b", "node-a")
        assert planned.withheld == (Withheld("default/web", "l2", Reason.NODE_DEAF),)

    def test_keeps_a_deaf_node_that_nobody_can_replace(self) -> None:
        """Who knows its MAC is served still."""
        world = inventory(POOL, ON_LAN, allocation(), this_node="node-c", members="node-c node-d")
        world.presences["node-d"] = Presence(is_leaving=True)
        world.deaf = {"node-c": ("node-d",)}

        planned = plan(world)

        assert planned.duties[VIP].candidates == ("node-c",)
        assert planned.withheld == ()

    def test_says_nothing_about_bgp(self) -> None:
        """Routers have the node's address by other means, or no session with it."""
        world = inventory(POOL, TO_ROUTERS, ROUTER, allocation(), this_node="node-c")
        world.deaf = {"node-c": ("node-a", "node-b")}

        assert plan(world).routes["router"]
