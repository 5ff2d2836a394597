"""How long to wait when somebody asks for it."""

from __future__ import annotations

import random

LONGER_MAX = 1.25


def at_least(seconds: float, rng: random.Random) -> float:
    """So long or up to a quarter longer: whoever was asked the same at the same moment does not come back with all others."""
    return seconds * rng.uniform(1.0, LONGER_MAX)
