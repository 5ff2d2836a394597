"""Other programs take Service addresses off `lo`, where this host has the traffic for them."""

from __future__ import annotations

import json
from datetime import datetime

from swimlb.lab import namespaces
from swimlb.lab.lab import Lab
from swimlb.lab.measure import outages
from swimlb.lab.observers import ProbeRun
from swimlb.lab.waiting import wait_until
from swimlb.wire.local_path import RESTORE_INTERVAL

ADDRESS, PORT = "192.168.3.170", 8080


def owner(lab: Lab) -> str:
    return wait_until(
        lambda: lab.require_status("worker-01").owner_of(ADDRESS), timeout=5.0, what=f"an owner of {ADDRESS}"
    )


def is_on_lo(lab: Lab, node: str) -> bool:
    (loopback,) = namespaces.ip_json(lab.sandbox.namespace(node), "address", "show", "dev", "lo")
    return ADDRESS in {one["local"] for one in loopback["addr_info"]}


def take_away(lab: Lab, node: str) -> None:
    lab.sandbox.run(node, "ip", "address", "del", f"{ADDRESS}/32", "dev", "lo")
    wait_until(
        lambda: is_on_lo(lab, node), timeout=5.0, what=f"{ADDRESS} to be back on {node}", interval=0.01
    )


def test_what_another_program_takes_off_lo_is_put_back_and_told(lab: Lab) -> None:
    """At once; with a program that does it again and again there is no race."""
    node = owner(lab)
    with ProbeRun(lab.sandbox, ADDRESS, PORT) as probes:
        take_away(lab, node)
        take_away(lab, node)

    lines = map(json.loads, lab.log(node).read_text().splitlines())
    told = [line for line in lines if line["event"] == "local_addresses_restored"]
    times = [datetime.fromisoformat(line["time"]) for line in told]
    assert [line["addresses"] for line in told] == [[ADDRESS], [ADDRESS]]
    assert (times[1] - times[0]).total_seconds() >= RESTORE_INTERVAL
    long = [one for one in outages(probes.recording().probes) if one.lost_for > RESTORE_INTERVAL / 2]
    assert len(long) == 1
    assert owner(lab) == node
