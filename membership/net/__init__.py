"""Sockets for a Memberlist: the only part of this package that does I/O."""

from __future__ import annotations

from membership.net.seeds import SeedResolver
from membership.net.transport import BindError, Transport

__all__ = ["BindError", "SeedResolver", "Transport"]
