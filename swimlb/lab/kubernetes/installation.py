"""What an operator installs before swimlb runs: its namespace, kinds, ServiceAccounts and their roles, from the manifests
that are delivered. The workloads in there are left out: the lab starts them itself.
"""

from __future__ import annotations

from pathlib import Path

import yaml

from swimlb.cli.manifests import delivered
from swimlb.lab.kubernetes.control_plane import ControlPlane
from swimlb.lab.kubernetes.kubectl import Kubectl

NAMESPACE = "metallb-system"
SPEAKER = "swimlb-speaker"
CONTROLLER = "swimlb-controller"

_INSTALLED = frozenset(
    {
        "Namespace",
        "CustomResourceDefinition",
        "ServiceAccount",
        "ClusterRole",
        "ClusterRoleBinding",
        "Role",
        "RoleBinding",
    }
)


class Installation:
    """Of one cluster."""

    def __init__(self, control_plane: ControlPlane) -> None:
        self._control_plane = control_plane
        self.server: str | None = None
        """Another way to the API server than the straight one, for those that ask for access from then on."""
        self._given: dict[str, Path] = {}

    def apply(self) -> None:
        """Returns when the kinds are there to be used."""
        kubectl: Kubectl = self._control_plane.kubectl
        objects = [one for one in yaml.safe_load_all(delivered()) if one and one["kind"] in _INSTALLED]
        # A definition is longer than the annotation that a client-side apply would put it into.
        kubectl.apply_objects(objects, "--server-side")
        kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=30s")
        self.vacate_lease()

    def vacate_lease(self) -> None:
        """As if the last leader had ended in order: the next one need not wait until another might have noticed its end."""
        lease = {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": {"name": CONTROLLER, "namespace": NAMESPACE},
            "spec": {"holderIdentity": "", "leaseTransitions": 1, "leaseDurationSeconds": 1},
        }
        self._control_plane.kubectl.apply_objects([lease], "--server-side", "--force-conflicts")

    def speaker_access(self) -> Path:
        """A kubeconfig with a token of the speakers' ServiceAccount."""
        return self._access(SPEAKER)

    def controller_access(self) -> Path:
        return self._access(CONTROLLER)

    def _access(self, account: str) -> Path:
        """While the API server is down, what it gave last: a Pod keeps its token, too."""
        if account not in self._given or self._control_plane.is_api_running:
            self._given[account] = self._control_plane.account(NAMESPACE, account, server=self.server)
        return self._given[account]
