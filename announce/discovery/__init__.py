"""Finding the router at the other end of a link, for BGP sessions that name an interface and no address.

The router tells its link-local address by router advertisements (RFC 4861), and learns ours by those that we send, as
FRR and others do it. Ours have a lifetime of 0: nobody takes this node for a default router.
"""

from announce.discovery.finder import (
    AdvertisementHeard,
    Effect,
    Event,
    Opened,
    RouterFinder,
    RouterFound,
    SendAdvertisement,
    SendSolicitation,
    SessionBegan,
    SessionEnded,
    SolicitationHeard,
)
from announce.discovery.messages import (
    MalformedMessage,
    MessageType,
    decode,
    encode_advertisement,
    encode_solicitation,
)

__all__ = [
    "RouterFinder",
    "Event",
    "Opened",
    "AdvertisementHeard",
    "SolicitationHeard",
    "SessionBegan",
    "SessionEnded",
    "Effect",
    "SendSolicitation",
    "SendAdvertisement",
    "RouterFound",
    "MessageType",
    "MalformedMessage",
    "decode",
    "encode_advertisement",
    "encode_solicitation",
]
