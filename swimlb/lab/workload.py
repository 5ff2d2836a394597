"""Which ports the stand-in workload has to serve, read from the manifests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import yaml


def service_ports(manifests: Path) -> tuple[int, ...]:
    """The ports of the LoadBalancer Services, ascending. What is not readable is the speaker's to report."""
    ports: set[int] = set()
    for path in sorted(manifests.glob("*.y*ml")):
        for document in _documents(path):
            if document.get("kind") == "Service":
                ports |= _ports(document)
    return tuple(sorted(ports))


def _documents(path: Path) -> Iterator[dict[str, Any]]:
    try:
        documents: list[object] = list(yaml.safe_load_all(path.read_text()))
    except (OSError, ValueError, yaml.YAMLError):
        return
    yield from (cast(dict[str, Any], document) for document in documents if isinstance(document, dict))


def _ports(service: dict[str, Any]) -> set[int]:
    try:
        return {entry["port"] for entry in service["spec"]["ports"] if type(entry["port"]) is int}
    except (KeyError, TypeError):
        return set()
