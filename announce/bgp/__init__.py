"""A BGP speaker as a sans-I/O core: one `Peer` for each router (RFC 4271).

    peer = Peer(PeerConfig(local_asn=64496, peer_asn=64497, peer_address=IPv4Address("192.0.2.1")), rng)
    effects = peer.step(Started(), now)

Feed it events, perform the effects in order, and call `advance` by `next_deadline`. `announce.net.tcp` does the
part that needs sockets.
"""

from announce.bgp.attributes import Community, LargeCommunity
from announce.bgp.capabilities import Role
from announce.bgp.config import DynamicAsn, PeerConfig
from announce.bgp.effects import (
    CloseConnection,
    Connect,
    ConnectionEffect,
    Effect,
    EndKind,
    EndReason,
    RoutesReceived,
    Send,
    SessionEnded,
    SessionEstablished,
    Stopped,
)
from announce.bgp.errors import InvalidConfig
from announce.bgp.events import (
    BfdDown,
    BfdUp,
    BytesReceived,
    BytesSent,
    ConnectionAccepted,
    ConnectionClosed,
    ConnectionEstablished,
    ConnectionEvent,
    ConnectionFailed,
    Event,
    NextHopsChanged,
    Reconfigured,
    RouteEvent,
    RoutesChanged,
    RoutesComplete,
    RoutesUpdated,
    Started,
    StopRequested,
)
from announce.bgp.messages import MessageType, Notification
from announce.bgp.nlri import IPV4_UNICAST, IPV6_UNICAST, Family
from announce.bgp.peer import Peer
from announce.bgp.routes import Route, RouteAttributes
from announce.bgp.states import State
from announce.bgp.status import PeerStatus

__all__ = [
    "Peer",
    "PeerConfig",
    "DynamicAsn",
    "Role",
    "PeerStatus",
    "State",
    "InvalidConfig",
    "Route",
    "RouteAttributes",
    "Community",
    "LargeCommunity",
    "Family",
    "IPV4_UNICAST",
    "IPV6_UNICAST",
    "Event",
    "Started",
    "StopRequested",
    "Reconfigured",
    "BfdDown",
    "BfdUp",
    "RouteEvent",
    "RoutesChanged",
    "RoutesUpdated",
    "RoutesComplete",
    "ConnectionEvent",
    "NextHopsChanged",
    "ConnectionEstablished",
    "ConnectionAccepted",
    "ConnectionFailed",
    "ConnectionClosed",
    "BytesReceived",
    "BytesSent",
    "Effect",
    "ConnectionEffect",
    "Connect",
    "Send",
    "CloseConnection",
    "SessionEstablished",
    "SessionEnded",
    "EndReason",
    "EndKind",
    "Notification",
    "MessageType",
    "RoutesReceived",
    "Stopped",
]
