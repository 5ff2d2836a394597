"""Rings of Memberlists in virtual time, with faults, and checkers of what must hold in them."""

from __future__ import annotations

from swimlb.lab.simnet.auditor import Auditor, Violation
from swimlb.lab.simnet.bounds import (
    TOLERANCES,
    Tolerance,
    crash_bound,
    disturbed_bound,
    healing_bound,
    profiles,
)
from swimlb.lab.simnet.network import Fact, Incident, IncidentKind, SimNet
from swimlb.lab.simnet.prefilled import Population
from swimlb.lab.simnet.trace import digest
from swimlb.lab.simnet.wire import Conditions

__all__ = [
    "TOLERANCES",
    "Auditor",
    "Conditions",
    "Fact",
    "Incident",
    "IncidentKind",
    "Population",
    "SimNet",
    "Tolerance",
    "Violation",
    "crash_bound",
    "digest",
    "disturbed_bound",
    "healing_bound",
    "profiles",
]
