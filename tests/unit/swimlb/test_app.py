"""How settings become what the parts of *wire* are built with."""

from __future__ import annotations

import pytest

from announce import l2
from swimlb.app import layer2_config
from swimlb.settings import Settings


def settings(**changes: float | tuple[str, ...] | None) -> Settings:
    values = {"node": "node-a", "manifests": "/m", "bind_address": "192.0.2.1", **changes}
    return Settings(**values)  # pyright: ignore[reportArgumentType]


def test_the_defaults_of_both_agree() -> None:
    """Who sets nothing gets the responder as it comes."""
    assert layer2_config(settings()) == l2.Config()


@pytest.mark.parametrize(
    ("chosen", "in_force"), [(0.0, None), (1.0, 1.0), (300.0, 300.0)], ids=["never", "shortest", "longer"]
)
def test_the_refresh_is_chosen_or_switched_off(chosen: float, in_force: float | None) -> None:
    """The least that the command line lets through is the least that the responder takes."""
    assert layer2_config(settings(refresh_interval=chosen)) == l2.Config(refresh_interval=in_force)


def test_excluded_interfaces_replace_the_list() -> None:
    """As in MetalLB: who names some names all, also none."""
    assert layer2_config(settings(excluded_interfaces=())).excluded_interfaces == ()
