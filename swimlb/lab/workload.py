"""Which ports the stand-in workload has to serve, read from the manifests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import yaml


def service_ports(manifests: Path) -> tuple[int, ...]:
    """The ports of all Services, ascending. What is not readable is the speaker's to report."""
    return tuple(sorted({port for ports in ports_by_service(manifests).values() for port in ports}))


def ports_by_service(manifests: Path) -> dict[str, tuple[int, ...]]:
    """The ports of each Service, by its name, in the order written."""
    return {
        document["metadata"]["name"]: ports
        for path in sorted(manifests.glob("*.y*ml"))
        for document in _documents(path)
        if document.get("kind") == "Service" and (ports := _ports(document))
    }


def _documents(path: Path) -> Iterator[dict[str, Any]]:
    try:
        documents: list[object] = list(yaml.safe_load_all(path.read_text()))
    except (OSError, ValueError, yaml.YAMLError):
        return
    yield from (cast(dict[str, Any], document) for document in documents if isinstance(document, dict))


def _ports(service: dict[str, Any]) -> tuple[int, ...]:
    try:
        return tuple(entry["port"] for entry in service["spec"]["ports"] if type(entry["port"]) is int)
    except (KeyError, TypeError):
        return ()
