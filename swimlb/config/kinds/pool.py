"""IPAddressPool and the two kinds that advertise pools."""

from __future__ import annotations

from swimlb.config.communities import parse_community_or_alias
from swimlb.config.declared import DeclaredBgpAdvertisement, DeclaredPool
from swimlb.config.kinds.common import Kind, Object, Scope
from swimlb.config.ranges import POOL_ENTRY_PATTERN, overlap, parse_pool_entry
from swimlb.config.report import Place
from swimlb.config.schema import Rule, at, describe, record
from swimlb.config.selectors import NAMES, SELECTOR, SELECTORS
from swimlb.config.types import U32_MAX, Boolean, Integer, ListOf, Nested, Parsed, Text, positions
from swimlb.model import (
    AddressRange,
    BgpAdvertisement,
    Community,
    L2Advertisement,
    LabelSelector,
    Pool,
    PreferredNodes,
    ServiceAllocation,
)

_SIGNED_32_MAX = 2**31 - 1
NO_ADDRESSES = "the pool has no addresses"
QUOTA_ANNOTATION = "swimlb.io/quota-per-namespace"
"""On an IPAddressPool: so many of its addresses the Services of one namespace may use."""


@record()
class AllocationSpec:
    priority: int = at(
        "priority",
        Integer(-(2**31), _SIGNED_32_MAX),
        default=0,
        about="Of several pinned pools that admit a Service, the one with the lowest number is tried first. 0 comes last.",
    )
    namespaces: tuple[str, ...] = at(
        "namespaces", NAMES, default=(), about="Namespaces whose Services may use the pool."
    )
    namespace_selectors: tuple[LabelSelector, ...] = at(
        "namespaceSelectors",
        SELECTORS,
        default=(),
        about="More such namespaces, by their labels: one selector must match. If none matches any, none is meant.",
    )
    service_selectors: tuple[LabelSelector, ...] = at(
        "serviceSelectors",
        SELECTORS,
        default=(),
        about="Services that may use the pool, by their labels: one selector must match. Without any, every Service.",
    )

    @property
    def model(self) -> ServiceAllocation:
        """Namespace selectors are followed later; an allocation that has only them admits nothing until then."""
        any_namespace = not self.namespaces and not self.namespace_selectors
        return ServiceAllocation(
            priority=self.priority,
            namespaces=None if any_namespace else frozenset(self.namespaces),
            service_selectors=self.service_selectors,
        )


@record(rules=(Rule("self.addresses.size() > 0", NO_ADDRESSES),))
class PoolSpec:
    addresses: tuple[AddressRange, ...] = at(
        "addresses",
        ListOf(Parsed(parse_pool_entry, pattern=POOL_ENTRY_PATTERN)),
        default=(),
        required=True,
        about="CIDRs like `192.0.2.0/24`, whose every address is meant, and ranges like `192.0.2.10-192.0.2.20`. "
        "IPv4 and IPv6 may stand in one pool. No two entries overlap, here or across pools.",
    )
    auto_assign: bool = at(
        "autoAssign",
        Boolean(),
        default=True,
        written_default=True,
        about="Whether Services get addresses of the pool that did not ask for it, nor for one of its addresses.",
    )
    avoid_buggy_ips: bool = at(
        "avoidBuggyIPs",
        Boolean(),
        default=False,
        written_default=False,
        about="Never use IPv4 addresses that end in .0 or .255, not even when a Service asks for one.",
    )
    service_allocation: AllocationSpec | None = at(
        "serviceAllocation",
        Nested(AllocationSpec),
        default=None,
        about="Pins the pool to some Services, which are served from it before any pool that is not pinned.",
    )


