"""Pod and the kinds that make Pods: only their labels and readinessProbes are read.

A standalone node runs such a probe itself, against its own address unless the probe names a host.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from swimlb.config.declared import Workload
from swimlb.config.document import mapping_of
from swimlb.config.health import is_host
from swimlb.config.kinds.common import Kind, Object, Scope
from swimlb.config.report import Place
from swimlb.config.schema import at, describe, read_record, record, shorten
from swimlb.config.types import Integer, LabelMap, ListOf, Nested, Text, positions
from swimlb.model import HealthCheck, Labels, ProbeKind

_SECONDS = Integer(1, 2**31 - 1)


class _Port:
    """A number, or the name of a port of the container."""

    def read(self, value: object, place: Place) -> int | str:
        if isinstance(value, str):
            return value
        return Integer(1, 65535).read(value, place)


class _Anything:
    """Present or not is all that matters."""

    def read(self, value: object, place: Place) -> bool:
        return True


@record(is_open=True)
class HeaderSpec:
    name: str = at("name", Text(), default="", required=True)
    value: str = at("value", Text(), default="")


@record(is_open=True)
class HttpGetSpec:
    path: str = at("path", Text(), default="/")
    port: int | str = at("port", _Port(), default=0, required=True)
    host: str = at("host", Text(), default="")
    scheme: str = at("scheme", Text(), default="HTTP")
    headers: tuple[HeaderSpec, ...] = at("httpHeaders", ListOf(Nested(HeaderSpec)), default=())


@record(is_open=True)
class TcpSocketSpec:
    port: int | str = at("port", _Port(), default=0, required=True)
    host: str = at("host", Text(), default="")


@record(is_open=True)
class ProbeSpec:
    http_get: HttpGetSpec | None = at("httpGet", Nested(HttpGetSpec), default=None)
    tcp_socket: TcpSocketSpec | None = at("tcpSocket", Nested(TcpSocketSpec), default=None)
    has_exec: bool = at("exec", _Anything(), default=False)
    has_grpc: bool = at("grpc", _Anything(), default=False)
    period: int = at("periodSeconds", _SECONDS, default=10)
    timeout: int = at("timeoutSeconds", _SECONDS, default=1)
    success_threshold: int = at("successThreshold", _SECONDS, default=1)
    failure_threshold: int = at("failureThreshold", _SECONDS, default=3)


@record(is_open=True)
class ContainerPortSpec:
    name: str = at("name", Text(), default="")
    port: int = at("containerPort", Integer(1, 65535), default=0, required=True)


@record(is_open=True)
class ContainerSpec:
    ports: tuple[ContainerPortSpec, ...] = at("ports", ListOf(Nested(ContainerPortSpec)), default=())
    probe: ProbeSpec | None = at("readinessProbe", Nested(ProbeSpec), default=None)


@record(is_open=True)
class PodSpec:
    containers: tuple[ContainerSpec, ...] = at("containers", ListOf(Nested(ContainerSpec)), default=())


@record(is_open=True)
class PodMetadata:
    labels: Labels = at("labels", LabelMap(), default=())


@record(is_open=True)
class TemplateSpec:
    metadata: PodMetadata = at("metadata", Nested(PodMetadata), default=PodMetadata())
    spec: PodSpec = at("spec", Nested(PodSpec), default=PodSpec())


def decode_pod(source: Object) -> Workload:
    spec = source.read("spec", PodSpec)
    return _workload(source, source.metadata.labels, spec, source.place.at("spec"))


def decode_workload(source: Object) -> Workload:
    content = mapping_of(mapping_of(source.document.content).get("spec")).get("template", {})
    place = source.place.at("spec", "template")
    template = read_record(TemplateSpec, content, place)
    return _workload(source, template.metadata.labels, template.spec, place.at("spec"))


def _workload(source: Object, labels: Labels, spec: PodSpec, place: Place) -> Workload:
    """A Pod is ready when all its containers are; of several probes, the first one that we can do stands for all."""
    check: HealthCheck | None = None
    for index, container in positions(spec.containers):
        if container.probe is not None and check is None:
            check = _health_check(container, container.probe, place.at("containers", index, "readinessProbe"))
    return Workload(source.ref.namespace, labels, check)


def _health_check(container: ContainerSpec, probe: ProbeSpec, place: Place) -> HealthCheck | None:
    timing = partial(
        HealthCheck,
        period=float(probe.period),
        timeout=float(probe.timeout),
        success_threshold=probe.success_threshold,
        failure_threshold=probe.failure_threshold,
    )
    if probe.http_get is not None:
        return _http_check(container, probe.http_get, timing, place.at("httpGet"))
    if probe.tcp_socket is not None:
        port = _port_number(container, probe.tcp_socket.port, place.at("tcpSocket", "port"))
        return timing(kind=ProbeKind.TCP, port=port, host=_host(probe.tcp_socket.host, place.at("tcpSocket")))
    if probe.has_exec or probe.has_grpc:
        place.at("exec" if probe.has_exec else "grpc").warning(
            "a node cannot run this kind of probe, so it takes itself as ready",
            "Use httpGet or tcpSocket, or annotate the Service with swimlb.io/health-check.",
        )
    return None


def _http_check(
    container: ContainerSpec, get: HttpGetSpec, timing: partial[HealthCheck], place: Place
) -> HealthCheck:
    port = _port_number(container, get.port, place.at("port"))
    check = timing(
        kind=ProbeKind.HTTP,
        port=port,
        host=_host(get.host, place),
        path=get.path if get.path.startswith("/") else f"/{get.path}",
        headers=tuple((header.name, header.value) for header in get.headers),
    )
    if get.scheme.upper() == "HTTPS":
        place.at("scheme").warning("HTTPS is checked by connecting only", "Nothing need be done.")
        return replace(check, kind=ProbeKind.TCP, path="/", headers=())
    return check


def _host(text: str, place: Place) -> str:
    if text and not is_host(text):
        place.at("host").error(
            f"{shorten(text)!r} is no host name", "Give an address or a name, or leave it out for this node."
        )
    return text or "127.0.0.1"


def _port_number(container: ContainerSpec, port: int | str, place: Place) -> int:
    if isinstance(port, int):
        return port
    number = next((entry.port for entry in container.ports if entry.name == port), None)
    if number is None:
        place.error(
            f"no port of the container has the name {describe(port)}",
            "Name one of its ports, or give a number.",
        )
        return 0
    return number


KINDS = (
    Kind("v1", "Pod", Scope.NAMESPACED, decode_pod),
    Kind("apps/v1", "Deployment", Scope.NAMESPACED, decode_workload),
    Kind("apps/v1", "DaemonSet", Scope.NAMESPACED, decode_workload),
    Kind("apps/v1", "StatefulSet", Scope.NAMESPACED, decode_workload),
)
