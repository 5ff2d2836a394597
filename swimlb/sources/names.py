"""What files are called in messages."""

from __future__ import annotations

import os
from pathlib import Path


def name_of(path: Path) -> str:
    """A name of a file may be any octets, but what is printed is text: what is no UTF-8 is told like `\\xff`."""
    return os.fsencode(path).decode("utf-8", errors="backslashreplace")
