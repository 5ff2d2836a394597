"""What speakers and the controller tell of themselves for Prometheus; each serves it on its own host's loopback."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

from prometheus_client.parser import text_string_to_metric_families

from swimlb.lab import http
from swimlb.lab.kubernetes.lab import KubernetesLab
from swimlb.lab.waiting import wait_until
from tests.kube.e2e.api import TIMEOUT

PORT = 9120
OPTIONS = ("--metrics-port", str(PORT))
"""For whom is to be scraped."""
POLL_INTERVAL = 0.05

Series = tuple[str, frozenset[tuple[str, str]]]
"""A metric's name, and its labels."""
Metrics = dict[Series, float]
Expected = Mapping[Series, float | None]
"""None: the series is not told."""


def series(name: str, **labels: str) -> Series:
    return name, frozenset(labels.items())


def scrape(lab: KubernetesLab, host: str) -> Metrics:
    """What is told now on a node, or on the control plane's host."""
    text = http.get_from(lab.sandbox.namespace(host), "127.0.0.1", PORT, "/metrics").text
    return {
        series(sample.name, **sample.labels): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def wait_for_metrics(lab: KubernetesLab, host: str, expected: Expected) -> Metrics:
    """All that is told there, once it has these values."""

    def are_told(told: Metrics) -> bool:
        return {one: told.get(one) for one in expected} == expected

    return wait_until_told(lab, host, {name for name, _ in expected}, are_told)


def wait_until_told(
    lab: KubernetesLab, host: str, names: Collection[str], until: Callable[[Metrics], bool]
) -> Metrics:
    """All that is told there, once `until` is content with it; if it never is, what the metrics of these names say."""

    def judge() -> Metrics | None:
        told = scrape(lab, host)
        return told if until(told) else None

    return wait_until(
        judge,
        timeout=TIMEOUT,
        what=f"metrics of {host}",
        seen=lambda: {one: value for one, value in scrape(lab, host).items() if one[0] in names},
        interval=POLL_INTERVAL,
    )
