"""Pods, as far as a speaker looks at them: who they are, and where the running ones can be reached."""

from __future__ import annotations

from ipaddress import ip_address

import msgspec

from swimlb.kube.objects import Metadata


class PodStatus(msgspec.Struct, rename={"pod_ip": "podIP"}):
    phase: str = ""
    pod_ip: str | None = None


class PodObject(msgspec.Struct):
    metadata: Metadata
    status: PodStatus = msgspec.field(default_factory=PodStatus)


def read_running(pod: PodObject) -> str | None:
    """Its address; None: it does not run, or has none (yet)."""
    if pod.status.phase != "Running" or not pod.status.pod_ip:
        return None
    try:
        return str(ip_address(pod.status.pod_ip))
    except ValueError:
        return None
