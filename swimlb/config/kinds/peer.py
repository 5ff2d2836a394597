"""BGPPeer in both versions, BFDProfile and Community."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address

from swimlb.config.communities import COMMUNITY_PATTERN, parse_community
from swimlb.config.declared import CommunityAliases, DeclaredPeer
from swimlb.config.kinds.common import Kind, Object, Scope
from swimlb.config.peering import PASSWORD_OCTETS_MAX, annotate_peer, check_annotations
from swimlb.config.ranges import ADDRESS_PATTERN, parse_address
from swimlb.config.report import Mistake, Place
from swimlb.config.schema import Rule, at, record
from swimlb.config.selectors import LEGACY_SELECTORS, SELECTORS
from swimlb.config.types import (
    U32_MAX,
    Boolean,
    Choice,
    Integer,
    ListOf,
    Nested,
    Parsed,
    SecretText,
    Text,
    each,
    parse_duration,
)
from swimlb.model import BfdProfile, BgpPeer, Community, DynamicAsn, IpAddress, LabelSelector

_ASN = Integer(0, U32_MAX)
_DEFAULT_PORT = 179


def _parse_router_id(text: str) -> IPv4Address:
    address = parse_address(text)
    if not isinstance(address, IPv4Address) or int(address) == 0:
        raise Mistake(
            f"invalid router ID {text!r}", "A router ID reads like an IPv4 address other than 0.0.0.0."
        )
    return address


def _parse_optional_address(text: str) -> IpAddress | None:
    """Empty text stands for none, as it does in MetalLB."""
    return parse_address(text) if text else None


def _parse_optional_router_id(text: str) -> IPv4Address | None:
    return _parse_router_id(text) if text else None


_OPTIONAL_ADDRESS = Parsed(_parse_optional_address, pattern=ADDRESS_PATTERN)
_ROUTER_ID = Parsed(_parse_optional_router_id, pattern=ADDRESS_PATTERN)
_DURATION = Parsed(parse_duration)
_NODES_ABOUT = "Nodes that hold a session with the router, by their labels: one selector must match. Without any, every node."
_CONNECT_TIME_RULES = (
    Rule(
        "duration(self).getSeconds() >= 1 && duration(self).getSeconds() <= 65535",
        "connect time should be between 1 seconds to 65535",
    ),
    Rule(
        "duration(self).getMilliseconds() % 1000 == 0",
        "connect time should contain a whole number of seconds",
    ),
)
_PEER_RULES = (
    Rule("self.myASN != 0", "missing local ASN"),
    Rule(
        "(has(self.peerASN) && self.peerASN != 0) || has(self.dynamicASN)",
        "missing peer ASN and dynamicASN",
    ),
    Rule(
        "!(has(self.peerASN) && self.peerASN != 0 && has(self.dynamicASN))",
        "both peer ASN and dynamicASN specified",
    ),
    Rule(
        "(has(self.peerAddress) && self.peerAddress != '') || (has(self.interface) && self.interface != '')",
        "peer has no Address or Interface specified",
    ),
    Rule(
        "!(has(self.peerAddress) && self.peerAddress != '' && has(self.interface) && self.interface != '')",
        "peer has both Address and Interface specified",
    ),
    Rule(
        "!(has(self.password) && self.password != ''"
        " && has(self.passwordSecret) && has(self.passwordSecret.name) && self.passwordSecret.name != '')",
        "can not have both password and secret ref set in peer config",
    ),
    Rule(
        "!(has(self.ebgpMultiHop) && self.ebgpMultiHop && has(self.peerASN) && self.peerASN == self.myASN)",
        "invalid ebgp-multihop parameter set for an ibgp peer",
    ),
    Rule(
        "!has(self.holdTime) || duration(self.holdTime).getSeconds() == 0"
        " || (duration(self.holdTime).getSeconds() >= 3 && duration(self.holdTime).getSeconds() <= 65535)",
        "invalid hold time: must be 0 or from 3s to 65535s",
    ),
    Rule(
        "!has(self.holdTime) || !has(self.keepaliveTime)"
        " || duration(self.keepaliveTime).getSeconds() <= duration(self.holdTime).getSeconds()",
        "invalid keepaliveTime, must be lower than holdTime",
    ),
)


@record(is_atomic=True)
class SecretReference:
    name: str = at(
        "name", Text(), default="", about="Name of the Secret, of type `kubernetes.io/basic-auth`."
    )
    namespace: str = at(
        "namespace", Text(), default="", about="Not looked at: the Secret stands beside the BGPPeer."
    )


@record()
class PeerV1Beta1Spec:
    """What both versions have. Timers are in seconds."""

    my_asn: int = at("myASN", _ASN, default=0, required=True, about="AS number of the nodes.")
    peer_asn: int = at("peerASN", _ASN, default=0, required=True, about="AS number of the router.")
    peer_address: IpAddress | None = at(
        "peerAddress",
        _OPTIONAL_ADDRESS,
        default=None,
        required=True,
        about="IP address of the router.",
    )
    peer_port: int = at(
        "peerPort", Integer(0, 16384), default=_DEFAULT_PORT, about="TCP port of the router; 0 means 179."
    )
    source_address: IpAddress | None = at(
        "sourceAddress",
        _OPTIONAL_ADDRESS,
        default=None,
        about="Address of the node that the session comes from. The kernel chooses one when it is absent.",
    )
    hold_time: float | None = at(
        "holdTime",
        _DURATION,
        default=None,
        about="Proposed Hold Time (RFC 4271): 0, or at least 3s. Fractions of a second are cut off.",
    )
    keepalive_time: float | None = at(
        "keepaliveTime",
        _DURATION,
        default=None,
        about="Time between KEEPALIVE messages, at most the hold time. When only one of the two is given, it makes the other.",
    )
    router_id: IPv4Address | None = at(
        "routerID",
        _ROUTER_ID,
        default=None,
        about="BGP Identifier of the nodes. Each takes its own IPv4 address when it is absent.",
    )
    node_selectors: tuple[LabelSelector, ...] = at(
        "nodeSelectors",
        LEGACY_SELECTORS,
        default=(),
        about=_NODES_ABOUT,
    )
    password: str = at(
        "password", SecretText(), default="", about="Password of the session (TCP MD5, RFC 2385)."
    )
    bfd_profile: str = at(
        "bfdProfile",
        Text(),
        default="",
        about="Name of a BFDProfile: the session ends as soon as BFD finds the router gone.",
    )
    ebgp_multi_hop: bool = at(
        "ebgpMultiHop", Boolean(), default=False, about="The router of another AS is more than one hop away."
    )


@record(rules=_PEER_RULES)
class PeerSpec(PeerV1Beta1Spec):
    peer_asn: int = at(
        "peerASN", _ASN, default=0, about="AS number of the router. Either this or `dynamicASN`."
    )
    peer_address: IpAddress | None = at(
        "peerAddress",
        _OPTIONAL_ADDRESS,
        default=None,
        about="IP address of the router. Either this or `interface`.",
    )
    peer_port: int = at(
        "peerPort",
        Integer(1, 16384),
        default=_DEFAULT_PORT,
        written_default=_DEFAULT_PORT,
        about="TCP port of the router.",
    )
    node_selectors: tuple[LabelSelector, ...] = at("nodeSelectors", SELECTORS, default=(), about=_NODES_ABOUT)
    password_secret: SecretReference = at(
        "passwordSecret",
        Nested(SecretReference),
        default=SecretReference(),
        about="A Secret whose key `password` holds the password. Either this or `password`.",
    )
    dynamic_asn: DynamicAsn | None = at(
        "dynamicASN",
        Choice(DynamicAsn),
        default=None,
        about="Take the router's AS number as it comes: `internal` is the nodes' own, `external` any other.",
    )
    local_asn: int | None = at(
        "localASN",
        Integer(1, U32_MAX),
        default=None,
        about="AS number to show to this router in place of `myASN`.",
    )
    interface: str = at(
        "interface",
        Text(),
        default="",
        about="Peer with the router on this interface by its link-local address.",
    )
    connect_time: float | None = at(
        "connectTime",
        _DURATION,
        default=None,
        about="Time between attempts to connect: whole seconds.",
        rules=_CONNECT_TIME_RULES,
    )
    enable_graceful_restart: bool = at(
        "enableGracefulRestart",
        Boolean(),
        default=False,
        about="Ask the router to keep the routes while the speaker restarts (RFC 4724).",
        rules=(Rule("self == oldSelf", "EnableGracefulRestart cannot be changed after creation"),),
    )
    vrf: str = at("vrf", Text(), default="", about="The VRF of the node that the session is in.")
    disable_mp: bool = at(
        "disableMP",
        Boolean(),
        default=False,
        written_default=False,
        about="Has no effect; MetalLB deprecated it.",
    )
    dual_stack: bool = at(
        "dualStackAddressFamily",
        Boolean(),
        default=False,
        written_default=False,
        about="Advertise both IPv4 and IPv6 routes in this session.",
    )


def decode_peer_v1beta1(source: Object) -> DeclaredPeer:
    """The old version is read as the new one would be after conversion.

    Its timers are not optional: unset means 0, which is a session without keepalives.
    """
    source.place.at("apiVersion").warning("v1beta1 is deprecated", "Please use metallb.io/v1beta2.")
    old = source.read("spec", PeerV1Beta1Spec)
    declared = _decode(
        source,
        replace(
            old,
            peer_port=old.peer_port or _DEFAULT_PORT,
            hold_time=old.hold_time or 0.0,
            keepalive_time=old.keepalive_time or 0.0,
        ),
    )
    check_annotations(declared.peer, source.place.at("metadata", "annotations"))
    return declared


def decode_peer(source: Object) -> DeclaredPeer:
    spec = source.read("spec", PeerSpec)
    place = source.place.at("spec")
    if spec.dynamic_asn is not None and spec.peer_asn:
        place.at("dynamicASN").error("both peer ASN and dynamicASN specified", "Remove one of the two.")
    if spec.interface and spec.peer_address is not None:
        place.at("interface").error("peer has both Address and Interface specified", "Remove one of the two.")
    if spec.password and spec.password_secret.name:
        place.at("passwordSecret").error(
            "can not have both password and secret ref set in peer config",
            "Remove password or passwordSecret.",
        )
    _check_connect_time(spec.connect_time, place.at("connectTime"))
    _check_local_asn(spec, place.at("localASN"))
    if spec.disable_mp:
        place.at("disableMP").warning(
            "disable mp is deprecated and has no effect since it's the default behavior now", "Remove it."
        )
    declared = _decode(source, spec)
    peer = replace(
        declared.peer,
        dynamic_asn=spec.dynamic_asn,
        local_asn=spec.local_asn,
        interface=spec.interface,
        connect_time=None if spec.connect_time is None else int(spec.connect_time),
        has_graceful_restart=spec.enable_graceful_restart,
        vrf=spec.vrf,
        is_dual_stack=spec.dual_stack,
    )
    check_annotations(peer, source.place.at("metadata", "annotations"))
    return replace(declared, peer=peer, password_secret=spec.password_secret.name or None)


def _check_connect_time(connect_time: float | None, place: Place) -> None:
    if connect_time is not None and not 1 <= connect_time <= 65535:
        place.error("connect time should be between 1 seconds to 65535", "Write it like 10s.")
    elif connect_time is not None and connect_time % 1:
        place.error("connect time should contain a whole number of seconds", "Write it like 10s.")


def _check_local_asn(spec: PeerSpec, place: Place) -> None:
    if spec.local_asn is None:
        return
    if spec.peer_asn == spec.my_asn != 0 or spec.dynamic_asn is DynamicAsn.INTERNAL:
        place.error("localASN is set for an ibgp peer", "Remove it, or name another AS in peerASN.")
    elif spec.local_asn == spec.peer_asn:
        place.error(
            "localASN is the AS of the router",
            "Remove it and set myASN to it, if the session is to be internal.",
        )
    elif spec.local_asn == spec.my_asn:
        place.warning("localASN is the same as myASN and has no effect", "Remove it.")


def _decode(source: Object, spec: PeerV1Beta1Spec) -> DeclaredPeer:
    """The rules that hold for both versions."""
    place = source.place.at("spec")
    if spec.my_asn == 0:
        place.at("myASN").error("missing local ASN", "Give the AS number of the nodes, such as 64512.")
    is_dynamic = getattr(spec, "dynamic_asn", None) is not None or place.at("dynamicASN").is_broken
    if spec.peer_asn == 0 and not is_dynamic:
        place.at("peerASN").error(
            "missing peer ASN and dynamicASN", "Give the AS number of the router in peerASN."
        )
    if spec.peer_address is None and not getattr(spec, "interface", ""):
        place.at("peerAddress").error(
            "peer has no Address or Interface specified",
            "Give the IP address of the router in peerAddress.",
        )
    _check_addresses(spec, place)
    if spec.ebgp_multi_hop and spec.peer_asn == spec.my_asn != 0:
        place.at("ebgpMultiHop").error(
            "invalid ebgp-multihop parameter set for an ibgp peer", "Remove it: iBGP is multi-hop anyhow."
        )
    hold_time, keepalive_time = _timers(spec, place)
    peer = BgpPeer(
        name=source.ref.name,
        my_asn=spec.my_asn,
        peer_asn=spec.peer_asn or None,
        peer_address=spec.peer_address,
        peer_port=spec.peer_port,
        source_address=spec.source_address,
        hold_time=hold_time,
        keepalive_time=keepalive_time,
        router_id=spec.router_id,
        node_selectors=spec.node_selectors,
        password=spec.password or None,
        ebgp_multihop=spec.ebgp_multi_hop,
    )
    annotations = source.place.at("metadata", "annotations")
    annotated = annotate_peer(peer, source.metadata.annotations, annotations)
    return DeclaredPeer(annotated, bfd_profile=spec.bfd_profile or None)


def _check_addresses(spec: PeerV1Beta1Spec, place: Place) -> None:
    peer, own = spec.peer_address, spec.source_address
    if peer is not None and own is not None and peer.version != own.version:
        place.at("sourceAddress").error(
            f"{own} is not of the family of peerAddress {peer}", "Give an address of the same family."
        )
    if peer is not None and peer.is_link_local and peer.version == 6:
        place.at("peerAddress").error(
            f"{peer} is link-local, and says nothing of the interface",
            "Name the interface in `interface`, in place of peerAddress.",
        )
    if len(spec.password.encode()) > PASSWORD_OCTETS_MAX:
        place.at("password").error(
            f"is longer than {PASSWORD_OCTETS_MAX} octets, which TCP MD5 cannot take", "Choose a shorter one."
        )


def _timers(spec: PeerV1Beta1Spec, place: Place) -> tuple[int | None, int | None]:
    """Whole seconds, as RFC 4271 counts; when only one timer is given, it sets the other, which is three to one."""
    hold_time = None if spec.hold_time is None else int(spec.hold_time)
    keepalive_time = None if spec.keepalive_time is None else int(spec.keepalive_time)
    if hold_time is None and spec.keepalive_time is not None:
        # Of what was written, as MetalLB does: three times a second and a half are four whole ones.
        hold_time = int(3 * spec.keepalive_time)
    if keepalive_time is None and hold_time is not None:
        keepalive_time = hold_time // 3
    if hold_time is not None and (hold_time in (1, 2) or hold_time > 65535):
        field, example = ("keepaliveTime", "30s") if spec.hold_time is None else ("holdTime", "90s")
        place.at(field).error(
            f"invalid hold time {hold_time}s: must be 0 or from 3s to 65535s",
            f"Choose for example {example}.",
        )
    elif hold_time is not None and keepalive_time is not None and keepalive_time > hold_time:
        place.at("keepaliveTime").error(
            f"invalid keepaliveTime {keepalive_time}s, must be lower than holdTime {hold_time}s",
            "A third of holdTime is usual.",
        )
    return hold_time, keepalive_time


_INTERVAL_MS = Integer(10, 60000)
INTERVAL_MS_MIN = 50
"""Measured by `make soak-bfd`. The schema has MetalLB's range, so that its objects can be stored and are judged."""


