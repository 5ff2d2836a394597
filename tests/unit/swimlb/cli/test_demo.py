"""What `swimlb demo` says before it plays; the play itself is tested as root, in tests/netns."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from swimlb.cli.demo import demo
from tests.rights import needs_root


def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *options: str) -> Result:
    """On a machine without any tool that the lab needs."""
    monkeypatch.setenv("PATH", str(tmp_path / "nothing"))
    return CliRunner().invoke(demo, ["--base", str(tmp_path / "labs"), *options])


@pytest.mark.parametrize("option", ["--report", "--timeline"])
def test_a_place_that_cannot_be_written_to_is_told_before_the_play(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, option: str
) -> None:
    """And not after a minute."""
    (tmp_path / "file").write_text("")
    monkeypatch.chdir(tmp_path)

    result = run(tmp_path, monkeypatch, option, "file/report.html")

    assert result.exit_code == 1
    assert result.output == f"Error: cannot write file/report.html: give another place with {option}\n"


def test_the_report_of_the_last_demo_is_there_until_the_next_one_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, none = tmp_path / "report.html", tmp_path / "timeline.svg"
    old.write_text("old")

    run(tmp_path, monkeypatch, "--report", str(old), "--timeline", str(none))

    assert old.read_text() == "old"
    assert not none.exists()


@needs_root
def test_a_missing_tool_is_an_error_and_not_a_step_of_the_play(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    report = tmp_path / "report.html"

    result = run(tmp_path, monkeypatch, "--report", str(report))

    assert result.exit_code == 1
    assert result.output == "Error: `ip` is not installed: run `apt-get install iproute2`\n"
    assert not report.exists()
    assert not (tmp_path / "labs").exists()
