"""What watches a lab while things happen to it: a prober in a client, a referee at the switch, the router's route.

The first two are processes of their own and belong to the sandbox; each is read while it runs.
"""

from __future__ import annotations

import itertools
import signal
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from swimlb.lab import measure
from swimlb.lab.errors import LabError
from swimlb.lab.load import STREAM_INTERVAL
from swimlb.lab.measure import Claim, Connection, Recording, RecordingReader
from swimlb.lab.prober import INTERVAL, SETTLED_AFTER
from swimlb.lab.sandbox import Sandbox
from swimlb.lab.topology import INSIDE, SWITCH, Host
from swimlb.lab.waiting import wait_until
from swimlb.runtime import clock

START_TIMEOUT = 10.0
STOP_TIMEOUT = 5.0
SAMPLE_INTERVAL = 0.1
ANSWERING_WINDOW = 0.2
LAST_WORDS_MAX = 300

_numbers = itertools.count(1)


class _Observer:
    """A module of the lab that writes what it sees to a file."""

    def __init__(self, sandbox: Sandbox, kind: str, namespace: str, *arguments: str) -> None:
        number = next(_numbers)
        self._sandbox = sandbox
        self._label = f"{kind}/{number}"
        self._output = sandbox.home / f"{kind}-{number}.jsonl"
        self._log = sandbox.home / f"{kind}-{number}.log"
        self._is_stopped = False
        sandbox.start_module(
            self._label,
            f"swimlb.lab.{kind}",
            *("--output", str(self._output)),
            *arguments,
            namespace=namespace,
            log=self._log,
        )
        wait_until(self._has_begun, timeout=START_TIMEOUT, what=f"the {kind} to begin")

    def _has_begun(self) -> bool:
        self._require_seeing()
        return self._output.exists()

    def _require_seeing(self) -> None:
        """One that has ended by itself has seen nothing since, which is not to be taken for nothing having happened."""
        if not self._is_stopped and self._sandbox.process(self._label) is None:
            last_words = self._log.read_text(errors="replace").strip()[-LAST_WORDS_MAX:]
            raise LabError(f"{self._label} has ended by itself: {last_words or 'it said nothing'}")

    def stop(self) -> None:
        """End it; what it saw can still be read."""
        self._require_seeing()
        self._is_stopped = True
        self._sandbox.signal(self._label, signal.SIGTERM, timeout=STOP_TIMEOUT)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._sandbox.process(self._label) is not None:
            self.stop()


class ProbeRun(_Observer):
    """Probes an address from a client for as long as it is open."""

    def __init__(
        self, sandbox: Sandbox, address: str, port: int, client: Host = INSIDE, interval: float = INTERVAL
    ) -> None:
        options = ("--address", address, "--port", str(port), "--interval", str(interval))
        super().__init__(sandbox, "prober", client.name, *options)
        self._reader = RecordingReader(self._output)
        self.address = address

    def recording(self) -> Recording:
        """What is known for sure: the latest probes are left out while they may still be answered.

        `LabError`, as from all that observers are asked, when it has ended by itself.
        """
        self._require_seeing()
        is_running = self._sandbox.process(self._label) is not None
        settled = clock.monotonic() - SETTLED_AFTER if is_running else float("inf")
        return self._reader.read().between(0.0, settled)

    def since(self, moment: float) -> Recording:
        """What is known of the time from a moment on."""
        return self.recording().between(moment, float("inf"))

    def lateness(self, begin: float, end: float) -> float:
        """The most that a probe of that time left after its time."""
        self._require_seeing()
        return measure.read_lateness(self._output, begin, end)

    def answering(self, window: float = ANSWERING_WINDOW) -> str | None:
        """The node that answered all settled probes of the latest window of time, alone.

        None when some were lost, when several answered, or when it has not probed for that long yet.
        """
        probes = self.recording().probes
        if not probes or probes[-1].sent - probes[0].sent < window:
            return None
        answered = {
            one.by if one.is_answered else None for one in probes if one.sent >= probes[-1].sent - window
        }
        return answered.pop() if len(answered) == 1 else None


class LoadRun(_Observer):
    """TCP clients: streams that last and new connections, for as long as it is open."""

    def __init__(
        self,
        sandbox: Sandbox,
        addresses: Sequence[str],
        port: int,
        *,
        streams: int,
        rate: float,
        interval: float = STREAM_INTERVAL,
        client: Host = INSIDE,
    ) -> None:
        options = [part for address in addresses for part in ("--address", address)]
        options += ["--port", str(port), "--streams", str(streams), "--rate", str(rate)]
        options += ["--interval", str(interval)]
        super().__init__(sandbox, "load", client.name, *options)

    def connections(self) -> tuple[Connection, ...]:
        """Those that have ended; streams that live are there when the load has been stopped."""
        self._require_seeing()
        return measure.read_connections(self._output)


class Referee(_Observer):
    """Writes down every claim on the LAN, by ARP or by neighbour advertisement, for as long as it is open."""

    def __init__(self, sandbox: Sandbox) -> None:
        super().__init__(sandbox, "referee", SWITCH)

    def claims(self) -> tuple[Claim, ...]:
        self._require_seeing()
        return measure.read_claims(self._output)

    def overlap(self, address: str, winner: str, begin: float, end: float = float("inf")) -> float:
        """How long others claimed the address beside the MAC that has it in the end."""
        return measure.overlap(self.claims(), address, winner, begin, end)

    def doubled_for(self, address: str, begin: float, end: float = float("inf")) -> float:
        """How long in all two claimed the address in turns."""
        return measure.doubled_for(self.claims(), address, begin, end)

    def claimants(self, address: str, begin: float, end: float = float("inf")) -> tuple[str, ...]:
        """The MACs that claimed the address in that time."""
        return measure.claimants(self.claims(), address, begin, end)


@dataclass(frozen=True, slots=True)
class RouteSample:
    time: float
    next_hops: tuple[str, ...]


class RouteSampler:
    """Notes the next hops of a route whenever they change, as seen ten times a second."""

    def __init__(self, read: Callable[[], tuple[str, ...]]) -> None:
        self._read = read
        self._samples: list[RouteSample] = []
        self._failure: LabError | OSError | None = None
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="route-sampler", daemon=True)

    def samples(self) -> tuple[RouteSample, ...]:
        """The changes so far; the first is how it was at the beginning. `LabError`: it could not be read to the end."""
        if self._failure is not None:
            raise LabError(f"the route could not be followed: {self._failure}") from self._failure
        return tuple(self._samples)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join(STOP_TIMEOUT)

    def _run(self) -> None:
        try:
            self._follow()
        except (LabError, OSError) as failure:
            self._failure = failure

    def _follow(self) -> None:
        while not self._ended.is_set():
            next_hops = self._read()
            if not self._samples or self._samples[-1].next_hops != next_hops:
                self._samples.append(RouteSample(clock.monotonic(), next_hops))
            self._ended.wait(SAMPLE_INTERVAL)
