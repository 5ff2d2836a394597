"""Our definitions before the API server's own code: it takes them, and judges objects by them as `swimlb check` does."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from swimlb.config import Document, resolve
from swimlb.config.crds import DEFINITIONS, crd
from swimlb.model import Severity
from swimlb.sources import read_paths
from tests.unit.swimlb.config.objects import ours, peer, pool

ROOT = Path(__file__).parents[2]
JUDGE = ROOT / ".setup/crd-check/crd-check"

pytestmark = pytest.mark.interop


@pytest.fixture(autouse=True, scope="module")
def judge() -> None:
    """A judge that was not built fails the tests that ask it: skipped, they would hide a broken build."""
    assert JUDGE.exists(), "the judge of CRDs is not there: `make crd-check` builds it"


@dataclass(frozen=True, slots=True)
class Verdict:
    errors: list[str]
    unknown: list[str]
    object: Any


def judged(*cases: tuple[Any, Any]) -> list[Verdict]:
    """What the API server says of each object, as an update of the second one where there is one."""
    question = {
        "definitions": [crd(definition) for definition in DEFINITIONS],
        "cases": [{"object": new, "old": old} for new, old in cases],
    }
    answer = subprocess.run(
        [JUDGE], input=json.dumps(question), capture_output=True, text=True, check=True, timeout=60
    )
    found = json.loads(answer.stdout)
    assert found["definitions"] == [[] for _ in DEFINITIONS]
    return [Verdict(**one) for one in found["cases"]]


def old_peer(**spec: object) -> dict[str, object]:
    required = {"myASN": 64496, "peerASN": 64497, "peerAddress": "192.0.2.254"}
    return ours("BGPPeer", "router", {**required, **spec})


def only(**spec: object) -> dict[str, object]:
    """A peer without what every peer has."""
    return ours("BGPPeer", "router", spec, version="v1beta2")


GOOD: list[Any] = [
    pool("gold", "192.0.2.0/24", " 198.51.100.1 - 198.51.100.9 ", "2001:db8::/64", "::ffff:203.0.113.0/120"),
    ours("L2Advertisement", "lan", {}),
    {key: value for key, value in ours("L2Advertisement", "bare", None).items() if key != "spec"},
    ours("BGPAdvertisement", "out", {"serviceSelectors": [{"matchLabels": {"a": "b"}}]}),
    ours(
        "BGPAdvertisement",
        "all",
        {"aggregationLength": 24, "localPref": 2**32 - 1, "communities": ["64496:1"]},
    ),
    peer("plain"),
    peer("empty", sourceAddress="", routerID="", password="", bfdProfile="", vrf="", interface=""),
    peer("timers", holdTime="3s", keepaliveTime="3s", connectTime="65535s"),
    peer("none", holdTime="0s", keepaliveTime="900ms"),
    peer("inside", peerASN=64496),
    peer("secret", password="x", passwordSecret={}),
    old_peer(),
    old_peer(peerPort=0),
    ours("BFDProfile", "fast", {"receiveInterval": 50, "detectMultiplier": 255, "minimumTtl": 254}),
    ours(
        "Community",
        "names",
        {"communities": [{"name": "a", "value": "1:2"}, {"name": "b", "value": "large:1:2:3"}]},
    ),
]

BAD: list[tuple[Any, str]] = [
    (pool("gold"), "the pool has no addresses"),
    (pool("gold", "192.0.2.1"), "should match"),
    (ours("IPAddressPool", "gold", {}), "addresses: Required value"),
    (
        ours("L2Advertisement", "lan", {"preferredNodeSelectors": [{"weight": 101, "preference": {}}]}),
        "should be less than or equal to 100",
    ),
    (
        ours("BGPAdvertisement", "out", {"serviceSelectors": [{}], "aggregationLength": 24}),
        "serviceSelectors and aggregationLength are mutually exclusive",
    ),
    (
        ours("BGPAdvertisement", "out", {"serviceSelectors": [{}], "aggregationLengthV6": 64}),
        "serviceSelectors and aggregationLength are mutually exclusive",
    ),
    (ours("BGPAdvertisement", "out", {"aggregationLength": 33}), "should be less than or equal to 32"),
    (peer("a", myASN=0), "missing local ASN"),
    (only(myASN=64496, peerAddress="192.0.2.1"), "missing peer ASN and dynamicASN"),
    (peer("a", peerASN=0), "missing peer ASN and dynamicASN"),
    (peer("a", dynamicASN="external"), "both peer ASN and dynamicASN specified"),
    (only(myASN=64496, dynamicASN="any", peerAddress="192.0.2.1"), "Unsupported value"),
    (only(myASN=64496, peerASN=64497), "peer has no Address or Interface specified"),
    (peer("a", interface="eth0"), "peer has both Address and Interface specified"),
    (peer("a", peerAddress="router.example"), "should match"),
    (peer("a", password="x", passwordSecret={"name": "y"}), "can not have both password and secret ref"),
    (peer("a", peerASN=64496, ebgpMultiHop=True), "invalid ebgp-multihop parameter set for an ibgp peer"),
    (peer("a", holdTime="2s"), "invalid hold time"),
    (peer("a", holdTime="90"), "google.protobuf.Duration"),
    (peer("a", holdTime="30s", keepaliveTime="31s"), "invalid keepaliveTime"),
    (peer("a", connectTime="0s"), "connect time should be between 1 seconds to 65535"),
    (peer("a", connectTime="1500ms"), "connect time should contain a whole number of seconds"),
    (peer("a", peerPort=16385), "should be less than or equal to 16384"),
    (peer("a", localASN=0), "should be greater than or equal to 1"),
    (
        old_peer(nodeSelectors=[{"matchExpressions": [{"key": "a", "operator": "In", "values": []}]}]),
        "should have at least 1 items",
    ),
    (ours("BFDProfile", "fast", {"echoInterval": 9}), "should be greater than or equal to 10"),
    (ours("Community", "names", {"communities": [{"name": "a", "value": "lar:1:2:3"}]}), "should match"),
]


def our_errors(content: Any) -> list[str]:
    problems = resolve([Document(content)]).problems
    return [problem.message for problem in problems if problem.severity is Severity.ERROR]


def test_the_api_server_takes_every_definition() -> None:
    """Schemas are structural, rules compile, and their cost is within its budget, however long the lists may get."""
    assert judged() == []


def test_it_takes_what_we_take() -> None:
    verdicts = judged(*((one, None) for one in GOOD))

    assert [verdict.errors for verdict in verdicts] == [[] for _ in GOOD]
    assert [our_errors(one) for one in GOOD] == [[] for _ in GOOD]


def test_it_refuses_what_one_object_can_tell() -> None:
    """Each rule and bound has a case, and whatever the API server refuses is an error to us, too."""
    verdicts = judged(*((one, None) for one, _ in BAD))

    for (content, expected), verdict in zip(BAD, verdicts, strict=True):
        assert any(expected in error for error in verdict.errors), (content, verdict.errors)
        assert our_errors(content), content


def test_it_writes_the_defaults_that_others_rely_on() -> None:
    (gold, router) = judged((pool("gold", "192.0.2.0/24"), None), (peer("router"), None))

    assert gold.object["spec"] == {"addresses": ["192.0.2.0/24"], "autoAssign": True, "avoidBuggyIPs": False}
    assert router.object["spec"]["peerPort"] == 179


def test_it_finds_fields_that_nobody_knows() -> None:
    (verdict,) = judged((pool("gold", "192.0.2.0/24", autoasign=False), None))

    assert verdict.unknown == ["spec.autoasign"]


def test_some_fields_cannot_change() -> None:
    """Graceful restart of a peer, and whom a status is about."""
    on, off = peer("a", enableGracefulRestart=True), peer("a", enableGracefulRestart=False)
    here, there = ({"node": node, "serviceName": "web"} for node in ("node-a", "node-b"))
    status = [{**ours("ServiceL2Status", "l2-x", {}), "status": one} for one in (here, there)]

    changed, kept, moved = judged((on, off), (on, on), (status[1], status[0]))

    assert ["EnableGracefulRestart cannot be changed" in error for error in changed.errors] == [True]
    assert kept.errors == []
    assert ["Value is immutable" in error for error in moved.errors] == [True]


def test_it_takes_every_example() -> None:
    """Without a field that it does not know."""
    found = read_paths(sorted(path for path in (ROOT / "examples").iterdir() if path.is_dir())).documents
    objects: list[Any] = [one.content for one in found]
    objects = [one for one in objects if one["apiVersion"].startswith("metallb.io/")]

    verdicts = judged(*((one, None) for one in objects))

    assert len(objects) >= 5
    assert [(verdict.errors, verdict.unknown) for verdict in verdicts] == [([], []) for _ in objects]
