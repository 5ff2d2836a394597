"""JSON as YAML. The one contains the other, but for two things that are mended here without moving a line."""

from __future__ import annotations

import re

_ESCAPE = re.compile(
    r"\\(?:u(?P<high>[dD][89abAB][0-9a-fA-F]{2})(?:\\u(?P<low>[dD][c-fC-F][0-9a-fA-F]{2}))?"
    r"|u(?P<lone>[dD][c-fC-F][0-9a-fA-F]{2})|.)",
    re.DOTALL,
)
_REPLACEMENT = r"\ufffd"


def from_json(text: str) -> str:
    """JSON may be indented with tabs, and writes what is beyond 16 bits as two escapes (RFC 8259 section 7)."""
    # Within a text of JSON a tab cannot stand.
    return _ESCAPE.sub(_as_yaml, text.replace("\t", " "))


def _as_yaml(escape: re.Match[str]) -> str:
    """Half a pair is no character; Go, and so Kubernetes, reads U+FFFD in its place."""
    high, low, lone = escape.group("high", "low", "lone")
    if high and low:
        return f"\\U{0x10000 + ((int(high, 16) & 0x3FF) << 10) + (int(low, 16) & 0x3FF):08x}"
    return _REPLACEMENT if high or lone else escape[0]
