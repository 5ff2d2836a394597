"""What the lab's routers have in common: how they are told their neighbours, and how they are asked what they see.

FRR, BIRD, GoBGP and ExaBGP speak of the same things in four languages. A `RouterConfig` is put into each of them by
the module of that router, and what the router answers is brought back into the records here, so that one test
can be played against all of them. A runner takes configuration as text, so that any other text works as well.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Protocol

FAMILIES = ("ipv4", "ipv6")


@dataclass(frozen=True, slots=True, kw_only=True)
class BfdTimers:
    """The router's side of BFD (RFC 5880): both intervals, and how many may be missed."""

    interval_ms: int = 300
    detect_multiplier: int = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Neighbour:
    """A node, as the router is told of it."""

    address: str
    asn: int
    families: Sequence[str] = FAMILIES
    is_passive: bool = True
    """The router waits for the node to call. Off: it calls, too."""
    password: str | None = None
    multihop: int | None = None
    """How far away the node may be; None: on the same link."""
    has_ttl_security: bool = False
    """GTSM (RFC 5082): only packets that have crossed no router count."""
    has_extended_next_hop: bool = False
    """IPv4 routes may have IPv6 next hops (RFC 8950)."""
    helps_restart: bool = False
    """Keep the routes of a node that restarts gracefully (RFC 4724)."""
    max_prefixes: int | None = None
    role: str | None = None
    """The router's role (RFC 9234): `provider`, `customer`, `peer`, `rs-server`, `rs-client`."""
    bfd: BfdTimers | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RouterConfig:
    asn: int
    router_id: str
    neighbours: Sequence[Neighbour]
    announces: Sequence[str] = ()
    """Prefixes that the router tells all of them."""
    keepalive: int = 1
    hold_time: int = 3
    """Seconds; short, for this is how a router without BFD notices a cut link."""
    paths_max: int = 64
    """Equal paths that make one route (ECMP)."""
    kernel_table: int | None = None
    """The kernel's table for the routes; None: the main one. BIRD alone can be told."""

    def announced(self, family: str) -> tuple[str, ...]:
        return tuple(prefix for prefix in self.announces if family_of(prefix) == family)


@dataclass(frozen=True, slots=True, kw_only=True)
class NeighbourState:
    """A session as the router sees it."""

    state: str
    """The router's own word."""
    is_established: bool
    last_error: str = ""
    """Why the last session ended, in the router's words: the NOTIFICATION, where there was one."""
    communication: str = ""
    """What the node wrote into it for the operator (RFC 9003), where the router tells."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Path:
    """A way to a prefix, as the router has it from one neighbour."""

    neighbour: str
    next_hop: str
    as_path: tuple[int, ...] = ()
    origin: str = "igp"
    med: int | None = None
    local_pref: int | None = None
    """None also where the router does not show what it did not receive."""
    communities: frozenset[tuple[int, int]] = frozenset()
    large_communities: frozenset[tuple[int, int, int]] = frozenset()
    is_stale: bool = False
    """Kept for a neighbour that is restarting."""


class Router(Protocol):
    """A router that runs in a namespace of a sandbox."""

    def start(self) -> None:
        """Return when it takes commands."""
        ...

    def stop(self) -> None:
        """SIGTERM."""
        ...

    def kill(self) -> None:
        """SIGKILL."""
        ...

    def pause(self) -> None:
        """SIGSTOP to what speaks BGP: it hangs, while its kernel goes on to acknowledge what arrives."""
        ...

    def resume(self) -> None: ...

    def neighbour(self, address: str) -> NeighbourState: ...

    def table(self, family: str = "ipv4") -> dict[str, tuple[Path, ...]]:
        """What neighbours have told, by prefix; its own routes are left out."""
        ...

    def refresh(self, address: str) -> None:
        """Ask the neighbour for its routes again (RFC 2918). `LabError` from those that never do."""
        ...

    def next_hops(self, prefix: str) -> tuple[str, ...]:
        """The gateways of the kernel's route. Empty for routers that only talk."""
        ...


class BfdRouter(Router, Protocol):
    """One that speaks BFD, too."""

    def detection_time(self, address: str) -> float | None:
        """Seconds without a packet of the neighbour, after which it is down; None: BFD is not up."""
        ...


def family_of(prefix: str) -> str:
    return f"ipv{ip_address(prefix.partition('/')[0]).version}"


def as_numbers(words: str) -> tuple[int, ...]:
    """An AS_PATH of sequences only, `64496 64497`."""
    return tuple(int(word) for word in words.split())
