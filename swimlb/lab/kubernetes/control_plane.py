"""etcd, kube-apiserver and kube-controller-manager in one host of the lab, as `kubeadm` would set them up.

RBAC and the Node authorizer are on; ServiceAccounts get real tokens. Only what makes no difference here is left
out: encryption between the API server and its etcd (they share a network namespace), and writing through to the disk.
"""

from __future__ import annotations

import json
import signal
import ssl
from collections.abc import Sequence
from pathlib import Path

from swimlb.lab import http
from swimlb.lab.daemon import Daemon
from swimlb.lab.kubernetes import audit, kubeconfig, tools
from swimlb.lab.kubernetes.certificates import Authority, signing_key
from swimlb.lab.kubernetes.kubectl import Kubectl
from swimlb.lab.kubernetes.plan import API_PORT, CONTROL, KUBERNETES_SERVICE, SERVICE_RANGES
from swimlb.lab.sandbox import Sandbox
from swimlb.lab.topology import Host

ETCD_URL = "http://127.0.0.1:2379"
ETCD_PEER_URL = "http://127.0.0.1:2380"
START_TIMEOUT = 120.0
"""The API server takes 4 s on an idle machine, and twenty times that on one with other work."""

STOP_TIMEOUT = 70.0
"""The API server lets requests that run come to an end, for up to a minute."""

ISSUER = "https://kubernetes.default.svc.cluster.local"
CREDENTIAL_LIFETIME = "24h"

AUDITED = "metallb-system"
"""The namespace of the ServiceAccounts whose requests are written down."""

NODE_MONITOR_PERIOD = 1
NODE_MONITOR_GRACE = 8
"""Seconds without a heartbeat after which a Node is not ready: kubeadm's 50 s would make for long tests."""

CONTROLLERS = (
    "daemonset-controller",
    "deployment-controller",
    "endpoints-controller",
    "endpointslice-controller",
    "garbage-collector-controller",
    "namespace-controller",
    "node-lifecycle-controller",
    "pod-garbage-collector-controller",
    "replicaset-controller",
    "root-ca-certificate-publisher-controller",
    "serviceaccount-controller",
    "serviceaccount-token-controller",
    "statefulset-controller",
    "taint-eviction-controller",
)
"""What the lab's manifests need: each of the others would cost time and memory."""

AUDIT_LOG_MAX = 10_000
"""MiB. At 100, which is the default, the log begins anew, and who has read half of it finds nothing more."""


