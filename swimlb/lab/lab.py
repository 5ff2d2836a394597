"""The lab: the walkthrough's network with real speakers on its nodes and a real FRR as its router.

A lab lives in a sandbox, and its ledger holds all that is needed to attach to it later, so `swimlb lab cut` finds
what `swimlb lab up` has left running, and the tests and the demo use the same object.
"""

from __future__ import annotations

import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

from swimlb.lab import faults, http, namespaces, processes, speakers, status, topology
from swimlb.lab.convergence import disagreements, route_disagreements
from swimlb.lab.errors import LabError
from swimlb.lab.frr import Frr, listening_router, require_frr
from swimlb.lab.processes import ProcessId
from swimlb.lab.router import Router
from swimlb.lab.sandbox import BASE, Sandbox
from swimlb.lab.status import SpeakerStatus
from swimlb.lab.topology import INSIDE, ROUTER, SWITCH, Host, Topology
from swimlb.lab.waiting import wait_until
from swimlb.lab.workload import service_ports

JOIN_TIMEOUT = 30.0
SETTLE_TIMEOUT = 30.0
STOP_TIMEOUT = 20.0
"""A speaker that is told to stop hands its addresses over first, which takes a few seconds at most."""
KILL_TIMEOUT = 5.0
LAST_WORDS_MAX = 300
_GOSSIP_CUT, _ONE_WAY, _DEAF = "lab_gossip_cut", "lab_one_way", "lab_deaf"


