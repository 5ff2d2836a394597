"""Pods of one node as the kernel sees them: a network namespace each, with the lab's workload behind their ports.

The node routes between its Pods and the LAN: each Pod hangs on it by a veth pair, and has a host route. No bridge:
answers between two Pods of a node then pass the node too, where kube-proxy's translation is undone.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass

from swimlb.lab import namespaces
from swimlb.lab.backend import Backend, listen, listen_echo
from swimlb.lab.errors import LabError
from swimlb.lab.kubernetes.kubelet.core import Addresses, Pod
from swimlb.lab.kubernetes.plan import NUMBER_MAX, POD_LINK_PREFIX, PodRange

_GATEWAY6 = "fe80::1"
"""The node's end of every Pod's link."""


@dataclass(frozen=True, slots=True)
class _Running:
    number: int
    """What its addresses end with; 0 on the host's network."""
    workload: AsyncExitStack


class Pods:
    """Runs inside the node's namespace. Everything of it ends with the process, at the latest."""

    def __init__(self, ranges: PodRange, node_addresses: Addresses) -> None:
        self._ranges = ranges
        self._node_addresses = node_addresses
        self._running: dict[str, _Running] = {}

    async def start(self, pod: Pod) -> Addresses:
        """Give it a network and start its workload; its addresses."""
        if pod.is_on_host_network:
            # What runs in the node's own network is started by the lab: the object only stands for it.
            self._running[pod.uid] = _Running(0, AsyncExitStack())
            return self._node_addresses
        number = self._free_number()
        addresses = self._ranges.addresses(number)
        namespace = namespaces.create_unnamed()
        # As a "pause" container does: the Pod's network is there as long as the Pod, whatever listens in it.
        async with AsyncExitStack() as stack:
            stack.callback(os.close, namespace)
            _connect(namespace, number, addresses, self._ranges.gateways)
            stack.callback(namespaces.ip_batch, [f"link delete {_link(number)}"])
            with namespaces.entered_by_descriptor(namespace):
                sockets = [one for port, protocol in set(pod.ports) for one in _sockets(port, protocol)]
            await stack.enter_async_context(await Backend(pod.name).serve(sockets))
            self._running[pod.uid] = _Running(number, stack.pop_all())
        return addresses

    async def stop(self, uid: str) -> None:
        """Its connections are closed, and its addresses are gone with its network."""
        running = self._running.pop(uid, None)
        if running is None:
            return
        await running.workload.aclose()

    def _free_number(self) -> int:
        taken = {one.number for one in self._running.values()}
        for number in range(2, NUMBER_MAX + 1):
            if number not in taken:
                return number
        raise LabError(f"the node has no address left for another Pod: it has {NUMBER_MAX - 1}")


def _sockets(port: int, protocol: str) -> Sequence[socket.socket]:
    return listen_echo(port) if protocol == "UDP" else listen(port)


def _link(number: int) -> str:
    return f"{POD_LINK_PREFIX}{number}"


def _connect(namespace: int, number: int, addresses: Addresses, gateways: Addresses) -> None:
    link, (address, address6), gateway = _link(number), addresses, gateways[0]
    namespaces.ip_batch(
        [
            f"link add {link} type veth peer name eth0 netns /proc/{os.getpid()}/fd/{namespace}",
            f"address add {gateway}/32 dev {link}",
            f"link set {link} addrgenmode none",
            f"link set {link} up",
            f"address add {_GATEWAY6}/64 dev {link} nodad",
            f"route add {address}/32 dev {link}",
            f"route add {address6}/128 dev {link}",
        ]
    )
    with namespaces.entered_by_descriptor(namespace):
        namespaces.ip_batch(
            [
                "link set eth0 up",
                f"address add {address}/32 dev eth0",
                f"address add {address6}/128 dev eth0 nodad",
                f"route add {gateway} dev eth0 scope link",
                f"route add default via {gateway} dev eth0",
                f"route add default via {_GATEWAY6} dev eth0",
            ]
        )
