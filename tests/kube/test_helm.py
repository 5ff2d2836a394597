"""The chart, by real Helm, on a real API server: installed over MetalLB's kinds, upgraded, rolled back, uninstalled.

Its speakers run meanwhile, and clients go on: what Helm does to the cluster is no reason for a connection to fail.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from swimlb.lab import namespaces
from swimlb.lab.errors import LabError
from swimlb.lab.kubernetes.kubelet.objects import UNREADY_ANNOTATION
from swimlb.lab.kubernetes.lab import KubernetesLab, network
from swimlb.lab.kubernetes.metallb import NAMESPACE, manifest
from swimlb.lab.kubernetes.plan import CONTROL
from swimlb.lab.measure import longest_outage
from swimlb.lab.observers import LoadRun, ProbeRun
from swimlb.lab.sandbox import Sandbox
from swimlb.lab.waiting import wait_until
from swimlb.runtime import clock
from tests.kube.fleet import configuration, our_speakers, run_options
from tests.kube.followed import Followed
from tests.kube.workloads import address_of, deployment, service, wait_for_pods

ROOT = Path(__file__).parents[2]
BASE = Path("/run/swimlb-lab-tests")
CHART = str(ROOT / "charts/swimlb")
HELM_TIMEOUT = 120.0
ROLLED_OUT_WITHIN = 90.0
PORT = 8080
RATE = 40.0
"""New connections a second."""
STREAMS = 20
"""Connections that stay open meanwhile, with a word to and fro every now and then."""
STALL_MAX = 0.5
"""Between two answered datagrams. A connection would be made after a gap of up to 3 s, too: its SYN is sent again. Usually none
is lost at all, but machines on which all of a cluster runs do stop for a moment."""
PACE = ("--set", "speaker.minReadySeconds=1")
BEGIN_UNREADY = "speaker.podAnnotations." + UNREADY_ANNOTATION.replace(".", "\\.") + "=true"


@pytest.fixture(scope="module")
def lab() -> Iterator[KubernetesLab]:
    """A cluster of its own: what is installed in it is installed by Helm, but for MetalLB's kinds, which are there."""
    with Sandbox.create(f"helm-{secrets.token_hex(3)}", BASE) as sandbox:
        lab = KubernetesLab(sandbox, network(2))
        lab.build_cluster()
        kinds = [one for one in manifest() if one["kind"] in ("Namespace", "CustomResourceDefinition")]
        lab.kubectl.apply_objects(kinds)
        lab.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=30s")
        lab.kubectl.apply_objects(configuration())
        lab.cluster.wait_until_ready()
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


def roll(lab: KubernetesLab, *arguments: str) -> None:
    """Run Helm, and wait until every speaker is the new one."""
    helm(lab, *arguments)
    waiting = ("rollout", "status", "daemonset/swimlb-speaker", "-n", NAMESPACE)
    lab.kubectl(*waiting, f"--timeout={ROLLED_OUT_WITHIN:g}s", timeout=ROLLED_OUT_WITHIN + 5)


