"""Giving addresses to all Services at once.

The answer depends on nothing but the configuration, so every node and every restart comes to the same. How it is
come to stands in `ledger`.
"""

from __future__ import annotations

from dataclasses import dataclass

from swimlb.allocator.ledger import ledger_of
from swimlb.allocator.pools import Space
from swimlb.model import Allocation, Configuration, Pending


@dataclass(frozen=True, slots=True)
class AllocationResult:
    """Every Service of the configuration is in one of the two; both are sorted by namespace and name."""

    allocations: tuple[Allocation, ...] = ()
    pending: tuple[Pending, ...] = ()


def allocate(configuration: Configuration) -> AllocationResult:
    """Give every Service its addresses, or the reason why it has none."""
    ledger = ledger_of(configuration.services, Space(configuration.pools))
    services = sorted(configuration.services, key=lambda service: (service.namespace, service.name))
    verdicts = [ledger.verdict(service) for service in services]
    return AllocationResult(
        tuple(verdict for verdict in verdicts if isinstance(verdict, Allocation)),
        tuple(verdict for verdict in verdicts if isinstance(verdict, Pending)),
    )
