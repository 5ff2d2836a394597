"""A real router: FRR's zebra and bgpd, and bfdd if wanted, in a namespace of a sandbox.

Each instance lives in a path space of its own (`-N`), so that many run beside each other and beside the
machine's own FRR. Configuration is FRR's text; state is read as FRR's JSON and from the kernel.
"""

from __future__ import annotations

import json
import shutil
import signal
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from swimlb.lab import namespaces
from swimlb.lab.errors import LabError
from swimlb.lab.frr_dialect import read_detection_time, read_neighbour, read_table
from swimlb.lab.frr_vty import Vty
from swimlb.lab.router import NeighbourState
from swimlb.lab.router import Path as BgpPath
from swimlb.lab.sandbox import Sandbox
from swimlb.lab.waiting import wait_until

DAEMONS = Path("/usr/lib/frr")
CONFIGURATION = Path("/etc/frr")
STATE = Path("/var/run/frr")
START_TIMEOUT = 15.0
STOP_TIMEOUT = 10.0
USER = "frr"
NODES_GROUP = "NODES"


@dataclass(frozen=True, slots=True)
class Session:
    """A BGP session as the router sees it."""

    peer: str
    state: str
    """FRR's word: `Established`, `Active`, …"""
    prefixes_received: int
    remote_asn: int

    @property
    def is_established(self) -> bool:
        return self.state == "Established"


def listening_router(
    *,
    asn: int,
    router_id: str,
    nodes: str,
    nodes_asn: int,
    keepalive: int = 1,
    hold_time: int = 3,
    has_bfd: bool = False,
) -> str:
    """bgpd's configuration for a router that takes sessions from any node of the network `nodes`.

    The short timers are the router's part of noticing a cut link where this bgpd runs without BFD.
    """
    bfd = f" neighbor {NODES_GROUP} bfd\n" if has_bfd else ""
    return f"""\
router bgp {asn}
 bgp router-id {router_id}
 no bgp ebgp-requires-policy
 no bgp default ipv4-unicast
 timers bgp {keepalive} {hold_time}
 neighbor {NODES_GROUP} peer-group
 neighbor {NODES_GROUP} remote-as {nodes_asn}
{bfd} bgp listen range {nodes} peer-group {NODES_GROUP}
 address-family ipv4 unicast
  neighbor {NODES_GROUP} activate
  maximum-paths 64
 exit-address-family
"""


