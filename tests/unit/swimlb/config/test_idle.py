"""What is in force and does nothing."""

from __future__ import annotations

import pytest

from tests.unit.swimlb.config.objects import node, ours, peer, pool, resolved, service, told

GOLD = pool("gold", "192.0.2.0/25")
NOWHERE = [{"matchLabels": {"rack": "9"}}]


@pytest.mark.parametrize("kind", ["L2Advertisement", "BGPAdvertisement"])
@pytest.mark.parametrize("field", ["nodeSelectors", "serviceSelectors"])
def test_warns_of_an_advertisement_that_selects_nothing(kind: str, field: str) -> None:
    """Of what there is; where no Node or Service is known, they may be elsewhere."""
    idle = ours(kind, "idle", {field: NOWHERE})

    result = resolved(GOLD, node("node-a"), service("web"), idle)

    assert [(one.severity.value, one.object, one.field) for one in result.problems] == [
        ("warning", f"{kind}/metallb-system/idle", f"spec.{field}")
    ]
    assert resolved(GOLD, idle).problems == ()


def test_warns_of_a_peer_without_nodes() -> None:
    result = resolved(
        node("node-a"), ours("BGPAdvertisement", "out", {}), peer("router", nodeSelectors=NOWHERE)
    )

    assert told(result.problems) == [
        (
            "warning",
            "BGPPeer/metallb-system/router",
            "spec.nodeSelectors",
            "select no node, so that there is no session",
        )
    ]


def test_warns_of_an_unused_bfd_profile() -> None:
    result = resolved(ours("BFDProfile", "fast", {}))

    assert told(result.problems) == [
        ("warning", "BFDProfile/metallb-system/fast", "", "no BGPPeer uses this BFDProfile")
    ]


def test_warns_of_one_router_in_two_autonomous_systems() -> None:
    result = resolved(ours("BGPAdvertisement", "out", {}), peer("a"), peer("b", peerPort=1179, peerASN=64498))

    assert told(result.problems) == [
        (
            "warning",
            "BGPPeer/metallb-system/b",
            "spec.peerASN",
            "is 64498, but BGPPeer a says that 192.0.2.254 is in AS 64497",
        )
    ]


def test_nodes_may_speak_as_several_autonomous_systems() -> None:
    """Each session is its own: MetalLB's FRR mode would need one myASN and one routerID for all."""
    result = resolved(
        node("node-a"),
        ours("BGPAdvertisement", "out", {}),
        peer("a", routerID="192.0.2.1"),
        peer("b", peerAddress="192.0.2.253", myASN=64499, routerID="192.0.2.2"),
    )

    assert result.problems == ()
    assert [one.my_asn for one in result.configuration.bgp_peers] == [64496, 64499]


def test_a_reference_to_what_is_elsewhere_says_so() -> None:
    stray = {**GOLD, "metadata": {"name": "gold", "namespace": "web"}}

    problems = resolved(stray, ours("L2Advertisement", "lan", {"ipAddressPools": ["gold"]})).problems

    assert [problem.message for problem in problems if problem.field.startswith("spec")] == [
        "IPAddressPool gold is in namespace web, not in metallb-system"
    ]


def test_a_reference_to_what_is_in_error_says_so() -> None:
    """Creating it anew would not help."""
    result = resolved(
        pool("gold", "nonsense"),
        ours("BFDProfile", "fast", {"detectMultiplier": 1}),
        ours("L2Advertisement", "lan", {"ipAddressPools": ["gold"]}),
        ours("BGPAdvertisement", "out", {"peers": ["router"]}),
        peer("router", bfdProfile="fast"),
    )

    references = [problem.message for problem in result.problems if "itself" in problem.message]
    assert references == [
        "IPAddressPool gold is itself in error",
        "BGPPeer router is itself in error",
        "peer router referencing non existing bfd profile fast: BFDProfile fast is itself in error",
    ]
