"""What would be allocated and announced, by whom, and why not: the answer to "what if", without a cluster.

`outlook` runs the code that the controller and the speakers run (allocator, planner, election) for all nodes of the
input at once, with some of them down, draining or added; nothing is decided here. `document` is its form as JSON,
which is an interface (docs/reference/plan.schema.json), `drawing` its form as a picture. Pure: no I/O, no clock.
"""

from __future__ import annotations

from swimlb.planning.document import document
from swimlb.planning.outlook import look_ahead
from swimlb.planning.records import Outlook, ServiceState
from swimlb.planning.what_if import InvalidWhatIf, WhatIf

__all__ = ["InvalidWhatIf", "Outlook", "ServiceState", "WhatIf", "document", "look_ahead"]
