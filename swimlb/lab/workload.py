"""Which ports the stand-in workload has to serve, read from the manifests as the speakers read them."""

from __future__ import annotations

from pathlib import Path

from swimlb.config import resolve
from swimlb.model import Service
from swimlb.sources import read_paths


def service_ports(manifests: Path) -> tuple[int, ...]:
    """Every port that a Service has, or that its health check asks at, ascending."""
    ports: set[int] = set()
    for service in _services(manifests):
        ports |= {one.port for one in service.ports}
        ports |= {service.health_check.port} if service.health_check is not None else set()
    return tuple(sorted(ports))


def ports_by_service(manifests: Path) -> dict[str, tuple[int, ...]]:
    """The ports of each Service (`namespace/name`), in the order written."""
    return {service.key: tuple(one.port for one in service.ports) for service in _services(manifests)}


def _services(manifests: Path) -> tuple[Service, ...]:
    # What is wrong with the manifests is the speakers' to report.
    return resolve(read_paths([manifests]).documents).configuration.services
