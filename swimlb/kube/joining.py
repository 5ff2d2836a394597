"""Services and the EndpointSlices of each, put together as changes come: what one costs does not depend on how many there are."""

from __future__ import annotations

from collections.abc import Mapping

from swimlb.config.declared import EndpointSlice
from swimlb.kube.decode import ServiceView
from swimlb.kube.news import EndpointsChanged, News, ServiceChanged
from swimlb.kube.store import Changes
from swimlb.model import Endpoints


class Joining:
    """Tells of endpoints only for Services of ours, and of a Service before its endpoints."""

    def __init__(self) -> None:
        self._services: dict[str, ServiceView] = {}
        self._slices: dict[str, EndpointSlice] = {}
        self._of_service: dict[str, str | tuple[str, ...]] = {}
        """Keys of slices by the key of their Service. Most have one, which stands alone: of thousands a tuple each is much."""
        self._told: dict[str, frozenset[str]] = {}
        """By Service, the nodes that were told of: sets that many Services share."""

    @property
    def services(self) -> Mapping[str, ServiceView]:
        return self._services

    def on_services(self, changes: Changes[ServiceView]) -> list[News]:
        news: list[News] = []
        for key in changes.gone:
            if self._services.pop(key, None) is not None:
                self._told.pop(key, None)
                news.append(ServiceChanged(key, None))
        for key, view in changes.put.items():
            before = self._services.get(key)
            self._services[key] = view
            if before is None or (before.service, before.uid) != (view.service, view.uid):
                news.append(ServiceChanged(key, view.service, view.uid))
            if before is None:
                news += self._tell_endpoints(key)
        return news

    def on_slices(self, changes: Changes[EndpointSlice]) -> list[News]:
        touched: dict[str, None] = {}
        for key in changes.gone:
            touched |= self._forget(key)
        for key, value in changes.put.items():
            touched |= self._forget(key)
            self._slices[key] = value
            self._keep_keys(value.service, (*self._keys_of(value.service), key))
            touched[value.service] = None
        return [one for service in touched for one in self._tell_endpoints(service)]

    def _forget(self, key: str) -> dict[str, None]:
        """Gives the Service that it was of."""
        before = self._slices.pop(key, None)
        if before is None:
            return {}
        self._keep_keys(before.service, tuple(one for one in self._keys_of(before.service) if one != key))
        return {before.service: None}

    def _keys_of(self, service: str) -> tuple[str, ...]:
        kept = self._of_service.get(service, ())
        return (kept,) if isinstance(kept, str) else kept

    def _keep_keys(self, service: str, keys: tuple[str, ...]) -> None:
        if keys:
            self._of_service[service] = keys[0] if len(keys) == 1 else keys
        else:
            del self._of_service[service]

    def _tell_endpoints(self, service: str) -> list[News]:
        if service not in self._services:
            return []
        now = self._nodes(service)
        if now == self._told.get(service):
            return []
        if now is None:
            del self._told[service]
        else:
            self._told[service] = now
        return [EndpointsChanged(service, None if now is None else Endpoints(service=service, nodes=now))]

    def _nodes(self, service: str) -> frozenset[str] | None:
        keys = self._keys_of(service)
        if not keys:
            return None
        sets = [self._slices[key].nodes for key in keys]
        # Most Services have one slice, whose set is shared with others like it.
        return sets[0] if len(sets) == 1 else frozenset[str]().union(*sets)
