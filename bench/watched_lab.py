"""A lab that a real Prometheus watches: three nodes on one LAN, and a router that speaks BGP and BFD with them."""

from __future__ import annotations

import shutil
from pathlib import Path

from bench.contenders import ROOT
from swimlb.lab.lab import Lab, usual_router
from swimlb.lab.prometheus import Prometheus
from swimlb.lab.sandbox import Sandbox
from swimlb.lab.topology import INSIDE, walkthrough
from swimlb.lab.waiting import wait_until

RULES = ROOT / "charts/swimlb/files/alerts.yaml"
MANIFESTS = ROOT / "examples/demo"
PORT = 7472
OPTIONS = ("--metrics-host", "0.0.0.0", "--metrics-port", str(PORT))
SCRAPED_WITHIN = 60.0

_PROFILE = """
---
apiVersion: metallb.io/v1beta1
kind: BFDProfile
metadata: {name: usual, namespace: metallb-system}
spec: {}
"""


def write_manifests(directory: Path) -> None:
    """The demo's, with BFD between nodes and router. `directory` is made."""
    shutil.copytree(MANIFESTS, directory)
    peer = (directory / "bgp.yaml").read_text()
    (directory / "bgp.yaml").write_text(
        peer.replace("  myASN:", "  bfdProfile: usual\n  myASN:", 1) + _PROFILE
    )


def build(sandbox: Sandbox, manifests: Path) -> tuple[Lab, Prometheus]:
    """Everything runs, and every speaker has been scraped, with the alerts' own patience. `manifests` is made."""
    write_manifests(manifests)
    lab = Lab(sandbox, walkthrough(3), manifests, OPTIONS, usual_router(sandbox, has_bfd=True))
    lab.build()
    lab.wait_until_joined()
    lab.wait_until_settled()
    targets = [f"{node.address}:{PORT}" for node in lab.network.nodes]
    server = Prometheus(sandbox, INSIDE.name, targets, RULES, is_patient=True)
    server.start()
    wait_until(
        lambda: server.healthy_targets() == frozenset(targets), timeout=SCRAPED_WITHIN, what="a scrape of all"
    )
    return lab, server
