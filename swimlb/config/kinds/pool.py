"""IPAddressPool and the two kinds that advertise pools."""

from __future__ import annotations

from swimlb.config.communities import parse_community_or_alias
from swimlb.config.declared import DeclaredBgpAdvertisement, DeclaredPool
from swimlb.config.kinds.common import Kind, Object, Scope
from swimlb.config.ranges import overlap, parse_pool_entry
from swimlb.config.report import Place
from swimlb.config.schema import at, record
from swimlb.config.selectors import NAMES, SELECTOR, SELECTORS
from swimlb.config.types import U32_MAX, Boolean, Integer, ListOf, Nested, Parsed, Text
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


@record()
class AllocationSpec:
    priority: int = at("priority", Integer(-(2**31), _SIGNED_32_MAX), default=0)
    namespaces: tuple[str, ...] = at("namespaces", NAMES, default=())
    namespace_selectors: tuple[LabelSelector, ...] = at("namespaceSelectors", SELECTORS, default=())
    service_selectors: tuple[LabelSelector, ...] = at("serviceSelectors", SELECTORS, default=())

    @property
    def model(self) -> ServiceAllocation:
        """Namespace selectors are followed later; an allocation that has only them admits nothing until then."""
        any_namespace = not self.namespaces and not self.namespace_selectors
        return ServiceAllocation(
            priority=self.priority,
            namespaces=None if any_namespace else frozenset(self.namespaces),
            service_selectors=self.service_selectors,
        )


@record()
class PoolSpec:
    addresses: tuple[AddressRange, ...] = at(
        "addresses", ListOf(Parsed(parse_pool_entry)), default=(), required=True
    )
    auto_assign: bool = at("autoAssign", Boolean(), default=True)
    avoid_buggy_ips: bool = at("avoidBuggyIPs", Boolean(), default=False)
    service_allocation: AllocationSpec | None = at("serviceAllocation", Nested(AllocationSpec), default=None)


def decode_pool(source: Object) -> DeclaredPool:
    spec = source.read("spec", PoolSpec)
    addresses = source.place.at("spec", "addresses")
    if not spec.addresses and not addresses.is_broken:
        addresses.error("the pool has no addresses", "List at least one CIDR or range.")
    _refuse_overlap(spec.addresses, addresses)
    pinned = spec.service_allocation
    pool = Pool(
        name=source.ref.name,
        labels=source.metadata.labels,
        ranges=spec.addresses,
        auto_assign=spec.auto_assign,
        avoid_buggy_ips=spec.avoid_buggy_ips,
        service_allocation=pinned.model if pinned is not None else None,
    )
    return DeclaredPool(pool, pinned.namespace_selectors if pinned is not None else ())


def _refuse_overlap(ranges: tuple[AddressRange, ...], place: Place) -> None:
    """Two entries of one pool may not overlap. Sorted, so that a long list costs little."""
    in_order = sorted(range(len(ranges)), key=lambda index: (ranges[index].first.version, ranges[index]))
    furthest: int | None = None
    for index in in_order:
        if furthest is not None and overlap(ranges[furthest], ranges[index]):
            early, late = sorted((furthest, index))
            place.at(late).error(
                f"{ranges[late]} overlaps with entry {early} of the same pool, {ranges[early]}",
                "Remove one of the two, or make them apart.",
            )
            if int(ranges[index].last) <= int(ranges[furthest].last):
                continue
        furthest = index


@record()
class PreferredSpec:
    weight: int = at("weight", Integer(1, 100), default=1, required=True)
    preference: LabelSelector = at("preference", SELECTOR, default=LabelSelector(), required=True)


@record()
class L2Spec:
    pools: tuple[str, ...] = at("ipAddressPools", NAMES, default=())
    pool_selectors: tuple[LabelSelector, ...] = at("ipAddressPoolSelectors", SELECTORS, default=())
    node_selectors: tuple[LabelSelector, ...] = at("nodeSelectors", SELECTORS, default=())
    interfaces: tuple[str, ...] = at("interfaces", ListOf(Text()), default=())
    service_selectors: tuple[LabelSelector, ...] = at("serviceSelectors", SELECTORS, default=())
    preferred: tuple[PreferredSpec, ...] = at(
        "preferredNodeSelectors", ListOf(Nested(PreferredSpec)), default=()
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


@record()
class BgpSpec:
    pools: tuple[str, ...] = at("ipAddressPools", NAMES, default=())
    pool_selectors: tuple[LabelSelector, ...] = at("ipAddressPoolSelectors", SELECTORS, default=())
    node_selectors: tuple[LabelSelector, ...] = at("nodeSelectors", SELECTORS, default=())
    service_selectors: tuple[LabelSelector, ...] = at("serviceSelectors", SELECTORS, default=())
    peers: tuple[str, ...] = at("peers", NAMES, default=())
    aggregation_length: int = at("aggregationLength", Integer(1, 32), default=32)
    aggregation_length_v6: int = at("aggregationLengthV6", Integer(1, 128), default=128)
    local_pref: int | None = at("localPref", Integer(0, U32_MAX), default=None)
    communities: tuple[Community | str, ...] = at(
        "communities", ListOf(Parsed(parse_community_or_alias), is_set=True), default=()
    )


def decode_bgp_advertisement(source: Object) -> DeclaredBgpAdvertisement:
    spec = source.read("spec", BgpSpec)
    if spec.service_selectors and (spec.aggregation_length, spec.aggregation_length_v6) != (32, 128):
        source.place.at("spec").error(
            "serviceSelectors and aggregationLength are mutually exclusive, can only be used together with "
            "default aggregationLength (32) and aggregationLengthV6 (128)",
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
