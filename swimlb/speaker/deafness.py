"""Members that live, as gossip says, and do not answer for their addresses on the LAN: the verdict on them.

Each speaker asks a few others (`swimlb.speaker.hearing`) and tells in its gossip meta who gives it no answer. The verdict is a
pure function of what all members tell, so all of them reach the same one: a member is *deaf* when two others say so, or
the only other one there is. It is passed over in the election, as long as anybody else can take its place.

No verdict counts

    while a member is present that takes no part (a MetalLB speaker, an older swimlb, `--no-hearing-check`): it would
        go on electing a deaf one, and nobody would have the address;
    when more than half of the members would be deaf: then it is the LAN, and moving addresses does not help. Of two
        that accuse each other none is passed over: it is what lies between them.

A deaf member owns nothing that it could be asked for. So whoever is said not to answer has two addresses of link-local
kind, made of its name, for no other purpose than to be asked for.
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from ipaddress import IPv4Address, IPv6Address

from swimlb.model import IpAddress
from swimlb.speaker.presence import Presence, node_id

VOICES_NEEDED = 2
"""One that errs, about itself or about its cable, moves nothing."""

_LINK_LOCAL_4 = int(IPv4Address("169.254.1.0"))
_LINK_LOCAL_4_SIZE = 254 * 256
"""RFC 3927 section 2.1: without the first and the last 256."""
_LINK_LOCAL_6 = int(IPv6Address("fe80::"))


def accusers(name: str, presences: Mapping[str, Presence]) -> tuple[str, ...]:
    """Who says that it gets no answer from this member."""
    said = node_id(name)
    return tuple(
        sorted(other for other, one in presences.items() if said in one.unanswering and other != name)
    )


def deaf_members(presences: Mapping[str, Presence]) -> dict[str, tuple[str, ...]]:
    """Who is passed over, and who has found it. `presences` are those of all live members, this one's included."""
    if not any(one.unanswering for one in presences.values()):
        return {}
    if not all(one.is_hearing_checked for one in presences.values()):
        return {}
    needed = min(VOICES_NEEDED, len(presences) - 1)
    found = {name: accusers(name, presences) for name in presences}
    deaf = {name: voices for name, voices in found.items() if len(voices) >= needed > 0}
    return deaf if 2 * len(deaf) <= len(presences) else {}


def address_to_ask(name: str, version: int) -> IpAddress:
    """Where a member answers that is said not to answer, and owns nothing. Whose answer it is, its MAC tells."""
    digest = sha256(f"hearing#{name}".encode()).digest()
    if version == 4:
        return IPv4Address(_LINK_LOCAL_4 + int.from_bytes(digest[:4], "big") % _LINK_LOCAL_4_SIZE)
    return IPv6Address(_LINK_LOCAL_6 + int.from_bytes(digest[:8], "big"))
