from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from membership import Config, InvalidConfig, lan, local, normal, wan


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": ""},
        {"name": "x" * 513},
        {"address": "node-a.example"},
        {"address": "0.0.0.0"},
        {"address": "::"},
        {"port": 0},
        {"port": 65_536},
        {"meta": bytes(513)},
        {"delegate_versions": (2, 5, 6)},
    ],
)
def test_names_the_field_that_is_wrong(wrong: dict[str, Any]) -> None:
    """And says what to do, before anything has started."""
    with pytest.raises(InvalidConfig) as caught:
        replace(Config(name="node-a", address="192.0.2.1"), **wrong)

    assert caught.value.field == next(iter(wrong))
    assert caught.value.hint


@pytest.mark.parametrize(
    "wrong",
    [
        {"probe_interval": 0.0},
        {"probe_timeout": 1.0},
        {"observers": -1},
        {"observe_timeout": 0.125},
        {"observe_misses": 0},
        {"observe_silence": 0.0},
        {"gossip_interval": 0.0},
        {"suspicion_mult": 0},
        {"indirect_checks": -1},
        {"packet_octets_max": 100},
    ],
)
def test_names_the_timing_that_is_wrong(wrong: dict[str, Any]) -> None:
    """The same for profiles."""
    with pytest.raises(InvalidConfig) as caught:
        replace(normal(), **wrong)

    assert caught.value.field == next(iter(wrong))


def test_memberlists_profiles_are_memberlists() -> None:
    """Timings of all three, in the order: probe interval and timeout, gossip, push/pull, TCP, the dead."""
    timings = [
        (
            *(profile.probe_interval, profile.probe_timeout, profile.gossip_interval),
            *(profile.push_pull_interval, profile.stream_timeout, profile.gossip_to_the_dead_time),
        )
        for profile in (lan(), wan(), local())
    ]

    assert timings == [
        (1.0, 0.5, 0.2, 30.0, 10.0, 30.0),
        (5.0, 3.0, 0.5, 60.0, 30.0, 60.0),
        (1.0, 0.2, 0.1, 15.0, 1.0, 15.0),
    ]


def test_an_address_has_one_form() -> None:
    """Others compare octets, so every way to write an address must give the same."""
    mapped = Config(name="node-a", address="::ffff:192.0.2.1")
    long = Config(name="node-a", address="2001:0DB8:0::1")

    assert (mapped.octets, mapped.endpoint.host) == (bytes((192, 0, 2, 1)), "192.0.2.1")
    assert (len(long.octets), str(long.endpoint)) == (16, "[2001:db8::1]:7946")
