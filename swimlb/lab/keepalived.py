"""keepalived on a machine of the lab: the rival that tests and benchmarks stand swimlb beside."""

from __future__ import annotations

import signal
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import ip_address

from swimlb.lab.processes import ProcessId
from swimlb.lab.sandbox import Sandbox

STOP_TIMEOUT = 10.0
_ROUTER_ID4, _ROUTER_ID6 = 51, 61
_LINK_LOCAL = "fe80::51:61/64"
"""VRRP for IPv6 wants a link-local address first (RFC 5798 section 5.1.2.3)."""
_TOLD_MAX = 20
"""So many addresses keepalived puts into an advert; the others it holds without telling."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Vrrp:
    """One machine's part in a virtual router."""

    addresses: Sequence[str]
    priority: int = 100
    advert_interval: float = 1.0
    version: int = 2
    announces_again_every: int = 0
    """Seconds; 0: never, keepalived's default."""


def configuration(router: Vrrp) -> str:
    """The text of keepalived.conf: an instance for each family that there are addresses of."""
    families = {
        version: [one for one in router.addresses if ip_address(one).version == version] for version in (4, 6)
    }
    instances = [_instance(router, version, own) for version, own in families.items() if own]
    return f"global_defs {{\n  router_id lab\n  vrrp_version {router.version}\n}}\n" + "".join(instances)


def _instance(router: Vrrp, version: int, addresses: Sequence[str]) -> str:
    length = 32 if version == 4 else 128
    held = ([_LINK_LOCAL] if version == 6 else []) + [f"{address}/{length}" for address in addresses]
    told, untold = held[:_TOLD_MAX], held[_TOLD_MAX:]
    settings = [
        "state BACKUP",
        "interface eth0",
        f"virtual_router_id {_ROUTER_ID4 if version == 4 else _ROUTER_ID6}",
        f"priority {router.priority}",
        f"advert_int {router.advert_interval:g}",
        _block("virtual_ipaddress", told),
    ]
    if untold:
        settings.append(_block("virtual_ipaddress_excluded", untold))
    if router.announces_again_every:
        settings.append(f"garp_master_refresh {router.announces_again_every}")
    lines = "".join(f"  {setting}\n" for setting in settings)
    return f"vrrp_instance lab{version} {{\n{lines}}}\n"


def _block(name: str, lines: Sequence[str]) -> str:
    return "\n    ".join([f"{name} {{", *lines, "}"])


class Keepalived:
    """A daemon in one namespace. Its processes belong to the sandbox."""

    def __init__(self, sandbox: Sandbox, host: str, router: Vrrp) -> None:
        self._sandbox = sandbox
        self._host = host
        self._router = router
        self._label = f"keepalived/{host}"
        self._directory = sandbox.home / f"keepalived-{host}"

    def start(self) -> None:
        self._directory.mkdir(exist_ok=True)
        file = self._directory / "keepalived.conf"
        file.write_text(configuration(self._router))
        file.chmod(0o644)  # It refuses a file that is executable, whatever the umask.
        main, vrrp = self._directory / "main.pid", self._directory / "vrrp.pid"
        for path in (main, vrrp):
            path.unlink(
                missing_ok=True
            )  # One that was killed leaves them behind, and its successor takes it for alive.
        pids = (f"--pid={main}", f"--vrrp_pid={vrrp}")
        command = ("keepalived", "--dont-fork", "--vrrp", "--log-console", f"--use-file={file}", *pids)
        self._sandbox.start(
            self._label, command, namespace=self._host, log=self._directory / "keepalived.log"
        )

    def stop(self) -> None:
        """SIGTERM; returns when it and its child have ended."""
        self._sandbox.signal(self._label, signal.SIGTERM, timeout=STOP_TIMEOUT)

    def process(self) -> ProcessId | None:
        """The main one, if it runs."""
        return self._sandbox.process(self._label)
