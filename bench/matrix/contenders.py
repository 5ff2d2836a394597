"""Who is measured, and which of ours each rival is to be held against."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from bench.bgp_lan import Detection
from bench.matrix import routed
from bench.matrix.cluster import Cluster, Scale
from bench.matrix.kubernetes import MetalLBNodes, SwimlbOnKubernetes
from bench.matrix.standalone import KeepalivedNodes, Swimlb
from swimlb.lab.router import BfdTimers
from swimlb.lab.sandbox import Sandbox

Way = Literal["layer 2", "BGP"]
WINDOW = 6.0
"""How long a client is watched after a fault."""
_METALLB_WINDOW = 15.0
"""Its suspicion of a dead member lasts four seconds at least."""
METALLB_FASTER = (5, 10, 20)
"""The steps of a ladder: which is the fastest that is stable shows in false moves under loss and on a crowded core."""
_BFD = Detection(bfd=BfdTimers(interval_ms=50))
_HOLD = Detection(hold_time=3)


@dataclass(frozen=True, slots=True, kw_only=True)
class Contender:
    name: str
    product: str
    what: str
    start: Callable[[Sandbox, Scale, Path], Cluster]
    """In a sandbox that has nothing yet, with an empty directory."""
    way: Way = "layer 2"
    beside: str | None = None
    """The one of ours that has about the same timers and surroundings."""
    window: float = WINDOW
    has_api: bool = False

    @property
    def is_ours(self) -> bool:
        return self.product == "swimlb"


def _swimlb(profile: str) -> Callable[[Sandbox, Scale, Path], Cluster]:
    return lambda sandbox, scale, scratch: Swimlb(sandbox, scale, scratch, profile)


def _on_kubernetes(profile: str) -> Callable[[Sandbox, Scale, Path], Cluster]:
    return lambda sandbox, scale, _: SwimlbOnKubernetes(sandbox, scale, profile)


def _keepalived(advert_interval: float, version: int) -> Callable[[Sandbox, Scale, Path], Cluster]:
    return lambda sandbox, scale, _: KeepalivedNodes(sandbox, scale, advert_interval, version)


def _metallb(faster: int | None, what: str) -> Contender:
    return Contender(
        name="MetalLB" if faster is None else f"MetalLB, {1000 // faster} ms",
        product="metallb",
        what=what,
        start=lambda sandbox, scale, _: MetalLBNodes(sandbox, scale, faster),
        beside=f"swimlb {'normal' if faster is None else 'fast'}, Kubernetes",
        window=_METALLB_WINDOW if faster is None else WINDOW,
        has_api=True,
    )


CONTENDERS = (
    Contender(
        name="swimlb normal",
        product="swimlb",
        what="standalone, with the profile it has by default",
        start=_swimlb("normal"),
    ),
    Contender(
        name="swimlb fast",
        product="swimlb",
        what="standalone, with the profile `fast`",
        start=_swimlb("fast"),
    ),
    Contender(
        name="keepalived 1 s",
        product="keepalived",
        what="Debian's 2.2.7 with its defaults: VRRP version 2, an advert a second",
        start=_keepalived(1.0, 2),
        beside="swimlb normal",
    ),
    Contender(
        name="keepalived 0.1 s",
        product="keepalived",
        what="the same, VRRP version 3, ten adverts a second",
        start=_keepalived(0.1, 3),
        beside="swimlb fast",
    ),
    Contender(
        name="swimlb normal, Kubernetes",
        product="swimlb",
        what="controller and speakers on a real API server, with the profile they have by default",
        start=_on_kubernetes("normal"),
        has_api=True,
    ),
    Contender(
        name="swimlb fast, Kubernetes",
        product="swimlb",
        what="the same with the profile `fast`",
        start=_on_kubernetes("fast"),
        has_api=True,
    ),
    _metallb(
        None, "its own 0.16.1, controller and speakers, native mode, on a real API server, with its defaults"
    ),
    *(
        _metallb(faster, f"the same, with a memberlist file that has its intervals {faster} times shorter")
        for faster in METALLB_FASTER
    ),
    Contender(
        name="swimlb, BFD",
        product="swimlb",
        what="standalone, BFD 50 ms x 3 with the router",
        start=lambda sandbox, scale, scratch: routed.swimlb(sandbox, scale, scratch, _BFD),
        way="BGP",
    ),
    Contender(
        name="swimlb, hold time",
        product="swimlb",
        what="standalone, without BFD, a hold time of 3 s",
        start=lambda sandbox, scale, scratch: routed.swimlb(sandbox, scale, scratch, _HOLD),
        way="BGP",
    ),
    Contender(
        name="FRR, BFD",
        product="FRR",
        what="Debian's 8.4 on each node, BFD 50 ms x 3",
        start=lambda sandbox, scale, _: routed.frr(sandbox, scale, _BFD),
        way="BGP",
        beside="swimlb, BFD",
    ),
    Contender(
        name="FRR, hold time",
        product="FRR",
        what="the same without BFD, a hold time of 3 s",
        start=lambda sandbox, scale, _: routed.frr(sandbox, scale, _HOLD),
        way="BGP",
        beside="swimlb, hold time",
    ),
    Contender(
        name="ExaBGP, hold time",
        product="ExaBGP",
        what="Debian's 4.2 on each node, a hold time of 3 s; it has no BFD",
        start=lambda sandbox, scale, _: routed.exabgp(sandbox, scale, _HOLD),
        way="BGP",
        beside="swimlb, hold time",
    ),
)


def find(name: str) -> Contender:
    return next(one for one in CONTENDERS if one.name == name)


@contextmanager
def running(contender: Contender, scale: Scale, scratch: Path) -> Generator[Cluster]:
    """In a sandbox of its own, which is gone at the end."""
    label = "".join(letter if letter.isalnum() else "-" for letter in contender.name)
    # Two benches may run at the same time.
    with Sandbox.create(f"bench-{label}-{scale.nodes}-{scale.addresses}-{os.getpid()}") as sandbox:
        yield contender.start(sandbox, scale, scratch)
