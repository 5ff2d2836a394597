"""What a replica of the controller tells of itself, beside how full the pools are."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from prometheus_client.core import Metric

from swimlb import __version__
from swimlb.observe.families import gauge, gauges


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How a replica stands at a moment."""

    is_configured: bool
    is_stale: bool
    is_leading: bool
    writes_in_flight: int
    writes_waiting: int


def controller_families(standing: Standing) -> Iterator[Metric]:
    yield gauges(
        "swimlb_controller_build_info", "The release that runs here.", ["version"], [((__version__,), 1)]
    )
    yield gauge(
        "metallb_k8s_client_config_loaded_bool", "Some configuration is in force.", standing.is_configured
    )
    yield gauge(
        "metallb_k8s_client_config_stale_bool", "Not all that is configured is in force.", standing.is_stale
    )
    yield gauge("swimlb_controller_is_leading", "This replica writes.", standing.is_leading)
    yield gauge(
        "swimlb_controller_writes_in_flight",
        "Writes to Services that are not answered yet.",
        standing.writes_in_flight,
    )
    yield gauge(
        "swimlb_controller_writes_waiting",
        "Services that are still to be written to.",
        standing.writes_waiting,
    )
