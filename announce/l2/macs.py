"""Ethernet addresses, six octets each."""

from __future__ import annotations

NOBODY = bytes(6)


def is_station(mac: bytes) -> bool:
    """Whether a reply may go to an address: a group address would make us an amplifier, zero is nobody."""
    return not mac[0] & 1 and mac != NOBODY
