"""MetalLB's configuration until 0.12, feature by feature."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swimlb.config import Document, resolve
from swimlb.config.former import Converted, convert
from swimlb.config.kinds import Options
from tests.unit.swimlb.config.objects import told

POOL = {"name": "default", "protocol": "layer2", "addresses": ["192.0.2.0/24"]}
PEER = {"my-asn": 64496, "peer-asn": 64497, "peer-address": "203.0.113.254"}


def converted(**former: object) -> Converted:
    names = {
        "peers": "peers",
        "pools": "address-pools",
        "profiles": "bfd-profiles",
        "communities": "bgp-communities",
    }
    return convert(Document({names[name]: value for name, value in former.items()}), "metallb-system")


def made(**former: object) -> list[tuple[str, str, Any]]:
    """Kind, name and spec of each object."""
    result = converted(**former)
    assert result.problems == ()
    return [(one["kind"], one["metadata"]["name"], one["spec"]) for one in _any(result)]


def _any(result: Converted) -> list[Any]:
    """Without types, so that tests may look into them."""
    return list(result.objects)


def test_a_pool_of_the_lan_gets_an_advertisement() -> None:
    """Of its own, as the pool said how it is announced."""
    assert made(pools=[{**POOL, "addresses": ["192.0.2.0/25", "192.0.2.128-192.0.2.130"]}]) == [
        ("IPAddressPool", "default", {"addresses": ["192.0.2.0/25", "192.0.2.128-192.0.2.130"]}),
        ("L2Advertisement", "default", {"ipAddressPools": ["default"]}),
    ]


def test_whether_a_pool_is_used_by_itself_is_kept() -> None:
    """What was not said is not said: the defaults are the same."""
    (pool, _) = made(pools=[{**POOL, "auto-assign": False, "avoid-buggy-ips": True}])

    assert pool[2] == {"addresses": ["192.0.2.0/24"], "autoAssign": False, "avoidBuggyIPs": True}


def test_a_pool_of_bgp_is_advertised_address_by_address() -> None:
    """Unless it says otherwise."""
    assert made(pools=[{**POOL, "protocol": "bgp"}])[1:] == [
        ("BGPAdvertisement", "default", {"ipAddressPools": ["default"]})
    ]


def test_every_advertisement_of_a_pool_becomes_one() -> None:
    advertisements = [
        {"aggregation-length": 32, "localpref": 100, "communities": ["vpn-only", "64496:1"]},
        {"aggregation-length": 24, "aggregation-length-v6": 64},
    ]

    assert made(pools=[{**POOL, "protocol": "bgp", "bgp-advertisements": advertisements}])[1:] == [
        (
            "BGPAdvertisement",
            "default-1",
            {
                "ipAddressPools": ["default"],
                "aggregationLength": 32,
                "localPref": 100,
                "communities": ["vpn-only", "64496:1"],
            },
        ),
        (
            "BGPAdvertisement",
            "default-2",
            {"ipAddressPools": ["default"], "aggregationLength": 24, "aggregationLengthV6": 64},
        ),
    ]


def test_names_of_communities_become_one_object() -> None:
    assert made(communities={"no-export": "65535:65281", "vpn-only": "64496:1"}) == [
        (
            "Community",
            "communities",
            {
                "communities": [
                    {"name": "no-export", "value": "65535:65281"},
                    {"name": "vpn-only", "value": "64496:1"},
                ]
            },
        )
    ]


def test_peers_are_numbered() -> None:
    """They had no names."""
    assert made(peers=[PEER, {**PEER, "peer-address": "203.0.113.253"}]) == [
        ("BGPPeer", "peer1", {"myASN": 64496, "peerASN": 64497, "peerAddress": "203.0.113.254"}),
        ("BGPPeer", "peer2", {"myASN": 64496, "peerASN": 64497, "peerAddress": "203.0.113.253"}),
    ]


def test_every_field_of_a_peer_is_kept() -> None:
    selector = {
        "match-labels": {"rack": "1"},
        "match-expressions": [
            {"key": "zone", "operator": "In", "values": ["a", "b"]},
            {"key": "edge", "operator": "Exists"},
        ],
    }
    former = {
        **PEER,
        "peer-port": 1179,
        "source-address": "192.0.2.1",
        "hold-time": "120s",
        "keepalive-time": "40s",
        "router-id": "192.0.2.9",
        "node-selectors": [selector],
        "password": "secret",
        "bfd-profile": "fast",
        "ebgp-multihop": True,
    }

    ((kind, _, spec),) = made(peers=[former])

    assert kind == "BGPPeer"
    assert spec == {
        "myASN": 64496,
        "peerASN": 64497,
        "peerAddress": "203.0.113.254",
        "peerPort": 1179,
        "sourceAddress": "192.0.2.1",
        "holdTime": "120s",
        "keepaliveTime": "40s",
        "routerID": "192.0.2.9",
        "nodeSelectors": [
            {
                "matchLabels": {"rack": "1"},
                "matchExpressions": [
                    {"key": "zone", "operator": "In", "values": ["a", "b"]},
                    {"key": "edge", "operator": "Exists"},
                ],
            }
        ],
        "password": "secret",
        "bfdProfile": "fast",
        "ebgpMultiHop": True,
    }


def test_every_field_of_a_bfd_profile_is_kept() -> None:
    former = {
        "name": "fast",
        "receive-interval": 280,
        "transmit-interval": 270,
        "detect-multiplier": 5,
        "echo-interval": 62,
        "echo-mode": False,
        "passive-mode": True,
        "minimum-ttl": 250,
    }

    assert made(profiles=[former]) == [
        (
            "BFDProfile",
            "fast",
            {
                "receiveInterval": 280,
                "transmitInterval": 270,
                "detectMultiplier": 5,
                "echoInterval": 62,
                "echoMode": False,
                "passiveMode": True,
                "minimumTtl": 250,
            },
        )
    ]


@pytest.mark.parametrize(
    ("former", "name"),
    [
        ("01-numbered", "01-numbered"),
        ("Capitals", "capitals"),
        ("under_scored", "under-scored"),
        ("-edges-", "edges"),
        ("___", "unnamed"),
        ("x" * 300, "x" * 253),
    ],
)
def test_names_that_kubernetes_does_not_take_are_changed(former: str, name: str) -> None:
    """And what refers to them; for pools it is told, as Services may ask for them by name."""
    result = converted(
        pools=[{**POOL, "name": former}], profiles=[{"name": former}], peers=[{**PEER, "bfd-profile": former}]
    )

    profile, pool, advertisement, peer = _any(result)
    assert [one["metadata"]["name"] for one in (profile, pool, advertisement)] == [name] * 3
    assert advertisement["spec"]["ipAddressPools"] == [name]
    assert peer["spec"]["bfdProfile"] == name
    assert [problem.severity.value for problem in result.problems] == ["warning"] * (former != name)


def test_names_that_would_become_one_stay_apart() -> None:
    result = converted(
        pools=[
            {**POOL, "name": name, "addresses": [f"192.0.2.{number}/32"]}
            for number, name in enumerate(("a-b", "a_b", "A-B"))
        ]
    )

    pools = [one["metadata"]["name"] for one in _any(result) if one["kind"] == "IPAddressPool"]
    advertised = [one["spec"]["ipAddressPools"] for one in _any(result) if one["kind"] == "L2Advertisement"]
    assert pools == ["a-b", "a-b-2", "a-b-3"]
    assert advertised == [["a-b"], ["a-b-2"], ["a-b-3"]]


@pytest.mark.parametrize(
    ("former", "expected"),
    [
        (
            {"pools": [{"name": "a", "addresses": ["192.0.2.0/24"]}]},
            ("error", "address-pools[0].protocol", "is missing"),
        ),
        ({"pools": [{**POOL, "addresses": []}]}, ("error", "address-pools[0].addresses", "is empty")),
        (
            {"pools": [{**POOL, "addresses": ["192.0.2.0"]}]},
            ("error", "address-pools[0].addresses[0]", "'192.0.2.0' is neither a CIDR nor a range"),
        ),
        ({"pools": [POOL, POOL]}, ("error", "address-pools[1].name", "'default' is defined twice")),
        (
            {"pools": [{**POOL, "bgp-advertisements": [{}]}]},
            ("warning", "address-pools[0].bgp-advertisements", "have no effect in a pool of protocol layer2"),
        ),
        (
            {"peers": [{**PEER, "hold-time": "90"}]},
            ("error", "peers[0].hold-time", "'90' is not a duration"),
        ),
        (
            {"peers": [{**PEER, "peer-asn": 0}]},
            ("error", "peers[0].peer-asn", "is 0, must be from 1 to 4294967295"),
        ),
        (
            {"communities": {"a": "1:2:3"}},
            ("error", "bgp-communities.a", "invalid community format: 1:2:3"),
        ),
        (
            {"peers": [{**PEER, "peer-adress": "x"}]},
            ("warning", "peers[0].peer-adress", "unknown field, ignored"),
        ),
    ],
)
def test_tells_what_is_wrong(former: dict[str, object], expected: tuple[str, str, str]) -> None:
    severity, field, message = expected

    assert told(converted(**former).problems) == [(severity, "ConfigMap", field, message)]


def test_a_password_is_not_repeated() -> None:
    (problem,) = converted(peers=[{**PEER, "password": 12345}]).problems

    assert "12345" not in problem.message + problem.hint


def test_what_is_made_is_in_force() -> None:
    """Our own reader takes it, and its meaning is what the former one was."""
    result = converted(
        pools=[
            {**POOL, "protocol": "bgp", "bgp-advertisements": [{"communities": ["named"]}]},
            {"name": "lan", "protocol": "layer2", "addresses": ["198.51.100.0/28"]},
        ],
        peers=[{**PEER, "hold-time": "90s"}],
        communities={"named": "64496:7"},
    )

    resolved = resolve([Document(one) for one in result.objects], options=Options())

    assert resolved.problems == ()
    configuration = resolved.configuration
    assert [pool.name for pool in configuration.pools] == ["default", "lan"]
    assert [str(one) for one in configuration.bgp_advertisements[0].communities] == ["64496:7"]
    assert configuration.bgp_peers[0].hold_time == 90


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.just("192.0.2.0/24"),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    [
                        "peers",
                        "address-pools",
                        "bgp-communities",
                        "bfd-profiles",
                        "name",
                        "protocol",
                        "addresses",
                    ]
                )
                | st.text(max_size=3),
                inner,
                max_size=4,
            )
        ),
        max_leaves=20,
    )
)
def test_whatever_is_given_is_converted_or_reported(content: object) -> None:
    result = convert(Document(content), "metallb-system")

    assert all(problem.message and problem.hint for problem in result.problems)