@record()
class BfdSpec:
    receive_interval: int | None = at(
        "receiveInterval",
        _INTERVAL_MS,
        default=None,
        about="Shortest time between received packets that this side bears, in ms, at least 50. Unset: 300.",
    )
    transmit_interval: int | None = at(
        "transmitInterval",
        _INTERVAL_MS,
        default=None,
        about="Time between packets that this side would like to send, in ms, at least 50. Unset: 300.",
    )
    detect_multiplier: int | None = at(
        "detectMultiplier",
        Integer(2, 255),
        default=None,
        about="How many packets may be missing before the router is taken for gone. Unset: 3.",
    )
    echo_interval: int | None = at(
        "echoInterval",
        _INTERVAL_MS,
        default=None,
        about="Time between echo packets, in ms, at least 50. Unset: 50.",
    )
    echo_mode: bool = at(
        "echoMode",
        Boolean(),
        default=False,
        about="Have the router send packets of ours back; not for routers more than one hop away.",
    )
    passive_mode: bool = at(
        "passiveMode", Boolean(), default=False, about="Wait for the router to send the first packet."
    )
    minimum_ttl: int | None = at(
        "minimumTtl",
        Integer(1, 254),
        default=None,
        about="Drop packets of a router more than one hop away that have less than this TTL. Unset: 254.",
    )


