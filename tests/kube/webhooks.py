"""A controller that the API server asks before it takes configuration, as the chart sets it up."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

from swimlb.controller.admission import KINDS
from swimlb.lab.kubernetes.installation import NAMESPACE
from swimlb.lab.kubernetes.lab import KubernetesLab
from swimlb.lab.waiting import wait_until

PORT = 9443
SERVICE = "metallb-webhook-service"
CONFIGURATION = "metallb-webhook-configuration"
REPLICA = "controller-webhook"


def webhook(kind: str, plural: str) -> dict[str, Any]:
    version = "v1beta2" if kind == "BGPPeer" else "v1beta1"
    operations = ["CREATE", "DELETE"] if kind == "BFDProfile" else ["CREATE", "UPDATE"]
    return {
        "name": f"{kind.lower()}validationwebhook.metallb.io",
        "admissionReviewVersions": ["v1"],
        "clientConfig": {
            "service": {
                "name": SERVICE,
                "namespace": NAMESPACE,
                "path": f"/validate-metallb-io-{version}-{kind.lower()}",
            }
        },
        "failurePolicy": "Fail",
        "rules": [
            {
                "apiGroups": ["metallb.io"],
                "apiVersions": [version],
                "operations": operations,
                "resources": [plural],
            }
        ],
        "sideEffects": "None",
    }


@contextmanager
def asked_controller(cluster: KubernetesLab) -> Generator[None]:
    """A controller with webhooks, the way to it, and an API server that fails where it does not answer."""
    host = cluster.control_plane.host.address
    plurals = {kind: f"{kind.lower()}s" for kind in KINDS} | {"Community": "communities"}
    objects = [
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": SERVICE, "namespace": NAMESPACE},
            "spec": {"ports": [{"port": 443, "targetPort": PORT}]},
        },
        {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": {
                "name": SERVICE,
                "namespace": NAMESPACE,
                "labels": {"kubernetes.io/service-name": SERVICE},
            },
            "addressType": "IPv4",
            "ports": [{"port": PORT, "protocol": "TCP", "name": ""}],
            "endpoints": [{"addresses": [host], "conditions": {"ready": True}}],
        },
        {
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": "ValidatingWebhookConfiguration",
            "metadata": {"name": CONFIGURATION},
            "webhooks": [webhook(kind, plurals[kind]) for kind in KINDS],
        },
    ]
    cluster.kubectl.apply_objects(objects)
    try:
        cluster.start_controller(REPLICA, "--webhook-port", str(PORT), "--webhook-host", host)
        wait_until(
            lambda: "webhook_trusted" in cluster.controller_log(REPLICA).read_text(),
            timeout=60,
            what="the API server to trust the controller",
        )
        yield
    finally:
        if cluster.sandbox.process(REPLICA) is not None:
            cluster.stop_controller(REPLICA)
        cluster.kubectl("delete", "validatingwebhookconfiguration", CONFIGURATION, "--ignore-not-found")
        cluster.kubectl("-n", NAMESPACE, "delete", "service", SERVICE, "--ignore-not-found")
