"""What a kubelet does next: Pods as the API server has them, against Pods that run here. No I/O.

    bound to this node      ──►  Start  ──► PodRuns  ──►  Report (Running, its addresses, ready or not)
    deleted                 ──►  Stop   ──► Delete (the object goes when its last container has ended)
    gone, without a word    ──►  Stop
    held ready, or not,
    unlike it is            ──►  Report

What is not written, or is written over by another one, is written when the Pod is seen again: the controller of Nodes holds the
Pods of a silent Node for not ready, and leaves it to the kubelet to say otherwise when that is back.
A Pod is known by its uid: one that was deleted and made again under its name is another one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import assert_never

Addresses = tuple[str, ...]
"""IPv4 first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pod:
    """What a Pod's object says that matters here."""

    namespace: str
    name: str
    uid: str
    containers: tuple[tuple[str, str], ...] = ()
    """Names and images."""
    ports: tuple[tuple[int, str], ...] = ()
    """Ports that its containers name, with their protocols."""
    is_ready: bool = True
    """Whether its readiness probe would succeed."""
    is_held_ready: bool | None = None
    """Whether its object says that it is ready; None: neither."""
    is_leaving: bool = False
    """It is being deleted."""
    is_on_host_network: bool = False
    restarts: int = 0


@dataclass(frozen=True, slots=True)
class PodSeen:
    """The Pod is bound to this node, or has changed."""

    pod: Pod


@dataclass(frozen=True, slots=True)
class PodGone:
    """There is no object of it any more."""

    uid: str


@dataclass(frozen=True, slots=True)
class PodRuns:
    """Its containers have started, and it has these addresses."""

    uid: str
    addresses: Addresses


@dataclass(frozen=True, slots=True)
class PodEnded:
    """Its containers have ended."""

    uid: str


@dataclass(frozen=True, slots=True)
class Start:
    pod: Pod


@dataclass(frozen=True, slots=True)
class Stop:
    pod: Pod


@dataclass(frozen=True, slots=True)
class Report:
    """Write the Pod's status."""

    pod: Pod
    addresses: Addresses


@dataclass(frozen=True, slots=True)
class Delete:
    """Remove the Pod's object, now that nothing of it runs."""

    pod: Pod


Event = PodSeen | PodGone | PodRuns | PodEnded
Effect = Start | Stop | Report | Delete


class Kubelet:
    """Time plays no part in it, so it has no `advance`."""

    def __init__(self) -> None:
        self._pods: dict[str, Pod] = {}
        self._begun: dict[str, Pod] = {}
        """Started and not known to have ended."""
        self._running: dict[str, Addresses] = {}

    def step(self, event: Event) -> list[Effect]:
        match event:
            case PodSeen(pod):
                return self._see(pod)
            case PodGone(uid):
                self._pods.pop(uid, None)
                return self._stop(uid)
            case PodRuns(uid, addresses):
                return self._note_running(uid, addresses)
            case PodEnded(uid):
                self._begun.pop(uid, None)
                self._running.pop(uid, None)
                pod = self._pods.get(uid)
                return [Delete(pod)] if pod is not None and pod.is_leaving else []
            case _:
                assert_never(event)

    def _see(self, pod: Pod) -> list[Effect]:
        self._pods[pod.uid] = pod
        if pod.is_leaving:
            # What never ran here, before a restart of this kubelet say, has nothing to end.
            return self._stop(pod.uid) if pod.uid in self._begun else [Delete(pod)]
        if pod.uid not in self._begun:
            self._begun[pod.uid] = pod
            return [Start(pod)]
        if pod.uid in self._running and pod.is_held_ready != pod.is_ready:
            return [Report(pod, self._running[pod.uid])]
        return []

    def _note_running(self, uid: str, addresses: Addresses) -> list[Effect]:
        pod = self._pods.get(uid)
        if pod is None or pod.is_leaving:
            return []  # The end of it is on its way.
        self._running[uid] = addresses
        return [Report(pod, addresses)]

    def _stop(self, uid: str) -> list[Effect]:
        pod = self._begun.get(uid)
        return [] if pod is None else [Stop(pod)]
