"""Two hosts on one cable: a responder with its real sockets on one end, a client on the other."""

from __future__ import annotations

import asyncio
import random
import secrets
import socket
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import asynccontextmanager
from ipaddress import IPv4Address, IPv4Interface, IPv6Address, IPv6Interface
from typing import Any, TypeVar

from announce.l2 import (
    Answer,
    Answers,
    CloseInterface,
    Config,
    Effect,
    Event,
    JoinGroup,
    LeaveGroup,
    OpenInterface,
    Responder,
    SendFrame,
    SendReplies,
    SetFilter,
)
from announce.l2.arp import BROADCAST, ArpFrame, Operation, decode, encode
from announce.l2.errors import MalformedFrame
from announce.l2.events import IpAddress
from announce.net.links import LinkMonitor
from announce.net.packet import PacketSockets
from announce.net.prompt_loop import PromptLoop
from swimlb.lab import namespaces
from swimlb.lab.sandbox import Sandbox
from swimlb.runtime.clock import monotonic
from swimlb.runtime.driver import Driver
from swimlb.runtime.recorder import Recorder

SPEAKER_ADDRESS = IPv4Interface("192.0.2.1/24")
CLIENT_ADDRESS = IPv4Interface("192.0.2.2/24")
CLIENT_MAC = bytes.fromhex("0200000000cc")
SPEAKER_ADDRESS6 = IPv6Interface("2001:db8::aa:1/64")
CLIENT_ADDRESS6 = IPv6Interface("2001:db8::aa:2/64")
VIP = IPv4Address("192.0.2.10")
VIP6 = IPv6Address("2001:db8::aa:10")
FILTER_SETTLE = 0.02
_ETH_P_ARP = 0x0806

T = TypeVar("T")


class Cable:
    """The namespaces `speaker` and `client`, joined by their interfaces eth0."""

    def __init__(self, sandbox: Sandbox) -> None:
        names = (f"speaker-{secrets.token_hex(4)}", f"client-{secrets.token_hex(4)}")
        sandbox.add_namespaces(*names)
        self.speaker, self.client = (sandbox.namespace(name) for name in names)
        namespaces.set_sysctls(self.speaker, namespaces.NODE_SYSCTLS)
        self.lay()

    def lay(self) -> None:
        """Also again, after one end has been deleted."""
        namespaces.ip_batch(
            [f"link add eth0 type veth peer name eth0 address {CLIENT_MAC.hex(':')} netns {self.client}"],
            self.speaker,
        )
        namespaces.configure(self.speaker, addresses={"eth0": str(SPEAKER_ADDRESS)})
        namespaces.configure(self.client, addresses={"eth0": str(CLIENT_ADDRESS)})
        for name, address in ((self.speaker, SPEAKER_ADDRESS6), (self.client, CLIENT_ADDRESS6)):
            namespaces.ip_batch([f"address add {address} dev eth0 nodad"], name)

    def neighbor(self, address: IpAddress) -> str | None:
        """The MAC that the client's kernel has for an address."""
        entries = namespaces.ip_json(self.client, "neighbor", "show", str(address))
        return next((entry["lladdr"] for entry in entries if "lladdr" in entry), None)

    def neighbor_states(self, address: IpAddress) -> set[str]:
        """What the client's kernel thinks of what it has: REACHABLE, STALE, PROBE, FAILED, ..."""
        entries = namespaces.ip_json(self.client, "neighbor", "show", str(address))
        return {state for entry in entries for state in entry.get("state", [])}

    def send_to(self, address: IpAddress) -> None:
        """Have the client's kernel send a packet to an address, for which it has to know the MAC."""
        family = socket.AF_INET if address.version == 4 else socket.AF_INET6
        with namespaces.entered(self.client), socket.socket(family, socket.SOCK_DGRAM) as client:
            client.sendto(b"", (str(address), 9))

    def mac(self) -> str:
        return namespaces.mac_of(self.speaker)


