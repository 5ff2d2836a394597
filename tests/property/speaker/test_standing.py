"""The plan that is kept up to date and the plan computed whole are one, whatever happens in whatever slices."""

from __future__ import annotations

from ipaddress import ip_address, ip_network

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from announce.bgp.routes import Route
from swimlb.model import (
    AddressRange,
    Allocation,
    BgpAdvertisement,
    BgpPeer,
    Community,
    Endpoints,
    IpAddress,
    L2Advertisement,
    Labels,
    LabelSelector,
    Node,
    Pool,
    PreferredNodes,
    Service,
    TrafficPolicy,
    labels_of,
)
from swimlb.speaker.inventory import Inventory, Record, key_of
from swimlb.speaker.links import Link, SubnetRule, name_id
from swimlb.speaker.plan import Ownership
from swimlb.speaker.planner import EXCLUDE_LABEL, plan
from swimlb.speaker.presence import Presence
from swimlb.speaker.rules import RuleOptions
from swimlb.speaker.standing import StandingPlan

NODES = ["node-a", "node-b", "node-c", "node-d", "node-e"]
ADDRESSES = [ip_address(f"192.0.2.{number}") for number in (10, 11, 12, 130)] + [
    ip_address(f"2001:db8::{number}") for number in (10, 11)
]
GOLD: Labels = (("tier", "gold"),)
SERVICES = ["default/a", "default/b", "default/c", "default/d"]


def hostname(name: str) -> LabelSelector:
    return LabelSelector(labels_of({"kubernetes.io/hostname": name}))


def some(values: list[LabelSelector]) -> st.SearchStrategy[tuple[LabelSelector, ...]]:
    return st.one_of(st.just(()), st.lists(st.sampled_from(values), min_size=1, max_size=2).map(tuple))


node_selectors = some([*map(hostname, NODES[:3]), LabelSelector(GOLD)])
gold = some([LabelSelector(GOLD)])
pools = st.sampled_from([(), ("pool",), ("other",)])
allocations = st.builds(
    Allocation,
    service=st.builds(
        Service,
        namespace=st.just("default"),
        name=st.sampled_from("abcd"),
        labels=st.sampled_from([(), GOLD]),
        traffic_policy=st.sampled_from(TrafficPolicy),
        sharing_key=st.sampled_from([None, None, "shared"]),
    ),
    addresses=st.lists(st.sampled_from(ADDRESSES), min_size=1, max_size=2, unique=True).map(tuple),
    pool=st.sampled_from(["pool", "other"]),
)
l2_advertisements = st.builds(
    L2Advertisement,
    name=st.sampled_from(["lan", "lan2"]),
    pools=pools,
    pool_selectors=gold,
    node_selectors=node_selectors,
    interfaces=st.sampled_from([(), (), ("eth0",), ("eth1",)]),
    service_selectors=gold,
    preferred_nodes=st.lists(
        st.builds(
            PreferredNodes,
            weight=st.integers(1, 2),
            preference=st.sampled_from([hostname("node-b"), LabelSelector(GOLD)]),
        ),
        max_size=1,
    ).map(tuple),
)
bgp_advertisements = st.builds(
    BgpAdvertisement,
    name=st.sampled_from(["bgp", "bgp2"]),
    pools=pools,
    pool_selectors=gold,
    node_selectors=node_selectors,
    service_selectors=gold,
    peers=st.sampled_from([(), ("router",), ("router2",)]),
    aggregation_length=st.sampled_from([32, 24]),
    local_pref=st.sampled_from([None, 200]),
    communities=st.sampled_from([(), (Community((64496, 7)),)]),
)
bgp_peers = st.builds(
    BgpPeer,
    name=st.sampled_from(["router", "router2"]),
    my_asn=st.just(64496),
    peer_asn=st.sampled_from([64497, 64498]),
    peer_address=st.just(ip_address("198.51.100.1")),
    node_selectors=node_selectors,
)


def node(name: str, labels: dict[str, str], is_unavailable: bool) -> Node:
    return Node(
        name=name,
        labels=labels_of({"kubernetes.io/hostname": name, **labels}),
        is_network_unavailable=is_unavailable,
    )


