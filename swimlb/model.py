"""What the product reasons about: the records that sources produce and that decisions consume.

Nothing here does I/O, and nothing here is Kubernetes JSON: `swimlb.config` turns resources into these
records, `swimlb.allocator` gives Services their addresses, `swimlb.speaker` decides who announces them.
Every record is frozen and hashable, so that two versions of a world can be compared by value.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import TypeAlias

IpAddress: TypeAlias = IPv4Address | IPv6Address
IpNetwork: TypeAlias = IPv4Network | IPv6Network
Labels: TypeAlias = tuple[tuple[str, str], ...]
"""Sorted (key, value) pairs: hashable where a dict is not."""


class Severity(StrEnum):
    ERROR = "error"
    """The object, this version of it, or what the field says is not in force."""
    WARNING = "warning"
    """In force, but probably not what was meant."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One mistake of the operator, told so that it can be mended without reading our source."""

    severity: Severity
    object: str
    """`Kind/namespace/name`, `Kind/name` for cluster-scoped kinds, or the file when no object could be read."""
    field: str
    """Path such as `spec.addresses[1]`; empty when the object as a whole is meant."""
    message: str
    """What is wrong."""
    hint: str
    """What to do about it."""
    file: str | None = None
    line: int | None = None
    """1-based."""
    is_partial: bool = False
    """Of an error: what the field says is out of force, wholly or in part, and the rest of the object is in force."""


class Protocol(StrEnum):
    TCP = "TCP"
    UDP = "UDP"
    SCTP = "SCTP"


class TrafficPolicy(StrEnum):
    """`spec.externalTrafficPolicy`: may a node without a local endpoint take the traffic?"""

    CLUSTER = "Cluster"
    LOCAL = "Local"


class IpFamily(StrEnum):
    IPV4 = "IPv4"
    IPV6 = "IPv6"


class FamilyPolicy(StrEnum):
    """`spec.ipFamilyPolicy`."""

    SINGLE_STACK = "SingleStack"
    PREFER_DUAL_STACK = "PreferDualStack"
    REQUIRE_DUAL_STACK = "RequireDualStack"


class Operator(StrEnum):
    IN = "In"
    NOT_IN = "NotIn"
    EXISTS = "Exists"
    DOES_NOT_EXIST = "DoesNotExist"


@dataclass(frozen=True, slots=True)
class Requirement:
    """One `matchExpressions` entry of a label selector, with Kubernetes' meaning."""

    key: str
    operator: Operator
    values: tuple[str, ...] = ()

    def matches(self, labels: Mapping[str, str]) -> bool:
        match self.operator:
            case Operator.IN:
                return labels.get(self.key) in self.values
            case Operator.NOT_IN:
                # An object without the key matches too, as in Kubernetes.
                return labels.get(self.key) not in self.values
            case Operator.EXISTS:
                return self.key in labels
            case Operator.DOES_NOT_EXIST:
                return self.key not in labels


@dataclass(frozen=True, slots=True)
class LabelSelector:
    """All labels and all expressions must hold; the empty selector matches everything."""

    match_labels: Labels = ()
    match_expressions: tuple[Requirement, ...] = ()

    def matches(self, labels: Mapping[str, str]) -> bool:
        return all(labels.get(key) == value for key, value in self.match_labels) and all(
            requirement.matches(labels) for requirement in self.match_expressions
        )


def any_matches(selectors: tuple[LabelSelector, ...], labels: Mapping[str, str]) -> bool:
    """Lists of selectors are OR-ed everywhere in the `metallb.io` API; an empty list selects everything."""
    return not selectors or any(selector.matches(labels) for selector in selectors)


