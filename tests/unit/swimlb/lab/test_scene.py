"""The demo finds addresses to play with in whatever manifests it is given."""

from __future__ import annotations

from dataclasses import replace

import pytest

from swimlb.lab.errors import LabError
from swimlb.lab.scene import Scene, choose_scene
from swimlb.lab.status import BgpSession, Layer2, Processes, Service, SpeakerStatus

PORTS = {"default/web": (8080, 8443), "default/mail": (25,), "default/shop": (80,)}
STATUS = SpeakerStatus(
    "node-a",
    Processes(1, 2, 3),
    services=(
        Service("default", "web", ("192.0.2.10",), "allocated"),
        Service("default", "mail", ("192.0.2.11",), "allocated"),
        Service("default", "shop", ("192.0.2.64",), "allocated"),
    ),
    l2=(
        Layer2("192.0.2.10", "node-a", is_announced_here=True),
        Layer2("192.0.2.11", "node-b", is_announced_here=False),
    ),
    bgp=(BgpSession("router", "198.51.100.254", "established", ("192.0.2.64/32",)),),
)


def test_it_takes_two_l2_addresses_of_different_owners_and_one_route() -> None:
    assert choose_scene(STATUS, PORTS) == Scene(
        "192.0.2.10",
        "192.0.2.11",
        "192.0.2.64",
        "192.0.2.64/32",
        {"192.0.2.10": 8080, "192.0.2.11": 25, "192.0.2.64": 80},
    )


def test_one_l2_address_serves_for_both_steps_when_there_is_no_other_owner() -> None:
    scene = choose_scene(replace(STATUS, l2=STATUS.l2[:1]), PORTS)

    assert (scene.first, scene.second) == ("192.0.2.10", "192.0.2.10")


@pytest.mark.parametrize(
    ("status", "what"),
    [(replace(STATUS, l2=()), "announced on the LAN"), (replace(STATUS, bgp=()), "advertised by BGP")],
)
def test_manifests_that_lack_what_is_shown_are_refused(status: SpeakerStatus, what: str) -> None:
    with pytest.raises(LabError, match=what):
        choose_scene(status, PORTS)