nodes = st.builds(
    node,
    st.sampled_from(NODES),
    st.sampled_from([{}, {"tier": "gold"}, {EXCLUDE_LABEL: ""}]),
    st.sampled_from([False, False, True]),
)
endpoints = st.builds(
    Endpoints, service=st.sampled_from(SERVICES), nodes=st.frozensets(st.sampled_from(NODES), max_size=3)
)
pool_records = st.builds(
    Pool,
    name=st.sampled_from(["pool", "other"]),
    labels=st.sampled_from([(), GOLD]),
    ranges=st.just((AddressRange(ip_address("192.0.2.0"), ip_address("192.0.2.255")),)),
)
records = st.one_of(
    allocations, allocations, l2_advertisements, bgp_advertisements, bgp_peers, nodes, endpoints, pool_records
)
links = st.lists(
    st.builds(
        Link,
        name_id=st.sampled_from([name_id("eth0"), name_id("eth1")]),
        mac=st.just(bytes(6)),
        networks=st.sampled_from(
            [
                (),
                (ip_network("192.0.2.0/25"),),
                (ip_network("192.0.2.0/24"), ip_network("2001:db8::/64")),
            ]
        ),
    ),
    max_size=2,
).map(tuple)
presences = st.builds(
    Presence.of,
    is_leaving=st.sampled_from([False, False, False, True]),
    is_joining=st.sampled_from([False, False, False, True]),
    unready_services=st.one_of(
        st.just([]), st.lists(st.sampled_from(SERVICES), max_size=2), st.just([str(n) for n in range(99)])
    ),
    links=st.one_of(st.none(), links),
)


class Play(RuleBasedStateMachine):
    """Tells the plan what is touched, lets it work now and then, and compares when nothing is left."""

    @initialize(
        subnet_rule=st.sampled_from(SubnetRule),
        is_exclude_label_ignored=st.booleans(),
        first=st.lists(records, max_size=12),
        present=st.dictionaries(st.sampled_from(NODES), presences, max_size=5),
    )
    def begin(
        self,
        subnet_rule: SubnetRule,
        is_exclude_label_ignored: bool,
        first: list[Record],
        present: dict[str, Presence],
    ) -> None:
        self.options = RuleOptions(subnet_rule=subnet_rule, is_exclude_label_ignored=is_exclude_label_ignored)
        self.inventory = Inventory("node-a")
        self.inventory.presences["node-a"] = Presence()
        self.standing = StandingPlan(self.inventory, self.options)
        self.standing.touch_node("node-a")
        self.known: dict[IpAddress, Ownership] = {}
        self.heard: dict[str, set[Route]] = {}
        for record in first:
            self.learns(record)
        for name, presence in present.items():
            self.is_present(name, presence)

    @rule(record=records)
    def learns(self, record: Record) -> None:
        self.standing.touch_record(self.inventory.put(record), record)

    @rule(record=records)
    def forgets(self, record: Record) -> None:
        before = self.inventory.remove(key_of(record))
        if before is not None:
            self.standing.touch_record(before, None)

    @rule(name=st.sampled_from(NODES), presence=presences)
    def is_present(self, name: str, presence: Presence) -> None:
        self.inventory.presences[name] = presence
        self.standing.touch_node(name)

    @rule(name=st.sampled_from(NODES[1:]))
    def goes(self, name: str) -> None:
        self.inventory.presences.pop(name, None)
        self.standing.touch_node(name)

    @rule(names=st.sets(st.sampled_from(NODES), max_size=2))
    def are_deaf(self, names: set[str]) -> None:
        self.inventory.deaf = dict.fromkeys(sorted(names), ("node-z",))
        self.standing.layer2.touch_election()

    @rule(budget=st.integers(1, 300))
    def works(self, budget: int) -> None:
        change, _ = self.standing.work(budget)
        for address, before in change.ownerships.items():
            assert self.known.pop(address, None) == before
            if (ownership := self.standing.layer2.ownership(address)) is not None:
                self.known[address] = ownership
        for peer in self.heard.keys() - set(self.standing.bgp.peers):
            del self.heard[peer]
        for peer, routes in change.routes.items():
            heard = self.heard.setdefault(peer, set())
            assert routes.removed <= heard
            assert not routes.added & heard
            heard -= routes.removed
            heard |= routes.added

    @rule()
    def is_equal_in_the_end(self) -> None:
        for _ in range(1000):
            if not self.standing.is_pending:
                break
            self.works(200)
        assert not self.standing.is_pending
        layer2, bgp = self.standing.layer2, self.standing.bgp

        whole = plan(
            self.inventory,
            subnet_rule=self.options.subnet_rule,
            is_exclude_label_ignored=self.options.is_exclude_label_ignored,
        )

        assert {address: layer2.ownership(address) for address in layer2.addresses} == {
            address: Ownership(duty.owner, duty.interfaces) for address, duty in whole.duties.items()
        }
        assert {address: layer2.candidates(address) for address in layer2.addresses} == {
            address: duty.candidates for address, duty in whole.duties.items()
        }
        assert {peer: bgp.routes(peer) for peer in bgp.peers} == whole.routes
        withheld = [one for key in sorted(self.inventory.allocations) for one in self.standing.withheld(key)]
        assert tuple(withheld) == whole.withheld
        # Who followed the changes knows the same.
        assert self.known == {address: layer2.ownership(address) for address in layer2.addresses}
        assert {peer: routes for peer, routes in self.heard.items() if routes} == {
            peer: routes for peer, routes in whole.routes.items() if routes
        }

    def teardown(self) -> None:
        if hasattr(self, "standing"):
            self.is_equal_in_the_end()


TestPlay = Play.TestCase
