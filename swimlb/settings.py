"""How one node's speaker was told to run: the command line's values, checked, as both processes get them."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any

from swimlb.drain import DrainMark

SECRETS_MAX = 4
LABEL_OCTETS_MAX = 128
DATA_PATHS = ("local", "forward")
REFRESH_INTERVAL_MAX = 86_400
SERVICE_ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount"
"""Where a Pod finds its token, the API server's certificate authority and its namespace."""


class InvalidSettings(ValueError):
    """The operator's. Nothing was started."""

    def __init__(self, option: str, message: str, hint: str) -> None:
        super().__init__(f"{option}: {message}; {hint}")
        self.option, self.message, self.hint = option, message, hint


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoints:
    """Where a process, speaker or controller, answers machines, and whom."""

    metrics_host: str = "127.0.0.1"
    metrics_port: int = 0
    """Where Prometheus may ask; port 0: nowhere."""
    are_metrics_encrypted: bool = False
    metrics_cert_dir: str = ""
    """Directory with `tls.crt` and `tls.key` for /metrics; empty: the process makes a certificate of its own."""
    are_scrapers_authorized: bool = False
    """Only bearers of a token whom the API server lets get /metrics are answered there."""
    health_host: str = "127.0.0.1"
    health_port: int = 0

    def check_endpoints(self) -> None:
        """Raises InvalidSettings."""
        if self.metrics_cert_dir and not self.are_metrics_encrypted:
            raise InvalidSettings(
                "--metrics-cert-dir", "has no meaning without TLS", "give --metrics-tls, too"
            )
        if self.are_scrapers_authorized and not self.are_metrics_encrypted:
            raise InvalidSettings(
                "--metrics-authorize", "lets tokens be read on their way", "give --metrics-tls, too"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings(Endpoints):
    """Everything in it is a plain value, so that it passes to the two processes as one JSON argument."""

    node: str
    bind_address: str
    manifests: str = ""
    """Directory with the manifests; empty: what is to be served stands in Kubernetes."""
    kubeconfig: str | None = None
    """How to reach the API server from outside of the cluster; None: as a Pod does."""
    kube_context: str | None = None
    pod_name: str | None = None
    """This speaker's Pod, which owns what it writes; None: no Pod."""
    member_labels: str = ""
    """Label selectors of the Pods to gossip with, in the system namespace, separated by `;`; empty: `join` says all."""
    drain_on: tuple[str, ...] = ()
    """Marks on this node's Node that make it give up its addresses (`swimlb.drain`)."""
    state_dir: str = ""
    """Where the last good state is kept over restarts of the node; empty: in `run_dir`."""
    bind_port: int = 7946
    join: tuple[str, ...] = ()
    """Other speakers, `host` or `host:port`, by address or name. This node itself may stand among them."""
    gossip_secret_files: tuple[str, ...] = ()
    """The first one's secret is used, the others' are only read by. None: plaintext."""
    gossip_key_derivation: str = "metallb"
    gossip_plaintext: str = "refuse"
    """What is done about plaintext by a node that has a secret: `refuse`, `accept`, or `send` (and accept)."""
    gossip_label: str = ""
    run_dir: str = "/run/swimlb"
    """Where this node's socket and crash records lie."""
    profile: str = "normal"
    lb_class: str | None = None
    system_namespace: str = "metallb-system"
    is_exclude_label_ignored: bool = False
    subnet: str = "prefer"
    """Whether a node needs an address's subnet to announce it: `prefer`, `require`, or `ignore`."""
    data_path: str = "local"
    """Where traffic for Service addresses ends: `local`, so they are put on `lo`, or `forward`: on other hosts, or where
    the operator's rules in this one's kernel send it."""
    is_probing: bool = True
    """Ask whether a stranger has an address before it is announced for the first time."""
    is_hearing_checked: bool = True
    """Ask on the LAN whether other nodes hear who asks for their addresses, and pass over those that do not."""
    keeps_connections: bool = False
    """Send packets of connections that began on another node, before an address moved, on to that node."""
    refresh_interval: float = 60.0
    """Seconds after which an address on the LAN is announced again, for ever; 0: never."""
    excluded_interfaces: tuple[str, ...] | None = None
    """Regular expressions; None: the list that MetalLB's manifests ship."""
    log_level: str = "info"

    def __post_init__(self) -> None:
        self.check_endpoints()
        if not self.node or len(self.node.encode()) > 255:
            raise InvalidSettings("--node-name", "is empty or longer than 255 octets", "give the node's name")
        _address("--bind-address", self.bind_address)
        self._check_source()
        for _, port in self.seeds():
            if not 0 < port < 65536:
                raise InvalidSettings("--join", f"{port} is not a port", "choose a port from 1 to 65535")
        if len(self.gossip_secret_files) > SECRETS_MAX:
            raise InvalidSettings(
                "--gossip-secret-file",
                f"is given more than {SECRETS_MAX} times",
                "leave out secrets that no node uses any more",
            )
        if self.gossip_plaintext != "refuse" and not self.gossip_secret_files:
            raise InvalidSettings(
                "--gossip-plaintext", "has no meaning without a secret", "give --gossip-secret-file, too"
            )
        if self.data_path not in DATA_PATHS:
            raise InvalidSettings(
                "--data-path", f"{self.data_path!r} is not a data path", f"choose {' or '.join(DATA_PATHS)}"
            )
        if self.refresh_interval != 0 and not 1 <= self.refresh_interval <= REFRESH_INTERVAL_MAX:
            raise InvalidSettings(
                "--refresh-interval",
                f"{self.refresh_interval:g} is not a time between announcements",
                f"choose from 1 to {REFRESH_INTERVAL_MAX} seconds, or 0 for none",
            )
        if len(self.gossip_label.encode()) > LABEL_OCTETS_MAX:
            raise InvalidSettings(
                "--gossip-label",
                "is too long",
                f"shorten it to {LABEL_OCTETS_MAX} octets: it is in every packet",
            )

    def _check_source(self) -> None:
        if not self.is_in_kubernetes:
            told = {
                "--kubeconfig": self.kubeconfig,
                "--context": self.kube_context,
                "--member-labels": self.member_labels,
                "--drain-on": self.drain_on,
                "--metrics-authorize": self.are_scrapers_authorized,
            }
            for option in (option for option, value in told.items() if value):
                raise InvalidSettings(option, "has no meaning with --manifests", "give --kubernetes instead")
        for text in self.drain_on:
            try:
                DrainMark.parse(text)
            except ValueError as error:
                raise InvalidSettings(
                    "--drain-on", str(error), "write annotation:KEY, label:KEY=VALUE, or taint:KEY"
                ) from error

    @property
    def is_in_kubernetes(self) -> bool:
        return not self.manifests

    def member_selectors(self) -> tuple[str, ...]:
        """Label selectors of the Pods to gossip with; a Pod that one of them selects is one."""
        return tuple(part.strip() for part in self.member_labels.split(";") if part.strip())

    def drain_marks(self) -> tuple[DrainMark, ...]:
        return tuple(map(DrainMark.parse, self.drain_on))

    def seeds(self) -> tuple[tuple[str, int], ...]:
        """Addresses or names, and ports, to join; this node's own address left out."""
        own = (str(ip_address(self.bind_address)), self.bind_port)
        seeds = (_endpoint("--join", text, self.bind_port) for text in self.join)
        return tuple(seed for seed in seeds if seed != own)

    def credential_paths(self) -> tuple[str, ...]:
        """Where what the API server is spoken to with lies: not for *wire* to read."""
        return (SERVICE_ACCOUNT, *((self.kubeconfig,) if self.kubeconfig else ()))

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Settings:
        values: dict[str, Any] = json.loads(text)
        for name in ("join", "excluded_interfaces", "gossip_secret_files", "drain_on"):
            # JSON has no tuples.
            values[name] = None if values[name] is None else tuple(values[name])
        return cls(**values)


def _endpoint(option: str, text: str, default_port: int) -> tuple[str, int]:
    """`192.0.2.1`, `192.0.2.1:7946`, `2001:db8::1`, `[2001:db8::1]:7946`, `node-a.example`, `node-a.example:7946`."""
    host, port = text, ""
    if text.startswith("["):
        host, _, port = text[1:].partition("]")
        port = port.removeprefix(":")
    elif text.count(":") == 1:
        host, _, port = text.partition(":")
    if port and not port.isdecimal():
        raise InvalidSettings(option, f"{port!r} is not a port", "write HOST or HOST:PORT")
    if not text.startswith("[") and _is_name(host):
        return host, default_port if not port else int(port)
    return str(_address(option, host)), int(port) if port else default_port


def _is_name(text: str) -> bool:
    """A DNS name (RFC 1123): not all digits and dots, which would be a mistyped address."""
    labels = text.removesuffix(".").split(".")
    return (
        len(text) <= 253
        and all(re.fullmatch(r"[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9])?", label) for label in labels)
        and not labels[-1].isdecimal()
    )


def _address(option: str, text: str) -> IPv4Address | IPv6Address:
    try:
        return ip_address(text)
    except ValueError as error:
        raise InvalidSettings(option, f"{text!r} is not an IP address", "write it like 192.0.2.10") from error
