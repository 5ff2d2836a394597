"""Alerts that fire while nothing is wrong: `make soak-alerts MINUTES=30`, or

    python -m bench.soak_alerts [--minutes 30]

Three nodes on one LAN with a router that speaks BGP and BFD, each scraped every second by a real Prometheus that minds the
delivered rules, with their own patience. Meanwhile happens what does on any day: every half minute a speaker is restarted in
good order, one after the other, and a Service comes and goes. Told is every alert that fired, each of them a false one, with
the time of its first. Needs root, frr and prometheus. Fails if there was any.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator
from itertools import cycle
from pathlib import Path

from bench import watched_lab
from bench.membership import ending_in_order
from swimlb.lab.lab import Lab
from swimlb.lab.prometheus import Prometheus
from swimlb.lab.sandbox import Sandbox
from swimlb.lab.waiting import pause
from swimlb.runtime import clock

POLL_INTERVAL = 0.5
EVENT_INTERVAL = 15.0
"""Seconds between the restart of a speaker and the next change of a Service, and so on."""
_SERVICE = """
apiVersion: v1
kind: Service
metadata: {name: passing, annotations: {metallb.io/address-pool: layer2-pool}}
spec: {type: LoadBalancer, ports: [{port: 8080, protocol: TCP}]}
"""


def soak(minutes: float, base: Path) -> dict[str, float]:
    """The seconds after which each alert fired first."""
    with Sandbox.create("soak-alerts", base=base) as sandbox:
        lab, server = watched_lab.build(sandbox, base / "manifests")
        return _fired(server, _days(lab), minutes)


def _fired(server: Prometheus, days: Iterator[None], minutes: float) -> dict[str, float]:
    begun = event_at = clock.monotonic()
    first: dict[str, float] = {}
    while (now := clock.monotonic()) < begun + 60 * minutes:
        if now >= event_at + EVENT_INTERVAL:
            next(days)
            event_at = now
        for alert in server.firing():
            if first.setdefault(alert, now - begun) == now - begun:
                print(f"{alert} fires after {now - begun:.0f} s", flush=True)
        pause(POLL_INTERVAL)
    return first


def _days(lab: Lab) -> Iterator[None]:
    """Each turn something that is no fault."""
    passing = lab.manifests / "passing.yaml"
    for node in cycle(one.name for one in lab.network.nodes):
        lab.stop(node)
        lab.start(node)
        yield
        if passing.exists():
            passing.unlink()
        else:
            passing.write_text(_SERVICE)
        yield


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=30)
    options = parser.parse_args()
    with ending_in_order(), tempfile.TemporaryDirectory() as scratch:
        fired = soak(options.minutes, Path(scratch))
    print(f"{len(fired)} alerts fired within {options.minutes:g} minutes of what is no fault")
    return 1 if fired else 0


if __name__ == "__main__":
    sys.exit(main())
