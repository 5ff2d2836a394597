"""Service: who asks for an address, and what for."""

from __future__ import annotations

from dataclasses import replace
from enum import StrEnum

from swimlb.config.declared import DeclaredService, IgnoredService
from swimlb.config.health import ANNOTATION, INTERVAL_ANNOTATION, parse_health_check
from swimlb.config.kinds.common import Kind, Metadata, Object, Scope
from swimlb.config.ranges import parse_address, parse_addresses
from swimlb.config.report import Mistake, Place
from swimlb.config.schema import at, describe, record
from swimlb.config.types import (
    Choice,
    Converted,
    Integer,
    LabelMap,
    ListOf,
    Nested,
    Parsed,
    Text,
    parse_duration,
    positions,
)
from swimlb.model import (
    FamilyPolicy,
    HealthCheck,
    IpAddress,
    IpFamily,
    Labels,
    Protocol,
    Service,
    ServicePort,
    TrafficPolicy,
    family_of,
)

_PREFIXES = ("metallb.io/", "metallb.universe.tf/")
"""The first that is present wins, even if its value is empty."""


@record(is_open=True)
class PortSpec:
    protocol: Protocol = at("protocol", Choice(Protocol), default=Protocol.TCP)
    port: int = at("port", Integer(1, 65535), default=0, required=True)


class _ClusterIp:
    """An address, or None for the headless Service; empty text: the API server is to choose."""

    def read(self, value: object, place: Place) -> IpAddress | None:
        if value == "":
            return None
        if value == "None":
            raise place.refuse("a headless Service cannot have a load balancer", "Remove clusterIP: None.")
        return Parsed(parse_address).read(value, place)


class _OptionalAddress:
    """An address; empty text stands for none, as the API server fills in."""

    def read(self, value: object, place: Place) -> IpAddress | None:
        return None if value == "" else Parsed(parse_address).read(value, place)


@record(is_open=True)
class ServiceSpec:
    selector: Labels = at("selector", LabelMap(), default=())
    ports: tuple[PortSpec, ...] = at("ports", ListOf(Nested(PortSpec)), default=())
    traffic_policy: TrafficPolicy = at(
        "externalTrafficPolicy", Choice(TrafficPolicy), default=TrafficPolicy.CLUSTER
    )
    family_policy: FamilyPolicy = at(
        "ipFamilyPolicy", Choice(FamilyPolicy), default=FamilyPolicy.SINGLE_STACK
    )
    families: tuple[IpFamily, ...] = at("ipFamilies", ListOf(Choice(IpFamily), is_set=True), default=())
    cluster_ips: tuple[IpAddress | None, ...] = at("clusterIPs", ListOf(_ClusterIp()), default=())
    cluster_ip: IpAddress | None = at("clusterIP", _ClusterIp(), default=None)
    load_balancer_ip: IpAddress | None = at("loadBalancerIP", _OptionalAddress(), default=None)


class ServiceType(StrEnum):
    CLUSTER_IP = "ClusterIP"
    NODE_PORT = "NodePort"
    LOAD_BALANCER = "LoadBalancer"
    EXTERNAL_NAME = "ExternalName"


def _type(text: str, place: Place) -> ServiceType:
    """The API server takes empty text for none."""
    return Choice(ServiceType).read(text or ServiceType.CLUSTER_IP.value, place)


@record(is_open=True)
class TypeSpec:
    """Read first: of a Service that is not ours, nothing else is judged."""

    type: ServiceType = at("type", Converted(Text(), _type), default=ServiceType.CLUSTER_IP)
    load_balancer_class: str = at("loadBalancerClass", Text(), default="")


@record(is_open=True)
class IngressSpec:
    ip: str = at("ip", Text(), default="")


@record(is_open=True)
class LoadBalancerStatus:
    ingress: tuple[IngressSpec, ...] = at("ingress", ListOf(Nested(IngressSpec)), default=())


@record(is_open=True)
class ServiceStatus:
    load_balancer: LoadBalancerStatus = at(
        "loadBalancer", Nested(LoadBalancerStatus), default=LoadBalancerStatus()
    )


def decode_service(source: Object) -> DeclaredService | IgnoredService:
    kind = source.read("spec", TypeSpec)
    if kind.type is not ServiceType.LOAD_BALANCER:
        return IgnoredService(f"its type is {kind.type}, not LoadBalancer")
    if kind.load_balancer_class != source.options.lb_class:
        return IgnoredService(f"its loadBalancerClass is {kind.load_balancer_class or 'not given'}")
    spec = source.read("spec", ServiceSpec)
    status = source.read("status", ServiceStatus)
    _check_ports(spec.ports, source.place.at("spec", "ports"))
    requested = _requested_addresses(spec, source.metadata, source.place)
    service = Service(
        namespace=source.ref.namespace,
        name=source.ref.name,
        labels=source.metadata.labels,
        selector=spec.selector,
        ports=tuple(sorted({ServicePort(port.protocol, port.port) for port in spec.ports})),
        traffic_policy=spec.traffic_policy,
        family_policy=spec.family_policy,
        families=_families(spec, requested, source.place.at("spec")),
        requested_addresses=requested,
        requested_pool=_annotation(source.metadata, "address-pool")[1] or None,
        sharing_key=_annotation(source.metadata, "allow-shared-ip")[1],
        held_addresses=_held_addresses(status),
        created=source.metadata.created,
        health_check=_health_check(source.metadata, source.place),
    )
    return DeclaredService(service)


