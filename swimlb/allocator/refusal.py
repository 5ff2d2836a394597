"""Saying no, with the reason in words that reach the operator."""

from __future__ import annotations

from collections.abc import Iterable

from swimlb.model import IpAddress


class Refused(Exception):
    """A Service cannot have what it asks for; the text says why."""


def quoted(addresses: Iterable[IpAddress]) -> str:
    return "[" + " ".join(f'"{address}"' for address in addresses) + "]"
