from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from swimlb.cli.controller import controller
from swimlb.control.settings import ControlSettings
from swimlb.settings import InvalidSettings


def run(*options: str) -> Result:
    return CliRunner().invoke(controller, options, env={"KUBERNETES_SERVICE_HOST": ""})


def test_outside_of_a_pod_a_kubeconfig_is_asked_for() -> None:
    result = run()

    assert result.exit_code == 1
    assert "Name a kubeconfig, or run it as a Pod." in result.output


def test_a_kubeconfig_that_is_missing_is_named(tmp_path: Path) -> None:
    result = run("--kubeconfig", str(tmp_path / "none"))

    assert result.exit_code == 1
    assert f"{tmp_path / 'none'} cannot be read" in result.output


@pytest.mark.parametrize(
    ("option", "value", "hint"),
    [
        ("--quarantine", "-1", "choose from 0 (not at all)"),
        ("--lease-duration", "2", "choose whole seconds from 3"),
        ("--lease-name", "", "name the Lease"),
    ],
)
def test_bad_values_are_refused_with_the_way_out(option: str, value: str, hint: str) -> None:
    result = run(option, value)

    assert result.exit_code == 1
    assert option in result.output
    assert hint in result.output


@pytest.mark.parametrize("option", ["--metrics-authorize", "--metrics-cert-dir=/certificate"])
def test_what_needs_tls_asks_for_it(option: str) -> None:
    """A token in the clear would be everybody's."""
    result = run(option)

    assert result.exit_code == 1
    assert f"{option.partition('=')[0]}: " in result.output
    assert "give --metrics-tls, too" in result.output


def test_the_times_of_the_lease_keep_their_proportions() -> None:
    timing = ControlSettings(lease_duration=20.0).timing

    assert (timing.lease_duration, timing.renew_deadline, timing.retry_period) == (20.0, 14.0, 4.0)
    with pytest.raises(InvalidSettings):
        ControlSettings(lease_duration=10.5)
