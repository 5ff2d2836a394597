"""Which of the controller's replicas leads: leader election by a Lease object.

Whoever holds the Lease leads. The holder writes it anew every `retry_period`; when it has not changed for
`lease_duration`, another may take it. A replica goes by its own clock alone: what counts is how long ago *it* saw the
Lease change, and when *it* sent the write that renewed it, so clocks may be as wrong as they like. The holder gives up
`renew_deadline` after it sent its last successful write, which is before anybody else may take over. Where there is no
Lease, one may have been deleted whose holder does not know yet: it is as if one had just been renewed.

    FOLLOWING ── expired or released ────────────────► write ── written ──► LEADING
        ▲                                                  │                     │
        ├────────────── refused: another was faster ───────┘                     │
        ├────────────── another's Lease is seen, or renew_deadline has passed ───┤
        └ (end) ◄────── released ◄──────── the process is told to stop ──────────┘

A new holder is told whether the one before ended cleanly: if not, calls of it may still be on their way, and the new
one has to fence them off (`core`). All writes carry the version that was read, so of two replicas only one succeeds.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from typing import TypeAlias, assert_never

from swimlb.controller.versions import is_older


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """Seconds. A crash is taken over within `lease_duration` + `retry_period` at most."""

    lease_duration: float = 10.0
    """A Lease that has not changed for so long is up for grabs. Whole seconds: so the API has it."""
    renew_deadline: float = 7.0
    """The holder stops so long after its last renewal; what is left of lease_duration is for calls on their way."""
    retry_period: float = 2.0

    def __post_init__(self) -> None:
        if not 0 < self.retry_period < self.renew_deadline < self.lease_duration:
            raise ValueError("must be 0 < retry_period < renew_deadline < lease_duration")


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    holder: str
    """Identity of a replica; empty: it was released."""
    term: int
    """Counts how often it changed hands."""
    duration: float
    """What the holder told; seconds."""
    version: str = ""
    """The resource version; empty: it is not there yet."""

    @property
    def is_released(self) -> bool:
        """Its last holder has ended in order. One that was never held, made by hand perhaps, says nothing of the sort."""
        return not self.holder and self.term > 0


@dataclass(frozen=True, slots=True)
class LeaseSeen:
    """What the API server has, or had lately; None: no such object."""

    lease: Lease | None


@dataclass(frozen=True, slots=True)
class LeaseReadFailed:
    """`ReadLease` came to nothing."""


@dataclass(frozen=True, slots=True)
class LeaseWritten:
    """The last `WriteLease` has been done."""

    lease: Lease


@dataclass(frozen=True, slots=True)
class LeaseWriteRefused:
    """It was not done: the object has changed, has come or has gone since it was seen."""


@dataclass(frozen=True, slots=True)
class LeaseWriteFailed:
    """It may have been done or not."""


@dataclass(frozen=True, slots=True)
class ResignRequested:
    """The process is about to end, and writes nothing more."""

    is_clean: bool
    """All its writes have been answered: nothing is on its way."""


@dataclass(frozen=True, slots=True)
class ReadLease:
    """Answer with LeaseSeen or LeaseReadFailed."""


@dataclass(frozen=True, slots=True)
class WriteLease:
    """Create it if its version is empty, else replace that very version. Answer within `renew_deadline`."""

    lease: Lease


@dataclass(frozen=True, slots=True)
class Lead:
    """This replica leads, until `until` unless told otherwise before."""

    term: int
    until: float
    is_clean: bool
    """The one before has ended with all its writes answered."""


@dataclass(frozen=True, slots=True)
class KeepLeading:
    until: float


@dataclass(frozen=True, slots=True)
class StopLeading:
    reason: str


@dataclass(frozen=True, slots=True)
class Resigned:
    """Nothing more will come: the process may end."""


Event: TypeAlias = (
    LeaseSeen | LeaseReadFailed | LeaseWritten | LeaseWriteRefused | LeaseWriteFailed | ResignRequested
)
Effect: TypeAlias = ReadLease | WriteLease | Lead | KeepLeading | StopLeading | Resigned


@dataclass(frozen=True, slots=True)
class _Sent:
    """A write on its way."""

    at: float
    is_clean: bool
    """What it stands on was a clean end."""
    is_release: bool


class Elector:
    """One replica's part in the election."""

    def __init__(self, identity: str, rng: random.Random, timing: Timing | None = None) -> None:
        """`identity` is unique among all processes, those before and after this one included."""
        assert identity, "the empty identity means that nobody holds it"
        self._identity = identity
        self._rng = rng
        self._timing = timing or Timing()
        self._seen: Lease | None = None
        self._has_seen = False
        self._free_at = 0.0
        """From when on the Lease may be taken, as far as this replica has seen it."""
        self._try_at: float | None = 0.0
        """When to write (or, before anything is known, to read) next; None: an answer is awaited."""
        self._sent: _Sent | None = None
        """The write that is not answered yet."""
        self._term: int | None = None
        self._until = 0.0
        self._resigning: ResignRequested | None = None
        self._has_resigned = False

    @property
    def is_leading(self) -> bool:
        return self._term is not None

    @property
    def term(self) -> int | None:
        """The one in which this replica leads."""
        return self._term

    @property
    def holder(self) -> str:
        """As it was last seen; empty: nobody, or unknown."""
        return self._seen.holder if self._seen is not None else ""

    def step(self, event: Event, now: float) -> list[Effect]:
        if self._has_resigned:
            return []
        effects = self._expire(now)
        match event:
            case LeaseSeen(lease):
                effects += self._see(lease, now)
            case LeaseReadFailed():
                if self._sent is None:
                    self._try_at = now + self._jittered(self._timing.retry_period / 2)
            case LeaseWritten(lease):
                effects += self._note_written(lease, now)
            case LeaseWriteRefused():
                effects += self._note_refused()
            case LeaseWriteFailed():
                effects += self._note_failed(now)
            case ResignRequested():
                self._resigning = event
                effects += self._resign(event.is_clean, now)
            case _:
                assert_never(event)
        return effects + self._act(now)

    def advance(self, now: float) -> list[Effect]:
        return [] if self._has_resigned else self._expire(now) + self._act(now)

    def next_deadline(self) -> float | None:
        if self._has_resigned:
            return None
        candidates = [self._try_at, self._until if self.is_leading else None]
        return min((one for one in candidates if one is not None), default=None)

    # What is seen

    def _see(self, lease: Lease | None, now: float) -> list[Effect]:
        if lease is None:
            return self._see_nothing(now)
        seen = self._seen
        if seen is not None and (lease.version == seen.version or is_older(lease.version, seen.version)):
            # Nothing new, or an echo of what was before a write of ours. It may be the answer to a question.
            if self._try_at is None and self._sent is None:
                self._try_at = now + self._jittered(self._timing.retry_period / 4)
            return []
        self._take_note(lease, now)
        effects: list[Effect] = []
        if self.is_leading and (lease.holder, lease.term) != (self._identity, self._term):
            effects = self._stop(f"{lease.holder or 'nobody'} holds the lease")
        if self._sent is None and (not self.is_leading or self._try_at is None):
            self._try_at = now if self.is_leading else self._free_at
        return effects

    def _see_nothing(self, now: float) -> list[Effect]:
        """There is no Lease. If one was deleted, its holder may not know yet, and is given the time to notice.

        Who has just started cannot tell a cluster that never had one from that.
        """
        if self._seen is not None or not self._has_seen:
            self._free_at = now + self._patience(self._timing.lease_duration)
        self._seen, self._has_seen = None, True
        if self._sent is None:
            self._try_at = self._free_at
        return self._stop("the lease was deleted")

    def _take_note(self, lease: Lease, now: float) -> None:
        self._seen, self._has_seen = lease, True
        if lease.is_released or lease.holder == self._identity:
            self._free_at = now
        else:
            told = lease.duration if lease.holder else self._timing.lease_duration
            self._free_at = now + self._patience(told)

    def _patience(self, duration: float) -> float:
        return duration + self._rng.uniform(0, self._timing.retry_period / 4)

    # What came of a write

    def _note_written(self, lease: Lease, now: float) -> list[Effect]:
        sent = self._take_sent()
        if self._seen is not None and is_older(lease.version, self._seen.version):
            # It was done, and others have written since.
            return self._note_lost(now)
        self._take_note(lease, now)
        until = sent.at + self._timing.renew_deadline
        if sent.is_release:
            return self._end()
        if until <= now:
            # Too late to be of use: others may have waited long enough by now.
            self._try_at = now
            stopped = self._stop("renewing the lease took too long")
            return stopped + (self._end() if self._resigning is not None else [])
        is_new, self._term, self._until = self._term != lease.term, lease.term, until
        if self._resigning is not None:
            # A claim that came too late for us must not hide from the next one that it has to fence.
            return self._resign(self._resigning.is_clean and (sent.is_clean or not is_new), now)
        self._try_at = max(now, sent.at + self._jittered(self._timing.retry_period))
        return [Lead(lease.term, until, sent.is_clean) if is_new else KeepLeading(until)]

    def _note_lost(self, now: float) -> list[Effect]:
        self._try_at = max(now, self._free_at)
        return self._end() if self._resigning is not None else []

    def _note_refused(self) -> list[Effect]:
        """Somebody else wrote, or an earlier write of ours was done after all: look."""
        self._take_sent()
        if self._resigning is not None:
            return self._end()
        self._try_at = None
        return [ReadLease()]

    def _note_failed(self, now: float) -> list[Effect]:
        self._take_sent()
        if self._resigning is not None:
            return self._end()
        self._try_at = now + self._jittered(self._timing.retry_period / 2)
        return []

    def _take_sent(self) -> _Sent:
        assert self._sent is not None, "an answer to no question"
        sent, self._sent = self._sent, None
        return sent

    # What is done

    def _expire(self, now: float) -> list[Effect]:
        if self.is_leading and now >= self._until:
            return self._stop(f"the lease could not be renewed for {self._timing.renew_deadline:g} s")
        return []

    def _stop(self, reason: str) -> list[Effect]:
        if not self.is_leading:
            return []
        self._term = None
        return [StopLeading(reason)]

    def _act(self, now: float) -> list[Effect]:
        if self._sent is not None or self._resigning is not None:
            self._try_at = None
        if self._try_at is None or now < self._try_at:
            return []
        if self._has_seen and not self.is_leading and now < self._free_at:
            self._try_at = self._free_at
            return []
        self._try_at = None
        if not self._has_seen:
            return [ReadLease()]
        return self._send(self._claim(), now)

    def _claim(self) -> Lease:
        seen = self._seen
        if seen is not None and self.is_leading:
            return replace(seen, duration=self._timing.lease_duration)
        return Lease(
            holder=self._identity,
            term=seen.term + 1 if seen is not None else 1,
            duration=self._timing.lease_duration,
            version=seen.version if seen is not None else "",
        )

    def _send(self, lease: Lease, now: float, *, is_release: bool = False) -> list[Effect]:
        is_clean = self._seen is not None and self._seen.is_released
        self._sent = _Sent(now, is_clean=is_clean, is_release=is_release)
        return [WriteLease(lease)]

    def _resign(self, is_clean: bool, now: float) -> list[Effect]:
        """Let another take over at once. A term with calls on their way ends as a crash does, only sooner."""
        if self._sent is not None:
            # Its answer comes first; see there.
            return []
        if not self.is_leading or self._seen is None:
            return self._end()
        self._term, self._try_at = None, None
        holder = "" if is_clean else self._identity
        return self._send(replace(self._seen, holder=holder, duration=1.0), now, is_release=True)

    def _end(self) -> list[Effect]:
        self._term, self._try_at, self._has_resigned = None, None, True
        return [Resigned()]

    def _jittered(self, interval: float) -> float:
        """Shorten by up to a quarter, so that replicas do not march in step."""
        return interval * self._rng.uniform(0.75, 1.0)
