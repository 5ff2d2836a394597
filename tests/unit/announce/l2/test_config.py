"""Settings that cannot work are refused with the field and the way out."""

from __future__ import annotations

from typing import Any

import pytest

from announce.l2 import Config, InvalidConfig


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("excluded_interfaces", ("eth[",)),
        ("announce_at", ()),
        ("announce_at", (0.5,)),
        ("announce_at", (0.0, 1.0, 1.0)),
        ("refresh_interval", 0.5),
        ("frames_per_second", 0.0),
        ("frames_at_once", 1),
        ("reannounce_interval", -1.0),
        ("defend_interval", -1.0),
        ("filter_settle", -1.0),
        ("reopen_interval", -1.0),
        ("complaint_interval", -1.0),
    ],
)
def test_refuses_what_cannot_work(field: str, value: Any) -> None:
    """The error names the field."""
    with pytest.raises(InvalidConfig) as refused:
        Config(**{field: value})

    assert refused.value.field == field


def test_the_defaults_work() -> None:
    """And the refresh can be switched off."""
    assert Config().refresh_interval == 60.0
    assert Config(refresh_interval=None).refresh_interval is None
