"""Where the API server is, whether it is the right one, and who asks it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from swimlb.kube.credentials import Credentials, Fixed, FreshFile, Identity, RotatedToken
from swimlb.kube.trust import Trust
from swimlb.runtime.errors import StartRefused

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")


class NoAccess(StartRefused):
    """What should tell where the API server is, and who asks it, is missing or wrong. The operator's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """All it takes to call an API server."""

    server: str
    """`https://host:port`, perhaps with a path; no slash at its end."""
    credentials: Credentials = field(default_factory=lambda: Fixed(Identity()), repr=False)
    trust: Trust = field(default_factory=Trust, repr=False)
    namespace: str = "default"
    """The one meant where none is told."""
    proxy: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    """Sent with every call, such as those of impersonation."""

    @classmethod
    def in_cluster(cls, root: Path = SERVICE_ACCOUNT, environment: Mapping[str, str] | None = None) -> Access:
        """From within a Pod, as its ServiceAccount. Token and authority are read again as they are rotated."""
        environment = os.environ if environment is None else environment
        host, port = (environment.get(f"KUBERNETES_SERVICE_{name}", "") for name in ("HOST", "PORT"))
        if not host or not port:
            raise NoAccess(
                "KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT are not set: this is no Pod. "
                "Name a kubeconfig, or run it as a Pod."
            )
        for name in ("token", "ca.crt"):
            if not os.access(root / name, os.R_OK):
                raise NoAccess(
                    f"{root / name} cannot be read. Give the Pod a ServiceAccount, and leave "
                    "automountServiceAccountToken on."
                )
        namespace = root / "namespace"
        return cls(
            server=f"https://{f'[{host}]' if ':' in host else host}:{port}",
            credentials=RotatedToken(root / "token"),
            trust=Trust(FreshFile(root / "ca.crt")),
            namespace=namespace.read_text().strip() if namespace.exists() else "default",
        )

    @classmethod
    def from_kubeconfig(cls, path: Path, context: str | None = None) -> Access:
        """As kubectl would with this file. Raises NoAccess, which names the field and the way out."""
        # YAML is loaded only where there is a kubeconfig: a Pod has none.
        from swimlb.kube.kubeconfig import read_kubeconfig

        return read_kubeconfig(path, context)
