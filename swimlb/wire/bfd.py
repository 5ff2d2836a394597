"""The BFD side of *wire*: sessions for the BGP peers that have a profile (RFC 5882).

Peers that differ in port or AS number only share the path, and so the session: a router has one for each path (RFC 5881
section 3), and two of ours would take each other for its restart. So do peers of which one names the source address
that the kernel chooses for the other.
"""

from __future__ import annotations

import asyncio
import errno
import random
import socket
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from ipaddress import IPv4Address
from typing import TypeAlias, assert_never

from announce import bfd
from announce.net.bfd import Receiver, Sender, local_address
from announce.net.bfd_echo import EchoSocket
from swimlb.model import IpAddress
from swimlb.observe.logs import EventLog
from swimlb.runtime.driver import Driver
from swimlb.runtime.recorder import Recorder

News: TypeAlias = bfd.SessionUp | bfd.SessionDown
_ReceiverKey: TypeAlias = tuple[socket.AddressFamily, bool, str | None]

RETRY_TIME = 1.0
"""Seconds to the next attempt to open a socket, and between looks whether a VRF is still the one of before. A passive
session sends nothing that would be either."""

DROP_REASONS_MAX = 64
"""Told apart; the rest is counted together, as anybody can send packets that are wrong in ever other ways."""


class NewsRecorder(Recorder):
    """Records only turns that changed something: forty packets a second would push all else out of the record."""

    def __init__(self, recorder: Recorder) -> None:
        super().__init__()
        self._recorder = recorder

    def record(self, now: float, machine: str, event: object, effects: Sequence[object]) -> None:
        is_routine = isinstance(event, bfd.PacketReceived | bfd.EchoReceived | None)
        if not is_routine or any(not isinstance(effect, bfd.SendPacket | bfd.SendEcho) for effect in effects):
            self._recorder.record(now, machine, event, effects)


@dataclass(frozen=True, slots=True)
class BfdView:
    """One session as it is now, for people."""

    config: bfd.SessionConfig
    status: bfd.SessionStatus
    problem: str | None
    """Why nothing is sent or heard."""


@dataclass(slots=True)
class _Running:
    name: str
    """Of the first that wanted it."""
    wanted: dict[str, bfd.SessionConfig]
    """By whom, and how; in the end the paths are the same. Nobody: it is being stopped."""
    session: bfd.Session
    driver: Driver[bfd.Event, bfd.Effect]
    sender: Sender | None = None
    local_address: IpAddress | None = None
    """Where the peer sends to: Echo packets are addressed there."""
    problem: str | None = None
    """Why nothing is sent or heard."""
    then: Callable[[], None] | None = None
    """To be told of the end of a session that is being stopped."""


