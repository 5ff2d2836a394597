from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner, Result

from swimlb.cli.convert import convert

FORMER = """\
address-pools:
- name: default
  protocol: layer2
  addresses:
  - 192.0.2.10-192.0.2.20
"""
CONFIG_MAP = """\
apiVersion: v1
kind: ConfigMap
metadata:
  namespace: lb
  name: config
data:
  config: |
    address-pools:
    - name: default
      protocol: layer2
      addresses:
      - 192.0.2.10-192.0.2.20
"""


def run(*arguments: str, given: str | None = None) -> Result:
    return CliRunner().invoke(convert, ["metallb-configmap", *arguments], given)


def test_writes_manifests(tmp_path: Path) -> None:
    """To standard output, in the ConfigMap's namespace."""
    file = tmp_path / "config.yaml"
    file.write_text(CONFIG_MAP)

    result = run(str(file))

    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout == (
        "apiVersion: metallb.io/v1beta1\n"
        "kind: IPAddressPool\n"
        "metadata:\n"
        "  name: default\n"
        "  namespace: lb\n"
        "spec:\n"
        "  addresses:\n"
        "  - 192.0.2.10-192.0.2.20\n"
        "---\n"
        "apiVersion: metallb.io/v1beta1\n"
        "kind: L2Advertisement\n"
        "metadata:\n"
        "  name: default\n"
        "  namespace: lb\n"
        "spec:\n"
        "  ipAddressPools:\n"
        "  - default\n"
    )


@pytest.mark.parametrize(
    ("given", "namespace"),
    [
        (CONFIG_MAP, "lb"),
        (
            json.dumps({"kind": "ConfigMap", "metadata": {"namespace": "lb"}, "data": {"config": FORMER}}),
            "lb",
        ),
        ("kind: Secret\n---\n" + CONFIG_MAP, "lb"),
        (FORMER, "metallb-system"),
    ],
)
def test_takes_the_configuration_as_it_comes(given: str, namespace: str) -> None:
    """As YAML or JSON, among other objects, or the text alone."""
    result = run("-", given=given)

    assert result.exit_code == 0
    assert [one["metadata"]["namespace"] for one in yaml.safe_load_all(result.stdout)] == [namespace] * 2


def test_the_namespace_can_be_another() -> None:
    result = run("-", "--namespace", "other", given=CONFIG_MAP)

    assert [one["metadata"]["namespace"] for one in yaml.safe_load_all(result.stdout)] == ["other"] * 2


def test_writes_nothing_when_something_is_wrong() -> None:
    """Half a configuration would be worse than none. The line is that of the file, not of the text within."""
    result = run("-", given=CONFIG_MAP.replace("layer2", "layer3"))

    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == (
        "<stdin>:10: error: ConfigMap/lb/config address-pools[0].protocol: 'layer3' is not one of bgp, layer2"
        " — Choose one of bgp, layer2.\n"
    )


def test_tells_the_line_of_broken_yaml_within() -> None:
    result = run("-", given=CONFIG_MAP.replace("- 192.0.2.10", "- [192.0.2.10"))

    assert result.exit_code == 1
    assert result.stderr.startswith(("<stdin>:12: error", "<stdin>:13: error"))


def test_in_json_all_stands_on_one_line() -> None:
    former = json.dumps({"kind": "ConfigMap", "data": {"config": FORMER.replace("layer2", "x")}}, indent=1)

    result = run("-", given=former)

    assert result.stderr.startswith("<stdin>:4: error: ConfigMap")


def test_rules_between_objects_are_checked_too() -> None:
    """Such as pools that overlap."""
    twice = FORMER + FORMER.partition("\n")[2].replace("default", "again")

    result = run("-", given=twice)

    assert (result.exit_code, result.stdout) == (1, "")
    assert "overlaps with 192.0.2.10-192.0.2.20 of pool again" in result.stderr


@pytest.mark.parametrize("given", ["# Nothing.", "kind: ConfigMap\ndata: {other: x}\n", "kind: Service\n"])
def test_a_file_without_a_configuration_is_an_error(given: str) -> None:
    result = run("-", given=given)

    assert (result.exit_code, result.stdout) == (1, "")
    assert "holds no configuration of MetalLB until 0.12" in result.stderr


def test_what_is_no_namespace_is_refused() -> None:
    result = run("-", "--namespace", "A B", given=FORMER)

    assert (result.exit_code, result.stdout) == (2, "")
    assert "'A B' is no name of a namespace" in result.stderr


def test_a_directory_without_manifests_holds_no_configuration(tmp_path: Path) -> None:
    result = run(str(tmp_path))

    assert (result.exit_code, result.stdout) == (1, "")
    assert "holds no configuration of MetalLB until 0.12" in result.stderr