def decode_pool(source: Object) -> DeclaredPool:
    spec = source.read("spec", PoolSpec)
    addresses = source.place.at("spec", "addresses")
    if not spec.addresses and not addresses.is_broken:
        addresses.error(NO_ADDRESSES, "List at least one CIDR or range.")
    _refuse_overlap(spec.addresses, addresses)
    pinned = spec.service_allocation
    pool = Pool(
        name=source.ref.name,
        labels=source.metadata.labels,
        ranges=spec.addresses,
        auto_assign=spec.auto_assign,
        avoid_buggy_ips=spec.avoid_buggy_ips,
        service_allocation=pinned.model if pinned is not None else None,
        quota_per_namespace=_quota(source),
    )
    return DeclaredPool(pool, pinned.namespace_selectors if pinned is not None else ())


def _quota(source: Object) -> int | None:
    text = source.metadata.annotation(QUOTA_ANNOTATION)
    if text is None:
        return None
    if not (text.isascii() and text.isdecimal() and 0 < len(text) < 10 and int(text) > 0):
        source.place.at("metadata", "annotations", QUOTA_ANNOTATION).error(
            f"{describe(text)} is not a number of addresses",
            "Write a whole number from 1 on in quotes, or remove the annotation: then there is no quota.",
        )
        return None
    return int(text)


def _refuse_overlap(ranges: tuple[AddressRange, ...], place: Place) -> None:
    """Two entries of one pool may not overlap. Sorted, so that a long list costs little."""
    places = [index for index, _ in positions(ranges)]
    in_order = sorted(range(len(ranges)), key=lambda index: (ranges[index].first.version, ranges[index]))
    furthest: int | None = None
    for index in in_order:
        if furthest is not None and overlap(ranges[furthest], ranges[index]):
            early, late = sorted((furthest, index))
            place.at(places[late]).error(
                f"{ranges[late]} overlaps with entry {places[early]} of the same pool, {ranges[early]}",
                "Remove one of the two, or make them apart.",
            )
            if int(ranges[index].last) <= int(ranges[furthest].last):
                continue
        furthest = index


@record()
class PreferredSpec:
    weight: int = at(
        "weight",
        Integer(1, 100),
        default=1,
        required=True,
        about="Added to the score of each node that matches; the highest score is preferred.",
    )
    preference: LabelSelector = at(
        "preference",
        SELECTOR,
        default=LabelSelector(),
        required=True,
        about="The nodes that are preferred, by their labels.",
    )


_POOLS_ABOUT = "Names of the IPAddressPools that are announced. Without these and without `ipAddressPoolSelectors`: all pools."
_POOL_SELECTORS_ABOUT = "More such pools, by their labels: one selector must match."
_NODES_ABOUT = (
    "Nodes that may announce, by their labels: one selector must match. Without any, every node may."
)
_SERVICES_ABOUT = (
    "Services that are announced, by their labels: one selector must match. Without any, every Service."
)


@record()
class L2Spec:
    pools: tuple[str, ...] = at("ipAddressPools", NAMES, default=(), about=_POOLS_ABOUT)
    pool_selectors: tuple[LabelSelector, ...] = at(
        "ipAddressPoolSelectors", SELECTORS, default=(), about=_POOL_SELECTORS_ABOUT
    )
    node_selectors: tuple[LabelSelector, ...] = at("nodeSelectors", SELECTORS, default=(), about=_NODES_ABOUT)
    interfaces: tuple[str, ...] = at(
        "interfaces",
        ListOf(Text()),
        default=(),
        about="Names of the interfaces to announce on. Without any, or with an advertisement for the same address that "
        "has none: on every interface.",
    )
    service_selectors: tuple[LabelSelector, ...] = at(
        "serviceSelectors", SELECTORS, default=(), about=_SERVICES_ABOUT
    )
    preferred: tuple[PreferredSpec, ...] = at(
        "preferredNodeSelectors",
        ListOf(Nested(PreferredSpec)),
        default=(),
        about="Nodes that are to own the addresses as long as they live, among those that `nodeSelectors` admit.",
    )