def test_installs_over_metallbs_kinds_upgrades_rolls_back_and_leaves_them(
    lab: KubernetesLab, capsys: pytest.CaptureFixture[str]
) -> None:
    """The key of the ring stays through all of it, every object of the kinds does, and clients notice nothing."""
    before, nodes = pools(lab), len(lab.network.nodes)
    assert len(before) == 1

    with pytest.raises(LabError, match=r"metallb\.io"):
        helm(lab, "install", "swimlb", CHART)  # Not without being told that it may.
    with Followed(lab, our_speakers(lab), lambda node: run_options(lab, node)) as followed:
        options = (*PACE, "--set-string", BEGIN_UNREADY)
        roll(lab, "install", "swimlb", CHART, "--take-ownership", "--force-conflicts", *options)
        first = key(lab)
        definition = lab.kubectl.json("get", "crd", "configurationstates.metallb.io")
        assert definition["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep"
        lab.start_controller()
        lab.kubectl.apply_objects([deployment("web", PORT), service("web", PORT)])
        wait_for_pods(lab)
        address = address_of(lab, "web")

        with ProbeRun(lab.sandbox, address, PORT, interval=0.02) as probes:
            wait_until(
                lambda: probes.recording().probes[-1:] and probes.recording().probes[-1].is_answered,
                timeout=30,
                what="an answer",
            )
            announced = clock.monotonic()
            with LoadRun(lab.sandbox, [address], PORT, streams=STREAMS, rate=RATE) as load:
                roll(lab, "upgrade", "swimlb", CHART, "--reuse-values", "--set", "speaker.profile=fast")
                assert "--profile=fast" in arguments_of_speakers(lab)
                assert key(lab) == first

                roll(lab, "rollback", "swimlb", "1")
                assert "--profile=normal" in arguments_of_speakers(lab)
                assert key(lab) == first
            connections = load.connections()
            assert followed.starts == 3 * nodes

        streams = [one for one in connections if one.is_stream]
        failed = [one for one in connections if one.error is not None]
        datagrams = probes.since(announced).probes
        lost = [one for one in datagrams if not one.is_answered]
        with capsys.disabled():
            print(
                f"\n  helm upgrade and rollback: {len(failed)} of {len(connections)} connections failed, "
                f"{len(streams)} of them open all the time, {len(lost)} of {len(datagrams)} datagrams were lost"
            )
        assert failed == []
        assert len(streams) == STREAMS
        outage = longest_outage(datagrams)
        assert outage is None or outage.duration < STALL_MAX
        assert len(connections) > RATE * 10

        helm(lab, "uninstall", "swimlb")
        wait_until(
            lambda: not lab.kubectl.json("get", "pods", "-n", NAMESPACE)["items"],
            timeout=ROLLED_OUT_WITHIN,
            what="the Pods to be gone",
        )
    with pytest.raises(LabError, match="not found"):
        arguments_of_speakers(lab)
    assert key(lab) == first
    assert pools(lab) == before

    helm(lab, "install", "swimlb", CHART, "--take-ownership")
    assert key(lab) == first


def test_the_controller_is_handed_over_where_metallbs_webhooks_are(lab: KubernetesLab) -> None:
    """As docs/how-to/replace-metallb.md has it: what the API server asks is ours afterwards, and nothing of MetalLB's is left in it."""
    helm(lab, "uninstall", "swimlb")
    theirs = [one for one in manifest() if one["kind"] in ("Service", "ValidatingWebhookConfiguration")]
    lab.kubectl.apply_objects(theirs)
    ownership = ("--take-ownership", "--force-conflicts")

    helm(lab, "install", "swimlb", CHART, "--set", "controller.enabled=false", *ownership)
    untouched = [asked_by(one) for one in read(lab, theirs)]
    lab.kubectl("delete", "validatingwebhookconfiguration", "metallb-webhook-configuration")
    helm(lab, "upgrade", "swimlb", CHART, "--set", "controller.enabled=true", *ownership)

    rendered = [
        one
        for one in yaml.safe_load_all(helm(lab, "get", "manifest", "swimlb"))
        if one
        and (one["kind"], one["metadata"]["name"]) in {(it["kind"], it["metadata"]["name"]) for it in theirs}
    ]
    assert len(theirs) == len(rendered) == 2
    assert untouched == [asked_by(one) for one in theirs]
    assert sorted(map(asked_by, read(lab, theirs)), key=str) == sorted(map(asked_by, rendered), key=str)


def read(lab: KubernetesLab, objects: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [
        lab.kubectl.json("get", one["kind"].lower(), one["metadata"]["name"], "-n", NAMESPACE)
        for one in objects
    ]


def asked_by(one: dict[str, Any]) -> dict[str, Any]:
    """Whom a Service leads to, or on what which path is asked."""
    if one["kind"] == "Service":
        return dict(one["spec"]["selector"])
    return {
        hook["name"]: (hook["clientConfig"]["service"]["path"], hook["rules"][0]["resources"])
        for hook in one["webhooks"]
    }


def test_without_webhooks_old_peers_are_read_without_being_converted(lab: KubernetesLab) -> None:
    """Where they were converted before, and somebody else than Helm has written whom the API server trusts for that."""
    host = lab.control_plane.host.address
    lab.installation.controller_access().unlink()  # Its token went with the ServiceAccount of an earlier release.
    lab.start_controller("asked", "--webhook-port=9443", f"--webhook-host={host}")
    wait_until(
        lambda: "webhook_trusted" in lab.controller_log("asked").read_text(),
        timeout=60,
        what="the API server to trust the controller",
        seen=lambda: lab.controller_log("asked").read_text()[-2000:],
    )
    lab.stop_controller("asked")
    disabled = ("upgrade", "swimlb", CHART, "--reuse-values", "--set", "controller.webhookMode=disabled")
    old: dict[str, Any] = {
        "apiVersion": "metallb.io/v1beta1",
        "kind": "BGPPeer",
        "metadata": {"name": "old", "namespace": NAMESPACE},
        "spec": {"myASN": 64512, "peerASN": 64513, "peerAddress": "198.51.100.9", "peerPort": 1179},
    }

    with pytest.raises(LabError, match="run this first") as refusal:
        helm(lab, *disabled)
    told = re.search(r"kubectl (patch .*) -p '(.*?)'", str(refusal.value))
    assert told is not None
    lab.kubectl(*told[1].split(), "-p", told[2])
    helm(lab, *disabled)
    lab.kubectl.apply_objects([old])

    for version in ("v1beta1", "v1beta2"):
        peer = lab.kubectl.json("get", f"bgppeers.{version}.metallb.io", "old", "-n", NAMESPACE)
        assert peer["apiVersion"] == f"metallb.io/{version}"
        assert peer["spec"].items() >= old["spec"].items()
    assert lab.kubectl.json("get", "crd", "bgppeers.metallb.io")["spec"]["conversion"] == {"strategy": "None"}
