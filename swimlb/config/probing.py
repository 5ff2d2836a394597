"""Finding the readinessProbe that tells whether a node can serve a Service."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace

from swimlb.config.declared import DeclaredService, Workload
from swimlb.config.report import Place
from swimlb.model import HealthCheck, Labels, Service


class Workloads:
    """Workloads that have a probe, found by what a Service selects."""

    def __init__(self, workloads: Iterable[Workload]) -> None:
        self._by_label: defaultdict[tuple[str, tuple[str, str]], list[Workload]] = defaultdict(list)
        for workload in workloads:
            if workload.health_check is not None:
                for pair in workload.pod_labels:
                    self._by_label[workload.namespace, pair].append(workload)

    def link(self, declared: DeclaredService, place: Place) -> Service:
        """The annotation wins; a Service without a selector has no Pods to ask."""
        service = declared.service
        if service.health_check is not None or not service.selector:
            return service
        return replace(service, health_check=self._probe(service.namespace, service.selector))

    def _probe(self, namespace: str, selector: Labels) -> HealthCheck | None:
        """Of several workloads the first by kind and name, which is the order they were given in."""
        wanted = set(selector)
        for workload in self._by_label.get((namespace, selector[0]), ()):
            if wanted <= set(workload.pod_labels):
                return workload.health_check
        return None
