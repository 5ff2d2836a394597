"""Events about objects, for `kubectl describe` and `kubectl get events`.

The name of an Event is made from what it says, so that saying it again counts it up instead of making another one, also
after a restart and from whichever replica.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

from swimlb.kube.client import Client, PatchType
from swimlb.kube.errors import AlreadyExists
from swimlb.kube.resources import EVENTS, Resource
from swimlb.kube.times import now_text

Json = dict[str, Any]

_NAME_LENGTH_MAX = 200


@dataclass(frozen=True, slots=True)
class Subject:
    """What an Event is about."""

    resource: Resource
    namespace: str
    name: str
    uid: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Happening:
    """What is said about it."""

    subject: Subject
    type: str
    """Normal or Warning."""
    reason: str
    message: str

    @property
    def name(self) -> str:
        """The Event's, the same for the same thing said about the same object by the same component."""
        said = "\n".join((self.subject.uid, self.type, self.reason, self.message))
        digest = hashlib.sha256(said.encode()).hexdigest()[:16]
        return f"{self.subject.name[:_NAME_LENGTH_MAX]}.{digest}"


class EventWriter:
    """Publishes as one component. Raises ApiError; whoever calls decides whether it is worth another try."""

    def __init__(self, client: Client, component: str, instance: str) -> None:
        """`instance`: the Pod or host, so that people know which one said it."""
        self._client = client
        self._component = component
        self._instance = instance

    async def publish(self, happening: Happening) -> None:
        """One call for what is new; another to count up what was said before."""
        try:
            await self._client.create(EVENTS, self._body(happening))
        except AlreadyExists:
            known = await self._patch(happening, {"lastTimestamp": now_text()})
            await self._patch(happening, {"count": int(known.get("count") or 1) + 1})

    async def _patch(self, happening: Happening, body: Json) -> Json:
        """Reading is not among the permissions, but a patch answers with the whole."""
        subject = happening.subject
        return await self._client.patch(
            EVENTS, happening.name, body, patch_type=PatchType.STRATEGIC, namespace=subject.namespace
        )

    def _body(self, happening: Happening) -> Json:
        subject, now = happening.subject, now_text()
        return {
            "metadata": {"name": happening.name, "namespace": subject.namespace},
            "involvedObject": {
                "apiVersion": subject.resource.api_version,
                "kind": subject.resource.kind,
                "namespace": subject.namespace,
                "name": subject.name,
                "uid": subject.uid,
            },
            "type": happening.type,
            "reason": happening.reason,
            "message": happening.message,
            "source": {"component": self._component, "host": self._instance},
            "reportingComponent": self._component,
            "reportingInstance": self._instance,
            "count": 1,
            "firstTimestamp": now,
            "lastTimestamp": now,
        }
