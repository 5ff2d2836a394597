"""What the routers have to be told so that sessions with the nodes come up: text for the configurations of several kinds.

Pure: `routers` finds out who has a session with whom, a dialect writes it down.
"""

from swimlb.routerconfig.dialects import DIALECTS, unsaid, write
from swimlb.routerconfig.routers import CannotTell, Neighbor, Router, left_out, routers

__all__ = ["routers", "left_out", "Router", "Neighbor", "CannotTell", "write", "unsaid", "DIALECTS"]
