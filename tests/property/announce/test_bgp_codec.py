"""BGP's codec: whatever comes is a message or a fault with its NOTIFICATION, and what we write is read back."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Network

from hypothesis import given
from hypothesis import strategies as st

from announce.bgp.attributes import MpReach, MpUnreach, Origin, PathAttributes, Segment, SegmentType
from announce.bgp.capabilities import (
    RESTART_TIME_MAX,
    BgpRole,
    Capability,
    EnhancedRouteRefresh,
    ExtendedMessage,
    ExtendedNextHop,
    FourOctetAs,
    GracefulRestart,
    Multiprotocol,
    RouteRefreshSupport,
    UnknownCapability,
)
from announce.bgp.errors import MessageHeaderError, NotificationError
from announce.bgp.framing import Framer
from announce.bgp.messages import (
    MARKER,
    MESSAGE_OCTETS_MAX,
    Keepalive,
    Message,
    MessageType,
    Notification,
    Open,
    RouteRefresh,
    Update,
    decode_message,
    encode,
    frame,
)
from announce.bgp.nlri import IPV4_UNICAST, IPV6_UNICAST, Afi, Family, Prefixes

u8, u16, u32 = (st.integers(0, (1 << bits) - 1) for bits in (8, 16, 32))
asns = st.integers(1, (1 << 32) - 1)


def ipv4_network(address: int, bits: int) -> IPv4Network:
    return IPv4Network((address, bits), strict=False)


def ipv6_network(address: int, bits: int) -> IPv6Network:
    return IPv6Network((address, bits), strict=False)


def open_of(asn: int, hold_time: int, identifier: IPv4Address, others: list[Capability]) -> Open:
    return Open(asn, hold_time, identifier, (*others, FourOctetAs(asn)))


def read(stream: bytes, *, four_octet_as: bool = True) -> list[Message] | NotificationError:
    """All messages of a stream, or the fault; any other exception is ours and fails the test."""
    try:
        return [decode_message(*framed, four_octet_as=four_octet_as) for framed in Framer().feed(stream)]
    except NotificationError as error:
        return error


ipv4_prefixes = st.builds(ipv4_network, u32, st.integers(0, 32))
ipv6_prefixes = st.builds(ipv6_network, st.integers(0, (1 << 128) - 1), st.integers(0, 128))
ipv4_fields = st.lists(ipv4_prefixes, max_size=20).map(Prefixes.of)
ipv6_fields = st.lists(ipv6_prefixes, max_size=20).map(lambda prefixes: Prefixes.of(prefixes, Afi.IPV6))
segments = st.builds(Segment, st.sampled_from(SegmentType), st.lists(asns, min_size=1, max_size=5).map(tuple))

path_attributes = st.builds(
    PathAttributes,
    origin=st.sampled_from(Origin),
    as_path=st.lists(segments, max_size=3).map(tuple),
    next_hop=st.builds(IPv4Address, u32),
    med=st.none() | u32,
    local_pref=st.none() | u32,
    communities=st.lists(st.tuples(u16, u16), max_size=80).map(tuple),
    large_communities=st.lists(st.tuples(u32, u32, u32), max_size=30).map(tuple),
    mp_reach=st.none()
    | st.builds(
        MpReach,
        st.just(IPV6_UNICAST),
        st.binary(min_size=16, max_size=16),
        ipv6_fields,
    ),
    only_to_customer=st.none() | u32,
    mp_unreach=st.none() | st.builds(MpUnreach, st.just(IPV6_UNICAST), ipv6_fields),
)
capabilities = st.one_of(
    st.builds(Multiprotocol, st.sampled_from([IPV4_UNICAST, IPV6_UNICAST])),
    st.sampled_from([RouteRefreshSupport(), ExtendedMessage(), EnhancedRouteRefresh()]),
    st.builds(BgpRole, u8),
    st.builds(ExtendedNextHop, st.lists(st.tuples(st.builds(Family, u16, u16), u16), max_size=3).map(tuple)),
    st.builds(
        GracefulRestart,
        st.integers(0, RESTART_TIME_MAX),
        st.booleans(),
        st.booleans(),
        st.lists(st.tuples(st.builds(Family, u16, u8), st.booleans()), max_size=3).map(tuple),
    ),
    st.builds(UnknownCapability, st.integers(71, 255), st.binary(max_size=20)),
)
opens = st.builds(open_of, asns, u16, st.builds(IPv4Address, u32), st.lists(capabilities, max_size=5))
messages: st.SearchStrategy[Message] = st.one_of(
    opens,
    st.builds(Update, ipv4_fields, path_attributes, ipv4_fields),
    st.builds(Notification, u8, u8, st.binary(max_size=100)),
    st.just(Keepalive()),
    st.builds(RouteRefresh, st.sampled_from([IPV4_UNICAST, IPV6_UNICAST]), u8),
)


@given(messages)
def test_what_is_written_is_read_back(message: Message) -> None:
    assert read(encode(message)) == [message]


@given(st.sampled_from(MessageType), st.binary(max_size=200), st.booleans())
def test_any_body_is_a_message_or_a_fault_with_its_notification(
    kind: MessageType, body: bytes, four_octet_as: bool
) -> None:
    """And a message that could be read has as many prefixes as it counts."""
    outcome = read(frame(kind, body), four_octet_as=four_octet_as)

    if isinstance(outcome, NotificationError):
        assert read(encode(Notification.answering(outcome))) == [Notification.answering(outcome)]
    else:
        [message] = outcome
        assert not isinstance(message, Update) or len(list(message.nlri)) == len(message.nlri)


@given(messages, st.integers(0, MESSAGE_OCTETS_MAX), u8)
def test_a_damaged_message_is_read_or_refused(message: Message, position: int, octet: int) -> None:
    """One octet changed anywhere: never anything but a message, a fault or a wait for more."""
    damaged = bytearray(encode(message))
    damaged[position % len(damaged)] = octet

    outcome = read(bytes(damaged))

    assert isinstance(outcome, NotificationError) or len(outcome) <= 1


@given(st.lists(messages, max_size=4), st.lists(st.integers(1, 60), max_size=100))
def test_chunks_of_any_size_give_the_same_messages(sent: list[Message], sizes: list[int]) -> None:
    stream = b"".join(map(encode, sent))
    framer, received = Framer(), list[Message]()

    for size in [*sizes, len(stream)]:
        received += [decode_message(*framed) for framed in framer.feed(stream[:size])]
        stream = stream[size:]

    assert received == sent


@given(st.binary(max_size=200))
def test_garbage_is_refused_as_soon_as_a_header_is_there(garbage: bytes) -> None:
    outcome = read(garbage)

    if len(garbage) < 19:
        assert outcome == []
    elif not garbage.startswith(MARKER):
        assert isinstance(outcome, NotificationError)
        assert outcome.subcode is MessageHeaderError.CONNECTION_NOT_SYNCHRONIZED
