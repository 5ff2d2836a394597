"""Resilient ECMP on a Linux router: the routes that a BGP daemon puts into a table of its own, each with a group that remembers.

    python -m swimlb.lab.resilient --from-table 100 --buckets 16384 --idle-timer 60 --output PATH

No BGP daemon of Debian asks the kernel for resilient next-hop groups, and those that zebra makes it also rewrites. So BIRD exports to
a table that nobody looks into, and this follows it: each of its IPv4 routes becomes one of the main table with a
resilient group of the same next hops. When one of these leaves, only its buckets move. It says `following` in the
output once it does; SIGTERM ends it, and what it has made stays: packets flow on, as with a routing daemon that is restarted.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from swimlb.lab.route_monitor import parse_line

PROTOCOL = 196
"""The routing protocol of what is ours, for `ip route show proto 196`; rt_protos has no name for it."""
_NO_TABLE = "FIB table does not exist"
"""The kernel's word on a table without a route."""
_FIRST_ID = 196_000
"""Ids of next hops and groups are counted up from here, and not used twice."""


@dataclass(frozen=True, slots=True, order=True)
class NextHop:
    gateway: str
    link: str


Routes = Mapping[str, frozenset[NextHop]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Resilience:
    buckets: int
    """How many parts the flows are hashed into: several times as many as flows that are to be told apart."""
    idle_timer: int
    """Seconds without a packet, after which a bucket may move to a next hop that has too few."""
    unbalanced_timer: int = 0
    """Seconds of imbalance, after which busy buckets move, too, and their flows break; 0: never."""

    def __post_init__(self) -> None:
        if not 1 <= self.buckets <= 65535:
            raise ValueError(f"a group has 1 to 65535 buckets, not {self.buckets}")
        if self.idle_timer < 0 or self.unbalanced_timer < 0:
            raise ValueError("a timer is a number of seconds, or 0")


@dataclass(slots=True)
class Mirror:
    """What the kernel has been told so far. `follow` gives the lines of an `ip -batch` that bring it up to date."""

    resilience: Resilience
    _routes: dict[str, frozenset[NextHop]] = field(default_factory=dict[str, frozenset[NextHop]])
    _hops: dict[NextHop, int] = field(default_factory=dict[NextHop, int])
    _groups: dict[str, int] = field(default_factory=dict[str, int])
    """A group for each prefix: a shared one would move the buckets of all when one of them changes."""
    _next_id: int = _FIRST_ID

    def follow(self, routes: Routes) -> list[str]:
        """Next hops come first, since groups name them, and go last."""
        wanted = {prefix: hops for prefix, hops in routes.items() if hops}
        used = frozenset[NextHop]().union(*wanted.values())
        lines: list[str] = []
        for hop in sorted(used - self._hops.keys()):
            self._hops[hop] = self._new_id()
            lines.append(
                f"nexthop add id {self._hops[hop]} via {hop.gateway} dev {hop.link} proto {PROTOCOL}"
            )
        for prefix in sorted(wanted):
            if wanted[prefix] != self._routes.get(prefix):
                lines += self._route(prefix, wanted[prefix])
        for prefix in sorted(self._routes.keys() - wanted.keys()):
            lines.append(f"route del {prefix} proto {PROTOCOL}")
            lines.append(f"nexthop del id {self._groups.pop(prefix)}")
        lines += [f"nexthop del id {self._hops.pop(hop)}" for hop in sorted(self._hops.keys() - used)]
        self._routes = wanted
        return lines

    def _route(self, prefix: str, hops: frozenset[NextHop]) -> Iterator[str]:
        is_new = prefix not in self._groups
        if is_new:
            self._groups[prefix] = self._new_id()
        members = "/".join(str(self._hops[hop]) for hop in sorted(hops))
        how = self.resilience
        yield (
            f"nexthop replace id {self._groups[prefix]} group {members} type resilient buckets {how.buckets} "
            f"idle_timer {how.idle_timer} unbalanced_timer {how.unbalanced_timer} proto {PROTOCOL}"
        )
        if is_new:
            yield f"route replace {prefix} nhid {self._groups[prefix]} proto {PROTOCOL}"

    def _new_id(self) -> int:
        self._next_id += 1
        return self._next_id


def read_routes(answer: str) -> Routes:
    """The answer to `ip -json route show`; routes that lead nowhere have no next hops."""
    found: dict[str, frozenset[NextHop]] = {}
    for route in json.loads(answer):
        hops = route.get("nexthops") or [route]
        prefix = route["dst"] if "/" in route["dst"] or route["dst"] == "default" else f"{route['dst']}/32"
        found[prefix] = frozenset(NextHop(hop["gateway"], hop["dev"]) for hop in hops if "gateway" in hop)
    return found


def run(table: int, mirror: Mirror, output: Path) -> None:
    """Until SIGTERM. Raises subprocess.CalledProcessError where the kernel refuses, which would be our mistake."""
    command = ("ip", "-4", "-o", "monitor", "route")
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as monitor:
        assert monitor.stdout is not None
        try:
            _synchronize(table, mirror)
            output.write_text("following\n")
            for line in monitor.stdout:
                route = parse_line(line)
                if route is not None and route.table == str(table):
                    _synchronize(table, mirror)
        finally:
            monitor.kill()
    sys.exit("`ip monitor` has ended")


def _synchronize(table: int, mirror: Mirror) -> None:
    # Asked for anew each time: a line that was lost in a burst costs nothing then.
    asked = subprocess.run(
        ("ip", "-4", "-json", "route", "show", "table", str(table)),
        capture_output=True,
        text=True,
        check=False,
    )
    if asked.returncode and _NO_TABLE not in asked.stderr:
        sys.exit(f"the routes of table {table} cannot be read: {asked.stderr.strip()}")
    lines = mirror.follow(read_routes("[]" if asked.returncode else asked.stdout))
    if lines:
        subprocess.run(("ip", "-batch", "-"), input="\n".join(lines) + "\n", text=True, check=True)


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m swimlb.lab.resilient",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--from-table", required=True, type=int)
    parser.add_argument("--buckets", required=True, type=int)
    parser.add_argument("--idle-timer", default=60, type=int)
    parser.add_argument("--unbalanced-timer", default=0, type=int)
    parser.add_argument("--output", required=True, type=Path)
    options = parser.parse_args()
    resilience = Resilience(
        buckets=options.buckets,
        idle_timer=options.idle_timer,
        unbalanced_timer=options.unbalanced_timer,
    )
    run(options.from_table, Mirror(resilience), options.output)


if __name__ == "__main__":
    main()
