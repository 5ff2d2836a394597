"""MetalLB's configuration until 0.12, a text in a ConfigMap, as objects of its successor.

The former configuration had no names for peers and advertisements, put advertisements into pools, and advertised a
pool of protocol `bgp` without any as single addresses. Each value keeps the text it was written in.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeAlias

from swimlb.config.communities import parse_community
from swimlb.config.document import Document
from swimlb.config.ranges import parse_address, parse_pool_entry
from swimlb.config.report import Mistake, Place, Report, Unreadable
from swimlb.config.schema import at, read_record, record
from swimlb.config.types import (
    U32_MAX,
    Boolean,
    Choice,
    Integer,
    LabelMap,
    ListOf,
    Nested,
    SecretText,
    Text,
    parse_duration,
    positions,
)
from swimlb.model import Labels, Operator, Problem

Fields: TypeAlias = dict[str, object]

_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?")
_NAME_LENGTH_MAX = 253


@dataclass(frozen=True, slots=True)
class Checked:
    """Text that the parser takes, kept as it was written."""

    parse: Callable[[str], object]

    def read(self, value: object, place: Place) -> str:
        text = Text().read(value, place)
        try:
            self.parse(text)
        except Mistake as mistake:
            raise place.refuse(mistake.message, mistake.hint) from None
        return text


_ASN = Integer(1, U32_MAX)
_ADDRESS = Checked(parse_address)
_DURATION = Checked(parse_duration)
_INTERVAL_MS = Integer(10, 60000)


class Proto(StrEnum):
    BGP = "bgp"
    LAYER2 = "layer2"


@record()
class FormerRequirement:
    key: str = at("key", Text(), default="", required=True)
    operator: Operator = at("operator", Choice(Operator), default=Operator.EXISTS, required=True)
    values: tuple[str, ...] = at("values", ListOf(Text()), default=())


@record()
class FormerSelector:
    labels: Labels = at("match-labels", LabelMap(), default=())
    expressions: tuple[FormerRequirement, ...] = at(
        "match-expressions", ListOf(Nested(FormerRequirement)), default=()
    )


@record()
class FormerPeer:
    my_asn: int = at("my-asn", _ASN, default=0, required=True)
    peer_asn: int = at("peer-asn", _ASN, default=0, required=True)
    peer_address: str = at("peer-address", _ADDRESS, default="", required=True)
    peer_port: int | None = at("peer-port", Integer(1, 16384), default=None)
    source_address: str | None = at("source-address", _ADDRESS, default=None)
    hold_time: str | None = at("hold-time", _DURATION, default=None)
    keepalive_time: str | None = at("keepalive-time", _DURATION, default=None)
    router_id: str | None = at("router-id", _ADDRESS, default=None)
    node_selectors: tuple[FormerSelector, ...] = at(
        "node-selectors", ListOf(Nested(FormerSelector)), default=()
    )
    password: str | None = at("password", SecretText(), default=None)
    bfd_profile: str | None = at("bfd-profile", Text(), default=None)
    ebgp_multi_hop: bool | None = at("ebgp-multihop", Boolean(), default=None)


@record()
class FormerAdvertisement:
    aggregation_length: int | None = at("aggregation-length", Integer(1, 32), default=None)
    aggregation_length_v6: int | None = at("aggregation-length-v6", Integer(1, 128), default=None)
    local_pref: int | None = at("localpref", Integer(0, U32_MAX), default=None)
    communities: tuple[str, ...] = at("communities", ListOf(Text(), is_set=True), default=())


@record()
class FormerPool:
    name: str = at("name", Text(), default="", required=True)
    protocol: Proto | None = at("protocol", Choice(Proto), default=None, required=True)
    addresses: tuple[str, ...] = at(
        "addresses", ListOf(Checked(parse_pool_entry), is_never_empty=True), default=(), required=True
    )
    auto_assign: bool | None = at("auto-assign", Boolean(), default=None)
    avoid_buggy_ips: bool | None = at("avoid-buggy-ips", Boolean(), default=None)
    advertisements: tuple[FormerAdvertisement, ...] = at(
        "bgp-advertisements", ListOf(Nested(FormerAdvertisement)), default=()
    )


@record()
class FormerProfile:
    name: str = at("name", Text(), default="", required=True)
    receive_interval: int | None = at("receive-interval", _INTERVAL_MS, default=None)
    transmit_interval: int | None = at("transmit-interval", _INTERVAL_MS, default=None)
    detect_multiplier: int | None = at("detect-multiplier", Integer(2, 255), default=None)
    echo_interval: int | None = at("echo-interval", _INTERVAL_MS, default=None)
    echo_mode: bool | None = at("echo-mode", Boolean(), default=None)
    passive_mode: bool | None = at("passive-mode", Boolean(), default=None)
    minimum_ttl: int | None = at("minimum-ttl", Integer(1, 254), default=None)


@record()
class FormerConfiguration:
    peers: tuple[FormerPeer, ...] = at("peers", ListOf(Nested(FormerPeer)), default=())
    communities: Labels = at("bgp-communities", LabelMap(Checked(parse_community)), default=())
    pools: tuple[FormerPool, ...] = at("address-pools", ListOf(Nested(FormerPool)), default=())
    profiles: tuple[FormerProfile, ...] = at("bfd-profiles", ListOf(Nested(FormerProfile)), default=())


@dataclass(frozen=True, slots=True)
class Converted:
    objects: tuple[Fields, ...]
    problems: tuple[Problem, ...]


def convert(document: Document, namespace: str) -> Converted:
    """Objects that mean the same, in the order in which they may be created. Reports all that is wrong."""
    report = Report("ConfigMap", document)
    try:
        former = read_record(FormerConfiguration, document.content, report.place)
    except Unreadable:
        return Converted((), tuple(report.problems))
    maker = _Maker(namespace)
    objects = [
        *maker.communities(former.communities),
        *(
            maker.profile(one, report.place.at("bfd-profiles", index))
            for index, one in positions(former.profiles)
        ),
        *(maker.pool(one, report.place.at("address-pools", index)) for index, one in positions(former.pools)),
        *(one for pool in former.pools for one in maker.advertisements(pool)),
        *(maker.peer(one, number) for number, one in enumerate(former.peers, start=1)),
    ]
    return Converted(tuple(objects), tuple(report.problems))


@dataclass(slots=True)
class _Maker:
    """Writes objects; knows which name an object got in place of one that Kubernetes does not take."""

    namespace: str
    _names: dict[tuple[str, str], str] = field(default_factory=dict[tuple[str, str], str])

    def communities(self, communities: Labels) -> list[Fields]:
        named = [{"name": name, "value": value} for name, value in communities]
        return [self._object("Community", "communities", {"communities": named})] if named else []

    def profile(self, former: FormerProfile, place: Place) -> Fields:
        spec = {
            "receiveInterval": former.receive_interval,
            "transmitInterval": former.transmit_interval,
            "detectMultiplier": former.detect_multiplier,
            "echoInterval": former.echo_interval,
            "echoMode": former.echo_mode,
            "passiveMode": former.passive_mode,
            "minimumTtl": former.minimum_ttl,
        }
        return self._object("BFDProfile", self._named("BFDProfile", former.name, place), spec)

    def pool(self, former: FormerPool, place: Place) -> Fields:
        name = self._named("IPAddressPool", former.name, place)
        if name != former.name:
            place.at("name").warning(
                f"{former.name!r} is no name in Kubernetes; the IPAddressPool is called {name}",
                "Mend the annotation address-pool of Services that ask for it.",
            )
        if former.protocol is Proto.LAYER2 and former.advertisements:
            place.at("bgp-advertisements").warning(
                "have no effect in a pool of protocol layer2", "Nothing need be done: they are left out."
            )
        spec = {
            "addresses": list(former.addresses),
            "autoAssign": former.auto_assign,
            "avoidBuggyIPs": former.avoid_buggy_ips,
        }
        return self._object("IPAddressPool", name, spec)

    def advertisements(self, former: FormerPool) -> list[Fields]:
        """Named after their pool, and numbered if it has several."""
        pool = self._names.get(("IPAddressPool", former.name), former.name)
        if former.protocol is Proto.LAYER2:
            return [self._object("L2Advertisement", pool, {"ipAddressPools": [pool]})]
        several = former.advertisements or (FormerAdvertisement(),)
        return [
            self._object(
                "BGPAdvertisement",
                pool if len(several) == 1 else f"{pool}-{number}",
                {
                    "ipAddressPools": [pool],
                    "aggregationLength": one.aggregation_length,
                    "aggregationLengthV6": one.aggregation_length_v6,
                    "localPref": one.local_pref,
                    "communities": list(one.communities),
                },
            )
            for number, one in enumerate(several, start=1)
        ]

    def peer(self, former: FormerPeer, number: int) -> Fields:
        profile = former.bfd_profile
        spec = {
            "myASN": former.my_asn,
            "peerASN": former.peer_asn,
            "peerAddress": former.peer_address,
            "peerPort": former.peer_port,
            "sourceAddress": former.source_address,
            "holdTime": former.hold_time,
            "keepaliveTime": former.keepalive_time,
            "routerID": former.router_id,
            "nodeSelectors": [_selector(one) for one in former.node_selectors],
            "password": former.password,
            "bfdProfile": self._names.get(("BFDProfile", profile), profile) if profile else None,
            "ebgpMultiHop": former.ebgp_multi_hop,
        }
        return self._object("BGPPeer", f"peer{number}", spec, version="v1beta2")

    def _named(self, kind: str, former: str, place: Place) -> str:
        if (kind, former) in self._names:
            place.at("name").error(f"{former!r} is defined twice", "Rename one of the two.")
            return former
        name = _valid_name(former)
        taken = {given for (other, _), given in self._names.items() if other == kind}
        number = 2
        while name in taken:
            name, number = f"{_valid_name(former)}-{number}", number + 1
        self._names[kind, former] = name
        return name

    def _object(
        self, kind: str, name: str, spec: Mapping[str, object], *, version: str = "v1beta1"
    ) -> Fields:
        return {
            "apiVersion": f"metallb.io/{version}",
            "kind": kind,
            "metadata": {"name": name, "namespace": self.namespace},
            "spec": {key: value for key, value in spec.items() if value is not None and value != []},
        }


def _selector(former: FormerSelector) -> Fields:
    expressions = [
        {
            "key": one.key,
            "operator": one.operator.value,
            **({"values": list(one.values)} if one.values else {}),
        }
        for one in former.expressions
    ]
    return {
        **({"matchLabels": dict(former.labels)} if former.labels else {}),
        **({"matchExpressions": expressions} if expressions else {}),
    }


def _valid_name(text: str) -> str:
    """The text itself if Kubernetes takes it for a name, else what is most like it (RFC 1123)."""
    if _NAME.fullmatch(text):
        return text
    likely = re.sub(r"[^a-z0-9.-]", "-", text.lower()).strip("-.")[:_NAME_LENGTH_MAX].strip("-.")
    return likely or "unnamed"