def _annotation(metadata: Metadata, name: str) -> tuple[str, str | None]:
    """The annotation's full key and its value; of two prefixes the first that is present."""
    for prefix in _PREFIXES:
        value = metadata.annotation(prefix + name)
        if value is not None:
            return prefix + name, value
    return _PREFIXES[0] + name, None


def _check_ports(ports: tuple[PortSpec, ...], place: Place) -> None:
    if not ports:
        place.error("the Service has no ports", "List at least one port.")
    seen: set[PortSpec] = set()
    for index, port in positions(ports):
        if port in seen:
            place.at(index).error(f"{port.protocol}/{port.port} is listed twice", "Remove one of the two.")
        seen.add(port)


def _requested_addresses(spec: ServiceSpec, metadata: Metadata, place: Place) -> tuple[IpAddress, ...]:
    key, text = _annotation(metadata, "loadBalancerIPs")
    annotated = place.at("metadata", "annotations", key)
    if not text:
        return () if spec.load_balancer_ip is None else (spec.load_balancer_ip,)
    if spec.load_balancer_ip is not None:
        annotated.error(
            f"service can not have both {key} and svc.Spec.LoadBalancerIP", "Remove one of the two."
        )
    try:
        addresses = parse_addresses(text)
    except Mistake as mistake:
        annotated.error(mistake.message, mistake.hint)
        return ()
    if len(addresses) > 2:
        annotated.error("more than two addresses", "A Service has at most one address of each family.")
    elif len({address.version for address in addresses}) != len(addresses):
        annotated.error(f"{text!r} has the same family twice", "Ask for one IPv4 and one IPv6 address.")
    return addresses


def _families(spec: ServiceSpec, requested: tuple[IpAddress, ...], place: Place) -> tuple[IpFamily, ...]:
    """From clusterIPs, which the API server fills in; without one from what the manifest says.

    A manifest that says nothing means the families of the addresses it asks for, or else those of its policy.
    """
    cluster_ips = [one for one in spec.cluster_ips or (spec.cluster_ip,) if one is not None]
    if cluster_ips:
        families = tuple(family_of(address) for address in cluster_ips)
        if len(families) > 2 or len(set(families)) != len(families):
            place.at("clusterIPs").error("must be one address of each family at most", "Remove the others.")
            return families[:1]
        return families
    if spec.families:
        return spec.families
    if requested:
        return tuple(dict.fromkeys(family_of(address) for address in requested))
    if spec.family_policy is FamilyPolicy.SINGLE_STACK:
        return (IpFamily.IPV4,)
    return (IpFamily.IPV4, IpFamily.IPV6)


def _held_addresses(status: ServiceStatus) -> tuple[IpAddress, ...]:
    """Entries without an address of ours (others may write the status too) are passed over."""
    held: list[IpAddress] = []
    for entry in status.load_balancer.ingress:
        try:
            held.append(parse_address(entry.ip))
        except Mistake:
            continue
    return tuple(dict.fromkeys(held))


def _health_check(metadata: Metadata, place: Place) -> HealthCheck | None:
    text, interval = metadata.annotation(ANNOTATION), metadata.annotation(INTERVAL_ANNOTATION)
    annotations = place.at("metadata", "annotations")
    if text is None:
        if interval is not None:
            annotations.at(INTERVAL_ANNOTATION).warning(
                f"has no effect without {ANNOTATION}", f"Add {ANNOTATION}."
            )
        return None
    try:
        check = parse_health_check(text)
    except Mistake as mistake:
        annotations.at(ANNOTATION).error(mistake.message, mistake.hint)
        return None
    if interval is None:
        return check
    try:
        period = parse_duration(interval)
        if not 0.1 <= period <= 3600:
            raise Mistake(f"is {describe(interval)}, must be from 100ms to 1h", "Write for example 1s.")
    except Mistake as mistake:
        annotations.at(INTERVAL_ANNOTATION).error(mistake.message, mistake.hint)
        return check
    return replace(check, period=period, timeout=min(check.timeout, period))


KINDS = (Kind("v1", "Service", Scope.NAMESPACED, decode_service),)
