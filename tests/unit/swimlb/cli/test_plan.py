from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import jsonschema
import pytest
import yaml
from click.testing import CliRunner, Result

from swimlb.cli.plan import plan
from tests.unit.swimlb.planning.worlds import LAN, NODES, PEER, POOL, ROUTES, node, service

ROOT = Path(__file__).parents[4]
SCHEMA = json.loads((ROOT / "docs" / "reference" / "plan.schema.json").read_text())
SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture
def world(tmp_path: Path) -> Path:
    file = tmp_path / "world.yaml"
    file.write_text("---".join((POOL, LAN, PEER, ROUTES, NODES, service("a"), service("b"), service("c"))))
    return file


def run(*arguments: str, given: str | None = None) -> Result:
    return CliRunner().invoke(plan, arguments, given)


def planned(*arguments: str, given: str | None = None) -> dict[str, Any]:
    """The JSON, held to its schema."""
    result = run(*arguments, "-o", "json", given=given)
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    jsonschema.Draft202012Validator(SCHEMA).validate(told)
    return told


def test_the_schema_is_one() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize(
    "arguments", [(), ("--down", "node-a"), ("--drain", "node-a"), ("--add-node", "x=192.0.2.9")]
)
def test_what_it_prints_is_what_the_schema_says(world: Path, arguments: tuple[str, ...]) -> None:
    told = planned("-f", str(world), *arguments)

    assert [one["name"] for one in told["services"]] == ["a", "b", "c"]
    assert ("moves" in told) is bool(arguments)


def test_the_examples_with_nodes(tmp_path: Path) -> None:
    nodes = tmp_path / "nodes.yaml"
    nodes.write_text("---".join(node(name) for name in ("master-01", "worker-01", "worker-02")))

    told = planned("-f", str(ROOT / "examples" / "demo"), "-f", str(nodes))

    assert told["problems"] == []
    owners = {entry["address"]: entry["node"] for one in told["services"] for entry in one["l2"]}
    assert owners["192.168.3.170"] == "master-01"


def test_errors_are_told_and_all_else_is_planned(world: Path) -> None:
    """Exit status 0, standard output nothing but JSON, also from standard input."""
    broken = POOL.replace("name: pool", "name: broken").replace(
        "192.0.2.10-192.0.2.19", "192.0.2.40-192.0.2.30"
    )

    told = planned("-f", str(world), "-f", "-", given=broken)

    assert [(one["severity"], one["object"], one["field"]) for one in told["problems"]] == [
        ("error", "IPAddressPool/metallb-system/broken", "spec.addresses[0]")
    ]
    assert all(one["state"] == "allocated" for one in told["services"])


def test_pending_services_are_warnings(world: Path) -> None:
    told = planned("-f", str(world), "-f", "-", given=service("far", "loadBalancerIP: 203.0.113.9"))

    assert [(one["severity"], one["object"]) for one in told["problems"]] == [
        ("warning", "Service/default/far")
    ]


def test_yaml_says_the_same(world: Path) -> None:
    result = run("-f", str(world), "-o", "yaml")

    assert yaml.safe_load(result.stdout) == planned("-f", str(world))


def test_the_table_names_owners_and_moves(world: Path) -> None:
    result = CliRunner(env={"COLUMNS": "160"}).invoke(plan, ["-f", str(world), "--down", "node-c"])

    assert result.exit_code == 0
    assert "Moves" in result.stdout
    assert "node-c" in result.stdout
    assert "192.0.2.10" in result.stdout


def test_a_value_with_brackets_is_told_as_it_is(world: Path) -> None:
    asked = service("d", annotations="metallb.io/loadBalancerIPs: '[/x]'")

    result = run("-f", str(world), "-f", "-", given=asked)

    assert result.exit_code == 0, result.output
    assert "[/x]" in result.stdout


def test_the_picture_has_a_line_for_each_announcement(world: Path) -> None:
    told = planned("-f", str(world), "--down", "node-c")

    picture = ElementTree.fromstring(run("-f", str(world), "--down", "node-c", "--graph").stdout)

    lines = [line.get("class") for line in picture.iter(f"{SVG}line")]
    assert lines.count("lan") == len(told["services"])
    assert lines.count("move") == len(told["moves"]) > 0
    assert {text.text for text in picture.iter(f"{SVG}text")} >= {"default/a", "node-a", "router"}


def test_without_nodes_it_says_that_nobody_announces(tmp_path: Path) -> None:
    told = planned("-f", "-", given="---".join((POOL, LAN, service())))

    assert [one["object"] for one in told["problems"] if one["severity"] == "warning"][-1] == "Node"


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("--down", "node-x"), "--down: there is no node node-x; known are node-a, node-b, node-c"),
        (("--add-node", "node-x"), "--add-node: 'node-x' is not NAME=IP; write it like node-d=192.0.2.14"),
        (("--add-node", "node-x=here"), "--add-node: 'node-x=here' is not NAME=IP"),
        (("--election", "dice"), "'dice' is not 'metallb'"),
    ],
)
def test_options_that_make_no_sense_are_refused_with_the_way_out(
    world: Path, arguments: tuple[str, ...], text: str
) -> None:
    result = run("-f", str(world), *arguments)

    assert result.exit_code == 2
    assert text in result.stderr
    assert result.stdout == ""