class Frr:
    """zebra, bgpd and perhaps bfdd in one namespace. Everything of it goes with the sandbox; `stop` is for the play."""

    def __init__(
        self, sandbox: Sandbox, namespace: str, *, bgpd_config: str, bfdd_config: str | None = None
    ) -> None:
        """`bgpd_config` is the text of bgpd.conf without its `log` lines, for example of `listening_router`.

        `bfdd_config` is that of bfdd.conf; without one, bfdd does not run.
        """
        self._sandbox = sandbox
        self._namespace = namespace
        self._configs = {"zebra": "", "bgpd": bgpd_config}
        if bfdd_config is not None:
            # bgpd asks zebra for bfdd, which must be there by then.
            self._configs = {"zebra": "", "bfdd": bfdd_config, "bgpd": bgpd_config}
        self._path_space = sandbox.namespace(namespace)

    def start(self) -> None:
        """Start the daemons and wait until they take commands."""
        require_frr()
        configuration = self._sandbox.add_directory(CONFIGURATION / self._path_space, owner=USER, mode=0o750)
        self._sandbox.add_directory(STATE / self._path_space, owner=USER)
        self._write(configuration / "vtysh.conf", "")
        # bgpd asks zebra for its routes as it starts: zebra's socket comes first.
        for daemon, config in self._configs.items():
            self._write(configuration / f"{daemon}.conf", config)
            ready = "zserv.api" if daemon == "zebra" else f"{daemon}.vty"
            self._start_daemon(daemon, ready=STATE / self._path_space / ready)

    def stop(self) -> None:
        """SIGTERM: bgpd tells its peers goodbye (Cease), zebra removes its routes."""
        for daemon in reversed(self._configs):
            self._sandbox.signal(self._label(daemon), signal.SIGTERM, timeout=STOP_TIMEOUT)

    def kill(self) -> None:
        """SIGKILL: peers only see their connections close."""
        for daemon in reversed(self._configs):
            self._sandbox.signal(self._label(daemon), signal.SIGKILL, timeout=STOP_TIMEOUT)

    def pause(self) -> None:
        """SIGSTOP to bgpd: it hangs, while the kernel goes on to acknowledge what arrives."""
        self._send("bgpd", signal.SIGSTOP)

    def resume(self) -> None:
        self._send("bgpd", signal.SIGCONT)

    def pause_bfd(self) -> None:
        """The same for bfdd."""
        self._send("bfdd", signal.SIGSTOP)

    def resume_bfd(self) -> None:
        self._send("bfdd", signal.SIGCONT)

    def _send(self, daemon: str, signum: signal.Signals) -> None:
        identity = self._sandbox.process(self._label(daemon))
        if identity is None or not identity.send(signum):
            raise LabError(f"{self._label(daemon)} is not running")

    def vty(self, daemon: str = "bgpd") -> Vty:
        """A connection to one of its daemons; the caller closes it."""
        return Vty(STATE / self._path_space / f"{daemon}.vty")

    def vtysh(self, *commands: str) -> str:
        """What FRR's shell answers to the commands, in one session."""
        options = [part for command in commands for part in ("-c", command)]
        return namespaces.run(("vtysh", "-N", self._path_space, *options))

    def vtysh_json(self, command: str) -> Any:
        """The answer to a `show … json`."""
        answer = self.vtysh(command)
        try:
            return json.loads(answer)
        except ValueError as error:
            raise LabError(f"vtysh `{command}` gave no JSON: {answer.strip()[:200]}") from error

    def sessions(self) -> dict[str, Session]:
        """BGP sessions by the peer's address."""
        peers = self.vtysh_json("show bgp ipv4 unicast summary json").get("peers", {})
        return {
            address: Session(address, peer["state"], peer.get("pfxRcd", 0), peer["remoteAs"])
            for address, peer in peers.items()
        }

    def routes(self) -> dict[str, list[dict[str, Any]]]:
        """bgpd's table: by prefix, FRR's record of each path."""
        return dict(self.vtysh_json("show bgp ipv4 unicast json").get("routes", {}))

    def neighbour(self, address: str) -> NeighbourState:
        """One session; a dynamic neighbour that is away is as one that never called."""
        record = self.vtysh_json("show bgp neighbors json").get(address, {})
        return read_neighbour(record, address, self._log("bgpd").read_text(errors="replace"))

    def table(self, family: str = "ipv4") -> dict[str, tuple[BgpPath, ...]]:
        """What neighbours have told, in the words that all routers of the lab share."""
        return read_table(self.vtysh_json(f"show bgp {family} unicast json detail").get("routes", {}))

    def refresh(self, address: str) -> None:
        self.vtysh(f"clear bgp {address} in")

    def detection_time(self, address: str) -> float | None:
        """BFD's, as agreed; None: it is not up."""
        return read_detection_time(self.vtysh_json("show bfd peers json"), address)

    def next_hops(self, prefix: str) -> tuple[str, ...]:
        """The next hops of the kernel's route: what forwards packets, whatever the daemons believe."""
        return kernel_next_hops(self._sandbox.namespace(self._namespace), prefix)

    def _label(self, daemon: str) -> str:
        return f"{daemon}/{self._namespace}"

    def _log(self, daemon: str) -> Path:
        return self._sandbox.home / f"{daemon}-{self._namespace}.log"

    def _write(self, path: Path, text: str) -> None:
        path.write_text(text)
        path.chmod(0o640)
        shutil.chown(path, USER, USER)

    def _start_daemon(self, daemon: str, *, ready: Path) -> None:
        ready.unlink(missing_ok=True)  # A killed daemon leaves its socket behind.
        configuration = CONFIGURATION / self._path_space / f"{daemon}.conf"
        log = self._log(daemon)
        self._sandbox.start(
            self._label(daemon),
            # -P 0: no vty on TCP; vtysh uses the Unix socket.
            [
                str(DAEMONS / daemon),
                "-N",
                self._path_space,
                "-f",
                str(configuration),
                "-P",
                "0",
                "--log",
                "stdout",
            ],
            namespace=self._namespace,
            log=log,
        )

        def is_ready() -> bool:
            if self._sandbox.process(self._label(daemon)) is None:
                last_words = log.read_text(errors="replace").strip().splitlines()[-1:]
                raise LabError(f"{daemon} ended at once: {' '.join(last_words)}")
            return ready.exists()

        wait_until(is_ready, timeout=START_TIMEOUT, what=f"{daemon} in {self._namespace} to take commands")


def require_frr() -> None:
    """`LabError` when FRR is not installed."""
    if not (DAEMONS / "bgpd").exists() or shutil.which("vtysh") is None:
        raise LabError("FRR is not installed: run `apt-get install frr`")


def kernel_next_hops(namespace: str, prefix: str) -> tuple[str, ...]:
    """The gateways of the kernel's route to exactly this prefix, sorted; empty when there is none."""
    gateways: set[str] = set()
    for route in namespaces.ip_json(namespace, "route", "show", "exact", prefix):
        hops = route.get("nexthops") or [route]
        gateways |= {hop["gateway"] for hop in hops if "gateway" in hop}
    return tuple(sorted(gateways, key=lambda gateway: int(ip_address(gateway))))
