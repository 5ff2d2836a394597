"""What a container's process gets is what its Pod's object says."""

from __future__ import annotations

from typing import Any

import pytest

from swimlb.lab.errors import LabError
from swimlb.lab.kubernetes.containers import Container, command, container_of


def pod(**container: Any) -> dict[str, Any]:
    return {
        "metadata": {"name": "speaker-x", "namespace": "metallb-system"},
        "spec": {
            "nodeName": "node-a",
            "terminationGracePeriodSeconds": 2,
            "containers": [
                {
                    "name": "speaker",
                    "securityContext": {"capabilities": {"drop": ["ALL"], "add": ["NET_RAW"]}},
                    **container,
                }
            ],
        },
        "status": {"podIP": "192.0.2.1"},
    }


def variable(name: str, path: str) -> dict[str, Any]:
    return {"name": name, "valueFrom": {"fieldRef": {"fieldPath": path}}}


def test_fields_of_the_pod_become_variables_and_variables_arguments() -> None:
    container = container_of(
        pod(
            env=[variable("NODE", "spec.nodeName"), variable("ADDRESS", "status.podIP")],
            args=["--node=$(NODE)", "--bind=$(ADDRESS)", "--unknown=$(OTHER)"],
        ),
        {},
    )

    assert container == Container(
        name="speaker",
        arguments=("--node=node-a", "--bind=192.0.2.1", "--unknown=$(OTHER)"),
        environment={"NODE": "node-a", "ADDRESS": "192.0.2.1"},
        capabilities=("net_raw",),
        grace=2,
    )


def test_mounted_places_are_the_directories_that_stand_for_the_volumes() -> None:
    """Whole paths only: /etc/keys is not below /etc/key."""
    container = container_of(
        pod(
            volumeMounts=[{"name": "key", "mountPath": "/etc/key"}, {"name": "other", "mountPath": "/srv"}],
            env=[{"name": "KEY", "value": "/etc/key"}],
            args=["--file=/etc/key/secret", "--file=/etc/keys", "--text=a/etc/key", "--dir=/srv"],
        ),
        {"key": "/lab/key"},
    )

    assert container.environment == {"KEY": "/lab/key"}
    assert container.arguments == (
        "--file=/lab/key/secret",
        "--file=/etc/keys",
        "--text=a/etc/key",
        "--dir=/srv",
    )


def test_the_process_is_bounded_to_the_containers_capabilities() -> None:
    container = container_of(pod(args=["--port=1"]), {})

    assert command(container, ["/bin/speaker"], ["--more"]) == (
        *("setpriv", "--no-new-privs", "--inh-caps=-all", "--bounding-set=-all,+net_raw", "--"),
        *("/bin/speaker", "--port=1", "--more"),
    )


@pytest.mark.parametrize(
    ("container", "words"),
    [
        ({"env": [variable("NODE", "status.hostIP")]}, "has no status.hostIP for NODE"),
        ({"securityContext": {"capabilities": {"add": ["NET_RAW"]}}}, "keeps capabilities"),
    ],
)
def test_what_only_a_kubelet_can_do_is_refused(container: dict[str, Any], words: str) -> None:
    with pytest.raises(LabError, match=words):
        container_of(pod(**container), {})


def test_a_pod_of_two_containers_is_refused() -> None:
    double = pod()
    double["spec"]["containers"] *= 2

    with pytest.raises(LabError, match="more than one container"):
        container_of(double, {})
