"""Joins the speaker's core to its sides: every effect of the core goes to one of them, their news come back.

Nothing is decided here. `Wire.run` is the life of the process: it ends when the core says that nothing is held any
more, or with the error that made going on impossible.
"""

from __future__ import annotations

import asyncio
import errno
import signal
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from itertools import chain, islice
from pathlib import Path
from typing import Any, assert_never

from membership.net.transport import BindError
from swimlb.model import Allocation, Seeds
from swimlb.observe.logs import EventLog
from swimlb.runtime import clock, records
from swimlb.runtime.driver import Driver
from swimlb.runtime.errors import NotStarted, StartFailed, StartRefused
from swimlb.runtime.garbage import GarbageKeeper
from swimlb.runtime.link import Link
from swimlb.runtime.recorder import Recorder
from swimlb.runtime.records import SEEDS_KEY
from swimlb.runtime.replica import Batch, Publisher
from swimlb.speaker import effects as fx
from swimlb.speaker import events as ev
from swimlb.speaker.core import Speaker
from swimlb.speaker.inventory import Record
from swimlb.wire.chaining import Chaining
from swimlb.wire.facts import Facts
from swimlb.wire.lan import Lan
from swimlb.wire.moves import Moves
from swimlb.wire.peers import Peers
from swimlb.wire.ring import Ring

RECORDS_AT_ONCE = 100
"""Read in one go: some milliseconds."""

REPORT_DELAY = 0.02
"""Changes this close together are told to *watch* in one go."""

REVIEW_DELAY = 0.2
"""After a change of the host's addresses."""

COUNT_INTERVAL = 1.0
"""What only counts (packets, answers) is told this often, though nothing else has changed."""


