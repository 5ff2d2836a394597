"""What a BGPPeer can be told beyond its spec, by annotations of the prefix `swimlb.io/`.

MetalLB's resource has no field for these, and its API server would drop one that it does not know. Every value is
text, as annotations are. One of this prefix that is not known is told, with what was probably meant.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable
from dataclasses import replace
from enum import StrEnum
from typing import Any, TypeVar

from swimlb.config.report import Mistake, Place
from swimlb.config.types import U32_MAX, parse_duration
from swimlb.model import AoAlgorithm, BgpPeer, Labels, OnStop, Opening, Role, TcpAo

PREFIX = "swimlb.io/"
PASSWORD_OCTETS_MAX = 80
"""What the kernel takes as a TCP MD5 key."""
RESTART_TIME_MAX = 4095
"""The Restart Time field of RFC 4724 has 12 bits."""
SHUTDOWN_WAIT_MAX = 20.0
"""Whoever stops a speaker waits for it, and not for ever: a kubelet for 30 s, our supervisor for 28."""

_RESTART_HINT = "Set enableGracefulRestart in the spec."

E = TypeVar("E", bound=StrEnum)


def annotate_peer(peer: BgpPeer, annotations: Labels, place: Place) -> BgpPeer:
    """The peer with what the annotations add to it; what is wrong with them is told at `place`."""
    changes: dict[str, Any] = {}
    for key, text in annotations:
        if not key.startswith(PREFIX):
            continue
        name = key.removeprefix(PREFIX)
        if name not in _SETTINGS:
            _warn_of_unknown(name, place.at(key))
            continue
        field, parse = _SETTINGS[name]
        try:
            changes[field] = parse(text)
        except Mistake as mistake:
            place.at(key).error(mistake.message, mistake.hint)
    return replace(peer, **changes)


def check_annotations(peer: BgpPeer, place: Place) -> None:
    """Warn of what has no effect on the peer as it is in the end."""
    restarts = peer.has_graceful_restart
    for name, is_in_vain, lacking, way_out in (
        ("graceful-restart-time", peer.restart_time and not restarts, "graceful restart", _RESTART_HINT),
        ("on-stop", peer.on_stop is OnStop.RESTART and not restarts, "graceful restart", _RESTART_HINT),
        ("role-strict", peer.is_role_strict and peer.role is None, "a role", f"Add {PREFIX}role."),
    ):
        if is_in_vain:
            place.at(f"{PREFIX}{name}").warning(
                f"has no effect without {lacking}", f"{way_out} Or remove it."
            )


def _warn_of_unknown(name: str, place: Place) -> None:
    close = difflib.get_close_matches(name, _SETTINGS, n=1)
    hint = f"Did you mean {PREFIX}{close[0]}?" if close else f"Known are {', '.join(sorted(_SETTINGS))}."
    place.warning("unknown annotation, ignored", hint)


def _flag(text: str) -> bool:
    if text not in ("true", "false"):
        raise Mistake(f"{text[:60]!r} is neither true nor false", 'Write "true", or remove it.')
    return text == "true"


def _ao(text: str) -> TcpAo:
    """`SEND/RECEIVE`, and an algorithm behind it where it is not the first one."""
    ids, _, algorithm = text.partition(" ")
    send, _, receive = ids.partition("/")
    parse = _number(0, 255)
    try:
        return TcpAo(parse(send), parse(receive), _one_of(AoAlgorithm)(algorithm or AoAlgorithm.HMAC_SHA_1))
    except Mistake as mistake:
        raise Mistake(
            mistake.message,
            'Write SendID/RecvID of the key, from 0 to 255, and perhaps the algorithm: "1/1 aes-128-cmac-96".',
        ) from mistake


def _number(low: int, high: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        if not (text.isascii() and text.isdecimal() and len(text) <= 10 and low <= int(text) <= high):
            raise Mistake(f"{text[:60]!r} is not a number from {low} to {high}", f'Write it like "{low}".')
        return int(text)

    return parse


def _one_of(choices: type[E]) -> Callable[[str], E]:
    def parse(text: str) -> E:
        names = [choice.value for choice in choices]
        if text not in names:
            raise Mistake(
                f"{text[:60]!r} is not one of {', '.join(names)}", f"Choose one of {', '.join(names)}."
            )
        return choices(text)

    return parse


def _wait(text: str) -> float:
    wait = parse_duration(text)
    if wait > SHUTDOWN_WAIT_MAX:
        raise Mistake(f"{text} is longer than {SHUTDOWN_WAIT_MAX:g}s", "Write for example 2s.")
    return wait


def _restart_time(text: str) -> int:
    time = parse_duration(text)
    if not 1 <= time <= RESTART_TIME_MAX:
        raise Mistake(f"{text} is not from 1s to {RESTART_TIME_MAX}s", "Write for example 120s.")
    return int(time)


_SETTINGS: dict[str, tuple[str, Callable[[str], object]]] = {
    "connection": ("opening", _one_of(Opening)),
    "ttl-security-hops": ("hops_max", _number(1, 254)),
    "role": ("role", _one_of(Role)),
    "role-strict": ("is_role_strict", _flag),
    "tcp-ao": ("ao", _ao),
    "max-prefixes": ("prefixes_max", _number(1, U32_MAX)),
    "keep-received": ("keeps_received", _flag),
    "graceful-shutdown-wait": ("shutdown_wait", _wait),
    "graceful-restart-time": ("restart_time", _restart_time),
    "on-stop": ("on_stop", _one_of(OnStop)),
}
"""By name behind the prefix: the field of BgpPeer, and how the text is read."""
