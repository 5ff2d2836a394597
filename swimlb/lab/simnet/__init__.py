"""Rings of Memberlists in virtual time, with faults, and checkers of what must hold in them."""

from __future__ import annotations

from swimlb.lab.simnet.network import Fact, Incident, IncidentKind, SimNet
from swimlb.lab.simnet.trace import digest
from swimlb.lab.simnet.wire import Conditions

__all__ = ["Conditions", "Fact", "Incident", "IncidentKind", "SimNet", "digest"]
