"""BGP communities as text: `A:B` (RFC 1997), `large:A:B:C` (RFC 8092), or a name that a Community object defines."""

from __future__ import annotations

from swimlb.config.report import Mistake
from swimlb.config.schema import shorten
from swimlb.config.types import U16_MAX, U32_MAX
from swimlb.model import Community

COMMUNITY_PATTERN = "^([0-9]+:[0-9]+|large:[0-9]+:[0-9]+:[0-9]+)$"
_HINT = "Write 65535:65282, or large:64496:1:2 for a large community."


def parse_community(text: str) -> Community:
    parts = text.split(":")
    match len(parts), parts[0]:
        case 2, _:
            return Community(tuple(_part(part, U16_MAX, text) for part in parts))
        case 4, "large":
            return Community(tuple(_part(part, U32_MAX, text) for part in parts[1:]))
        case _:
            raise Mistake(f"invalid community format: {shorten(text)}", _HINT)


def parse_community_or_alias(text: str) -> Community | str:
    """Text without a colon can only be a name. One with a colon may still be one: see `resolve_community`."""
    if ":" not in text:
        return text
    try:
        return parse_community(text)
    except Mistake:
        return text


def _part(text: str, high: int, whole: str) -> int:
    if not (text.isascii() and text.isdecimal()) or len(text) > 10 or int(text) > high:
        raise Mistake(
            f"invalid community value: {shorten(whole)}", f"Each part is a number from 0 to {high}. {_HINT}"
        )
    return int(text)