@dataclass(frozen=True, slots=True, order=True)
class AddressRange:
    """First and last address, both inclusive and of one family."""

    first: IpAddress
    last: IpAddress

    def __contains__(self, address: IpAddress) -> bool:
        return address.version == self.first.version and int(self.first) <= int(address) <= int(self.last)

    @property
    def size(self) -> int:
        return int(self.last) - int(self.first) + 1

    def __str__(self) -> str:
        return f"{self.first}-{self.last}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceAllocation:
    """Pins a pool to some Services: they are served from it before any pool that is not pinned."""

    priority: int = 0
    """Lower is tried first; 0 means not given, and is tried last."""
    namespaces: frozenset[str] | None = None
    """None: any namespace; empty: none (selectors that match no namespace)."""
    service_selectors: tuple[LabelSelector, ...] = ()

    def admits(self, namespace: str, labels: Mapping[str, str]) -> bool:
        return (self.namespaces is None or namespace in self.namespaces) and any_matches(
            self.service_selectors, labels
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Pool:
    """An IPAddressPool: addresses that may be given to Services."""

    name: str
    labels: Labels = ()
    ranges: tuple[AddressRange, ...]
    """In the order listed, each CIDR or range one entry. No two overlap, here or across pools."""
    auto_assign: bool = True
    """False: given only to Services that ask for the pool or the address."""
    avoid_buggy_ips: bool = False
    """True: IPv4 addresses that end in .0 or .255 are not usable, even when asked for."""
    service_allocation: ServiceAllocation | None = None
    """None: the pool is not pinned, every Service may use it."""
    quota_per_namespace: int | None = None
    """So many of its addresses the Services of one namespace may use; None: any number."""

    def __contains__(self, address: IpAddress) -> bool:
        return any(address in addresses for addresses in self.ranges)


@dataclass(frozen=True, slots=True, kw_only=True)
class PreferredNodes:
    """A soft preference of an L2Advertisement."""

    weight: int
    preference: LabelSelector


@dataclass(frozen=True, slots=True, kw_only=True)
class L2Advertisement:
    """Which pools are announced by ARP and NDP, from which nodes and interfaces, for which Services."""

    name: str
    pools: tuple[str, ...] = ()
    pool_selectors: tuple[LabelSelector, ...] = ()
    """Union with `pools`; both empty: every pool."""
    node_selectors: tuple[LabelSelector, ...] = ()
    interfaces: tuple[str, ...] = ()
    service_selectors: tuple[LabelSelector, ...] = ()
    preferred_nodes: tuple[PreferredNodes, ...] = ()


@dataclass(frozen=True, slots=True, order=True)
class Community:
    """A standard community (two 16-bit parts) or a large one (three 32-bit parts, RFC 8092)."""

    parts: tuple[int, ...]

    @property
    def is_large(self) -> bool:
        return len(self.parts) == 3

    def __str__(self) -> str:
        return ":".join(map(str, self.parts))


@dataclass(frozen=True, slots=True, kw_only=True)
class BgpAdvertisement:
    """Which pools are advertised to which BGP peers, and with which attributes."""

    name: str
    pools: tuple[str, ...] = ()
    pool_selectors: tuple[LabelSelector, ...] = ()
    node_selectors: tuple[LabelSelector, ...] = ()
    service_selectors: tuple[LabelSelector, ...] = ()
    peers: tuple[str, ...] = ()
    """Names of BGPPeers; empty: all of them."""
    aggregation_length: int = 32
    aggregation_length_v6: int = 128
    local_pref: int | None = None
    communities: tuple[Community, ...] = ()


class DynamicAsn(StrEnum):
    """What AS a router may be in whose number is not given."""

    INTERNAL = "internal"
    """Ours."""
    EXTERNAL = "external"
    """Any other."""


class Role(StrEnum):
    """What this side is to the router (RFC 9234); the router has to be the counterpart."""

    PROVIDER = "provider"
    CUSTOMER = "customer"
    PEER = "peer"
    ROUTE_SERVER = "rs"
    ROUTE_SERVER_CLIENT = "rs-client"


class Opening(StrEnum):
    """Which side may open the TCP connection."""

    ACTIVE = "active"
    """Only this one."""
    PASSIVE = "passive"
    """Only the router."""
    BOTH = "both"

    @property
    def is_listening(self) -> bool:
        return self is not Opening.ACTIVE


class AoAlgorithm(StrEnum):
    """RFC 5926, in the words of the registry."""

    HMAC_SHA_1 = "hmac-sha-1-96"
    AES_128_CMAC = "aes-128-cmac-96"


@dataclass(frozen=True, slots=True)
class TcpAo:
    """How both sides name the key of a session, and what they use it with (RFC 5925)."""

    send_id: int
    receive_id: int
    algorithm: AoAlgorithm = AoAlgorithm.HMAC_SHA_1


class OnStop(StrEnum):
    """What the stop of a speaker means to a router."""

    DRAIN = "drain"
    """The node serves no more: the router looks for other ways first, then the routes go."""
    RESTART = "restart"
    """The node is back in a moment: the routes stay, as far as graceful restart is agreed on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BfdProfile:
    """How a router is watched by BFD (RFC 5880). The defaults are FRR's, hence MetalLB's."""

    name: str
    receive_interval_ms: int = 300
    transmit_interval_ms: int = 300
    detect_multiplier: int = 3
    echo_interval_ms: int = 50
    has_echo: bool = False
    is_passive: bool = False
    minimum_ttl: int = 254
    """Multihop only."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BgpPeer:
    """A router to hold a BGP session with, from the nodes that `node_selectors` select."""

    name: str
    my_asn: int
    peer_asn: int | None = None
    """None: `dynamic_asn` says which ones are acceptable. Exactly one of the two is given."""
    dynamic_asn: DynamicAsn | None = None
    local_asn: int | None = None
    """The AS to be towards this peer, in place of `my_asn` (local-as no-prepend replace-as)."""
    peer_address: IpAddress | None = None
    """None: unnumbered, whoever advertises itself on `interface`. Exactly one of the two is given."""
    interface: str = ""
    peer_port: int = 179
    source_address: IpAddress | None = None
    vrf: str = ""
    """The VRF device that the session runs in; empty: none."""
    hold_time: int | None = None
    """Seconds, 0 or at least 3; None: the speaker's default."""
    keepalive_time: int | None = None
    connect_time: int | None = None
    """Seconds between two attempts to connect; None: they begin close together and grow apart."""
    router_id: IPv4Address | None = None
    node_selectors: tuple[LabelSelector, ...] = ()
    password: str | None = field(default=None, repr=False)
    """TCP MD5 (RFC 2385), or the key of TCP-AO."""
    ao: TcpAo | None = None
    """The password is for TCP-AO; None: for TCP MD5."""
    ebgp_multihop: bool = False
    bfd: BfdProfile | None = None
    """None: the session lives and dies by its hold time."""
    has_graceful_restart: bool = False
    restart_time: int | None = None
    """Seconds for which the router is to keep our routes while this process starts again; None: the default."""
    is_dual_stack: bool = False
    """Both families go over the session, not only the one of its addresses."""
    opening: Opening = Opening.ACTIVE
    hops_max: int | None = None
    """The router is at most so many hops away, and packets from further off are dropped (RFC 5082); None: any."""
    role: Role | None = None
    is_role_strict: bool = False
    """A router that names no role of its own is refused."""
    prefixes_max: int | None = None
    """More routes than this from the router end the session."""
    keeps_received: bool = False
    """What the router sends is remembered, for people to look at. It has no other use."""
    shutdown_wait: float | None = None
    """From GRACEFUL_SHUTDOWN (RFC 8326) to the withdrawal, on a planned stop; None: the speaker's default."""
    on_stop: OnStop = OnStop.DRAIN
    """What SIGTERM means; only with graceful restart."""

    def stays_over_stop(self, *, is_restart: bool) -> bool:
        """Whether the router is to keep our routes over a stop of the speaker, which may be known for a restart."""
        return self.has_graceful_restart and (is_restart or self.on_stop is OnStop.RESTART)

    def needs_new_session(self, other: BgpPeer) -> bool:
        """Whether a session by these settings cannot go on by those of `other`.

        What is left out here comes into force within the session, or with the next one.
        """
        # A key of TCP-AO is not replaced on a connection, as one of MD5 is: both sides would need both for a while.
        is_rekeyed = self.ao is not None and self.password != other.password
        return is_rekeyed or any(getattr(self, name) != getattr(other, name) for name in _IDENTITY)


_IDENTITY = (
    "name",
    "my_asn",
    "peer_asn",
    "dynamic_asn",
    "local_asn",
    "peer_address",
    "interface",
    "peer_port",
    "source_address",
    "vrf",
    "router_id",
    "has_graceful_restart",
    "is_dual_stack",
    "role",
    "ao",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A Kubernetes Node, or in standalone mode a host that runs a speaker."""

    name: str
    labels: Labels = ()
    is_network_unavailable: bool = False


@dataclass(frozen=True, slots=True, order=True)
class ServicePort:
    protocol: Protocol
    port: int


class ProbeKind(StrEnum):
    TCP = "tcp"
    HTTP = "http"


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthCheck:
    """How a standalone node finds out whether it has a ready endpoint: a readinessProbe, or our annotation."""

    kind: ProbeKind
    port: int
    host: str = "127.0.0.1"
    path: str = "/"
    """HTTP only; any status from 200 to 399 is a success, as for the kubelet."""
    headers: Labels = ()
    period: float = 10.0
    timeout: float = 1.0
    success_threshold: int = 1
    failure_threshold: int = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """A Service of type LoadBalancer as its owner wrote it, before it has an address."""

    namespace: str
    name: str
    labels: Labels = ()
    selector: Labels = ()
    ports: tuple[ServicePort, ...] = ()
    traffic_policy: TrafficPolicy = TrafficPolicy.CLUSTER
    family_policy: FamilyPolicy = FamilyPolicy.SINGLE_STACK
    families: tuple[IpFamily, ...] = (IpFamily.IPV4,)
    """From clusterIPs, or in standalone mode from ipFamilies; the first is the primary one."""
    requested_addresses: tuple[IpAddress, ...] = ()
    """`spec.loadBalancerIP`, or the annotation `loadBalancerIPs` of either prefix."""
    requested_pool: str | None = None
    sharing_key: str | None = None
    """Annotation `allow-shared-ip` of either prefix. None: the annotation is absent, which "" is not."""
    held_addresses: tuple[IpAddress, ...] = ()
    """`status.loadBalancer.ingress`: what it was given before."""
    created: str = ""
    """`metadata.creationTimestamp` as RFC 3339 text; older Services are served first."""
    health_check: HealthCheck | None = None

    @property
    def key(self) -> str:
        return f"{self.namespace}/{self.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoints:
    """Where a Service has serving endpoints."""

    service: str
    """Key `namespace/name`."""
    nodes: frozenset[str]
    """Those with a serving endpoint; "" stands for endpoints that do not tell their node."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Readiness:
    """What a health check found out: may this node serve the Service?"""

    service: str
    """Key `namespace/name`."""
    is_ready: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Intent:
    """What is wanted of this node, by whoever runs it. There is one at most."""

    drained_by: str
    """Why it is to give up its addresses while it stays up: the mark that says so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seeds:
    """Where other speakers may be found, as the cluster tells. There is one at most; it adds to what the operator gave."""

    addresses: tuple[IpAddress, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Allocation:
    """A Service and the addresses it has: what speakers announce."""

    service: Service
    addresses: tuple[IpAddress, ...]
    """Not empty. The first one elects the node for all (MetalLB's rule)."""
    pool: str
    reason: str = ""
    """Why a new request could not be met, so that the Service keeps what it had; empty: all is as asked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pending:
    """A Service without an address, and why."""

    service: Service
    reason: str


@dataclass(frozen=True, slots=True)
class Configuration:
    """Everything that is in force: good objects, or the last good version of bad ones. Sorted by name."""

    pools: tuple[Pool, ...] = ()
    l2_advertisements: tuple[L2Advertisement, ...] = ()
    bgp_advertisements: tuple[BgpAdvertisement, ...] = ()
    bgp_peers: tuple[BgpPeer, ...] = ()
    bfd_profiles: tuple[BfdProfile, ...] = ()
    nodes: tuple[Node, ...] = ()
    services: tuple[Service, ...] = ()
    endpoints: tuple[Endpoints, ...] = ()

    def pool_of(self, address: IpAddress) -> Pool | None:
        return next((pool for pool in self.pools if address in pool), None)


def labels_of(mapping: Mapping[str, str]) -> Labels:
    """The hashable form of a label map."""
    return tuple(sorted(mapping.items()))


def family_of(address: IpAddress) -> IpFamily:
    return IpFamily.IPV4 if address.version == 4 else IpFamily.IPV6


def networks_of(addresses: AddressRange) -> Iterator[IpNetwork]:
    """The minimal ascending list of CIDRs that cover a range exactly."""
    first, last = int(addresses.first), int(addresses.last)
    network: type[IPv4Network] | type[IPv6Network]
    network, bits = (IPv4Network, 32) if addresses.first.version == 4 else (IPv6Network, 128)
    while first <= last:
        alignment = bits if first == 0 else (first & -first).bit_length() - 1
        size_bits = min(alignment, (last - first + 1).bit_length() - 1)
        yield network((first, bits - size_bits))
        first += 1 << size_bits
