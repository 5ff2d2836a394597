"""What advertisements refer to: pools, peers and communities."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from swimlb.config.communities import parse_community
from swimlb.config.declared import DeclaredBgpAdvertisement
from swimlb.config.document import Ref
from swimlb.config.idle import Audience
from swimlb.config.report import Mistake, Place
from swimlb.config.surroundings import Lan
from swimlb.config.types import positions
from swimlb.model import (
    BgpAdvertisement,
    Community,
    L2Advertisement,
    LabelSelector,
    Pool,
    any_matches,
    networks_of,
)


@dataclass(slots=True, kw_only=True)
class Advertising:
    """Links the advertisements; remembers the BGP ones, whose local preferences must not contradict each other."""

    pools: tuple[Pool, ...]
    peers: set[str]
    aliases: dict[str, Community]
    audience: Audience
    missing: Callable[[Ref], tuple[str, str]]
    """Why an object is not in force."""
    lan: Lan
    _linked: list[tuple[BgpAdvertisement, tuple[Pool, ...]]] = field(
        default_factory=list[tuple[BgpAdvertisement, tuple[Pool, ...]]]
    )

    def link_l2(self, advertisement: L2Advertisement, place: Place) -> L2Advertisement:
        spec = place.at("spec")
        selected = self._select(advertisement.pools, advertisement.pool_selectors, spec)
        self.audience.warn_of_idle_selectors(
            advertisement.node_selectors, advertisement.service_selectors, spec
        )
        self.lan.note(advertisement, selected)
        return advertisement

    def link_bgp(self, declared: DeclaredBgpAdvertisement, place: Place) -> BgpAdvertisement:
        spec = place.at("spec")
        advertisement = replace(
            declared.advertisement,
            communities=self._communities(declared.communities, spec.at("communities")),
        )
        for index, name in positions(advertisement.peers):
            if name not in self.peers:
                spec.at("peers", index).warning(*self._missing("BGPPeer", name, spec))
        selected = self._select(advertisement.pools, advertisement.pool_selectors, spec)
        self.audience.warn_of_idle_selectors(
            advertisement.node_selectors, advertisement.service_selectors, spec
        )
        for pool in selected:
            _check_aggregation(advertisement, pool, spec)
        self._check_local_preference(advertisement, selected, spec)
        if not place.report.has_errors:
            self._linked.append((advertisement, selected))
        return advertisement

    def go_on(self, meaning: object) -> BgpAdvertisement | None:
        """With the communities that it had."""
        return meaning if isinstance(meaning, BgpAdvertisement) else None

    def _select(
        self, names: tuple[str, ...], selectors: tuple[LabelSelector, ...], spec: Place
    ) -> tuple[Pool, ...]:
        """The pools that an advertisement is for; names and selectors add up, without either it is for all."""
        known = {pool.name for pool in self.pools}
        for index, name in positions(names):
            if name not in known:
                spec.at("ipAddressPools", index).warning(*self._missing("IPAddressPool", name, spec))
        if not names and not selectors:
            return self.pools
        by_label = {
            pool.name for pool in self.pools if selectors and any_matches(selectors, dict(pool.labels))
        }
        if selectors and not by_label:
            spec.at("ipAddressPoolSelectors").warning(
                "select no pool", "Label a pool, or mend the selectors."
            )
        selected = by_label.union(names)
        return tuple(pool for pool in self.pools if pool.name in selected)

    def _missing(self, kind: str, name: str, place: Place) -> tuple[str, str]:
        return self.missing(Ref(kind, place.report.namespace, name))

    def _communities(self, declared: tuple[Community | str, ...], place: Place) -> tuple[Community, ...]:
        """Names first, then literals, as MetalLB looks them up."""
        found: list[Community] = []
        for index, one in positions(declared):
            name = one if isinstance(one, str) else f"large:{one}" if one.is_large else str(one)
            if name in self.aliases:
                found.append(self.aliases[name])
            elif isinstance(one, Community):
                found.append(one)
            elif ":" not in one:
                place.at(index).error(
                    f'no Community object defines "{one}"', "Define it, or write it like 65535:65282."
                )
            else:
                try:
                    parse_community(one)
                except Mistake as mistake:
                    place.at(index).error(mistake.message, mistake.hint)
        return tuple(found)

    def _check_local_preference(self, mine: BgpAdvertisement, pools: tuple[Pool, ...], spec: Place) -> None:
        """Two advertisements that would send one prefix to one peer must agree on the preference.

        Only what holds whatever nodes and Services there are is judged here; the rest when it is announced.
        """
        # The cheap questions first: many advertisements that are each for all pools meet here, two by two.
        for other, their_pools in self._linked:
            if (mine.local_pref or 0) == (other.local_pref or 0) or _are_apart(mine, other):
                continue
            theirs = {pool.name for pool in their_pools}
            shared = next((pool.name for pool in pools if pool.name in theirs), None)
            if shared is not None:
                spec.at("localPref").error(
                    f"invalid local preference {mine.local_pref or 0}: BGPAdvertisement {other.name} sets "
                    f"{other.local_pref or 0} for the same prefixes of pool {shared}",
                    "Give both the same localPref, or different pools, peers or aggregation lengths.",
                )
                return


def _are_apart(one: BgpAdvertisement, other: BgpAdvertisement) -> bool:
    return (
        bool(one.service_selectors or other.service_selectors)
        or bool(one.node_selectors or other.node_selectors)
        or bool(one.peers and other.peers and not set(one.peers) & set(other.peers))
        or one.aggregation_length != other.aggregation_length
        or one.aggregation_length_v6 != other.aggregation_length_v6
    )


def _check_aggregation(advertisement: BgpAdvertisement, pool: Pool, spec: Place) -> None:
    """An aggregate must not reach beyond what the pool owns: it would attract others' traffic."""
    for addresses in pool.ranges:
        name, length = (
            ("aggregationLength", advertisement.aggregation_length)
            if addresses.first.version == 4
            else ("aggregationLengthV6", advertisement.aggregation_length_v6)
        )
        if length == addresses.first.max_prefixlen:
            continue
        largest = min(network.prefixlen for network in networks_of(addresses))
        if largest > length:
            spec.at(name).error(
                f"invalid aggregation length {length}: prefix {largest} in pool {pool.name} is more specific than "
                f"the aggregation length for addresses {addresses}",
                f"Choose {largest} or more, or give the pool the whole /{length}.",
            )
