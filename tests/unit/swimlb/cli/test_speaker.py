"""From the command line of `swimlb speaker` to its settings; nothing is started here."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from swimlb import app
from swimlb.cli.speaker import speaker
from swimlb.settings import Settings


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[Settings]:
    """What the speaker would have been started with."""
    calls: list[Settings] = []
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(app, "run_speaker", calls.append)
    return calls


def run(manifests: Path, *options: str) -> Result:
    given = ["--node-name", "node-a", "--bind-address", "192.0.2.1", "--manifests", str(manifests)]
    return CliRunner().invoke(speaker, [*given, *options])


@pytest.mark.parametrize(
    ("options", "interval"),
    [((), 60.0), (("--refresh-interval", "0"), 0.0), (("--refresh-interval", "90"), 90.0)],
)
def test_the_refresh(
    options: tuple[str, ...], interval: float, started: list[Settings], tmp_path: Path
) -> None:
    """On by default, at a pace of one's own, or off."""
    result = run(tmp_path, *options)

    assert result.exit_code == 0, result.output
    assert [settings.refresh_interval for settings in started] == [interval]


@pytest.mark.parametrize("text", ["0.5", "-1", "inf", "nan"])
def test_a_refresh_that_cannot_be_starts_nothing(text: str, started: list[Settings], tmp_path: Path) -> None:
    """And the message says what can."""
    result = run(tmp_path, "--refresh-interval", text)

    assert result.exit_code == 1
    assert "--refresh-interval" in result.output
    assert "or 0 for none" in result.output
    assert started == []


@pytest.mark.parametrize(
    ("options", "data_path"),
    [((), "local"), (("--data-path", "forward"), "forward")],
    ids=["default", "forward"],
)
def test_the_data_path(
    options: tuple[str, ...], data_path: str, started: list[Settings], tmp_path: Path
) -> None:
    """On `lo` unless told otherwise."""
    result = run(tmp_path, *options)

    assert result.exit_code == 0, result.output
    assert [settings.data_path for settings in started] == [data_path]
