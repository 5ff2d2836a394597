"""Fuzzing of what members and peers say: `make fuzz`, or `python -m tests.fuzz TARGET`."""

TARGETS = ("packet", "stream", "lzw", "sealed", "machine", "bfd", "bgp-message", "bgp-stream", "bgp-peer")
"""By name, because the targets themselves may only be imported once atheris watches the imports."""
