"""The statuses of configuration objects that the controller writes: of pools, and the ConfigurationState."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

import msgspec

from swimlb.allocator import PoolCounts
from swimlb.config import Resolved
from swimlb.controller.records import State
from swimlb.kube.client import Client
from swimlb.kube.errors import NotFound
from swimlb.kube.objects import Metadata
from swimlb.kube.resources import CONFIGURATION_STATES, IP_ADDRESS_POOLS, PODS
from swimlb.kube.times import now_text
from swimlb.model import Severity

STATE_NAME = "controller"
CONDITION = "poolReconcilerValid"
FIELD_MANAGER = "swimlb-controller"

_KINDS = ("IPAddressPool/", "Community/")
"""What the controller judges; of the rest the speakers tell, each for its node."""

Json = dict[str, Any]


class PoolStatus(
    msgspec.Struct,
    rename={
        "assigned_ipv4": "assignedIPv4",
        "available_ipv4": "availableIPv4",
        "assigned_ipv6": "assignedIPv6",
        "available_ipv6": "availableIPv6",
    },
):
    assigned_ipv4: int = 0
    available_ipv4: int = 0
    assigned_ipv6: int = 0
    available_ipv6: int = 0


class PoolObject(msgspec.Struct):
    metadata: Metadata
    status: PoolStatus | None = None


@dataclass(frozen=True, slots=True)
class ShownCounts:
    """What a pool's status says; None: nothing."""

    counts: PoolCounts | None


def shown_counts(source: PoolObject) -> ShownCounts:
    status = source.status
    if status is None:
        return ShownCounts(None)
    return ShownCounts(
        PoolCounts(
            source.metadata.name,
            status.assigned_ipv4,
            status.available_ipv4,
            status.assigned_ipv6,
            status.available_ipv6,
        )
    )


async def write_counts(client: Client, namespace: str, counts: PoolCounts) -> None:
    """Raises ApiError."""
    status = msgspec.to_builtins(
        PoolStatus(counts.assigned_ipv4, counts.available_ipv4, counts.assigned_ipv6, counts.available_ipv6)
    )
    await client.patch(
        IP_ADDRESS_POOLS, counts.pool, {"status": status}, namespace=namespace, subresource="status"
    )


def verdict_on(resolved: Resolved) -> State:
    """What is in error with the kinds that the controller goes by, in MetalLB's words."""
    errors = [
        f"configuration error: {problem.object} {problem.field}: {problem.message}".replace("  ", " ")
        for problem in resolved.problems
        if problem.severity is Severity.ERROR and problem.object.startswith(_KINDS)
    ]
    return State(not errors, "\n".join(errors))


def has_lost_pool(resolved: Resolved) -> bool:
    """Some pool is in error, and no version of it is in force. One without nodes' addresses is."""
    return any(
        problem.severity is Severity.ERROR
        and not problem.is_partial
        and problem.object.startswith("IPAddressPool/")
        and problem.object not in resolved.stale
        for problem in resolved.problems
    )


@dataclass(frozen=True, slots=True)
class ShownState:
    """What the ConfigurationState says."""

    state: State


def shown_state(content: Json) -> ShownState:
    condition = _condition_of(content)
    is_valid = condition.get("status") == "True"
    return ShownState(State(is_valid, str(condition.get("message", "")) if condition else "(nothing yet)"))


@dataclass(slots=True)
class StateWriter:
    """Writes the ConfigurationState `controller`, which goes with the Pod that wrote it last."""

    client: Client
    namespace: str
    pod: str
    """Empty: this process is in no Pod."""
    _owner: Json | None = None

    async def write(self, state: State) -> None:
        """Raises ApiError."""
        metadata: Json = {
            "name": STATE_NAME,
            "namespace": self.namespace,
            "labels": {"metallb.io/component-type": "controller"},
        }
        if (owner := await self._pod_reference()) is not None:
            metadata["ownerReferences"] = [owner]
        known = await self.client.apply(
            CONFIGURATION_STATES, {"metadata": metadata}, field_manager=FIELD_MANAGER, force=True
        )
        before = _condition_of(known)
        status = "True" if state.is_valid else "False"
        is_same = before.get("status") == status
        condition = {
            "type": CONDITION,
            "status": status,
            "reason": "Reconciled" if state.is_valid else "ConfigurationError",
            "message": state.summary,
            "lastTransitionTime": before.get("lastTransitionTime") if is_same else now_text(),
        }
        body: Json = {
            "metadata": {"name": STATE_NAME, "namespace": self.namespace},
            "status": {
                "result": "Valid" if state.is_valid else "Invalid",
                "errorSummary": state.summary,
                "conditions": [condition],
            },
        }
        await self.client.apply(
            CONFIGURATION_STATES, body, field_manager=FIELD_MANAGER, force=True, subresource="status"
        )

    async def _pod_reference(self) -> Json | None:
        if self._owner is None and self.pod:
            try:
                pod = await self.client.get(PODS, self.pod, namespace=self.namespace)
            except NotFound:
                return None
            self._owner = {
                "apiVersion": PODS.api_version,
                "kind": PODS.kind,
                "name": self.pod,
                "uid": pod["metadata"]["uid"],
            }
        return self._owner


def _condition_of(content: Json) -> Json:
    status = cast("Json", content.get("status") or {})
    conditions = cast("list[Json]", status.get("conditions") or [])
    return next((one for one in conditions if one.get("type") == CONDITION), Json())
