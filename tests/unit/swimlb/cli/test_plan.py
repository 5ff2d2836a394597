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


@pytest.mark.parametrize("output", ["table", "json", "yaml"])
def test_a_path_that_is_not_there_is_one_error(tmp_path: Path, output: str) -> None:
    result = run("-f", str(tmp_path / "gone.yaml"), "-o", output)

    assert result.exit_code == 1
    assert isinstance(result.exception, SystemExit)
    assert result.stdout.count("cannot be read: No such file or directory") == 1
    assert "Check the name and the permissions." in result.stdout
    assert "no Node" not in result.stdout


def test_what_can_be_read_is_planned_beside_what_cannot(world: Path) -> None:
    result = run("-f", str(world), "-f", str(world.parent / "gone.yaml"), "-o", "json")

    told = json.loads(result.stdout)
    assert result.exit_code == 1
    assert [one["name"] for one in told["services"]] == ["a", "b", "c"]
    assert [one["file"] for one in told["problems"]] == [str(world.parent / "gone.yaml")]


def test_a_picture_hides_no_problem(world: Path) -> None:
    result = run("-f", str(world), "-f", "/nonexistent.yaml", "--graph")

    assert result.exit_code == 1
    assert result.stderr.startswith("/nonexistent.yaml: error: cannot be read")
    ElementTree.fromstring(result.stdout)


def test_a_password_that_is_elsewhere_is_taken_to_be_there(world: Path) -> None:
    """People hardly pipe their Secrets around, and without the peer there would be no routes to plan."""
    peer = PEER.replace("198.51.100.1", "198.51.100.1, passwordSecret: {name: router}")
    world.write_text(world.read_text().replace(PEER, peer))

    told = planned("-f", str(world))

    (problem,) = told["problems"]
    assert (problem["severity"], problem["object"], problem["field"]) == (
        "warning",
        "BGPPeer/metallb-system/router",
        "spec.passwordSecret",
    )
    assert problem["message"] == "there is no Secret router; it is taken to be there, with the password"
    assert all(one["bgp"] and not one["withheld"] for one in told["services"])


def test_a_password_that_is_wrong_is_an_error(world: Path) -> None:
    """It would be where the Secret is, too."""
    peer = PEER.replace("198.51.100.1", "198.51.100.1, passwordSecret: {name: router}")
    secret = "apiVersion: v1\nkind: Secret\nmetadata: {name: router, namespace: metallb-system}\ndata: {password: '%'}\n"
    world.write_text("---\n".join((world.read_text().replace(PEER, peer), secret)))

    told = planned("-f", str(world))

    assert [(one["severity"], one["object"]) for one in told["problems"]] == [
        ("error", "BGPPeer/metallb-system/router"),
        ("error", "Secret/metallb-system/router"),
    ]


def test_no_service_gets_the_address_of_an_added_node(world: Path) -> None:
    """One that has it gets another, and the pool is told of."""
    world.write_text(
        "---".join((POOL, LAN, NODES, service("a", held="192.0.2.10"), service("b", held="192.0.2.11")))
    )

    told = planned("-f", str(world), "--add-node", "zz=192.0.2.10")

    assert [one["addresses"] for one in told["services"]] == [["192.0.2.12"], ["192.0.2.11"]]
    moves = {(one["address"], one["service"]): (one["from"], one["to"]) for one in told["moves"]}
    assert moves["192.0.2.10", "default/a"][1] is None
    assert moves["192.0.2.12", "default/a"][0] is None
    (problem,) = told["problems"]
    assert "overlaps with the address 192.0.2.10 of Node zz" in problem["message"]


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
        (("--add-node", "node-x=2001:db8::1%eth0"), "--add-node: 'node-x=2001:db8::1%eth0' is not NAME=IP"),
        (
            ("--add-node", "node-x=192.0.2.9", "--add-node", "node-y=192.0.2.9"),
            "--add-node: node node-x has the address 192.0.2.9 already; choose another address",
        ),
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
