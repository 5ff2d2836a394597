"""Messages against golden bytes: MetalLB's (which its own tests and ours agree on) and those of RFC diagrams."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address

import pytest

from announce.bgp.attributes import MpReach, Origin, PathAttributes, Segment, SegmentType
from announce.bgp.capabilities import (
    BgpRole,
    EnhancedRouteRefresh,
    ExtendedMessage,
    ExtendedNextHop,
    FourOctetAs,
    GracefulRestart,
    Multiprotocol,
    Role,
    RouteRefreshSupport,
    UnknownCapability,
)
from announce.bgp.errors import (
    CeaseError,
    ErrorCode,
    NotificationError,
    OpenError,
    RouteRefreshError,
    UpdateError,
)
from announce.bgp.messages import (
    MARKER,
    Keepalive,
    Message,
    MessageType,
    Notification,
    Open,
    RouteRefresh,
    Update,
    decode_message,
    decode_open,
    decode_update,
    encode,
)
from announce.bgp.nlri import IPV4_UNICAST, IPV6_UNICAST, Afi, Prefixes


def octets(hexadecimal: str) -> bytes:
    return MARKER + bytes.fromhex(hexadecimal)


def ipv4(*prefixes: str) -> Prefixes:
    return Prefixes.of(map(IPv4Network, prefixes))


def metallb_open(asn: int) -> Open:
    capabilities = (Multiprotocol(IPV4_UNICAST), Multiprotocol(IPV6_UNICAST), FourOctetAs(asn))
    return Open(asn, 90, IPv4Address("10.0.0.1"), capabilities)


VECTORS: list[tuple[Message, bytes]] = [
    (
        metallb_open(64512),
        octets("0031 01 04 fc00 005a 0a000001 14 02 12 0104 0001 0001 0104 0002 0001 4104 0000fc00"),
    ),
    (
        metallb_open(4200000000),
        octets("0031 01 04 5ba0 005a 0a000001 14 02 12 0104 0001 0001 0104 0002 0001 4104 fa56ea00"),
    ),
    (
        Update(
            attributes=PathAttributes(
                origin=Origin.IGP,
                as_path=(Segment(SegmentType.AS_SEQUENCE, (64512,)),),
                next_hop=IPv4Address("10.0.0.1"),
                communities=((65535, 65282),),
            ),
            nlri=ipv4("192.168.1.240/32"),
        ),
        octets("0037 02 0000 001b 40010100 40020602010000fc00 4003040a000001 c00804ffffff02 20c0a801f0"),
    ),
    (
        Update(
            attributes=PathAttributes(
                origin=Origin.IGP, as_path=(), next_hop=IPv4Address("10.0.0.1"), local_pref=0
            ),
            nlri=ipv4("192.168.1.0/24"),
        ),
        octets("0030 02 0000 0015 40010100 400200 4003040a000001 40050400000000 18c0a801"),
    ),
    (
        Update(withdrawn=ipv4("192.168.1.240/32", "192.168.1.0/24")),
        octets("0020 02 0009 20c0a801f0 18c0a801 0000"),
    ),
    (Keepalive(), octets("0013 04")),
    (Notification(ErrorCode.OPEN_MESSAGE, OpenError.BAD_PEER_AS), octets("0015 03 02 02")),
    (Notification.shutdown("gone"), octets("001a 03 06 02 04 676f6e65")),
    (RouteRefresh(IPV6_UNICAST), octets("0017 05 0002 00 01")),
    (RouteRefresh(IPV4_UNICAST, 1), octets("0017 05 0001 01 01")),
    (
        Open(
            64496,
            0,
            IPv4Address("192.0.2.10"),
            (
                ExtendedNextHop(((IPV4_UNICAST, 2),)),
                ExtendedMessage(),
                BgpRole(Role.CUSTOMER),
                GracefulRestart(
                    120,
                    has_restarted=True,
                    keeps_on_notification=True,
                    families=((IPV4_UNICAST, True), (IPV6_UNICAST, False)),
                ),
                EnhancedRouteRefresh(),
            ),
        ),
        octets(
            "003a 01 04 fbf0 0000 c000020a 1d 02 1b 0506 0001 0001 0002 0600 0901 03"
            "400a c078 0001 01 80 0002 01 00 4600"
        ),
    ),
    (
        Update(attributes=PathAttributes(only_to_customer=64496)),
        octets("001e 02 0000 0007 c0 23 04 0000fbf0"),
    ),
    (
        Update(
            attributes=PathAttributes(
                origin=Origin.IGP,
                as_path=(),
                mp_reach=MpReach(IPV4_UNICAST, IPv6Address("fe80::1").packed * 2, ipv4("192.168.1.240/32")),
            )
        ),
        octets(
            "004b 02 0000 0034 40010100 400200 80 0e 2a 0001 01 20"
            "fe800000000000000000000000000001 fe800000000000000000000000000001 00 20c0a801f0"
        ),
    ),
    (Notification.prefix_limit(IPV6_UNICAST, 1000), octets("001c 03 06 01 0002 01 000003e8")),
    (Notification.shutdown("gone").as_hard_reset(), octets("001c 03 06 09 06 02 04 676f6e65")),
]
NAMES = [
    "open",
    "open-as-trans",
    "update-ebgp",
    "update-ibgp",
    "withdraw",
    "keepalive",
    "notification",
    "shutdown",
    "route-refresh",
    "begin-of-route-refresh",
    "open-with-every-capability",
    "update-only-to-customer",
    "update-extended-next-hop",
    "prefix-limit",
    "hard-reset",
]


@pytest.mark.parametrize(("message", "golden"), VECTORS, ids=NAMES)
def test_golden_bytes_are_written_and_read(message: Message, golden: bytes) -> None:
    """Each vector is what we write, and reading it gives the message back."""
    written = encode(message)
    read = decode_message(MessageType(golden[18]), golden[19:])

    assert written == golden
    assert read == message


def test_open_of_a_two_octet_speaker_has_the_as_of_the_fixed_field() -> None:
    """Without the capability there is nothing else, and no capability at all means IPv4 unicast."""
    message = decode_open(bytes.fromhex("04 fbf1 005a c0000201 00"))

    assert message == Open(64497, 90, IPv4Address("192.0.2.1"), ())
    assert message.families == {IPV4_UNICAST}
    assert not message.is_four_octet_as


def test_open_reads_capabilities_in_any_number_of_parameters() -> None:
    """FRR puts each capability into a parameter of its own; unknown ones are kept and harmless, and so is a value
    where none belongs."""
    message = decode_open(bytes.fromhex("04 fbf1 005a c0000201 0e 0202 0200 0203 490158 0203 460100"))

    assert message.capabilities == (
        RouteRefreshSupport(),
        UnknownCapability(73, b"X"),
        EnhancedRouteRefresh(),
    )


def test_open_reads_extended_parameters() -> None:
    """RFC 9072: more than 255 octets of parameters, two octets for each length."""
    message = decode_open(bytes.fromhex("04 fbf1 005a c0000201 ff ff 0005 02 0002 0200"))

    assert message.capabilities == (RouteRefreshSupport(),)


def test_extended_parameters_are_known_by_their_first_type_alone() -> None:
    """RFC 9072 section 2: the length before it is ignored then, whatever it is but 0."""
    message = decode_open(bytes.fromhex("04 fbf1 005a c0000201 01 ff 0005 02 0002 0200"))

    assert message.capabilities == (RouteRefreshSupport(),)


def test_plain_parameters_may_have_255_octets() -> None:
    """As many as RFC 9072 takes for its sign, but their first type is not."""
    message = decode_open(bytes.fromhex("04 fbf1 005a c0000201 ff 02 fd 49 fb") + bytes(251))

    assert message.capabilities == (UnknownCapability(73, bytes(251)),)


@pytest.mark.parametrize(
    ("body", "subcode", "data"),
    [
        ("03 fbf1 005a c0000201 00", OpenError.UNSUPPORTED_VERSION_NUMBER, b"\0\4"),
        ("04 fbf1 005a c0000201 03 0101 00", OpenError.UNSUPPORTED_OPTIONAL_PARAMETER, b""),
        ("04 fbf1 005a c0000201 04 0203 0200", OpenError.UNSPECIFIC, b""),
        ("04 fbf1 005a c0000201 00 00", OpenError.UNSPECIFIC, b""),
        ("04 fbf1 005a c0000201 07 0205 4103 00fbf1", OpenError.UNSPECIFIC, b""),
    ],
    ids=["version", "parameter", "short-capability", "octets-left-over", "short-as"],
)
def test_a_bad_open_is_refused_with_its_subcode(body: str, subcode: OpenError, data: bytes) -> None:
    with pytest.raises(NotificationError) as caught:
        decode_open(bytes.fromhex(body))

    assert (caught.value.subcode, caught.value.data) == (subcode, data)


ATTRIBUTES = "40010100 40020602010000fbf1 400304c0000201"


@pytest.mark.parametrize(
    ("attributes", "fault"),
    [
        ("40010103" + ATTRIBUTES[9:], "ORIGIN 3 is undefined"),
        ("80010100" + ATTRIBUTES[9:], "ORIGIN has flags 0x80"),
        (ATTRIBUTES[9:], "ORIGIN is missing"),
        ("40010100 400304c0000201", "AS_PATH is missing"),
        ("40010100 40020602010000fbf1", "NEXT_HOP is missing"),
        ("40010100 40020602020000fbf1 400304c0000201", "AS_PATH: 4 octets wanted where 0 are left"),
        (ATTRIBUTES + "80040300", "3 octets wanted"),
        (ATTRIBUTES + "800403000000", "MULTI_EXIT_DISC has 3 octets, not 4"),
        (ATTRIBUTES + "c008020000", "COMMUNITIES has 2 octets, no multiple of 4"),
        (ATTRIBUTES + "c0ff", "1 octets wanted"),
    ],
)
def test_a_bad_attribute_makes_the_routes_withdrawn_and_keeps_the_session(
    attributes: str, fault: str
) -> None:
    """RFC 7606: the routes of the message are not used, the session stays."""
    field = bytes.fromhex(attributes)

    update = decode_update(
        b"\0\0" + len(field).to_bytes(2, "big") + field + bytes.fromhex("18c63364"), four_octet_as=True
    )

    assert update.fault is not None
    assert update.fault.startswith(fault)
    assert update.announced_count == 0


@pytest.mark.parametrize(
    ("body", "subcode"),
    [
        ("0005 18c63364 0000", UpdateError.MALFORMED_ATTRIBUTE_LIST),
        ("0000 0010 40010100", UpdateError.MALFORMED_ATTRIBUTE_LIST),
        ("0000 0000 21c633640100", UpdateError.INVALID_NETWORK_FIELD),
        ("0000 0000 18c633", UpdateError.INVALID_NETWORK_FIELD),
        ("0000 0004 40630100", UpdateError.UNRECOGNIZED_WELL_KNOWN_ATTRIBUTE),
        ("0000 000c 800f03000201 800f03000201", UpdateError.MALFORMED_ATTRIBUTE_LIST),
        ("0000 0007 800f0400020181", UpdateError.OPTIONAL_ATTRIBUTE_ERROR),
    ],
    ids=["withdrawn", "attributes", "bits", "cut", "unknown-well-known", "two-unreach", "ipv6-bits"],
)
def test_an_update_whose_prefixes_cannot_be_told_ends_the_session(body: str, subcode: UpdateError) -> None:
    with pytest.raises(NotificationError) as caught:
        decode_update(bytes.fromhex(body), four_octet_as=True)

    assert caught.value.subcode == subcode


def test_a_repeated_attribute_counts_once() -> None:
    """RFC 7606 section 3 (g): the first one stands."""
    field = bytes.fromhex("80040400000001 80040400000002")

    update = decode_update(b"\0\0\0\x0e" + field, four_octet_as=True)

    assert update == Update(attributes=PathAttributes(med=1))


def test_shutdown_text_is_cut_at_a_character_and_read_without_control_characters() -> None:
    """RFC 9003 allows 255 octets of UTF-8; what a stranger sends may end up on a terminal."""
    long = Notification.shutdown("ä" * 200)
    hostile = Notification(ErrorCode.CEASE, CeaseError.ADMINISTRATIVE_SHUTDOWN, b"\x05a\x1b[2J")

    assert len(long.data) == 255
    assert long.communication == "ä" * 127
    assert str(hostile) == "Cease: Administrative Shutdown (a?[2J)"


def test_a_hard_reset_says_what_it_encloses() -> None:
    """RFC 8538 section 3.1; another one inside is not looked into."""
    reset = Notification.shutdown("maintenance").as_hard_reset()

    assert str(reset) == "Cease: Hard Reset: Cease: Administrative Shutdown (maintenance)"
    assert str(reset.as_hard_reset()) == "Cease: Hard Reset: Cease: Hard Reset"


def test_only_the_brackets_of_a_refresh_have_a_fixed_length() -> None:
    """RFC 7313 section 5: the whole message is the data. A plain request may have filters behind it (RFC 5291)."""
    filtered = decode_message(MessageType.ROUTE_REFRESH, bytes.fromhex("0001 00 01 01 40 0000"))
    with pytest.raises(NotificationError) as refused:
        decode_message(MessageType.ROUTE_REFRESH, bytes.fromhex("0001 01 01 00"))

    assert filtered == RouteRefresh(IPV4_UNICAST)
    assert refused.value.subcode is RouteRefreshError.INVALID_MESSAGE_LENGTH
    assert refused.value.data == octets("0018 05 0001 01 01 00")


def test_unknown_codes_are_described_by_number() -> None:
    assert str(Notification(99, 3)) == "error code 99, subcode 3"
    assert str(Notification(ErrorCode.CEASE, 77)) == "Cease: subcode 77"
    assert str(Notification(ErrorCode.OPEN_MESSAGE, 2)) == "Open Message Error: Bad Peer AS"
    assert str(Notification(ErrorCode.HOLD_TIMER_EXPIRED, 0)) == "Hold Timer Expired"


def test_prefixes_drop_the_bits_behind_their_length() -> None:
    """RFC 4271 section 4.3: those are irrelevant."""
    prefixes = Prefixes(Afi.IPV4, bytes.fromhex("17c63365"))

    assert list(prefixes) == [IPv4Network("198.51.100.0/23")]
    assert len(prefixes) == 1
