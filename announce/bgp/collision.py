"""Which of two connections to one peer stays (RFC 4271 section 6.8)."""

from __future__ import annotations

from announce.bgp.effects import SessionEstablished


def local_one_stays(local_asn: int, session: SessionEstablished) -> bool:
    """Whether the connection that we opened stays; else it is the one that the peer opened.

    The one of the speaker with the higher BGP Identifier, compared as numbers; between two of the same
    identifier that of the larger AS number (RFC 6286 section 2.3). Both sides come to the same answer.
    """
    return (session.router_id, local_asn) > (session.remote_router_id, session.remote_asn)
