from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from swimlb.cli.check import check

EXAMPLES = Path(__file__).parents[4] / "examples"
BAD_POOL = """\
apiVersion: metallb.io/v1beta1
kind: IPAddressPool
metadata:
  name: gold
  namespace: metallb-system
spec:
  addresses:
  - 192.0.2.20-192.0.2.10
"""
LONELY = """\
apiVersion: v1
kind: Service
metadata:
  name: web
spec:
  type: LoadBalancer
  ports: [{port: 80}]
"""


def run(*arguments: str, given: str | None = None) -> Result:
    return CliRunner().invoke(check, arguments, given)


def test_the_examples_are_without_fault() -> None:
    result = run("-f", str(EXAMPLES / "demo"), "--strict")

    assert result.exit_code == 0
    assert result.stdout == ""
    assert result.stderr == "11 objects, 0 errors, 0 warnings\n"


def test_tells_where_what_and_the_way_out(tmp_path: Path) -> None:
    """One line for each problem, and a status that scripts can use."""
    file = tmp_path / "pool.yaml"
    file.write_text(BAD_POOL)

    result = run("-f", str(file))

    assert result.exit_code == 1
    assert result.stdout == (
        f"{file}:8: error: IPAddressPool/metallb-system/gold spec.addresses[0]: "
        "invalid IP range '192.0.2.20-192.0.2.10': start IP 192.0.2.20 is after the end IP 192.0.2.10"
        " — Write 192.0.2.10-192.0.2.20.\n"
    )
    assert result.stderr == "1 object, 1 error, 0 warnings\n"


def test_json_is_an_interface() -> None:
    """Its fields are fixed; standard input is read like a file."""
    result = run("-f", "-", "-o", "json", given=BAD_POOL)

    assert result.exit_code == 1
    assert json.loads(result.stdout) == {
        "problems": [
            {
                "severity": "error",
                "object": "IPAddressPool/metallb-system/gold",
                "field": "spec.addresses[0]",
                "file": "<stdin>",
                "line": 8,
                "message": "invalid IP range '192.0.2.20-192.0.2.10': start IP 192.0.2.20 is after the end IP 192.0.2.10",
                "hint": "Write 192.0.2.10-192.0.2.20.",
            }
        ]
    }


@pytest.mark.parametrize(("options", "status"), [((), 0), (("--strict",), 1)])
def test_warnings_count_only_when_strict(options: tuple[str, ...], status: int) -> None:
    """Such as that of a Service that gets no address."""
    result = run("-f", "-", *options, given=LONELY)

    assert result.exit_code == status
    assert result.stdout.startswith(
        "<stdin>:1: warning: Service/default/web: gets no address: no available IPs"
    )


def test_a_path_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    result = run("-f", str(tmp_path / "gone.yaml"))

    assert result.exit_code == 1
    assert result.stdout.startswith(
        f"{tmp_path / 'gone.yaml'}: error: cannot be read: No such file or directory"
    )


def test_other_namespaces_and_classes_can_be_judged() -> None:
    result = run("-f", "-", "--namespace", "other", "--lb-class", "mine", given=BAD_POOL + "---\n" + LONELY)

    assert "resource must be created in other namespace" in result.stdout
    assert "Service/default/web" not in result.stdout
