"""The Lease object by which replicas elect a leader, as calls."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

from swimlb.controller import lease as ls
from swimlb.kube.client import Client
from swimlb.kube.errors import AlreadyExists, Conflict, NotFound
from swimlb.kube.resources import LEASES
from swimlb.kube.times import now_text_micro

Json = dict[str, Any]


def lease_of(content: Json) -> ls.Lease:
    """What matters of the object; a field that is missing counts as not told."""
    spec = cast("Json", content.get("spec") or {})
    metadata = cast("Json", content.get("metadata") or {})
    return ls.Lease(
        holder=str(spec.get("holderIdentity") or ""),
        term=int(spec.get("leaseTransitions") or 0),
        duration=float(spec.get("leaseDurationSeconds") or 1.0),
        version=str(metadata.get("resourceVersion") or ""),
    )


@dataclass(slots=True)
class LeaseCalls:
    """Reads and writes one Lease; answers are events of the Elector."""

    client: Client
    namespace: str
    name: str
    _acquired: str = ""
    _term: int = -1

    async def read(self) -> ls.Event:
        """Raises ApiError."""
        try:
            content = await self.client.get(LEASES, self.name, namespace=self.namespace)
        except NotFound as error:
            # Without the kind there is no telling; it is tried again.
            if error.is_kind_missing:
                raise
            return ls.LeaseSeen(None)
        return ls.LeaseSeen(lease_of(content))

    async def write(self, lease: ls.Lease) -> ls.Event:
        """Raises ApiError: it may have been done."""
        spec = self._spec(lease)
        try:
            if lease.version:
                # What others wrote beside it stays. It is refused unless the version is the very one.
                body: Json = {"metadata": {"resourceVersion": lease.version}, "spec": spec}
                content = await self.client.patch(LEASES, self.name, body, namespace=self.namespace)
            else:
                metadata = {"name": self.name, "namespace": self.namespace}
                content = await self.client.create(LEASES, {"metadata": metadata, "spec": spec})
        except (Conflict, AlreadyExists, NotFound):
            return ls.LeaseWriteRefused()
        return ls.LeaseWritten(lease_of(content))

    def _spec(self, lease: ls.Lease) -> Json:
        """Times are for people: nobody decides by them."""
        now = now_text_micro()
        if lease.term != self._term:
            self._term, self._acquired = lease.term, now
        return {
            "holderIdentity": lease.holder,
            "leaseDurationSeconds": int(lease.duration),
            "leaseTransitions": lease.term,
            "acquireTime": self._acquired,
            "renewTime": now,
        }