class Wire:
    """The sides are given to `attach`, since they report to this object and it gives orders to them."""

    def __init__(self, speaker: Speaker, recorder: Recorder, log: EventLog, process: dict[str, Any]) -> None:
        self._speaker = speaker
        self._recorder = recorder
        self._log = log
        self._process = process
        self._driver: Driver[ev.Event, fx.Effect] = Driver("speaker", speaker, self._perform, recorder)
        self._published = Publisher(records.FACTS_SCHEMA)
        self._unread: deque[tuple[Iterator[bytes], list[Record | Seeds], Batch]] = deque()
        """Batches of *watch* that are being read, the first one in part."""
        self._has_records = False
        """The first batch, which is the whole, has been acted on."""
        self._report_timer: asyncio.TimerHandle | None = None
        self._count_timer: asyncio.TimerHandle | None = None
        self._review_timer: asyncio.TimerHandle | None = None
        self._moves = Moves(process["node"])
        self._done: asyncio.Future[None] | None = None

    def attach(
        self,
        ring: Ring,
        lan: Lan,
        chaining: Chaining,
        peers: Peers,
        link: Callable[[Publisher, Callable[[Batch], None]], Link],
    ) -> None:
        self._ring, self._lan, self._chaining, self._peers = ring, lan, chaining, peers
        self._facts = Facts(
            self._speaker, ring, lan, peers, chaining, self._moves, self._process, self._published
        )
        self._link = link(self._published, self._learn)

    def tell(self, event: ev.Event) -> None:
        """One of the sides has news for the core."""
        self._moves.hear(event, clock.monotonic())
        if isinstance(event, ev.LinksChanged):
            self._peers.review_paths()
            self._chaining.review()
        self._driver.feed(event)
        self.report()

    def review_addresses(self) -> None:
        """The host's interfaces change by many events at a time; routes can wait until they have."""
        if self._review_timer is None:
            self._review_timer = asyncio.get_running_loop().call_later(REVIEW_DELAY, self._review_now)

    def _review_now(self) -> None:
        self._review_timer = None
        self._peers.review_next_hops()

    def report(self) -> None:
        """Something that people can see has changed."""
        if self._report_timer is None:
            self._report_timer = asyncio.get_running_loop().call_later(REPORT_DELAY, self._report_now)

    async def run(self, crash_record: Path) -> None:
        """Until stopped by SIGTERM, or by SIGUSR2 for a restart, or by an error of ours, which leaves the flight record in `crash_record`."""
        loop = asyncio.get_running_loop()
        self._done = loop.create_future()
        loop.set_exception_handler(self._on_crash)
        loop.add_signal_handler(signal.SIGTERM, self.tell, ev.StopRequested())
        loop.add_signal_handler(signal.SIGUSR2, self.tell, ev.StopRequested(is_restart=True))
        loop.add_signal_handler(signal.SIGINT, lambda: None)
        loop.add_signal_handler(signal.SIGUSR1, self._dump, crash_record)
        garbage = GarbageKeeper()
        garbage.start()
        try:
            await self._start()
            self._count()
            await self._done
        except NotStarted:
            raise
        except Exception:
            self._dump(crash_record)
            raise
        finally:
            garbage.close()
            for timer in (self._count_timer, self._review_timer, self._report_timer):
                if timer is not None:
                    timer.cancel()
            self._driver.close()
            self._peers.close()
            self._chaining.close()
            self._lan.close()
            await self._ring.close()
            self._link.close()

    async def _start(self) -> None:
        try:
            await self._ring.start()
        except BindError as error:
            match error.errno:
                case errno.EADDRINUSE:
                    raise StartRefused(
                        f"{error}; end what uses the port, or choose another by --bind-port"
                    ) from error
                case errno.EACCES:
                    raise StartRefused(str(error)) from error
                case _:
                    raise StartFailed(str(error)) from error
        try:
            self._lan.start()
        except PermissionError as error:
            raise StartRefused(
                f"the kernel does not list its interfaces: {error}; NET_ADMIN is needed"
            ) from error
        except OSError as error:
            raise StartFailed(f"the kernel does not list its interfaces: {error}") from error
        self._link.start()

    def _learn(self, batch: Batch) -> None:
        """Records are read in portions, so that a large table does not stall the process; acted on as one batch."""
        self._unread.append((iter(batch.put.values()), [], batch))
        if len(self._unread) == 1:
            self._read_on()

    def _read_on(self) -> None:
        values, put, batch = self._unread[0]
        put += map(records.decode, islice(values, RECORDS_AT_ONCE))
        if len(put) == len(batch.put):
            self._unread.popleft()
            self._act_on(tuple(put), tuple(sorted(batch.removed)))
        if self._unread:
            asyncio.get_running_loop().call_soon(self._read_on)

    def _act_on(self, put: tuple[Record | Seeds, ...], removed: tuple[str, ...]) -> None:
        # Before the speaker joins the ring, and all over again when others are found.
        self._find_seeds(put, removed)
        known = tuple(record for record in put if not isinstance(record, Seeds))
        self.tell(ev.InventoryChanged(known, tuple(key for key in removed if key != SEEDS_KEY)))
        if not self._has_records:
            self._has_records = True
            wanted = [record.addresses for record in known if isinstance(record, Allocation)]
            self._lan.forget_leftovers(frozenset(chain.from_iterable(wanted)))

    def _find_seeds(self, put: Iterable[Record | Seeds], removed: Iterable[str]) -> None:
        if SEEDS_KEY in removed:
            self._ring.find_seeds(())
        for record in put:
            if isinstance(record, Seeds):
                self._ring.find_seeds(tuple(map(str, record.addresses)))

    def _perform(self, effect: fx.Effect) -> None:
        self._order(effect)
        self._note(effect)

    def _order(self, effect: fx.Effect) -> None:
        # Also what a deadline brought about has to be seen, and no side has told of anything then.
        if not isinstance(effect, fx.Solicit):
            self.report()
        match effect:
            case (
                fx.Announce()
                | fx.AnnounceAgain()
                | fx.HandOver()
                | fx.Withdraw()
                | fx.AddLocalAddress()
                | fx.RemoveLocalAddress()
                | fx.Defend()
                | fx.Watch()
                | fx.Unwatch()
                | fx.Ask()
                | fx.Solicit()
                | fx.AnswerAskers()
                | fx.EndAnswer()
            ):
                self._log.debug(type(effect).__name__.lower(), address=str(effect.address))
                self._lan.perform(effect)
            case fx.ChainTo() | fx.KnowMember():
                self._chaining.perform(effect)
            case fx.StartPeer() | fx.ReconfigurePeer() | fx.StopPeer() | fx.Advertise():
                self._peers.perform(effect)
            case fx.JoinRing() | fx.PublishMeta() | fx.LeaveRing():
                self._ring.perform(effect)
            case fx.OwnerChanged(address, previous, owner):
                self._log.info("owner_changed", address=str(address), previous=previous, owner=owner)
            case fx.ConflictNoticed(address, mac, interface, member):
                self._log.warning(
                    "address_conflict", address=str(address), mac=mac, interface=interface, member=member
                )
            case fx.Yielded(address, member, mac):
                self._log.warning("address_yielded", address=str(address), member=member, mac=mac)
            case fx.AddressInUse(address, mac, interface):
                self._log.warning("address_in_use", address=str(address), mac=mac, interface=interface)
            case fx.AddressFree(address):
                self._log.info("address_free", address=str(address))
            case fx.Unanswered(member, address, lasted):
                self._log.warning(
                    "member_unanswering", member=member, address=str(address), lasted=round(lasted, 1)
                )
            case fx.AnsweredAgain(member, lasted):
                self._log.info("member_answers_again", member=member, lasted=round(lasted, 1))
            case fx.DeafnessChanged(member, (), lasted):
                self._log.info("member_no_longer_deaf", member=member, lasted=round(lasted, 1))
            case fx.DeafnessChanged(member, found_by):
                self._log.warning("member_deaf", member=member, found_by=list(found_by))
            case fx.Stopped():
                assert self._done is not None
                self._done.set_result(None)
            case _:
                assert_never(effect)

    def _note(self, effect: fx.Effect) -> None:
        inventory = self._speaker.inventory
        self._moves.note(effect, inventory.presences, inventory.deaf, clock.monotonic())

    def _count(self) -> None:
        self._log.flush()
        self._facts.count()
        self.report()
        self._count_timer = asyncio.get_running_loop().call_later(COUNT_INTERVAL, self._count)

    def _report_now(self) -> None:
        self._report_timer = None
        if not self._facts.refresh():
            self.report()
        self._link.flush()

    def _on_crash(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """An exception in a callback is a mistake of ours: restarting is cheaper than being wrong."""
        self.crash(context.get("exception") or RuntimeError(context["message"]))

    def crash(self, error: BaseException) -> None:
        """Going on is impossible."""
        if self._done is not None and not self._done.done():
            self._done.set_exception(error)

    def _dump(self, path: Path) -> None:
        try:
            self._recorder.dump(path)
        except OSError as error:
            # Also on demand: nobody who asks for a record wants the process to end of it.
            self._log.warning("flight_record_not_written", path=str(path), reason=str(error))
            return
        self._log.info("flight_record_written", path=str(path))