def decode_bfd_profile(source: Object) -> BfdProfile:
    spec = source.read("spec", BfdSpec)
    place = source.place.at("spec")
    given = {
        "receive_interval_ms": spec.receive_interval,
        "transmit_interval_ms": spec.transmit_interval,
        "detect_multiplier": spec.detect_multiplier,
        "echo_interval_ms": spec.echo_interval,
        "minimum_ttl": spec.minimum_ttl,
    }
    profile = BfdProfile(
        name=source.ref.name,
        has_echo=spec.echo_mode,
        is_passive=spec.passive_mode,
        **{name: value for name, value in given.items() if value is not None},
    )
    _check_interval(place.at("receiveInterval"), profile.receive_interval_ms)
    _check_interval(place.at("transmitInterval"), profile.transmit_interval_ms)
    if profile.has_echo:
        _check_interval(place.at("echoInterval"), profile.echo_interval_ms)
    return profile


def _check_interval(place: Place, interval_ms: int) -> None:
    """MetalLB leaves BFD to a daemon in C. Ours keeps what it promises from 50 ms on, and says so below."""
    if interval_ms < INTERVAL_MS_MIN:
        place.error(
            f"{interval_ms} ms is shorter than this speaker can keep on a busy node, and would make false alarms",
            f"Choose {INTERVAL_MS_MIN} or more: with detectMultiplier 3 a dead router is found in 0.15 s.",
        )


@record()
class AliasSpec:
    name: str = at("name", Text(), default="", required=True, about="Unique over all Community objects.")
    value: Community = at(
        "value",
        Parsed(parse_community, pattern=COMMUNITY_PATTERN),
        default=Community((0, 0)),
        required=True,
        about="What it stands for: `64496:1` (RFC 1997), or `large:64496:1:2` (RFC 8092).",
    )


@record()
class CommunitySpec:
    communities: tuple[AliasSpec, ...] = at(
        "communities",
        ListOf(Nested(AliasSpec)),
        default=(),
        about="Names that advertisements may use in place of communities.",
    )


def decode_community(source: Object) -> CommunityAliases:
    spec = source.read("spec", CommunitySpec)
    return CommunityAliases(each(lambda alias: (alias.name, alias.value), spec.communities))


KINDS = (
    Kind("metallb.io/v1beta1", "BGPPeer", Scope.SYSTEM, decode_peer_v1beta1),
    Kind("metallb.io/v1beta2", "BGPPeer", Scope.SYSTEM, decode_peer),
    Kind("metallb.io/v1beta1", "BFDProfile", Scope.SYSTEM, decode_bfd_profile),
    Kind("metallb.io/v1beta1", "Community", Scope.SYSTEM, decode_community),
)