class ControlPlane:
    """One per sandbox; the sandbox ends it. It can be attached to: all that it knows is in its directory."""

    def __init__(self, sandbox: Sandbox, host: Host = CONTROL) -> None:
        self._sandbox = sandbox
        self.host = host
        self.home = sandbox.home / "kubernetes"
        self.server = f"https://{host.address}:{API_PORT}"
        self._etcd = Daemon(sandbox, host.name, "etcd")
        self._api = Daemon(sandbox, host.name, "kube-apiserver")
        self._manager = Daemon(sandbox, host.name, "kube-controller-manager")
        self.kubectl = Kubectl(sandbox, host.name, self.kubeconfig("admin"))

    @property
    def authority(self) -> Path:
        """The certificate by which the API server is known."""
        return self.home / "ca.crt"

    @property
    def audit_log(self) -> Path:
        """What the ServiceAccounts of `AUDITED` have asked for, see `audit`."""
        return self.home / "audit.jsonl"

    @property
    def _audit_policy(self) -> Path:
        return self.home / "audit-policy.json"

    def kubeconfig(self, name: str) -> Path:
        """Where the kubeconfig of somebody is that `prepare` or `account` has made."""
        return self.home / f"{name}.kubeconfig"

    def prepare(self, nodes: Sequence[str]) -> None:
        """Make everybody's certificates and kubeconfigs: `admin`, `scheduler`, `kube-proxy`, `node-NAME` and so on."""
        tools.require_all()
        self.home.mkdir(exist_ok=True)
        for daemon in (self._etcd, self._api, self._manager):
            daemon.home.mkdir(exist_ok=True)
        authority = Authority("lab")
        self.authority.write_bytes(authority.certificate)
        authority.server(
            *(self.host.address, KUBERNETES_SERVICE, "127.0.0.1"),
            *("localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc"),
        ).save(self.home, "server")
        private, public = signing_key()
        for name, pem in (("service-accounts.key", private), ("service-accounts.pub", public)):
            path = self.home / name
            path.touch(mode=0o600)
            path.write_bytes(pem)
        people = {
            "admin": ("kubernetes-admin", "system:masters"),
            "manager": ("system:kube-controller-manager",),
            "scheduler": ("system:kube-scheduler",),
            "kube-proxy": ("system:kube-proxy",),
            **{f"node-{node}": (f"system:node:{node}", "system:nodes") for node in nodes},
        }
        for name, (user, *groups) in people.items():
            config = kubeconfig.of_certificate(
                self.server, authority.certificate, authority.client(user, *groups)
            )
            kubeconfig.save(self.kubeconfig(name), config)
        self._audit_policy.write_text(json.dumps(audit.policy(AUDITED)))

    def begin(self) -> None:
        """Start etcd and the API server, and return at once."""
        self._begin_etcd()
        self._begin_api()

    def wait_until_ready(self) -> None:
        """Until the API server is ready; the controllers are started then, if they do not run.

        They give up on an API server that is not there for ten seconds, and it may take longer.
        """
        self._api.wait_until_ready(self.is_api_ready, START_TIMEOUT)
        if self._sandbox.process(self._manager.label) is None:
            self._manager.begin(self._manager_argv())

    # What a play does to it.

    @property
    def is_api_running(self) -> bool:
        return self._sandbox.process(self._api.label) is not None

    def kill_api(self) -> None:
        """SIGKILL: connections end, and new ones are refused, from this moment on."""
        self._api.kill()

    def go_away(self) -> None:
        """Nothing of it is there any more, as when its machine has lost power; what etcd has, stays."""
        self._manager.kill()
        self._api.kill()

    def come_back(self) -> None:
        """Returns when the API server is ready again. The controllers take every node for well at first."""
        self.start_api()

    def stop_api(self) -> None:
        """SIGTERM: watches are ended in order, as when a control plane is upgraded."""
        self._sandbox.signal(self._api.label, signal.SIGTERM, timeout=STOP_TIMEOUT)

    def start_api(self) -> None:
        """Start the API server again, and the controllers, if they have given up meanwhile."""
        self._begin_api()
        self.wait_until_ready()

    def is_api_ready(self) -> bool:
        try:
            answer = http.get_from(
                self._sandbox.namespace(self.host.name),
                *(self.host.address, API_PORT, "/readyz"),
                tls=ssl.create_default_context(cafile=str(self.authority)),
            )
        except OSError:
            return False
        return answer.status == 200

    def account(self, namespace: str, name: str, *, server: str | None = None) -> Path:
        """The kubeconfig of a ServiceAccount; `server` is a way there of its own.

        Its token is made once, and lasts as long as the lab: it is to be had while the API server is away, too.
        """
        path = self.kubeconfig(
            f"{namespace}.{name}{'' if server is None else '.' + server.rpartition(':')[2]}"
        )
        if path.exists():
            return path
        token = self.token(namespace, name)
        return kubeconfig.save(
            path, kubeconfig.of_token(server or self.server, self.authority.read_bytes(), token)
        )

    def token(self, namespace: str, name: str) -> str:
        return self.kubectl(
            "-n", namespace, "create", "token", name, "--duration", CREDENTIAL_LIFETIME
        ).strip()

    def _begin_etcd(self) -> None:
        self._etcd.begin(
            [
                *(tools.find("etcd"), "--name", "lab", "--data-dir", str(self._etcd.home / "data")),
                *("--listen-client-urls", ETCD_URL, "--advertise-client-urls", ETCD_URL),
                *("--listen-peer-urls", ETCD_PEER_URL, "--initial-advertise-peer-urls", ETCD_PEER_URL),
                *("--initial-cluster", f"lab={ETCD_PEER_URL}"),
                "--unsafe-no-fsync",
                # Kubernetes reads the progress of watches from it, for lists that are consistent.
                *("--watch-progress-notify-interval", "5s"),
            ]
        )

    def _begin_api(self) -> None:
        self._api.begin(
            [
                tools.find("kube-apiserver"),
                *("--etcd-servers", ETCD_URL),
                *("--bind-address", "0.0.0.0", "--secure-port", str(API_PORT)),  # noqa: S104 - in the lab's network
                *("--advertise-address", self.host.address),
                *("--tls-cert-file", str(self.home / "server.crt")),
                *("--tls-private-key-file", str(self.home / "server.key")),
                *("--client-ca-file", str(self.authority)),
                *("--authorization-mode", "Node,RBAC", "--enable-admission-plugins", "NodeRestriction"),
                *("--service-cluster-ip-range", ",".join(SERVICE_RANGES)),
                *("--service-account-issuer", ISSUER),
                *("--service-account-key-file", str(self.home / "service-accounts.pub")),
                *("--service-account-signing-key-file", str(self.home / "service-accounts.key")),
                # There is no kube-proxy in the control plane's host: webhooks are reached at their endpoints.
                "--enable-aggregator-routing",
                *("--audit-policy-file", str(self._audit_policy), "--audit-log-path", str(self.audit_log)),
                *("--audit-log-maxsize", str(AUDIT_LOG_MAX)),
                *("--profiling=false", "--cert-dir", str(self._api.home)),
            ]
        )

    def _manager_argv(self) -> tuple[str, ...]:
        return (
            tools.find("kube-controller-manager"),
            *("--kubeconfig", str(self.kubeconfig("manager"))),
            *("--authentication-skip-lookup", "--bind-address", "127.0.0.1"),
            *("--leader-elect=false", "--use-service-account-credentials"),
            *("--root-ca-file", str(self.authority)),
            *("--service-account-private-key-file", str(self.home / "service-accounts.key")),
            *("--controllers", ",".join(CONTROLLERS)),
            *("--node-monitor-period", f"{NODE_MONITOR_PERIOD}s"),
            *("--node-monitor-grace-period", f"{NODE_MONITOR_GRACE}s"),
            # Thousands of Services should not wait for a rate that is meant to spare a shared API server.
            *("--kube-api-qps", "500", "--kube-api-burst", "1000"),
            *("--profiling=false", "--cert-dir", str(self._manager.home)),
        )