class Lab:
    """Whoever creates one closes its sandbox; the methods may be used in any order after `build`."""

    def __init__(
        self,
        sandbox: Sandbox,
        network: Topology,
        manifests: Path,
        options: Sequence[str] = (),
        gateway: Router | None = None,
    ) -> None:
        """`options` are added to the command line of every speaker; `gateway` takes the place of the usual FRR."""
        self.options = tuple(options)
        self.sandbox = sandbox
        self.network = network
        self.manifests = manifests
        self.gateway: Router = gateway or usual_router(sandbox)

    @property
    def router(self) -> Frr:
        """The gateway where it is FRR, which can be asked for more than others."""
        assert isinstance(self.gateway, Frr), "the lab was given another router"
        return self.gateway

    @classmethod
    def attach(cls, name: str, base: Path = BASE) -> Self:
        """The lab of that name that somebody left running. `LabError` when there is none."""
        sandbox = Sandbox.attach(name, base)
        settings = sandbox.ledger.settings
        if not settings:
            raise LabError(f"the lab `{name}` is still being built, or its building failed: take it down")
        network = topology.walkthrough(settings["nodes"])
        return cls(sandbox, network, Path(settings["manifests"]), settings["options"])

    def build(self) -> None:
        """Make the network and start everything in it; returns before the speakers know each other."""
        check_machine()
        if not self.manifests.is_dir():
            raise LabError(f"{self.manifests} is no directory: give the one that holds the manifests")
        self.sandbox.ledger.note_settings(
            nodes=len(self.network.nodes),
            manifests=str(self.manifests.resolve()),
            options=self.options,
            loss={},
            partition=[],
        )
        topology.build(self.sandbox, self.network)
        self.gateway.start()
        for node in self.network.nodes:
            self.start_backend(node.name)
            self.start(node.name)

    # The nodes' daemons.

    def start(self, node: str) -> None:
        """Start the node's speaker."""
        speakers.start(
            self.sandbox,
            self.network.node(node),
            self.source_options(),
            join=self.network.nodes,
            options=self.options,
        )

    def source_options(self) -> Sequence[str]:
        """Where a speaker is told to look for what it announces."""
        return speakers.reading(self.manifests)

    def stop(self, node: str, *, is_restart: bool = False) -> None:
        """SIGTERM to the node's speaker, or SIGUSR2 for a restart; returns when it has ended."""
        self.network.node(node)
        signum = signal.SIGUSR2 if is_restart else signal.SIGTERM
        self.sandbox.signal(speakers.label(node), signum, timeout=STOP_TIMEOUT)

    def kill(self, node: str) -> None:
        """SIGKILL to every process of the node's speaker at once."""
        self.network.node(node)
        supervisor, *children = speakers.family(self.sandbox, node)
        # It would start them again, and its death would tell them to leave in order.
        supervisor.send(signal.SIGSTOP)
        survivors = processes.kill(children)
        # One that it had started since it was asked for them is still its child.
        survivors += processes.kill([*processes.descendants(supervisor), supervisor])
        if survivors:
            raise LabError(f"the speaker of {node} has not ended after SIGKILL")

    def speaker_process(self, node: str, which: str) -> ProcessId:
        """One of the speaker's processes, `supervisor`, `wire` or `watch`, as its status names them."""
        pid = getattr(self.require_status(node).processes, which)
        identity = None if pid is None else processes.identify(pid)
        if identity is None:
            raise LabError(f"the {which} process of {node} is not running")
        return identity

    def start_backend(self, node: str) -> None:
        """Start the node's workload, on the ports that the manifests' Services have now."""
        if self.is_backend_running(node):
            raise LabError(f"the workload of {node} is already running")
        ports = [part for port in service_ports(self.manifests) for part in ("--port", str(port))]
        if ports:
            self.sandbox.start_module(
                *(_backend(node), "swimlb.lab.backend", "--name", node, *ports),
                namespace=node,
                log=self.backend_log(node),
            )

    def backend_log(self, node: str) -> Path:
        """Where the node's workload says why it has ended, such as for a port that somebody else has."""
        return self.sandbox.home / f"backend-{node}.log"

    def is_backend_running(self, node: str) -> bool:
        return self.sandbox.process(_backend(node)) is not None

    def stop_backend(self, node: str) -> None:
        """End the node's workload: its speaker should find no ready endpoint there any more."""
        self.network.node(node)
        self.sandbox.signal(_backend(node), signal.SIGTERM, timeout=KILL_TIMEOUT)

    def destroy(self, node: str) -> None:
        """The whole host is gone: its processes are killed, and its namespace deleted with its link."""
        self.network.node(node)
        namespace = self.sandbox.namespace(node)
        processes.kill(namespaces.inhabitants([namespace]))
        namespaces.delete(namespace)

    def rebuild(self, node: str) -> None:
        """A host like the one that was destroyed, on the same switch port, with its workload and speaker."""
        self.rebuild_host(node)
        self.start_backend(node)
        self.start(node)

    def rebuild_host(self, node: str) -> None:
        """The bare host, without anything that runs on it."""
        host = self.network.node(node)
        self.sandbox.add_namespaces(node)
        namespaces.plug_in(self._switch, {host.port: self.sandbox.namespace(node)})
        topology.configure_host(self.sandbox, host)
        namespaces.set_sysctls(self.sandbox.namespace(node), namespaces.NODE_SYSCTLS)

    # The network's faults.

    def cut(self, host: str) -> None:
        """Break the cable between a host and the switch; the host's own link stays up."""
        faults.set_link(self._switch, self._plugged_in(host), is_up=False)

    def heal(self, host: str) -> None:
        faults.set_link(self._switch, self._plugged_in(host), is_up=True)

    def lose(self, host: str, percent: float) -> None:
        """Drop that share of the frames from and to a host, at random; 0 ends it."""
        loss = dict(self.sandbox.ledger.settings["loss"])
        loss[self._plugged_in(host)] = faults.check_percent(percent)
        self._apply_faults(loss={name: share for name, share in loss.items() if share})

    def part(self, groups: Sequence[Sequence[str]]) -> None:
        """Keep groups of hosts from each other; hosts in no group reach everyone. No group ends it."""
        for group in groups:
            for host in group:
                self._plugged_in(host)
        self._apply_faults(partition=[list(group) for group in groups])

    def cut_gossip(self, groups: Sequence[Sequence[str]]) -> None:
        """Drop what groups of nodes say to each other by gossip, and nothing else. No group ends it."""
        if groups:
            faults.drop(self._switch, _GOSSIP_CUT, faults.gossip_between(groups))
        else:
            faults.end_drop(self._switch, _GOSSIP_CUT)

    def deafen(self, hosts: Sequence[str], to: Sequence[str]) -> None:
        """One way only: these hosts hear nothing from those. No host ends it."""
        if hosts:
            faults.drop(self._switch, _ONE_WAY, faults.from_to(to, hosts))
        else:
            faults.end_drop(self._switch, _ONE_WAY)

    def drop_questions(self, host: str | None, version: int = 4) -> None:
        """The host gets no question for everybody any more, by ARP (4) or neighbour discovery (6). None ends it."""
        if host is not None:
            faults.drop(self._switch, _DEAF, [faults.questions_to(self._plugged_in(host), version)])
        else:
            faults.end_drop(self._switch, _DEAF)

    # What is seen from outside and inside.

    def status(self, node: str, timeout: float = http.TIMEOUT) -> SpeakerStatus | None:
        """What the node's speaker says; None while it does not answer."""
        return status.read(speakers.socket(self.sandbox, node), timeout)

    def require_status(self, node: str, timeout: float = http.TIMEOUT) -> SpeakerStatus:
        answer = self.status(node, timeout)
        if answer is None:
            raise LabError(f"the speaker of {node} does not answer: see {self.log(node)}")
        return answer

    def statuses(self) -> dict[str, SpeakerStatus | None]:
        """All speakers' words, by node."""
        return {node.name: self.status(node.name) for node in self.network.nodes}

    def log(self, node: str) -> Path:
        """Where the node's speaker logs, JSON lines."""
        return speakers.log(self.sandbox, node)

    def mac(self, host: str) -> str:
        return namespaces.mac_of(self.sandbox.namespace(host))

    def node_of_mac(self, mac: str) -> str | None:
        return next((node.name for node in self.network.nodes if self.mac(node.name) == mac), None)

    def resolve(self, address: str, host: Host = INSIDE) -> str | None:
        """The MAC that the host's kernel has for the address; None when it has none that is valid."""
        entries = namespaces.ip_json(self.sandbox.namespace(host.name), "neigh", "show", address)
        return next((entry["lladdr"] for entry in entries if "lladdr" in entry), None)

    def get(self, address: str, port: int, *, client: Host = INSIDE, target: str = "/") -> http.Response:
        """HTTP GET as a client. OSError when there is no answer."""
        return http.get_from(self.sandbox.namespace(client.name), address, port, target)

    # Waiting.

    def wait_until_joined(self, timeout: float = JOIN_TIMEOUT) -> None:
        """Until every speaker holds every node for alive."""
        everyone = frozenset(node.name for node in self.network.nodes)

        def seen() -> str:
            return "; ".join(
                f"{name} does not answer ({self._last_words(name)})"
                if one is None
                else f"{name} sees {', '.join(sorted(one.alive_members())) or f'nobody ({self._last_words(name)})'}"
                for name, one in self.statuses().items()
            )

        def have_all_joined() -> bool:
            for name in everyone:
                self._require_running(name)
            return all(
                one is not None and one.alive_members() == everyone for one in self.statuses().values()
            )

        wait_until(have_all_joined, timeout=timeout, what="all members to join", seen=seen)

    def wait_until_settled(self, *nodes: str, timeout: float = SETTLE_TIMEOUT) -> None:
        """Until the speakers of these nodes (default: all) and the router are of one mind, and know Services."""
        must_have_services = self.has_services()

        def unsettled() -> list[str]:
            return self.unsettled(*nodes, must_have_services=must_have_services)

        wait_until(
            lambda: not unsettled(),
            timeout=timeout,
            what="the lab to come to rest",
            seen=lambda: "; ".join(unsettled()) or "it did, too late",
        )

    def has_services(self) -> bool:
        """Whether there is anything that could be announced."""
        return bool(service_ports(self.manifests))

    def unsettled(self, *nodes: str, must_have_services: bool = True) -> list[str]:
        """What keeps the lab from being at rest, one sentence each."""
        names = nodes or tuple(node.name for node in self.network.nodes)
        statuses = {name: self.status(name) for name in names}
        addresses = {node.name: node.address for node in self.network.nodes}
        return disagreements(statuses, must_have_services=must_have_services) or route_disagreements(
            statuses, addresses, self.gateway.next_hops
        )

    def _require_running(self, node: str) -> None:
        if self.sandbox.process(speakers.label(node)) is None:
            raise LabError(f"the speaker of {node} has ended: {self._last_words(node)}")

    def _last_words(self, node: str) -> str:
        """The end of the speaker's log, which goes with the lab: for messages that outlive it."""
        log = self.log(node)
        lines = log.read_text(errors="replace").strip().splitlines() if log.exists() else []
        return lines[-1][:LAST_WORDS_MAX] if lines else "it said nothing"

    def _apply_faults(self, **changed: Any) -> None:
        """Noted once they are in force: what the kernel refuses must not be in the way of the next ones."""
        settings = {**self.sandbox.ledger.settings, **changed}
        faults.apply(self._switch, settings["loss"], settings["partition"])
        self.sandbox.ledger.note_settings(**changed)

    def _plugged_in(self, host: str) -> str:
        names = [one.name for one in self.network.on_the_switch]
        if host not in names:
            raise LabError(f"there is no `{host}` on the switch: it has {', '.join(names)}")
        return host

    @property
    def _switch(self) -> str:
        return self.sandbox.namespace(SWITCH)


def check_machine() -> None:
    """`LabError` with one line on what to do when something that the lab stands on is missing."""
    for tool in ("ip", "nft"):
        namespaces.require_tool(tool)
    require_frr()


def usual_router(sandbox: Sandbox, *, has_bfd: bool = False) -> Frr:
    """The walkthrough's."""
    bgpd = listening_router(
        asn=topology.ROUTER_ASN,
        router_id=ROUTER.address,
        nodes=topology.LAN,
        nodes_asn=topology.NODES_ASN,
        has_bfd=has_bfd,
    )
    return Frr(sandbox, ROUTER.name, bgpd_config=bgpd, bfdd_config="bfd\n" if has_bfd else None)


def _backend(node: str) -> str:
    return f"backend/{node}"
