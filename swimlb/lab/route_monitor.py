"""What the kernel says of its IPv4 routes as they change (rtnetlink, by `ip monitor`), with the time of each change."""

from __future__ import annotations

import re
import subprocess
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from swimlb.lab.errors import LabError
from swimlb.lab.waiting import wait_until
from swimlb.runtime import clock
from swimlb.runtime.priority import lend_precedence

STOP_TIMEOUT = 5.0
BEGIN_TIMEOUT = 5.0
_TABLE = re.compile(r"\btable (\S+)")
_GATEWAY = re.compile(r"\bvia (?:inet6 )?(\S+)")
_KINDS = ("unreachable", "blackhole", "prohibit", "throw", "local", "broadcast", "multicast", "anycast")


@dataclass(frozen=True, slots=True)
class Route:
    """A route as it is from now on; one without next hops is gone, or leads nowhere."""

    prefix: str
    table: str
    next_hops: frozenset[str]


@dataclass(frozen=True, slots=True)
class RouteChange:
    time: float
    route: Route


def parse_line(line: str) -> Route | None:
    """A line of `ip -4 -o monitor route`; None for what is no route."""
    words = line.split()
    is_removal = words[:1] == ["Deleted"]
    words = words[1:] if is_removal else words
    if words and words[0] in _KINDS:
        words = words[1:]
    if not words or not (words[0][0].isdigit() or words[0] == "default"):
        return None
    prefix = words[0] if "/" in words[0] or words[0] == "default" else f"{words[0]}/32"
    table = _TABLE.search(line)
    gateways: frozenset[str] = frozenset() if is_removal else frozenset(_GATEWAY.findall(line))
    return Route(prefix, table[1] if table else "main", gateways)


class RouteMonitor:
    """Watches the routes of a namespace for as long as it is open. Asked by any thread."""

    def __init__(self, namespace: str) -> None:
        self._namespace = namespace
        self._changes: list[RouteChange] = []
        self._news = threading.Condition()
        self._process: subprocess.Popen[str] | None = None
        self._thread: threading.Thread | None = None

    def changes(self, prefix: str, since: float = 0.0, table: str = "main") -> tuple[RouteChange, ...]:
        """What has happened to one route, in order of time."""
        with self._news:
            return tuple(self._of(prefix, since, table))

    def wait_for(
        self,
        prefix: str,
        condition: Callable[[frozenset[str]], bool],
        since: float,
        timeout: float,
        table: str = "main",
    ) -> float | None:
        """When, after `since`, the route first had next hops that fit; None: not within `timeout` from `since`."""

        def fitting() -> float | None:
            times = (one.time for one in self._of(prefix, since, table) if condition(one.route.next_hops))
            return next(times, None)

        with self._news:
            return self._news.wait_for(fitting, timeout=max(0.0, since + timeout - clock.monotonic()))

    def _of(self, prefix: str, since: float, table: str) -> Iterator[RouteChange]:
        return (
            one
            for one in self._changes
            if one.time >= since and one.route.prefix == prefix and one.route.table == table
        )

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            ("ip", "-n", self._namespace, "-4", "-o", "monitor", "route"),
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        lend_precedence(self._process.pid)
        self._thread = threading.Thread(target=self._run, name="route-monitor", daemon=True)
        self._thread.start()
        try:
            wait_until(self._is_listening, timeout=BEGIN_TIMEOUT, what="`ip monitor` to listen")
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()

    def _end(self) -> None:
        assert self._process is not None
        assert self._process.stdout is not None
        assert self._thread is not None
        self._process.kill()
        self._process.wait(STOP_TIMEOUT)
        self._thread.join(STOP_TIMEOUT)
        self._process.stdout.close()

    def _is_listening(self) -> bool:
        """It says nothing before the first change, but its socket is in the kernel's table."""
        assert self._process is not None
        if self._process.poll() is not None:
            raise LabError(f"`ip monitor` has ended at once with status {self._process.returncode}")
        pid = str(self._process.pid)
        with open(f"/proc/{pid}/net/netlink") as table:
            rows = [line.split() for line in table]
        # sk, protocol (0 is NETLINK_ROUTE), port id (that of the first socket is the pid), groups as a mask.
        return any(row[1] == "0" and row[2] == pid and int(row[3], 16) for row in rows[1:])

    def _run(self) -> None:
        assert self._process is not None
        assert self._process.stdout is not None
        for line in self._process.stdout:
            now, route = clock.monotonic(), parse_line(line)
            if route is not None:
                with self._news:
                    self._changes.append(RouteChange(now, route))
                    self._news.notify_all()
