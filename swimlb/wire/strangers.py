"""Packets that were refused because their sender seems to be of another ring: told to people, but not with each packet.

Two nodes with different secrets do not find each other, and nothing else tells why.
"""

from __future__ import annotations

from collections.abc import Callable

import membership as ml
from swimlb.observe.logs import EventLog

REPEAT_AFTER = 60.0
_SOURCES_MAX = 64
"""Addresses can be forged; what comes from further ones is only counted."""

_OTHER_LABEL = "it is of another ring: compare --gossip-label on both nodes"
_PLAINTEXT = (
    "it sends plaintext: give it the secret, or start with --gossip-plaintext=accept while a ring changes"
)
HINTS = {
    "undecryptable": "it has another key: compare the secret, byte for byte, and --gossip-key-derivation",
    "encrypted": "it encrypts its gossip: give this node the secret, too, by --gossip-secret-file",
    "not-encrypted": _PLAINTEXT,
    "sealed-too-short": _PLAINTEXT,
    "unknown-encryption": _PLAINTEXT,
    "label-missing": _OTHER_LABEL,
    "label-mismatch": _OTHER_LABEL,
    "label-unexpected": _OTHER_LABEL,
}
"""By the reason of the drop."""


class Strangers:
    """Says once a minute per address and reason who is not understood, and what to look at."""

    def __init__(self, log: EventLog, clock: Callable[[], float]) -> None:
        self._log = log
        self._clock = clock
        self._told: dict[tuple[str, str], float] = {}

    def notice(self, drop: ml.PacketDropped) -> None:
        if (hint := HINTS.get(drop.reason)) is None:
            return
        key, now = (drop.source.host, drop.reason), self._clock()
        if now - self._told.get(key, -REPEAT_AFTER) < REPEAT_AFTER:
            return
        if key not in self._told and len(self._told) >= _SOURCES_MAX:
            self._told = {key: told for key, told in self._told.items() if now - told < REPEAT_AFTER}
            if len(self._told) >= _SOURCES_MAX:
                return
        self._told[key] = now
        self._log.warning("gossip_not_understood", source=drop.source.host, reason=drop.reason, hint=hint)
