"""What we write, as somebody else reads it: scapy's BGP layers share no code with ours."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv6Address, ip_network
from typing import Any

import pytest

from announce.bgp import IPV6_UNICAST
from announce.bgp.attributes import MpReach, Origin, PathAttributes, Segment, SegmentType
from announce.bgp.messages import Notification, RouteRefresh, Update, encode
from announce.bgp.negotiation import History, LocalEnd, own_open
from announce.bgp.nlri import Afi, Prefixes
from tests.unit.announce.bgp.playbook import CONFIG, LOCAL

scapy_bgp: Any = pytest.importorskip("scapy.contrib.bgp")


@pytest.fixture(autouse=True)
def _four_octet_as() -> None:
    """Scapy cannot see from an UPDATE how wide AS numbers are."""
    scapy_bgp.bgp_module_conf.use_2_bytes_asn = False


def dissected(octets: bytes, layer: str) -> Any:
    return scapy_bgp.BGP(octets)[getattr(scapy_bgp, layer)]


def test_open() -> None:
    packet = dissected(encode(own_open(CONFIG, LocalEnd(LOCAL), History())), "BGPOpen")

    [parameter] = packet.opt_params
    assert (packet.version, packet.my_as, packet.hold_time, packet.bgp_id) == (4, 64496, 90, "192.0.2.10")
    assert packet.opt_param_len == len(bytes(parameter))
    assert parameter.param_value.code == 1


def test_capabilities() -> None:
    """Graceful restart of the restarting side, AS number and families, as RFC 4724 and RFC 6793 lay them out."""
    config = replace(CONFIG, restart_time=120)
    history = History(has_restarted=True, is_forwarding=True)

    packet = dissected(encode(own_open(config, LocalEnd(LOCAL), history)), "BGPOpen")

    capabilities = _capabilities(packet)
    restart = capabilities[64]
    assert (restart.restart_time, restart.restart_flags & 8) == (120, 8)
    # Scapy reads the first family and leaves the others as they are.
    assert [(it.afi, it.safi, it.flags) for it in restart.entries] == [(1, 1, 0x80)]
    assert bytes(restart).endswith(b"\x00\x02\x01\x80")
    assert capabilities[65].asn == 64496
    assert set(capabilities) == {1, 2, 6, 64, 65, 70}


def _capabilities(packet: Any) -> dict[int, Any]:
    """By code. Scapy hangs the capabilities of one parameter behind each other."""
    found: dict[int, Any] = {}
    [parameter] = packet.opt_params
    rest = bytes(parameter.param_value)
    while rest:
        found[rest[0]] = scapy_bgp.BGPCapability(rest[: 2 + rest[1]])
        rest = rest[2 + rest[1] :]
    return found


def test_route_refresh_and_hard_reset() -> None:
    refresh = dissected(encode(RouteRefresh(IPV6_UNICAST, 2)), "BGPRouteRefresh")
    reset = dissected(encode(Notification.shutdown("bye").as_hard_reset()), "BGPNotification")

    assert (refresh.afi, refresh.subtype, refresh.safi) == (2, 2, 1)
    assert (reset.error_code, reset.error_subcode, bytes(reset.data)) == (6, 9, b"\x06\x02\x03bye")


def test_update() -> None:
    path = PathAttributes(
        origin=Origin.IGP,
        as_path=(Segment(SegmentType.AS_SEQUENCE, (64496, 4200000000)),),
        next_hop=LOCAL,
        med=7,
        local_pref=200,
        communities=((64496, 1),),
        large_communities=((64496, 1, 2),),
    )
    update = Update(
        Prefixes.of([ip_network("203.0.113.0/25")]),
        path,
        Prefixes.of([ip_network("198.51.100.1/32"), ip_network("198.51.100.128/26")]),
    )

    packet = dissected(encode(update), "BGPUpdate")

    attributes = {attribute.type_code: attribute.attribute for attribute in packet.path_attr}
    assert [prefix.prefix for prefix in packet.withdrawn_routes] == ["203.0.113.0/25"]
    assert [prefix.prefix for prefix in packet.nlri] == ["198.51.100.1/32", "198.51.100.128/26"]
    assert attributes[1].origin == 0
    assert attributes[2].segments[0].segment_value == [64496, 4200000000]
    assert attributes[3].next_hop == "192.0.2.10"
    assert attributes[4].med == 7
    assert attributes[5].local_pref == 200
    assert attributes[8].community == 64496 << 16 | 1
    [large] = attributes[32].segments
    assert (large.global_administrator, large.local_data_part1, large.local_data_part2) == (64496, 1, 2)


def test_ipv6_update() -> None:
    nlri = Prefixes.of([ip_network("2001:db8:1::/64")], Afi.IPV6)
    update = Update(
        attributes=PathAttributes(mp_reach=MpReach(IPV6_UNICAST, IPv6Address("2001:db8::10").packed, nlri))
    )

    packet = dissected(encode(update), "BGPUpdate")

    [attribute] = packet.path_attr
    reach = attribute.attribute
    assert (reach.afi, reach.safi, reach.nh_v6_addr) == (2, 1, "2001:db8::10")
    assert [prefix.prefix for prefix in reach.nlri] == ["2001:db8:1::/64"]


def test_notification() -> None:
    packet = dissected(encode(Notification.shutdown("bye")), "BGPNotification")

    assert (packet.error_code, packet.error_subcode, bytes(packet.data)) == (6, 2, b"\x03bye")
