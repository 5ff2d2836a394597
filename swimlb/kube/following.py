"""How to follow one kind of object: when to list, when to watch, when to try again. No I/O, no clock.

            +--------- not supported ----------+
            |                                  v
    -> WATCH LIST -- end of the list --+     LIST (page by page)
            ^                          v       |
            |                       WATCHING <-+ last page
            +-- too old (410) --------+  | ^
            +-- or no version yet     |  v | from the last version
                                     WAITING

A *watch list* is a watch that begins with the whole list (Kubernetes 1.32; asked of all, refused by older ones with
400 or 422). Any failure leads to WAITING, with a delay that doubles and is jittered, and from there back to where it
broke off: a broken watch goes on from the last version it heard of, a broken list begins anew. What was known stays
known meanwhile. A stream on which nothing has been heard for a while is taken for dead: bookmarks come every minute.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from enum import Enum, StrEnum, auto

from swimlb.runtime.pauses import at_least

BACKOFF_FIRST = 0.25
BACKOFF_MAX = 16.0
"""Seconds. Two hundred nodes with ten reflectors each then ask 130 times a second of an API server that is ailing."""

LIFE_MIN = 3.0
"""A watch that lived as long is no failure when it ends: somebody between us may end each after a while."""

WATCH_TIME = 480.0
"""How long a watch is asked to last, shortened by up to a half, so that not all are made anew at once."""

END_GRACE = 15.0
"""The API server may be so late to end it."""

QUIET_MAX = 150.0
"""Two bookmarks have been missed by then."""

LIST_QUIET_MAX = 20.0
"""The API server waits for its own store 3 s at most before it begins a list, and sends it in one go."""

PAGE_SIZE = 500
EXPIRED_MAX = 2
"""After as many lists that grew too old between two pages, all is asked for at once."""


class Trouble(StrEnum):
    """Why nothing new is known of a kind."""

    UNREACHABLE = "unreachable"
    BUSY = "busy"
    UNAUTHORIZED = "unauthorized"
    FORBIDDEN = "forbidden"
    KIND_MISSING = "kind_missing"
    REFUSED = "refused"

    @property
    def is_lasting(self) -> bool:
        """Somebody has to do something about it."""
        return self not in (Trouble.UNREACHABLE, Trouble.BUSY)


# What happened


@dataclass(frozen=True, slots=True)
class Started:
    """Begin."""


@dataclass(frozen=True, slots=True)
class Opened:
    """The stream that was asked for is there."""


@dataclass(frozen=True, slots=True)
class Heard:
    """Something came on the stream: up to this version all is known."""

    version: str
    is_list_end: bool = False
    """The bookmark that ends the list of a watch list."""


@dataclass(frozen=True, slots=True)
class PageRead:
    """A part of the list came."""

    version: str
    continue_token: str


@dataclass(frozen=True, slots=True)
class Ended:
    """The stream came to its end."""


@dataclass(frozen=True, slots=True)
class Expired:
    """410: what was asked for is too old."""


@dataclass(frozen=True, slots=True)
class NotSupported:
    """400 or 422: the API server does not understand how it was asked."""

    message: str


@dataclass(frozen=True, slots=True)
class Failed:
    trouble: Trouble
    message: str
    retry_after: float = 0.0


Event = Started | Opened | Heard | PageRead | Ended | Expired | NotSupported | Failed


# What to do


@dataclass(frozen=True, slots=True)
class BeginList:
    """What comes is the whole."""


@dataclass(frozen=True, slots=True)
class EndList:
    """That was the whole."""


@dataclass(frozen=True, slots=True)
class AbandonList:
    """The whole will not come."""


@dataclass(frozen=True, slots=True)
class ReadPage:
    continue_token: str
    limit: int
    """0: all."""


@dataclass(frozen=True, slots=True)
class OpenWatch:
    version: str
    """Empty: a watch list."""
    seconds: int


@dataclass(frozen=True, slots=True)
class Close:
    """The stream is dead, or of no use."""


@dataclass(frozen=True, slots=True)
class DropSelector:
    """Ask without the field selector, which this API server does not know, and select here."""


@dataclass(frozen=True, slots=True)
class TellTrouble:
    """How it stands has changed; None: all is well again."""

    trouble: Trouble | None
    message: str = ""


Effect = BeginList | EndList | AbandonList | ReadPage | OpenWatch | Close | DropSelector | TellTrouble


class Phase(Enum):
    IDLE = auto()
    WAITING = auto()
    WATCH_LIST = auto()
    LIST = auto()
    WATCHING = auto()


@dataclass(slots=True)
class Following:
    """Gives at most one ReadPage or OpenWatch at a time, and the next one when that has ended."""

    rng: random.Random
    has_selector: bool = False
    """A field selector is in use that older API servers may not know."""
    phase: Phase = field(default=Phase.IDLE, init=False)
    version: str = field(default="", init=False)
    """Up to here all is known; empty: list first."""
    trouble: Trouble | None = field(default=None, init=False)
    """As it was told."""
    has_watch_list: bool = field(default=True, init=False)
    _failures: int = field(default=0, init=False)
    _expired: int = field(default=0, init=False)
    _due: float | None = field(default=None, init=False)
    """When to go on, or when the stream is taken for dead."""
    _ends: float = field(default=0.0, init=False)
    """When the watch has to have come to its end."""
    _opened: float | None = field(default=None, init=False)
    _is_on_trial: bool = field(default=False, init=False)

    def step(self, event: Event, now: float) -> list[Effect]:
        match event:
            case Started():
                assert self.phase is Phase.IDLE, "started twice"
                return self._go_on(now)
            case Opened():
                return self._on_opened(now)
            case Heard():
                return self._on_heard(event, now)
            case PageRead():
                return self._on_page(event, now)
            case Ended():
                return self._on_ended(now)
            case Expired():
                return self._on_expired(now)
            case NotSupported():
                return self._on_not_supported(event, now)
            case Failed():
                return self._on_failed(event, now)

    def advance(self, now: float) -> list[Effect]:
        if self._due is None or now < self._due:
            return []
        if self.phase is Phase.WAITING:
            return self._go_on(now)
        if self._is_on_trial and self._has_lived(now):
            effects = self._prove_itself()
            self._listen(now)
            return effects
        silence = Failed(Trouble.UNREACHABLE, "nothing was heard from the API server for too long")
        return [Close(), *self._on_failed(silence, now)]

    def next_deadline(self) -> float | None:
        return self._due

    # Facts

    def _on_opened(self, now: float) -> list[Effect]:
        self._opened = now
        self._is_on_trial = self.phase is Phase.WATCHING
        self._listen(now)
        return []

    def _on_heard(self, event: Heard, now: float) -> list[Effect]:
        effects: list[Effect] = []
        if self.phase is Phase.WATCHING:
            self.version = event.version
            effects = self._prove_itself()
        elif event.is_list_end:
            self.version, self.phase, self._expired = event.version, Phase.WATCHING, 0
            self._is_on_trial = True
            effects = [EndList(), *self._tell(None, "")]
        self._listen(now)
        return effects

    def _on_page(self, event: PageRead, now: float) -> list[Effect]:
        assert self.phase is Phase.LIST, "a page that nobody asked for"
        if event.continue_token:
            return [ReadPage(event.continue_token, PAGE_SIZE)]
        self.version, self._expired = event.version, 0
        return [EndList(), *self._tell(None, ""), *self._watch(now)]

    def _on_ended(self, now: float) -> list[Effect]:
        if self.phase is Phase.WATCHING and self._has_lived(now):
            return [*self._prove_itself(), *self._wait(now, self.rng.uniform(0.0, BACKOFF_FIRST))]
        return self._on_failed(Failed(Trouble.UNREACHABLE, "the API server ended the stream at once"), now)

    def _on_expired(self, now: float) -> list[Effect]:
        """List anew, and not all reflectors at the same moment."""
        effects = self._abandon()
        self.version = ""
        self._expired += 1
        self._failures += 1
        return [*effects, *self._wait(now, self._backoff())]

    def _on_not_supported(self, event: NotSupported, now: float) -> list[Effect]:
        if self.phase is Phase.WATCH_LIST and self.has_watch_list:
            self.has_watch_list = False
            return [*self._abandon(), *self._list()]
        if self.has_selector:
            # The watch list may be known after all: it was refused for the selector.
            self.has_selector, self.has_watch_list = False, True
            self.version = ""
            return [*self._abandon(), DropSelector(), *self._go_on(now)]
        return self._on_failed(Failed(Trouble.REFUSED, event.message), now)

    def _on_failed(self, event: Failed, now: float) -> list[Effect]:
        if self.phase is Phase.WATCHING and self._has_lived(now):
            self._failures = 0
        self._failures += 1
        effects = self._abandon()
        # One broken connection is no news: it is tried again in a moment.
        if event.trouble.is_lasting or self._failures > 1:
            effects += self._tell(event.trouble, event.message)
        return [*effects, *self._wait(now, max(at_least(event.retry_after, self.rng), self._backoff()))]

    # Going on

    def _go_on(self, now: float) -> list[Effect]:
        if self.version:
            return self._watch(now)
        if not self.has_watch_list or self._expired > EXPIRED_MAX:
            return self._list()
        self.phase = Phase.WATCH_LIST
        return [BeginList(), self._open(now)]

    def _list(self) -> list[Effect]:
        self.phase, self._due = Phase.LIST, None
        return [BeginList(), ReadPage("", 0 if self._expired > EXPIRED_MAX else PAGE_SIZE)]

    def _watch(self, now: float) -> list[Effect]:
        self.phase = Phase.WATCHING
        return [self._open(now)]

    def _open(self, now: float) -> OpenWatch:
        seconds = int(WATCH_TIME * self.rng.uniform(0.5, 1.0))
        self._opened, self._due, self._is_on_trial = None, None, False
        self._ends = now + seconds + END_GRACE
        return OpenWatch(self.version, seconds)

    def _listen(self, now: float) -> None:
        quiet = LIST_QUIET_MAX if self.phase is Phase.WATCH_LIST else QUIET_MAX
        self._due = min(self._ends, now + quiet)
        if self._is_on_trial and self._opened is not None:
            self._due = min(self._due, self._opened + LIFE_MIN)

    def _wait(self, now: float, delay: float) -> list[Effect]:
        self.phase, self._due = Phase.WAITING, now + delay
        return []

    def _backoff(self) -> float:
        longest = min(BACKOFF_MAX, BACKOFF_FIRST * 2.0 ** min(self._failures, 10))
        return longest * self.rng.uniform(0.5, 1.0)

    def _has_lived(self, now: float) -> bool:
        return self._opened is not None and now >= self._opened + LIFE_MIN

    def _abandon(self) -> list[Effect]:
        return [AbandonList()] if self.phase in (Phase.LIST, Phase.WATCH_LIST) else []

    # Telling

    def _prove_itself(self) -> list[Effect]:
        """This watch works. That one can be opened does not say so, nor that a list has come."""
        self._is_on_trial, self._failures = False, 0
        return self._tell(None, "")

    def _tell(self, trouble: Trouble | None, message: str) -> list[Effect]:
        if trouble is self.trouble:
            return []
        self.trouble = trouble
        return [TellTrouble(trouble, message)]
