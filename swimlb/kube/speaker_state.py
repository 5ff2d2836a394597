"""This speaker's ConfigurationState, as the API server has it."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from swimlb.kube.announcements import Owner
from swimlb.kube.client import Client
from swimlb.kube.errors import AlreadyExists, NotFound
from swimlb.kube.resources import CONFIGURATION_STATES
from swimlb.kube.times import now_text
from swimlb.reporting.verdict import Verdict

CONDITION = "configReconcilerValid"
FIELD_MANAGER = "configReconciler"
_COMPONENT_LABEL = "metallb.io/component-type"
_NODE_NAME_LABEL = "metallb.io/node-name"


def state_name(node: str) -> str:
    return f"speaker-{node}"


@dataclass(frozen=True, slots=True, kw_only=True)
class StateWriter:
    """Raises ApiError."""

    client: Client
    namespace: str
    node: str
    owner: Owner | None

    async def write(self, verdict: Verdict) -> None:
        """Make the object if it is not there, and say in it what was found."""
        try:
            await self._apply(verdict)
        except NotFound as error:
            if error.is_kind_missing:
                raise
            await self._create()
            await self._apply(verdict)

    async def _create(self) -> None:
        metadata: dict[str, Any] = {
            "name": state_name(self.node),
            "namespace": self.namespace,
            "labels": {_COMPONENT_LABEL: "speaker", _NODE_NAME_LABEL: self.node},
        }
        if self.owner is not None:
            metadata["ownerReferences"] = [self.owner.reference()]
        # It is there when somebody was faster, or an answer was lost.
        with suppress(AlreadyExists):
            await self.client.create(CONFIGURATION_STATES, {"metadata": metadata})

    async def _apply(self, verdict: Verdict) -> None:
        condition = {
            "type": CONDITION,
            "status": "True" if verdict.is_valid else "False",
            "reason": verdict.reason,
            "message": verdict.message,
            "lastTransitionTime": now_text(),
        }
        status = {"result": verdict.result, "errorSummary": verdict.message, "conditions": [condition]}
        await self.client.apply(
            CONFIGURATION_STATES,
            {"metadata": {"name": state_name(self.node), "namespace": self.namespace}, "status": status},
            field_manager=FIELD_MANAGER,
            force=True,
            subresource="status",
        )
