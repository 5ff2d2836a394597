"""What ServiceAccounts of ours ask the API server for, as its audit log tells: to be held beside what their roles allow.

The log is the API server's own (audit.k8s.io/v1, one event a line): what was refused is in it, too.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from swimlb.lab.waiting import wait_until

_ACCOUNT = "system:serviceaccount:"
_FORBIDDEN = 403

QUIET_MAX = 10
"""Requests a second of a cluster in which nothing happens: leases, and watches that are made anew."""


def policy(namespace: str) -> dict[str, Any]:
    """Of everybody else, nothing is written: no log grows with the lab's own business."""
    return {
        "apiVersion": "audit.k8s.io/v1",
        "kind": "Policy",
        "omitStages": ["RequestReceived", "ResponseStarted"],
        "rules": [
            {"level": "Metadata", "userGroups": [f"system:serviceaccounts:{namespace}"]},
            {"level": "None"},
        ],
    }


@dataclass(frozen=True, slots=True, order=True)
class Asked:
    """One kind of request: what RBAC decides by, but for names."""

    account: str
    """`namespace/name`."""
    verb: str
    group: str
    resource: str
    """With its subresource: `services/status`."""

    def __str__(self) -> str:
        name = f"{self.resource}.{self.group}" if self.group else self.resource
        return f"{self.account} {self.verb} {name}"


class Request(NamedTuple):
    asked: Asked
    is_refused: bool
    """For lack of a permission."""
    ended: float
    """Seconds since the epoch: it was answered."""


def read(lines: Iterable[str]) -> Iterator[Request]:
    """Each request for a resource."""
    for line in lines:
        if not line.endswith("\n"):
            return  # It is being written.
        event = json.loads(line)
        user, where = event["user"]["username"], event.get("objectRef")
        if not user.startswith(_ACCOUNT) or where is None or "resource" not in where:
            continue
        asked = Asked(
            account=user.removeprefix(_ACCOUNT).replace(":", "/"),
            verb=event["verb"],
            group=where.get("apiGroup", ""),
            resource="/".join(filter(None, (where["resource"], where.get("subresource")))),
        )
        is_refused = event.get("responseStatus", {}).get("code") == _FORBIDDEN
        yield Request(asked, is_refused, datetime.fromisoformat(event["stageTimestamp"]).timestamp())


class Meter:
    """Counts what is asked from the moment on when it is made."""

    def __init__(self, log: Path) -> None:
        self._log = log
        self._offset = log.stat().st_size if log.exists() else 0

    def counts(self) -> Counter[Asked]:
        """All that has been written down by now, which may be a moment behind."""
        return Counter(request.asked for request in self._requests())

    def last(self, verb: str, resource: str) -> float:
        """When the last request of this kind was answered, whoever asked, in seconds since the epoch. ValueError: there was none."""
        kind = (verb, resource)
        return max(one.ended for one in self._requests() if (one.asked.verb, one.asked.resource) == kind)

    def _requests(self) -> Iterator[Request]:
        with self._log.open() as file:
            file.seek(self._offset)
            yield from read(file)

    def settled(self, quiet: float = 1.0, timeout: float = 30.0) -> Counter[Asked]:
        """The same, when nothing but what always comes has come for a while: `quiet` seconds with little in them."""
        known = [self.counts()]

        def is_quiet() -> bool:
            known.append(self.counts())
            return known[-1].total() - known[-2].total() <= QUIET_MAX

        wait_until(is_quiet, timeout=timeout, interval=quiet, what="requests to become few")
        return known[-1]


def allowed(objects: Iterable[Mapping[str, Any]]) -> frozenset[Asked]:
    """What the roles among these objects allow the ServiceAccounts that are bound to them."""
    kept = list(objects)
    roles = {
        (one["kind"], one["metadata"]["name"]): one["rules"]
        for one in kept
        if one["kind"] in ("Role", "ClusterRole")
    }
    return frozenset(
        Asked(f"{subject['namespace']}/{subject['name']}", verb, group, resource)
        for binding in kept
        if binding["kind"] in ("RoleBinding", "ClusterRoleBinding")
        for subject in binding["subjects"]
        for rule in roles[binding["roleRef"]["kind"], binding["roleRef"]["name"]]
        for verb in rule["verbs"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
    )
