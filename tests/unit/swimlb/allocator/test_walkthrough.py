"""From the walkthrough's files to the addresses that its users see."""

from __future__ import annotations

from pathlib import Path

import pytest

from swimlb.allocator import AllocationResult, allocate
from swimlb.config import resolve
from swimlb.sources import read_paths, read_text

EXAMPLES = Path(__file__).parents[4] / "examples"


def allocated(*names: str, more: str = "") -> AllocationResult:
    manifests = read_paths(EXAMPLES / name for name in names) + read_text(more, "more.yaml")
    resolved = resolve(manifests.documents, source_problems=manifests.problems)
    assert resolved.problems == ()
    return allocate(resolved.configuration)


def addresses(result: AllocationResult) -> dict[str, str]:
    return {one.service.name: " ".join(map(str, one.addresses)) for one in result.allocations}


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (("nginx.yaml", "layer2.yaml"), {"nginx-svc": "192.168.3.170"}),
        (("nginx.yaml", "bgp.yaml"), {"nginx-svc": "192.168.0.10"}),
        (("no-nodeport.yaml", "bgp.yaml"), {"nginx-svc": "192.168.0.20"}),
        (("shared-ip.yaml", "bgp.yaml"), {"dns-tcp": "192.168.0.53", "dns-udp": "192.168.0.53"}),
    ],
)
def test_the_walkthrough(names: tuple[str, ...], expected: dict[str, str]) -> None:
    result = allocated(*(f"walkthrough/{name}" for name in names))

    assert addresses(result) == expected
    assert result.pending == ()


def test_the_demo() -> None:
    """One address of the LAN for each node, and one behind the router."""
    assert addresses(allocated("demo")) == {
        "nginx-bgp": "192.168.0.10",
        "nginx-svc": "192.168.3.170",
        "web-2": "192.168.3.171",
        "web-3": "192.168.3.173",
    }


THIRD = """
apiVersion: v1
kind: Service
metadata: {name: third, annotations: {%s}}
spec: {type: LoadBalancer, loadBalancerIP: 192.168.0.53, ports: [{port: %d, protocol: UDP}]}
"""


@pytest.mark.parametrize(
    ("annotations", "port", "reason"),
    [
        (
            "",
            54,
            'can\'t change sharing key for "default/third", address 192.168.0.53 also in use by '
            "default/dns-tcp,default/dns-udp (this Service has no allow-shared-ip annotation)",
        ),
        (
            "metallb.io/allow-shared-ip: dns",
            53,
            'port UDP/53 is already in use on "192.168.0.53" by default/dns-udp',
        ),
    ],
)
def test_a_third_service_that_may_not_share_stays_pending(annotations: str, port: int, reason: str) -> None:
    result = allocated("walkthrough/shared-ip.yaml", "walkthrough/bgp.yaml", more=THIRD % (annotations, port))

    assert [(one.service.name, one.reason) for one in result.pending] == [("third", reason)]
    assert addresses(result) == {"dns-tcp": "192.168.0.53", "dns-udp": "192.168.0.53"}
