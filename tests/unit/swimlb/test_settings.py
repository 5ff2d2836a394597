from __future__ import annotations

from typing import Any

import pytest

from swimlb.settings import InvalidSettings, Settings


def settings(**changes: Any) -> Settings:
    values: dict[str, Any] = {"node": "node-a", "manifests": "/m", "bind_address": "192.0.2.1", **changes}
    return Settings(**values)


@pytest.mark.parametrize(
    ("text", "seed"),
    [
        ("192.0.2.2", ("192.0.2.2", 7946)),
        ("192.0.2.2:17946", ("192.0.2.2", 17946)),
        ("2001:DB8::2", ("2001:db8::2", 7946)),
        ("[2001:db8::2]:1", ("2001:db8::2", 1)),
        ("node-b", ("node-b", 7946)),
        (
            "speakers.metallb-system.svc.cluster.local.:7946",
            ("speakers.metallb-system.svc.cluster.local.", 7946),
        ),
    ],
)
def test_seeds(text: str, seed: tuple[str, int]) -> None:
    """Addresses in their one form, names as they are."""
    assert settings(join=(text,)).seeds() == (seed,)


def test_its_own_address_is_no_seed() -> None:
    """So that every node can have the same list."""
    assert settings(join=("192.0.2.1", "192.0.2.1:7946", "192.0.2.2")).seeds() == (("192.0.2.2", 7946),)


@pytest.mark.parametrize(
    ("changes", "option"),
    [
        ({"join": ("192.0.2.256",)}, "--join"),
        ({"join": ("-b",)}, "--join"),
        ({"join": ("a..b",)}, "--join"),
        ({"join": ("node-b:0",)}, "--join"),
        ({"join": ("node-b:x",)}, "--join"),
        ({"join": ("[node-b]:1",)}, "--join"),
        ({"gossip_label": "x" * 129}, "--gossip-label"),
        ({"gossip_secret_files": ("/s",) * 5}, "--gossip-secret-file"),
        ({"gossip_plaintext": "accept"}, "--gossip-plaintext"),
        ({"data_path": "lo"}, "--data-path"),
        ({"data_path": ""}, "--data-path"),
        ({"refresh_interval": 0.5}, "--refresh-interval"),
        ({"refresh_interval": -60.0}, "--refresh-interval"),
        ({"refresh_interval": 86_401.0}, "--refresh-interval"),
        ({"refresh_interval": float("inf")}, "--refresh-interval"),
        ({"refresh_interval": float("nan")}, "--refresh-interval"),
    ],
)
def test_mistakes_name_the_option(changes: dict[str, Any], option: str) -> None:
    """And nothing is started."""
    with pytest.raises(InvalidSettings) as refusal:
        settings(**changes)
    assert refusal.value.option == option


def test_survives_the_way_to_the_processes() -> None:
    """As one argument, every field."""
    original = settings(
        join=("node-b",),
        gossip_secret_files=("/etc/swimlb-secret",),
        gossip_key_derivation="sha256",
        gossip_plaintext="send",
        gossip_label="ring-a",
        data_path="forward",
        refresh_interval=0.0,
        excluded_interfaces=("^docker",),
    )

    assert Settings.from_json(original.to_json()) == original
