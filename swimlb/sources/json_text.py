"""JSON as YAML. The one contains the other, but for three things that are mended here without moving a line."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

_ESCAPE = re.compile(
    r"\\(?:u(?P<high>[dD][89abAB][0-9a-fA-F]{2})(?:\\u(?P<low>[dD][c-fC-F][0-9a-fA-F]{2}))?"
    r"|u(?P<lone>[dD][c-fC-F][0-9a-fA-F]{2})|.)",
    re.DOTALL,
)
_REPLACEMENT = r"\ufffd"
_GAP = re.compile(r"(?:\s+|^---(?=\s))*", re.MULTILINE)
_DECODER = json.JSONDecoder(parse_int=str, parse_float=str)
"""Of numbers it makes none: they may have any number of digits."""


def from_json(text: str) -> str:
    """JSON may be indented with tabs, and writes what is beyond 16 bits as two escapes (RFC 8259 section 7).

    One object may follow the other on the next line, as `jq` prints them, and as kubectl reads them.
    """
    # Within a text of JSON a tab cannot stand.
    return _ESCAPE.sub(_as_yaml, "".join(_parted(text)).replace("\t", " "))


def _parted(text: str) -> Iterator[str]:
    """The text with the mark between documents that YAML needs, as far as the text is JSON."""
    written = end = 0
    while (begin := _match_end(text, end)) < len(text) and text[begin] in "{[":
        gap = text[end:begin]
        if end and "\n" in gap and "---" not in gap:
            yield text[written : end + gap.rindex("\n") + 1]
            yield "--- "
            written = begin
        try:
            _, end = _DECODER.raw_decode(text, begin)
        except (ValueError, RecursionError):
            break  # What is wrong with it is found by the parser of YAML, which takes more.
    yield text[written:]


def _match_end(text: str, begin: int) -> int:
    gap = _GAP.match(text, begin)
    assert gap is not None, "it matches nothing, too"
    return gap.end()


def _as_yaml(escape: re.Match[str]) -> str:
    """Half a pair is no character; Go, and so Kubernetes, reads U+FFFD in its place."""
    high, low, lone = escape.group("high", "low", "lone")
    if high and low:
        return f"\\U{0x10000 + ((int(high, 16) & 0x3FF) << 10) + (int(low, 16) & 0x3FF):08x}"
    return _REPLACEMENT if high or lone else escape[0]
