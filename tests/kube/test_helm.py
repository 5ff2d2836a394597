"""The chart, by real Helm, on a real API server: installed over MetalLB's kinds, upgraded, rolled back, uninstalled."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from swimlb.lab import namespaces
from swimlb.lab.errors import LabError
from swimlb.lab.kubernetes.lab import KubernetesLab, network
from swimlb.lab.kubernetes.metallb import NAMESPACE, manifest
from swimlb.lab.kubernetes.plan import CONTROL
from swimlb.lab.sandbox import Sandbox
from tests.kube.fleet import configuration

ROOT = Path(__file__).parents[2]
BASE = Path("/run/swimlb-lab-tests")
HELM_TIMEOUT = 120.0


@pytest.fixture(scope="module")
def lab() -> Iterator[KubernetesLab]:
    """A cluster of its own: what is installed in it is installed by Helm, but for MetalLB's kinds, which are there."""
    with Sandbox.create(f"helm-{secrets.token_hex(3)}", BASE) as sandbox:
        lab = KubernetesLab(sandbox, network(1))
        lab.build_cluster()
        kinds = [one for one in manifest() if one["kind"] in ("Namespace", "CustomResourceDefinition")]
        lab.kubectl.apply_objects(kinds)
        lab.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=30s")
        lab.kubectl.apply_objects(configuration())
        yield lab


def helm(lab: KubernetesLab, *arguments: str) -> str:
    program = ROOT / ".setup/helm/helm"
    kubeconfig = str(lab.control_plane.kubeconfig("admin"))
    command = (str(program), *arguments, "--namespace", NAMESPACE, "--kubeconfig", kubeconfig)
    within = namespaces.execute(lab.sandbox.namespace(CONTROL.name), *command)
    return namespaces.run(within, timeout=HELM_TIMEOUT)


def key(lab: KubernetesLab) -> str:
    """The ring's."""
    return lab.kubectl.json("get", "secret", "swimlb-memberlist", "-n", NAMESPACE)["data"]["secretkey"]


def arguments_of_speakers(lab: KubernetesLab) -> list[str]:
    speakers: Any = lab.kubectl.json("get", "daemonset", "swimlb-speaker", "-n", NAMESPACE)
    return speakers["spec"]["template"]["spec"]["containers"][0]["args"]


def pools(lab: KubernetesLab) -> list[str]:
    return [one["metadata"]["uid"] for one in lab.kubectl.json("get", "ipaddresspools", "-A")["items"]]


def test_installs_over_metallbs_kinds_upgrades_rolls_back_and_leaves_them(lab: KubernetesLab) -> None:
    """The key of the ring stays through all of it, and so does every object of the kinds."""
    chart, before = str(ROOT / "charts/swimlb"), pools(lab)
    assert len(before) == 1

    with pytest.raises(LabError, match=r"metallb\.io"):
        helm(lab, "install", "swimlb", chart)  # Not without being told that it may.
    helm(lab, "install", "swimlb", chart, "--take-ownership", "--force-conflicts")
    first = key(lab)
    definition = lab.kubectl.json("get", "crd", "configurationstates.metallb.io")
    assert definition["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep"

    helm(lab, "upgrade", "swimlb", chart, "--set", "speaker.profile=fast")
    assert "--profile=fast" in arguments_of_speakers(lab)
    assert key(lab) == first

    helm(lab, "rollback", "swimlb", "1")
    assert "--profile=normal" in arguments_of_speakers(lab)
    assert key(lab) == first

    helm(lab, "uninstall", "swimlb")
    with pytest.raises(LabError, match="not found"):
        arguments_of_speakers(lab)
    assert key(lab) == first
    assert pools(lab) == before

    helm(lab, "install", "swimlb", chart, "--take-ownership")
    assert key(lab) == first