def decode_l2_advertisement(source: Object) -> L2Advertisement:
    spec = source.read("spec", L2Spec)
    return L2Advertisement(
        name=source.ref.name,
        pools=spec.pools,
        pool_selectors=spec.pool_selectors,
        node_selectors=spec.node_selectors,
        interfaces=spec.interfaces,
        service_selectors=spec.service_selectors,
        preferred_nodes=tuple(
            PreferredNodes(weight=entry.weight, preference=entry.preference) for entry in spec.preferred
        ),
    )


_NO_AGGREGATE_RULE = Rule(
    "!has(self.serviceSelectors) || self.serviceSelectors.size() == 0"
    " || ((!has(self.aggregationLength) || self.aggregationLength == 32)"
    " && (!has(self.aggregationLengthV6) || self.aggregationLengthV6 == 128))",
    "serviceSelectors and aggregationLength are mutually exclusive, can only be used together with default "
    "aggregationLength (32) and aggregationLengthV6 (128)",
)


@record(rules=(_NO_AGGREGATE_RULE,))
class BgpSpec:
    pools: tuple[str, ...] = at("ipAddressPools", NAMES, default=(), about=_POOLS_ABOUT)
    pool_selectors: tuple[LabelSelector, ...] = at(
        "ipAddressPoolSelectors", SELECTORS, default=(), about=_POOL_SELECTORS_ABOUT
    )
    node_selectors: tuple[LabelSelector, ...] = at("nodeSelectors", SELECTORS, default=(), about=_NODES_ABOUT)
    service_selectors: tuple[LabelSelector, ...] = at(
        "serviceSelectors", SELECTORS, default=(), about=_SERVICES_ABOUT
    )
    peers: tuple[str, ...] = at(
        "peers",
        NAMES,
        default=(),
        about="Names of the BGPPeers to advertise to. Without any: all of them.",
    )
    aggregation_length: int = at(
        "aggregationLength",
        Integer(1, 32),
        default=32,
        written_default=32,
        about="Length of the IPv4 prefixes that are advertised. Less than 32 advertises the network around the address.",
    )
    aggregation_length_v6: int = at(
        "aggregationLengthV6",
        Integer(1, 128),
        default=128,
        written_default=128,
        about="The same for IPv6.",
    )
    local_pref: int | None = at(
        "localPref",
        Integer(0, U32_MAX),
        default=None,
        about="LOCAL_PREF of the routes (RFC 4271 section 5.1.5). Only peers in the same AS see it.",
    )
    communities: tuple[Community | str, ...] = at(
        "communities",
        ListOf(Parsed(parse_community_or_alias), is_set=True),
        default=(),
        about="BGP communities of the routes: `64496:1`, `large:64496:1:2`, or names that Community objects define.",
    )


def decode_bgp_advertisement(source: Object) -> DeclaredBgpAdvertisement:
    spec = source.read("spec", BgpSpec)
    if spec.service_selectors and (spec.aggregation_length, spec.aggregation_length_v6) != (32, 128):
        source.place.at("spec").error(
            _NO_AGGREGATE_RULE.message,
            "Remove serviceSelectors or the aggregation lengths.",
        )
    advertisement = BgpAdvertisement(
        name=source.ref.name,
        pools=spec.pools,
        pool_selectors=spec.pool_selectors,
        node_selectors=spec.node_selectors,
        service_selectors=spec.service_selectors,
        peers=spec.peers,
        aggregation_length=spec.aggregation_length,
        aggregation_length_v6=spec.aggregation_length_v6,
        local_pref=spec.local_pref,
    )
    return DeclaredBgpAdvertisement(advertisement, spec.communities)


KINDS = (
    Kind("metallb.io/v1beta1", "IPAddressPool", Scope.SYSTEM, decode_pool),
    Kind("metallb.io/v1beta1", "L2Advertisement", Scope.SYSTEM, decode_l2_advertisement),
    Kind("metallb.io/v1beta1", "BGPAdvertisement", Scope.SYSTEM, decode_bgp_advertisement),
)
