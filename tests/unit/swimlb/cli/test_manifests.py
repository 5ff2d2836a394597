"""What `swimlb manifests` prints is complete, known to Kubernetes, and asks for no more than it says."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import click
import kubernetes_validate
import pytest
import yaml
from click.testing import CliRunner, Result

from swimlb.cli.controller import controller
from swimlb.cli.manifests import manifests
from swimlb.cli.speaker import SECRET_DIRECTORY_VARIABLE, speaker
from swimlb.runtime.privileges import Capability

RELEASES = ("1.34", "1.35", "1.37")


def run(*arguments: str) -> Result:
    return CliRunner().invoke(manifests, arguments)


def printed(*arguments: str) -> list[Any]:
    result = run(*arguments)
    assert result.exit_code == 0, result.output
    return list(yaml.safe_load_all(result.output))


def named(objects: list[Any], kind: str) -> dict[str, Any]:
    return {one["metadata"]["name"]: one for one in objects if one["kind"] == kind}


def pod(workload: Any) -> Any:
    return workload["spec"]["template"]["spec"]


def with_namespace(value: Any, namespace: str) -> Any:
    """The same with another namespace, also as a Namespace's own name."""
    if isinstance(value, dict):
        return {
            key: namespace if field == "metallb-system" else with_namespace(field, namespace)
            for key, field in value.items()
        }
    return [with_namespace(one, namespace) for one in value] if isinstance(value, list) else value


def workloads() -> Iterator[Any]:
    objects = printed()
    yield from named(objects, "DaemonSet").values()
    yield from named(objects, "Deployment").values()


@pytest.mark.parametrize("release", RELEASES)
def test_kubernetes_knows_every_field(release: str) -> None:
    """The definitions of kinds have a test of their own."""
    for one in printed():
        if one["kind"] != "CustomResourceDefinition":
            kubernetes_validate.validate(one, release, strict=True)


def test_another_namespace_is_meant_everywhere() -> None:
    """Nothing is left in the old one, and nothing else has changed."""
    moved, kept = printed("--namespace", "lb"), printed()

    assert "metallb-system" not in run("--namespace", "lb").output
    assert moved == [with_namespace(one, "lb") for one in kept]


def test_a_name_that_no_namespace_has_is_refused() -> None:
    result = run("--namespace", "a: b")

    assert result.exit_code == 2
    assert "'a: b' is no name of a namespace" in result.output


def test_another_image_is_that_of_both_workloads() -> None:
    image = "registry.example:5000/team/swimlb@sha256:0123"

    objects = printed("--image", image)

    for kind in ("DaemonSet", "Deployment"):
        for one in named(objects, kind).values():
            assert [container["image"] for container in pod(one)["containers"]] == [image]


def test_the_gossip_secret_is_new_each_time_and_what_the_speakers_mount() -> None:
    (first,), (second,) = printed("--gossip-secret"), printed("--gossip-secret")
    (speaker,) = named(printed(), "DaemonSet").values()

    mounted = {volume["name"]: volume for volume in pod(speaker)["volumes"]}["gossip-secret"]
    assert first["metadata"]["name"] == mounted["secret"]["secretName"]
    assert first["stringData"].keys() == {"secretkey"}
    assert len(first["stringData"]["secretkey"]) == 22
    assert first["stringData"] != second["stringData"]


def test_no_role_has_a_wildcard_and_only_speakers_read_secrets_in_their_namespace() -> None:
    objects = printed()
    roles = {
        (kind, name): one["rules"]
        for kind in ("ClusterRole", "Role")
        for name, one in named(objects, kind).items()
    }

    for rules in roles.values():
        for rule in rules:
            assert "*" not in (*rule["apiGroups"], *rule["resources"], *rule["verbs"])
    readers = {
        role
        for role, rules in roles.items()
        for rule in rules
        if "secrets" in rule["resources"]
        and not rule.get("resourceNames")
        and {"get", "list", "watch"} & {*rule["verbs"]}
    }
    assert readers == {("Role", "swimlb-speaker")}


def test_every_account_is_bound_to_the_roles_of_its_own_component() -> None:
    objects = printed()

    bound = {
        (one["subjects"][0]["name"], one["roleRef"]["name"])
        for kind in ("ClusterRoleBinding", "RoleBinding")
        for one in named(objects, kind).values()
    }

    assert bound == {
        (f"swimlb-{component}", role)
        for component in ("controller", "speaker")
        for role in (f"swimlb:{component}", f"swimlb-{component}")
    }
    assert {pod(one)["serviceAccountName"] for one in workloads()} == {account for account, _ in bound}


def test_containers_have_no_more_than_they_need() -> None:
    """All capabilities are dropped; only speakers have some back; nobody is throttled."""
    added: dict[str, set[str]] = {}
    for workload in workloads():
        assert pod(workload)["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        for container in pod(workload)["containers"]:
            context = container["securityContext"]
            assert context["capabilities"]["drop"] == ["ALL"]
            assert not context["allowPrivilegeEscalation"]
            assert context["readOnlyRootFilesystem"]
            assert "cpu" not in container["resources"].get("limits", {})
            added[container["name"]] = {*context["capabilities"].get("add", ())}

    assert added == {"controller": set(), "speaker": {one.name for one in Capability}}


@pytest.mark.parametrize("command", [speaker, controller], ids=["speaker", "controller"])
def test_the_command_line_takes_what_the_container_is_started_with(command: click.Command) -> None:
    """Every option is known and takes its value; every variable is read, or goes into an option."""
    (container,) = (
        one for workload in workloads() for one in pod(workload)["containers"] if one["name"] == command.name
    )
    options = {name: parameter for parameter in command.params for name in parameter.opts}
    name, *arguments = container["args"]
    variables = {one["name"] for one in container["env"]}

    assert name == command.name
    for argument in arguments:
        option, _, value = argument.partition("=")
        assert option in options, option
        if value and not value.startswith("$("):
            options[option].type.convert(value, options[option], None)
    read = {one for parameter in command.params for one in _names(parameter.envvar)}
    used = {variable for variable in variables if f"$({variable})" in "".join(arguments)}
    assert variables <= read | used | {SECRET_DIRECTORY_VARIABLE}


def _names(envvar: str | Sequence[str] | None) -> Sequence[str]:
    return () if envvar is None else (envvar,) if isinstance(envvar, str) else envvar


@pytest.mark.parametrize("image", ["", "a b", "a\nb: c"])
def test_what_is_no_image_is_refused(image: str) -> None:
    result = run("--image", image)

    assert result.exit_code == 2
    assert "is no name of an image; write it like registry.example.com/swimlb:1.2" in result.stderr
