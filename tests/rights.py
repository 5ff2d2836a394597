"""What takes rights that not everybody has who runs the tests."""

from __future__ import annotations

import os

import pytest

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root may do this, or give it up")
"""For unit tests, which developers run as themselves; the whole of `make test` needs root anyway, and skips none of these."""
