"""Checks the kernel settings on which the addresses' traffic depends; nothing is changed.

Where a Service address is on `lo`, the kernel must not answer or speak for it behind swimlb's back. Where traffic for it is
carried on to other hosts, the kernel has to forward, and must not teach clients the way past this host.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_SETTINGS = Path("/proc/sys/net")
_PROBLEMS = {
    "arp_ignore": "the kernel itself would answer ARP for Service addresses, on every node that has them",
    "arp_announce": "the kernel may name a Service address as the sender of its own ARP requests, "
    "which tells neighbors that the address is here",
    "send_redirects": "the kernel may tell clients to go past this host, and they stay there when the address has moved",
}


@dataclass(frozen=True, slots=True)
class Finding:
    """One setting that endangers the announcement of addresses, or their traffic."""

    interface: str
    setting: str
    value: int
    problem: str
    remedy: str
    """What to give to sysctl(8)."""

    def __str__(self) -> str:
        return f"{self.setting} is {self.value} on {self.interface}: {self.problem}; set {self.remedy}"


def check_sysctls(interface: str, settings: Path = _SETTINGS) -> list[Finding]:
    """What is wrong where addresses are on `lo`; an interface without settings of its own is judged by `all` alone."""
    return [
        Finding(interface, setting, value, _PROBLEMS[setting], f"net.ipv4.conf.all.{setting}={wanted}")
        for setting, wanted in (("arp_ignore", 1), ("arp_announce", 2))
        if (value := _larger(settings, interface, setting)) < wanted
    ]


def check_forwarding(interface: str, version: int, settings: Path = _SETTINGS) -> list[Finding]:
    """What is wrong, for one version of IP, where traffic that comes in by an interface is carried on."""
    return list(
        _ipv4_forwarding(interface, settings) if version == 4 else _ipv6_forwarding(interface, settings)
    )


def _ipv4_forwarding(interface: str, settings: Path) -> Iterator[Finding]:
    """The interface's own switch counts; `ip_forward` sets those of all."""
    if not _read(settings / "ipv4/conf" / interface / "forwarding"):
        yield _does_not_forward(interface, 4, "net.ipv4.ip_forward=1")
    value = _larger(settings, interface, "send_redirects")
    if value:
        names = (f"net.ipv4.conf.{scope}.send_redirects=0" for scope in ("all", _dotted(interface)))
        yield Finding(interface, "send_redirects", value, _PROBLEMS["send_redirects"], " ".join(names))


def _ipv6_forwarding(interface: str, settings: Path) -> Iterator[Finding]:
    """The switch for all counts, or the interface's own `force_forwarding`, which came later. Redirects have no switch."""
    conf = settings / "ipv6/conf"
    if not _read(conf / "all/forwarding") and not _read(conf / interface / "force_forwarding"):
        yield _does_not_forward(interface, 6, "net.ipv6.conf.all.forwarding=1")


def _does_not_forward(interface: str, version: int, remedy: str) -> Finding:
    problem = f"the kernel drops IPv{version} traffic for Service addresses instead of carrying it on"
    return Finding(interface, f"ipv{version}.forwarding", 0, problem, remedy)


def _dotted(interface: str) -> str:
    """How sysctl(8) takes a name with dots in it: `eth0.7` is `eth0/7`."""
    return interface.replace(".", "/")


def _larger(settings: Path, interface: str, setting: str) -> int:
    """The larger of both values counts for these (Documentation/networking/ip-sysctl)."""
    conf = settings / "ipv4/conf"
    return max(_read(conf / "all" / setting), _read(conf / interface / setting))


def _read(file: Path) -> int:
    try:
        return int(file.read_text(encoding="ascii"))
    except FileNotFoundError:
        return 0