class BfdSessions:
    """Keeps the sessions as they are wanted, and tells of those that come up and go down."""

    def __init__(
        self,
        rng: random.Random,
        recorder: Recorder,
        log: EventLog,
        on_news: Callable[[str, News], None],
        on_change: Callable[[], None],
    ) -> None:
        self._rng = rng
        self._recorder = NewsRecorder(recorder)
        self._log = log
        self._on_news = on_news
        self._on_change = on_change
        self._demultiplexer = bfd.Demultiplexer(rng)
        self._sessions: dict[str, _Running] = {}
        self._by_discriminator: dict[int, _Running] = {}
        """Those that are being stopped, too."""
        self._receivers: dict[_ReceiverKey, Receiver] = {}
        self._echo: EchoSocket | None = None
        self._retry: asyncio.TimerHandle | None = None
        self.drops: Counter[str] = Counter()
        """Packets that were discarded, by reason."""

    def want(self, name: str, config: bfd.SessionConfig) -> None:
        """The peer of this name is to be watched so.

        Other timing is agreed with it, role and minimum TTL are ours alone; another path is another session.
        """
        running = self._running_for(name, config)
        if self._sessions.get(name) is not running:
            self.stop(name)
        if running is None:
            self._start(name, config)
            return
        self._sessions[name] = running
        running.wanted[name] = config
        self._agree(running)

    def _running_for(self, name: str, config: bfd.SessionConfig) -> _Running | None:
        """The session of its path. While there is no way to the peer it keeps the one it has: ways come back."""
        for one in self._sessions.values():
            if _have_one_path(one.session.config, config):
                return one
        before = self._sessions.get(name)
        if before is None or _target_of(before.session.config) != _target_of(config):
            return None
        is_known = None not in (local_address(before.session.config), local_address(config))
        return None if is_known else before

    def stop(self, name: str, then: Callable[[], None] | None = None) -> None:
        """Tell the peer that its watch ends, so that it does not take our silence for a death; `then` go on."""
        running = self._sessions.pop(name, None)
        if running is None:
            if then is not None:
                then()
            return
        del running.wanted[name]
        if running.wanted:
            self._agree(running)
            if then is not None:
                then()
            return
        running.then = then
        running.driver.feed(bfd.StopRequested())

    def _agree(self, running: _Running) -> None:
        """On what all can live with who want it: the quickest detection, and passive if all are."""
        quickest = min(running.wanted.values(), key=lambda config: _detection(config.timing))
        config = replace(
            quickest,
            source_address=running.session.config.source_address,
            is_passive=all(one.is_passive for one in running.wanted.values()),
        )
        if config != running.session.config:
            running.session.config = config
            self._demultiplexer.change(running.session.discriminator, config)
            running.driver.feed(bfd.Retimed(config.timing))

    def views(self) -> dict[str, BfdView]:
        """By name of the BGPPeer."""
        return {
            name: BfdView(running.session.config, running.session.status(), running.problem)
            for name, running in self._sessions.items()
        }

    def close(self) -> None:
        if self._retry is not None:
            self._retry.cancel()
        for running in self._by_discriminator.values():
            running.driver.close()
            if running.sender is not None:
                running.sender.close()
        for receiver in self._receivers.values():
            receiver.close()
        if self._echo is not None:
            self._echo.close()

    def _start(self, name: str, config: bfd.SessionConfig) -> None:
        discriminator = self._demultiplexer.add(config)
        session = bfd.Session(config, discriminator, random.Random(self._rng.random()))
        driver: Driver[bfd.Event, bfd.Effect] = Driver(
            f"bfd {name}", session, lambda effect: self._perform(running, effect), self._recorder
        )
        running = _Running(name, {name: config}, session, driver)
        self._sessions[name] = self._by_discriminator[discriminator] = running
        self._equip(running)
        driver.feed(bfd.Started())

    # Sockets.

    def _equip(self, running: _Running) -> bool:
        """Open what the session lacks. What is refused is told once, and tried again with every packet, or in a while."""
        config, key = running.session.config, _receiver_key(running.session.config)
        if key in self._receivers and self._receivers[key].is_deaf:
            self._receivers.pop(key).close()
        try:
            if key not in self._receivers:
                family, is_multihop, device = key
                self._receivers[key] = Receiver(
                    family, is_multihop=is_multihop, device=device, on_packet=self.receive
                )
            if running.sender is None:
                running.sender = Sender(config, self._rng)
            if self._echo is None and config.timing.echo_interval_us is not None:
                self._echo = EchoSocket(self._receive_echo)
        except OSError as error:
            hint = "; is another BFD daemon running on this host?" if error.errno == errno.EADDRINUSE else ""
            problem = f"no socket for BFD: {error.strerror}{hint}"
            if running.problem != problem:
                running.problem = problem
                self._log.error("bfd_unavailable", peer=running.name, reason=problem)
                self._on_change()
            self._equip_later()
            return False
        if running.problem is not None:
            running.problem = None
            self._on_change()
        if config.device is not None:
            self._equip_later()
        return True

    def _equip_later(self) -> None:
        if self._retry is None:
            self._retry = asyncio.get_running_loop().call_later(RETRY_TIME, self._equip_all)

    def _equip_all(self) -> None:
        """Those that lack something, and those that may have come to be deaf."""
        self._retry = None
        for running in self._by_discriminator.values():
            if running.problem is not None or running.session.config.device is not None:
                self._equip(running)

    def _drop_sender(self, running: _Running) -> None:
        """Its interface is gone. Perhaps there is another one by the time of the next packet."""
        assert running.sender is not None
        running.sender.close()
        running.sender = None

    def _drop_unused(self) -> None:
        """The ports are another BFD daemon's as soon as no session needs them."""
        configs = [running.session.config for running in self._by_discriminator.values()]
        for key in self._receivers.keys() - set(map(_receiver_key, configs)):
            self._receivers.pop(key).close()
        if self._echo is not None and all(config.timing.echo_interval_us is None for config in configs):
            self._echo.close()
            self._echo = None

    def receive(self, payload: bytes, arrival: bfd.Arrival) -> None:
        """A packet that came to one of the sockets."""
        try:
            discriminator, packet = self._demultiplexer.accept(payload, arrival)
        except bfd.PacketError as error:
            reason = str(error)
            self.drops[reason if reason in self.drops or len(self.drops) < DROP_REASONS_MAX else "other"] += 1
            return
        running = self._by_discriminator[discriminator]
        running.local_address = arrival.local_address
        running.driver.feed(bfd.PacketReceived(packet))

    def _receive_echo(self, echo: bfd.EchoPacket) -> None:
        running = self._by_discriminator.get(echo.discriminator)
        if running is not None:
            running.driver.feed(bfd.EchoReceived(echo))

    def _perform(self, running: _Running, effect: bfd.Effect) -> None:
        match effect:
            case bfd.SendPacket(payload):
                if (running.sender is not None and running.problem is None) or self._equip(running):
                    assert running.sender is not None
                    if not running.sender.send(payload):
                        self._drop_sender(running)
            case bfd.SendEcho(payload):
                # Echo may be a change of a session that runs, and has all else that it needs.
                if self._echo is not None or self._equip(running):
                    self._send_echo(running, payload)
            case bfd.SessionUp():
                self._log.info("bfd_session_up", peer=_names(running))
                self._tell(running, effect)
            case bfd.SessionDown():
                log = self._log.info if effect.is_administrative else self._log.warning
                log("bfd_session_down", peer=_names(running), reason=str(effect))
                self._tell(running, effect)
            case bfd.TimingAgreed(desired_us, required_us):
                self._log.info(
                    "bfd_timing_agreed",
                    peer=_names(running),
                    transmit_interval_ms=desired_us / 1000,
                    receive_interval_ms=required_us / 1000,
                )
                self._on_change()
            case bfd.Stopped():
                self._end(running)
            case _:
                assert_never(effect)

    def _send_echo(self, running: _Running, payload: bytes) -> None:
        peer, local = running.session.config.peer_address, running.local_address
        if self._echo is not None and isinstance(peer, IPv4Address) and isinstance(local, IPv4Address):
            self._echo.send(payload, peer, local)

    def _tell(self, running: _Running, news: News) -> None:
        # Also those whom the first one's reaction gives another session: what they have relied on is news to them.
        for name in [name for name in running.wanted if self._sessions.get(name) is running]:
            self._on_news(name, news)
        self._on_change()

    def _end(self, running: _Running) -> None:
        running.driver.close()
        if running.sender is not None:
            running.sender.close()
        discriminator = running.session.discriminator
        self._demultiplexer.remove(discriminator)
        del self._by_discriminator[discriminator]
        self._drop_unused()
        if running.then is not None:
            running.then()


def _names(running: _Running) -> str:
    return ", ".join(sorted(running.wanted)) or running.name


def _have_one_path(one: bfd.SessionConfig, other: bfd.SessionConfig) -> bool:
    """Also where only one of them names the address that the kernel chooses for the other."""
    if _target_of(one) != _target_of(other):
        return False
    return one.source_address == other.source_address or local_address(one) == local_address(other)


def _target_of(config: bfd.SessionConfig) -> bfd.SessionConfig:
    """Only what says which peer it is, and by which way; not where the way begins."""
    return replace(config, source_address=None, timing=bfd.Timing(), is_passive=False, minimum_ttl=1)


def _detection(timing: bfd.Timing) -> int:
    """Microseconds, as far as it is ours to say."""
    return timing.detect_multiplier * max(timing.desired_min_tx_us, timing.required_min_rx_us)


def _receiver_key(config: bfd.SessionConfig) -> _ReceiverKey:
    family = socket.AF_INET if config.peer_address.version == 4 else socket.AF_INET6
    return family, config.is_multihop, config.device
