"""Which interfaces addresses are announced on."""

from __future__ import annotations

from dataclasses import replace

import pytest

from announce.l2 import DEFAULT_EXCLUDED_INTERFACES, Interface, InterfaceRules
from tests.unit.announce.l2.playbook import ethernet


def test_an_ordinary_interface_suits() -> None:
    """Ethernet, up, on its own; neither a carrier nor an IPv4 address is needed."""
    assert InterfaceRules(()).suits(replace(ethernet(), has_carrier=False))


@pytest.mark.parametrize(
    "interface",
    [
        replace(ethernet(), is_up=False),
        replace(ethernet(), is_loopback=True),
        replace(ethernet(), is_noarp=True),
        replace(ethernet(), can_broadcast=False),
        replace(ethernet(), master=7),
        replace(ethernet(), mac=b""),
        replace(ethernet(), mac=bytes(20)),
    ],
    ids=["down", "loopback", "noarp", "point-to-point", "port of a bridge", "no mac", "infiniband"],
)
def test_others_do_not_suit(interface: Interface) -> None:
    """Each of these alone is a reason."""
    assert not InterfaceRules(()).suits(interface)


@pytest.mark.parametrize(
    ("name", "suits"),
    [
        ("eth0", True),
        ("enp3s0", True),
        ("br-lan", True),
        ("veth12ab", False),
        ("docker0", False),
        ("lo", False),
    ],
)
def test_names_are_excluded_as_metallb_excludes_them(name: str, suits: bool) -> None:
    """The shipped list keeps containers' interfaces silent, and only these."""
    assert InterfaceRules(DEFAULT_EXCLUDED_INTERFACES).suits(ethernet(name)) == suits


def test_patterns_are_searched_not_matched() -> None:
    """As with MetalLB, a pattern without an anchor hits anywhere in the name."""
    assert not InterfaceRules(("lan",)).suits(ethernet("br-lan"))