class Station:
    """A raw socket at the client's end, which hears all ARP that comes."""

    def __init__(self, cable: Cable) -> None:
        with namespaces.entered(cable.client):
            self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_NONBLOCK, _ETH_P_ARP)
            self._socket.bind(("eth0", _ETH_P_ARP))

    def close(self) -> None:
        self._socket.close()

    def ask(self, target: IPv4Address, *, vlan: int | None = None) -> None:
        octets = encode(
            ArpFrame(
                destination=BROADCAST,
                source=CLIENT_MAC,
                operation=Operation.REQUEST,
                sender_mac=CLIENT_MAC,
                sender_address=CLIENT_ADDRESS.ip,
                target_mac=bytes(6),
                target_address=target,
            )
        )
        tag = b"" if vlan is None else b"\x81\x00" + vlan.to_bytes(2, "big")
        self._socket.send(octets[:12] + tag + octets[12:])

    def send(self, *frames: bytes) -> None:
        for octets in frames:
            self._socket.send(octets)

    def heard(self) -> list[ArpFrame]:
        """What has come from others since the last call."""
        heard: list[ArpFrame] = []
        while True:
            try:
                packet = decode(self._socket.recv(128))
            except BlockingIOError:
                return heard
            except MalformedFrame:
                continue
            if packet.sender_mac != CLIENT_MAC:
                heard.append(packet)

    def heard_about(self, address: IPv4Address) -> list[ArpFrame]:
        """What has come since the last call, from whoever says to have the address."""
        return [packet for packet in self.heard() if packet.sender_address == address]


class Host:
    """A responder, its driver and its sockets, as the speaker composes them."""

    def __init__(self, cable: Cable) -> None:
        self._cable = cable
        self.events: list[Event] = []
        self.frames: list[bytes] = []
        """All that have come through the filters."""
        self.told: list[Effect] = []
        self.responder = Responder(Config(filter_settle=FILTER_SETTLE), random.Random(1))
        self._driver: Driver[Event, Effect] = Driver("l2", self.responder, self._perform, Recorder())
        self._sockets = PacketSockets(self.feed, self._answers)
        self._links = LinkMonitor(self.feed)

    def start(self) -> None:
        with namespaces.entered(self._cable.speaker):
            self._links.start()

    def stop(self) -> None:
        self._driver.close()
        self._links.close()
        self._sockets.close()

    def feed(self, event: Event) -> None:
        self.events.append(event)
        self._driver.feed(event)

    def _answers(self, interface: str) -> Answers:
        return Answers(*map(self._noting, self.responder.answers(interface)))

    def _noting(self, answer: Answer) -> Answer:
        def noted(frame: bytes) -> bytes | None:
            self.frames.append(frame)
            return answer(frame)

        return noted

    def _perform(self, effect: Effect) -> None:
        match effect:
            case (
                OpenInterface()
                | CloseInterface()
                | SetFilter()
                | JoinGroup()
                | LeaveGroup()
                | SendFrame()
                | SendReplies()
            ):
                # A speaker lives in its network; here each socket has to be opened in the right one.
                with namespaces.entered(self._cable.speaker):
                    self._sockets.perform(effect)
            case _:
                self.told.append(effect)


@asynccontextmanager
async def responding(cable: Cable) -> AsyncGenerator[tuple[Host, Station]]:
    host, station = Host(cable), Station(cable)
    try:
        host.start()
        yield host, station
    finally:
        host.stop()
        station.close()


def run(play: Coroutine[Any, Any, T]) -> T:
    """In the loop that *wire* has."""
    with asyncio.Runner(loop_factory=PromptLoop) as runner:
        return runner.run(play)


async def until(condition: Callable[[], object], what: str, within: float = 3.0) -> None:
    """Let the loop run until something holds."""
    deadline = monotonic() + within
    while not condition():
        assert monotonic() < deadline, f"waited {within:g} s for {what}"
        await asyncio.sleep(0.005)
