"""Fuzzing of what a member reads: `make fuzz`, or `python -m tests.fuzz TARGET`."""

TARGETS = ("packet", "stream", "lzw", "sealed", "machine")
"""By name, because the targets themselves may only be imported once atheris watches the imports."""
