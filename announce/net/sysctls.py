"""Checks the kernel settings without which a Service address on `lo` is announced behind swimlb's back."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

_SETTINGS = Path("/proc/sys/net/ipv4/conf")
_PROBLEMS = {
    "arp_ignore": "the kernel itself would answer ARP for Service addresses, on every node that has them",
    "arp_announce": "the kernel may name a Service address as the sender of its own ARP requests, "
    "which tells neighbors that the address is here",
}


@dataclass(frozen=True, slots=True)
class Finding:
    """One setting that endangers the announcement of addresses."""

    interface: str
    setting: str
    value: int
    wanted: int
    problem: str

    def __str__(self) -> str:
        return (
            f"{self.setting} is {self.value} on {self.interface}: {self.problem}; "
            f"set net.ipv4.conf.all.{self.setting}={self.wanted}"
        )


def check_sysctls(interface: str, settings: Path = _SETTINGS) -> list[Finding]:
    """What is wrong for one interface; an interface that has no settings of its own is judged by `all` alone."""
    return [
        Finding(interface, setting, value, wanted, _PROBLEMS[setting])
        for setting, wanted in (("arp_ignore", 1), ("arp_announce", 2))
        if (value := _effective(settings, interface, setting)) < wanted
    ]


def _effective(settings: Path, interface: str, setting: str) -> int:
    """The larger of both values counts (Documentation/networking/ip-sysctl)."""
    return max(_read(settings / "all" / setting), _read(settings / interface / setting))


def _read(file: Path) -> int:
    try:
        return int(file.read_text(encoding="ascii"))
    except FileNotFoundError:
        return 0
