"""The gossip side of *wire*: this node as a member, and what it hears of the others."""

from __future__ import annotations

import asyncio
import random
import socket
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from ipaddress import ip_address
from typing import Any

import membership as ml
from membership.net import SeedResolver, Transport
from swimlb.model import IpAddress
from swimlb.observe.logs import EventLog
from swimlb.runtime import clock
from swimlb.runtime.driver import Driver
from swimlb.runtime.recorder import Recorder
from swimlb.speaker import effects as fx
from swimlb.speaker.events import MemberGone, MemberPresent, ReceptionChanged, RingJoined, RingLeft
from swimlb.wire.secret import SecretFiles, SecretWatch
from swimlb.wire.strangers import Strangers

RingEvent = MemberGone | MemberPresent | ReceptionChanged | RingJoined | RingLeft


class Ring:
    """Becomes a member when the speaker says so, and tells it who is alive."""

    def __init__(
        self,
        config: ml.Config,
        seeds: tuple[ml.Endpoint, ...],
        secret_files: SecretFiles,
        rng: random.Random,
        recorder: Recorder,
        log: EventLog,
        on_event: Callable[[RingEvent], None],
        on_change: Callable[[], None],
        tasks: asyncio.TaskGroup,
    ) -> None:
        """The host of a seed may be a name. These are there for good; `find_seeds` adds to them."""
        self._config = config
        self._seeds = seeds
        self._found_seeds: tuple[ml.Endpoint, ...] = ()
        self._rng = rng
        self._recorder = recorder
        self._log = log
        self._on_event = on_event
        self._on_change = on_change
        self._tasks = tasks
        self._strangers = Strangers(log, clock.monotonic)
        self._secret_watch = SecretWatch(
            secret_files, config.encryption, recorder, log, self._change_encryption
        )
        self._resolving: asyncio.Task[None] | None = None
        self._transport = Transport(config.endpoint, self._feed, config.profile.stream_timeout)
        self._memberlist: ml.Memberlist | None = None
        self._driver: Driver[ml.Event, ml.Effect] | None = None
        self.drops: Counter[str] = Counter()
        """Packets that were refused, by reason."""

    async def start(self) -> None:
        """Open the sockets. Raises BindError. Others get no answer before `join`."""
        await self._transport.start()
        self._secret_watch.start()

    async def close(self) -> None:
        self._secret_watch.close()
        if self._resolving is not None:
            self._resolving.cancel()
        if self._driver is not None:
            self._driver.close()
        await self._transport.stop()

    def perform(self, effect: fx.RingEffect) -> None:
        match effect:
            case fx.PublishMeta(meta):
                self._config = replace(self._config, meta=meta)
                self._feed(ml.MetaChanged(meta))
            case fx.JoinRing():
                self._join()
            case fx.LeaveRing():
                if self._driver is None:
                    self._on_event(RingLeft())
                self._feed(ml.LeaveRequested())

    def find_seeds(self, hosts: tuple[str, ...]) -> None:
        """Other members may be found at these addresses, and no more at those of the last call."""
        found = tuple(ml.Endpoint(host, self._config.endpoint.port) for host in hosts)
        if found == self._found_seeds:
            return
        self._found_seeds = found
        if self._memberlist is not None:
            self._resolve()

    def members(self) -> tuple[ml.Member, ...]:
        """Everybody known by name, the dead included; empty before `join`."""
        return () if self._memberlist is None else self._memberlist.known()

    def address_of(self, name: str) -> IpAddress | None:
        """Where a member gossips, if it is known."""
        member = None if self._memberlist is None else self._memberlist.find(name)
        return None if member is None else ip_address(member.address)

    def metrics(self) -> ml.Metrics | None:
        """What the member counts of itself; None before `join`."""
        return None if self._memberlist is None else self._memberlist.metrics()

    @property
    def lateness(self) -> float:
        """Seconds by which the last gossip timer fired too late."""
        return 0.0 if self._driver is None else self._driver.lateness

    def _join(self) -> None:
        self._memberlist = ml.Memberlist(self._config, self._rng)
        self._driver = Driver("gossip", self._memberlist, self._perform, self._recorder)
        self._driver.feed(ml.Started())
        self._resolve()

    def _resolve(self) -> None:
        """Look for seeds, from now on, behind all the names there are now."""
        if self._resolving is not None:
            self._resolving.cancel()
        family = socket.AF_INET6 if ":" in self._config.endpoint.host else socket.AF_INET
        seeds = (*self._seeds, *self._found_seeds)
        resolver = SeedResolver(seeds, self._on_seeds, self._on_unresolved, family=family)
        self._resolving = self._tasks.create_task(resolver.run())

    def _change_encryption(self, encryption: ml.Encryption) -> None:
        self._config = replace(self._config, encryption=encryption)
        self._feed(ml.EncryptionChanged(encryption))

    def _on_seeds(self, seeds: tuple[ml.Endpoint, ...]) -> None:
        others = tuple(seed for seed in seeds if seed != self._config.endpoint)
        self._log.debug("seeds", seeds=[str(seed) for seed in others])
        self._feed(ml.SeedsChanged(others))
        if not others:
            self._on_event(RingJoined(0))

    def _on_unresolved(self, name: str, reason: str) -> None:
        self._log.warning("seed_unresolved", name=name, reason=reason, hint="it is tried again")

    def _feed(self, event: ml.Event) -> None:
        if self._driver is not None:
            self._driver.feed(event)
        elif isinstance(event, ml.StreamAccepted):
            # Whoever wants to join is to hear at once that there is nobody yet, rather than wait for its timeout.
            self._transport.perform(ml.CloseStream(event.stream))

    def _perform(self, effect: ml.Effect) -> None:
        match effect:
            case ml.SendPacket() | ml.OpenStream() | ml.SendStream() | ml.CloseStream():
                self._transport.perform(effect)
            case ml.PacketDropped(source, reason):
                self.drops[reason] += 1
                self._strangers.notice(effect)
                self._log.debug("packet_dropped", source=str(source), reason=reason)
            case ml.UserMessageReceived():
                pass  # Another application's; serf agents send such.
            case ml.JoinCompleted(contacted, failures):
                self._log.info(
                    "ring_joined",
                    contacted=[str(seed) for seed in contacted],
                    failed={str(failure.seed): failure.reason for failure in failures},
                )
                self._on_event(RingJoined(len(contacted)))
            case ml.LeaveCompleted():
                self._on_event(RingLeft())
            case _:
                self._tell(effect)
                self._on_change()

    def _tell(self, effect: ml.Effect) -> None:
        match effect:
            case ml.MemberJoined(member):
                self._log.info("member_joined", member=member.name, address=member.address)
                self._on_event(MemberPresent(member.name, member.meta))
            case ml.MemberUpdated(member):
                self._log.debug("member_updated", member=member.name, incarnation=member.incarnation)
                self._on_event(MemberPresent(member.name, member.meta))
            case ml.MemberLeft(name, incarnation):
                self._log.info("member_left", member=name, incarnation=incarnation)
                self._on_event(MemberGone(name, has_failed=False, address=self.address_of(name)))
            case ml.MemberFailed(name, incarnation, accusers, suspected_for, cause, observation):
                self._log.warning(
                    "member_failed",
                    member=name,
                    incarnation=incarnation,
                    accusers=accusers,
                    suspected_for=round(suspected_for, 3),
                    cause=str(cause),
                    **_evidence(observation),
                )
                self._on_event(MemberGone(name, address=self.address_of(name)))
            case ml.MemberSuspected(name, _, accuser, observation):
                self._log.info("member_suspected", member=name, accuser=accuser, **_evidence(observation))
            case ml.MemberRefuted(name, incarnation):
                self._log.info("member_refuted", member=name, incarnation=incarnation)
            case ml.AccusationRefuted(incarnation, accuser):
                self._log.warning("accusation_refuted", accuser=accuser, incarnation=incarnation)
            case ml.NotHeard(accuser):
                self._log.warning("not_heard", accuser=accuser)
                self._on_event(ReceptionChanged(is_heard=False))
            case ml.HeardAgain(lasted):
                self._log.info("heard_again", lasted=round(lasted, 3))
                self._on_event(ReceptionChanged(is_heard=True))
            case ml.NameConflict(name, known, claimed):
                self._log.error(
                    "member_name_conflict",
                    member=name,
                    known=str(known),
                    claimed=str(claimed),
                    hint="give each node a name of its own",
                )
            case ml.PushPullFailed(target, reason):
                self._log.info("push_pull_failed", target=str(target), reason=reason)
            case ml.PaceChanged(profile, because_of):
                self._log.info("pace_changed", profile=profile, because_of=because_of)
            case ml.RunningLate(lateness):
                self._log.warning("running_late", lateness=round(lateness, 3))
            case _:
                raise AssertionError(f"nobody performs {effect}")


def _evidence(observation: ml.Observation | None) -> dict[str, Any]:
    """What this node has seen itself, for a line of the log."""
    if observation is None:
        return {}
    return {
        "misses": observation.misses,
        "silent_for": round(observation.silent_for, 3),
        "rtt": None if observation.rtt is None else round(observation.rtt, 6),
        "is_refused": observation.is_refused,
    }
