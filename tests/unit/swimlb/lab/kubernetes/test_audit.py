"""Requests in an audit log, and permissions in roles, are of one form."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from swimlb.lab.kubernetes.audit import Asked, Meter, allowed, read

SPEAKER = "metallb-system/swimlb-speaker"


def line(user: str, verb: str, code: int = 200, at: str = "00:00.000001", **where: str) -> str:
    event = {
        "user": {"username": user},
        "verb": verb,
        "responseStatus": {"code": code},
        "objectRef": where,
        "stageTimestamp": f"2026-11-27T10:{at}Z",
    }
    return json.dumps(event) + "\n"


def test_requests_of_accounts_are_read_with_what_was_refused() -> None:
    """Others' requests, and those for no resource, are left out; so is a line that is being written."""
    account = "system:serviceaccount:metallb-system:swimlb-speaker"
    lines = [
        line(account, "list", resource="services"),
        line("admin", "list", resource="services"),
        json.dumps({"user": {"username": account}, "verb": "get"}) + "\n",
        line(account, "patch", 403, resource="services", subresource="status", apiGroup="apps"),
        line(account, "watch", resource="pods")[:-1],
    ]

    assert [(request.asked, request.is_refused) for request in read(lines)] == [
        (Asked(SPEAKER, "list", "", "services"), False),
        (Asked(SPEAKER, "patch", "apps", "services/status"), True),
    ]


def test_a_meter_counts_what_comes_after_it_was_made(tmp_path: Path) -> None:
    """Also where there is no log yet."""
    account, log = "system:serviceaccount:metallb-system:swimlb-speaker", tmp_path / "audit.jsonl"
    from_the_start = Meter(log)
    log.write_text(line(account, "list", resource="services"))
    later = Meter(log)
    with log.open("a") as file:
        file.write(2 * line(account, "patch", resource="services", subresource="status"))

    patched = Asked(SPEAKER, "patch", "", "services/status")
    assert later.counts() == {patched: 2}
    assert from_the_start.counts() == {Asked(SPEAKER, "list", "", "services"): 1, patched: 2}


def test_a_meter_knows_when_the_last_of_a_kind_was_answered(tmp_path: Path) -> None:
    account, log = "system:serviceaccount:metallb-system:swimlb-speaker", tmp_path / "audit.jsonl"
    meter = Meter(log)
    log.write_text(
        line(account, "create", at="00:07.250000", resource="events")
        + line(account, "create", at="00:05.000000", resource="events")
        + line(account, "patch", at="00:09.000000", resource="events")
    )

    at = datetime(2026, 11, 27, 10, 0, 7, 250_000, tzinfo=UTC)
    assert meter.last("create", "events") == at.timestamp()
    with pytest.raises(ValueError, match="empty"):
        meter.last("create", "leases")


def test_roles_allow_what_they_are_bound_for() -> None:
    rule = {"apiGroups": ["metallb.io"], "resources": ["bgppeers", "communities"], "verbs": ["list", "watch"]}
    subject = {"kind": "ServiceAccount", "name": "swimlb-speaker", "namespace": "metallb-system"}
    objects: list[dict[str, Any]] = [
        {"kind": "Role", "metadata": {"name": "reader"}, "rules": [rule]},
        {"kind": "Role", "metadata": {"name": "unbound"}, "rules": [{**rule, "verbs": ["delete"]}]},
        {
            "kind": "RoleBinding",
            "roleRef": {"kind": "Role", "name": "reader"},
            "subjects": [subject],
        },
    ]

    assert allowed(objects) == {
        Asked(SPEAKER, verb, "metallb.io", resource)
        for verb in ("list", "watch")
        for resource in ("bgppeers", "communities")
    }
