"""Which Service gets which addresses: `allocate` is a pure function of the configuration in force."""

from __future__ import annotations

from swimlb.allocator.allocate import AllocationResult, allocate
from swimlb.allocator.refusal import Refused

__all__ = ["AllocationResult", "Refused", "allocate"]
