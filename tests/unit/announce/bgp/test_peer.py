"""The session of a peer: coming up, being refused, dying, coming back, and the planned stop."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from ipaddress import IPv4Address, ip_address
from typing import Any

import pytest

from announce.bgp import (
    IPV4_UNICAST,
    BytesReceived,
    BytesSent,
    CloseConnection,
    Connect,
    ConnectionClosed,
    ConnectionEstablished,
    ConnectionFailed,
    EndKind,
    EndReason,
    InvalidConfig,
    Notification,
    Peer,
    PeerConfig,
    RoutesChanged,
    RoutesReceived,
    Send,
    SessionEnded,
    SessionEstablished,
    Started,
    State,
    Stopped,
    StopRequested,
)
from announce.bgp.attributes import Origin, PathAttributes, Segment, SegmentType
from announce.bgp.errors import (
    CeaseError,
    ErrorCode,
    FsmError,
    MessageHeaderError,
    OpenError,
    Subcode,
    code_of,
)
from announce.bgp.messages import Keepalive, Message, MessageType, Open, RouteRefresh, Update, encode
from announce.bgp.nlri import IPV6_UNICAST, Prefixes
from tests.unit.announce.bgp.playbook import (
    CAPABILITIES,
    CONFIG,
    LOCAL,
    REMOTE,
    Latest,
    established,
    idle,
    open_sent,
    router_open,
    routes,
    sent,
)

CONNECT = Connect(connection=1, address=REMOTE, port=179)


def told(subcode: Subcode, data: bytes = b"") -> Notification:
    return Notification(code_of(subcode), subcode, data)


def ends(effects: Iterable[object]) -> list[SessionEnded]:
    return [effect for effect in effects if isinstance(effect, SessionEnded)]


def update(*prefixes: str) -> Update:
    nlri = Prefixes.of(route.prefix for route in sorted(routes(*prefixes), key=lambda route: route.prefix))
    path = PathAttributes(
        origin=Origin.IGP, as_path=(Segment(SegmentType.AS_SEQUENCE, (64496,)),), next_hop=LOCAL
    )
    return Update(attributes=path, nlri=nlri)


END_OF_RIB = Update()


# Coming up.


def test_dials_when_started() -> None:
    play = idle()

    effects = play.at(1.0, Started())

    assert effects == [CONNECT]
    assert play.peer.state is State.CONNECT


def test_offers_itself_in_open_once_connected() -> None:
    """The router ID is the local address unless one is configured."""
    play = idle()
    play.at(0.0, Started())

    effects = play.connects(0.5)

    [message] = sent(effects)
    assert isinstance(message, Open)
    assert (message.asn, message.hold_time, message.identifier) == (64496, 90, LOCAL)
    assert message.families == {IPV4_UNICAST, IPV6_UNICAST}
    assert play.peer.state is State.OPEN_SENT


def test_is_established_by_open_and_keepalive() -> None:
    """Both may come in one segment. The smaller hold time counts, and families that both name."""
    play = open_sent()

    effects = play.hears(1.0, router_open(hold_time=30), Keepalive())

    assert effects == [
        Send(1, encode(Keepalive())),
        SessionEstablished(
            local_address=LOCAL,
            router_id=LOCAL,
            remote_asn=64497,
            remote_router_id=REMOTE,
            hold_time=30,
            families=frozenset({IPV4_UNICAST}),
            is_four_octet_as=True,
            remote_capabilities=CAPABILITIES,
        ),
        Send(1, encode(END_OF_RIB)),
    ]


def test_messages_may_come_in_any_pieces() -> None:
    play = open_sent()
    stream = encode(router_open()) + encode(Keepalive())

    for octet in stream:
        play.at(1.0, BytesReceived(1, bytes((octet,))))

    assert play.peer.state is State.ESTABLISHED


@pytest.mark.parametrize(
    ("config", "local", "expected"),
    [
        ({"router_id": IPv4Address("198.51.100.7")}, "192.0.2.10", "198.51.100.7"),
        ({}, "192.0.2.10", "192.0.2.10"),
        ({"node_name": "node1"}, "2001:db8::1", "64.37.239.133"),
        ({"node_name": "worker-a"}, "2001:db8::1", "84.33.83.87"),
    ],
)
def test_router_id(config: dict[str, Any], local: str, expected: str) -> None:
    """Configured, else the IPv4 address of the session, else MetalLB's checksum of the node's name."""
    play = idle(**config)
    play.at(0.0, Started())

    [message] = sent(play.at(0.0, ConnectionEstablished(1, ip_address(local))))

    assert isinstance(message, Open)
    assert message.identifier == IPv4Address(expected)


# Being refused.


@pytest.mark.parametrize(
    ("offer", "answer", "words"),
    [
        (
            router_open(asn=64511, capabilities=()),
            told(OpenError.BAD_PEER_AS),
            "it says it is AS 64511, we expect AS 64497",
        ),
        (router_open(hold_time=2), told(OpenError.UNACCEPTABLE_HOLD_TIME), "a hold time of 2 s"),
        (
            router_open(identifier="0.0.0.0"),
            told(OpenError.BAD_BGP_IDENTIFIER),
            "its BGP Identifier is 0.0.0.0",
        ),
        (
            Keepalive(),
            told(FsmError.UNEXPECTED_MESSAGE_IN_OPENSENT),
            "Keepalive in state OpenSent",
        ),
    ],
    ids=["as", "hold-time", "identifier", "keepalive"],
)
def test_an_unacceptable_open_is_answered_and_reported(
    offer: Message, answer: Notification, words: str
) -> None:
    play = open_sent()

    effects = play.hears(1.0, offer)

    reason = EndReason(EndKind.PROTOCOL_ERROR, f"the peer broke the protocol: {words}", answer)
    assert effects == [
        Send(1, encode(answer)),
        CloseConnection(1),
        SessionEnded(reason, was_established=False, retry_in=1.0),
    ]
    assert play.peer.state is State.IDLE


def test_the_first_fault_in_the_order_of_the_rfc_is_the_one_that_is_answered() -> None:
    play = open_sent()

    effects = play.hears(1.0, router_open(asn=64511, hold_time=1, identifier="0.0.0.0", capabilities=()))

    assert sent(effects) == [told(OpenError.BAD_PEER_AS)]


def test_an_internal_peer_must_have_another_identifier() -> None:
    """RFC 6286: within one AS identifiers are unique."""
    play = open_sent(peer_asn=64496)

    effects = play.hears(1.0, router_open(asn=64496, identifier=str(LOCAL), capabilities=()))

    assert sent(effects) == [told(OpenError.BAD_BGP_IDENTIFIER)]


def test_a_notification_of_the_peer_is_reported_with_its_reason() -> None:
    """A NOTIFICATION is never answered by another."""
    play = open_sent()

    effects = play.hears(1.0, told(OpenError.BAD_PEER_AS))

    text = (
        "the peer ended the session: Open Message Error: Bad Peer AS; it expects another AS of us than 64496"
    )
    reason = EndReason(EndKind.NOTIFICATION_RECEIVED, text, told(OpenError.BAD_PEER_AS))
    assert effects == [CloseConnection(1), SessionEnded(reason, was_established=False, retry_in=1.0)]


def test_garbage_is_answered_by_connection_not_synchronized() -> None:
    play = open_sent()

    effects = play.at(1.0, BytesReceived(1, b"HTTP/1.1 400 Bad Request\r\n\r\n"))

    assert sent(effects) == [told(MessageHeaderError.CONNECTION_NOT_SYNCHRONIZED)]


def test_nothing_behind_a_fault_is_read() -> None:
    play = open_sent()

    effects = play.hears(1.0, Keepalive(), router_open(), Keepalive())

    assert sent(effects) == [told(FsmError.UNEXPECTED_MESSAGE_IN_OPENSENT)]
    assert play.peer.state is State.IDLE


@pytest.mark.parametrize(
    ("messages", "subcode"),
    [
        ([router_open(), router_open()], FsmError.UNEXPECTED_MESSAGE_IN_OPENCONFIRM),
        ([router_open(), update("198.51.100.0/24")], FsmError.UNEXPECTED_MESSAGE_IN_OPENCONFIRM),
        ([router_open(), Keepalive(), router_open()], FsmError.UNEXPECTED_MESSAGE_IN_ESTABLISHED),
    ],
)
def test_a_message_out_of_turn_is_an_fsm_error(messages: list[Message], subcode: FsmError) -> None:
    """RFC 6608 names the state in the subcode."""
    play = open_sent()

    effects = play.hears(1.0, *messages)

    assert sent(effects)[-1] == told(subcode)


# Trying again.


def test_waits_longer_after_each_failure() -> None:
    play = idle()
    play.at(0.0, Started())
    waits: list[float | None] = []

    for _ in range(7):
        effects = play.at(play.now, ConnectionFailed(play.connection, "Connection refused"))
        waits += [end.retry_in for end in ends(effects)]
        play.until(play.peer.next_deadline() or 0.0)

    assert waits == [1.0, 2.0, 4.0, 8.0, 16.0, 16.0, 16.0]


def test_a_failed_attempt_is_reported_and_repeated() -> None:
    play = idle()
    play.at(0.0, Started())

    failed = play.at(0.5, ConnectionFailed(1, "Connection refused"))
    state = play.peer.state
    repeated = play.until(1.5)

    text = "no connection to 192.0.2.1 port 179: Connection refused"
    assert failed == [SessionEnded(EndReason(EndKind.CONNECT_FAILED, text), False, retry_in=1.0)]
    assert state is State.ACTIVE
    assert repeated == [replace(CONNECT, connection=2)]


@pytest.mark.parametrize(
    ("messages", "expected"),
    [([], State.ACTIVE), ([router_open()], State.IDLE), ([router_open(), Keepalive()], State.IDLE)],
    ids=["OpenSent", "OpenConfirm", "Established"],
)
def test_the_end_of_the_connection_in_each_state(messages: list[Message], expected: State) -> None:
    """RFC 4271 section 8.2.2, Event 18: only OpenSent goes back to Active. None of them closes once more."""
    play = open_sent()
    play.hears(1.0, *messages)
    was_established = play.peer.state is State.ESTABLISHED

    effects = play.at(2.0, ConnectionClosed(1, "Connection reset by peer"))

    text = "the peer closed the connection: Connection reset by peer"
    assert effects == [
        SessionEnded(EndReason(EndKind.CONNECTION_CLOSED, text), was_established, retry_in=1.0)
    ]
    assert play.peer.state is expected


def test_an_attempt_without_an_answer_is_given_up() -> None:
    """The connection that comes after all, too late, is not ours any more."""
    play = idle(password="secret")
    play.at(0.0, Started())

    effects = play.until(5.0)
    late = play.at(5.1, ConnectionEstablished(1, LOCAL))

    text = (
        "no connection to 192.0.2.1 port 179: no answer within 5 s; is the password the same on both sides?"
    )
    assert effects == [
        CloseConnection(1),
        SessionEnded(EndReason(EndKind.CONNECT_FAILED, text), False, retry_in=1.0),
    ]
    assert late == []


def test_a_peer_that_says_nothing_after_connecting_is_given_up() -> None:
    play = open_sent()

    effects = play.until(10.0)

    assert sent(effects) == [Notification(ErrorCode.HOLD_TIMER_EXPIRED, 0)]
    assert ends(effects)[0].reason.kind is EndKind.OPEN_TIMEOUT


def test_a_peer_that_refuses_after_open_is_not_called_in_a_hot_loop() -> None:
    """Reaching Established for a moment is no success: the waits go on growing."""
    play = idle()
    play.at(0.0, Started())
    waits: list[float | None] = []

    for _ in range(6):
        play.connects(play.now)
        play.hears(play.now, router_open(), Keepalive())
        effects = play.hears(play.now + 1.0, told(CeaseError.CONNECTION_REJECTED))
        waits.append(ends(effects)[0].retry_in)
        play.until(play.peer.next_deadline() or 0.0)

    assert waits == [1.0, 2.0, 4.0, 8.0, 16.0, 16.0]


def test_a_session_that_held_for_a_while_starts_the_waits_anew() -> None:
    play = idle()
    play.at(0.0, Started())
    for _ in range(3):
        play.at(play.now, ConnectionFailed(play.connection, "Connection refused"))
        play.until(play.peer.next_deadline() or 0.0)
    play.connects(play.now)
    play.hears(play.now, router_open(), Keepalive())

    effects = play.at(play.now + 30.0, ConnectionClosed(play.connection, "end of stream"))

    assert [end.retry_in for end in ends(effects)] == [1.0]


def test_events_of_a_connection_that_was_given_up_are_ignored() -> None:
    """The shell may have them in flight when the core closes."""
    play = established()
    play.at(1.0, ConnectionClosed(1, "end of stream"))
    play.until(2.0)

    effects = play.at(2.0, BytesReceived(1, b"x" * 19), ConnectionClosed(1, "again"), BytesSent(1, 19))

    assert effects == []
    assert play.peer.state is State.CONNECT


# Staying alive.


def test_keepalives_go_out_every_third_of_the_hold_time() -> None:
    play = established(remote=router_open(hold_time=9))
    times: list[float] = []

    while play.now < 8.9:
        effects = play.until(min(play.peer.next_deadline() or 8.9, 8.9))
        times += [play.now for message in sent(effects) if message == Keepalive()]

    assert times == [3.0, 6.0]


def test_keepalives_go_out_before_the_peer_has_sent_its_first() -> None:
    """RFC 4271: the KeepaliveTimer runs in OpenConfirm already, or a slow peer's HoldTimer would expire."""
    play = open_sent()
    play.hears(0.0, router_open(hold_time=3))

    effects = play.until(1.0)

    assert play.peer.state is State.OPEN_CONFIRM
    assert play.peer.status().session is None
    assert sent(effects) == [Keepalive()]


def test_a_silent_peer_is_dead_after_the_hold_time() -> None:
    """And is told so, in case it only seems dead."""
    play = established(remote=router_open(hold_time=9))
    play.hears(4.0, Keepalive())

    before = play.until(12.9)
    effects = play.until(13.0)

    assert ends(before) == []
    notification = Notification(ErrorCode.HOLD_TIMER_EXPIRED, 0)
    text = "nothing heard from the peer for the hold time of 9 s"
    assert effects == [
        Send(1, encode(notification)),
        CloseConnection(1),
        SessionEnded(
            EndReason(EndKind.HOLD_TIMER_EXPIRED, text, notification), was_established=True, retry_in=1.0
        ),
    ]
    assert play.peer.status().sessions_lost == 1


def test_hold_time_zero_means_no_keepalives_and_no_expiry() -> None:
    play = established(remote=router_open(hold_time=0))
    play.at(0.0, BytesSent(1, 1 << 20))

    effects = play.until(100_000.0)

    assert effects == []
    assert play.peer.state is State.ESTABLISHED


def test_a_peer_that_takes_nothing_is_given_up() -> None:
    """RFC 9687: it may well go on sending KEEPALIVEs."""
    play = established(send_hold_time=20.0, remote=router_open(hold_time=0))

    effects = play.until(20.0)

    assert sent(effects) == [Notification(ErrorCode.SEND_HOLD_TIMER_EXPIRED, 0)]


def test_with_a_long_hold_time_a_peer_may_take_nothing_for_twice_as_long() -> None:
    """RFC 9687: eight minutes, or that where it is more."""
    play = established(hold_time=600, remote=router_open(hold_time=600))

    play.hears(590.0, Keepalive())
    play.hears(1180.0, Keepalive())

    before, after = sent(play.until(1199.0)), sent(play.until(1200.0))
    assert all(message == Keepalive() for message in before)
    assert after[-1] == Notification(ErrorCode.SEND_HOLD_TIMER_EXPIRED, 0)


# Routes.


def test_a_new_session_tells_all_routes_and_then_end_of_rib() -> None:
    play = open_sent()
    play.at(0.5, RoutesChanged(routes("198.51.100.2/32", "198.51.100.1/32")))

    effects = play.hears(1.0, router_open(), Keepalive())

    assert sent(effects) == [Keepalive(), update("198.51.100.1/32", "198.51.100.2/32"), END_OF_RIB]
    assert set(play.peer.status().advertised) == routes("198.51.100.1/32", "198.51.100.2/32")


def test_a_change_sends_only_the_difference() -> None:
    play = established("198.51.100.1/32", "198.51.100.2/32")

    effects = play.at(1.0, RoutesChanged(routes("198.51.100.2/32", "198.51.100.3/32")))
    same = play.at(2.0, RoutesChanged(routes("198.51.100.3/32", "198.51.100.2/32")))

    withdrawal = Update(withdrawn=Prefixes.of(route.prefix for route in routes("198.51.100.1/32")))
    assert sent(effects) == [withdrawal, update("198.51.100.3/32")]
    assert same == []


def test_routes_are_told_again_in_the_next_session() -> None:
    play = established("198.51.100.1/32")
    play.at(1.0, ConnectionClosed(1, "Connection reset by peer"))
    between = play.peer.status()
    play.until(2.0)
    play.connects(2.0)

    effects = play.hears(2.0, router_open(), Keepalive())

    assert (between.advertised, between.waiting_count) == ((), 1)
    assert sent(effects) == [Keepalive(), update("198.51.100.1/32"), END_OF_RIB]


def test_route_refresh_is_answered_with_all_routes() -> None:
    play = established("198.51.100.1/32")

    effects = play.hears(1.0, RouteRefresh(IPV4_UNICAST))
    flood = play.hears(2.0, *([RouteRefresh(IPV4_UNICAST)] * 100))
    bracket = play.hears(3.0, RouteRefresh(IPV4_UNICAST, subtype=1))

    assert sent(effects) == [update("198.51.100.1/32")]
    assert sent(flood) == [update("198.51.100.1/32")]
    assert bracket == []


def test_routes_of_the_peer_are_counted() -> None:
    play = established()

    effects = play.hears(1.0, update("198.51.100.1/32", "198.51.100.2/32"), update("198.51.100.3/32"))

    assert effects == [RoutesReceived(announced=3, withdrawn=0)]
    assert play.peer.status().routes_received == 3


def test_messages_are_counted_by_their_type() -> None:
    """The End-of-RIB is an UPDATE, too."""
    play = established("198.51.100.1/32")

    play.hears(1.0, update("198.51.100.2/32"), Keepalive())
    play.hears(2.0, Notification(ErrorCode.CEASE, CeaseError.ADMINISTRATIVE_RESET))

    status = play.peer.status()
    assert status.sent == {MessageType.OPEN: 1, MessageType.KEEPALIVE: 1, MessageType.UPDATE: 2}
    assert status.received == {
        MessageType.OPEN: 1,
        MessageType.KEEPALIVE: 2,
        MessageType.UPDATE: 1,
        MessageType.NOTIFICATION: 1,
    }


def test_a_stuck_peer_gets_no_more_than_it_has_room_for() -> None:
    """And when it reads again, it is told the newest state."""
    play = established(send_octets_max=8192)
    play.at(0.0, BytesSent(1, 1 << 20))
    many = routes(*(f"198.51.{third}.{fourth}/32" for third in range(40) for fourth in range(256)))

    stuck = play.at(1.0, RoutesChanged(many)) + play.until(2.0)
    more = play.at(2.0, RoutesChanged(routes())) + play.until(3.0)
    octets = sum(len(effect.data) for effect in stuck if isinstance(effect, Send))
    last = play.at(3.0, BytesSent(1, octets)) + play.until(4.0)

    announced = sum(message.announced_count for message in sent(stuck) if isinstance(message, Update))
    withdrawn = sum(message.withdrawn_count for message in sent(last) if isinstance(message, Update))
    assert octets < 8192 + 4096
    assert more == []
    assert announced == withdrawn > 0


# Stopping.


def test_a_planned_stop_withdraws_waits_and_says_why() -> None:
    """Routers take a while to install a withdrawal: the session must not go before."""
    play = established("198.51.100.1/32")

    withdrawn = play.at(1.0, StopRequested("node-a is being drained"))
    stopped = play.until(1.3)

    notification = Notification.shutdown("node-a is being drained")
    reason = EndReason(EndKind.STOPPED, "stopped by us", notification)
    assert sent(withdrawn) == [Update(withdrawn=update("198.51.100.1/32").nlri)]
    assert stopped == [
        Send(1, encode(notification)),
        CloseConnection(1),
        SessionEnded(reason, was_established=True, retry_in=None),
        Stopped(),
    ]
    assert play.peer.next_deadline() is None
    assert play.peer.status().sessions_lost == 0


def test_without_routes_there_is_nothing_to_wait_for() -> None:
    play = established()

    effects = play.at(1.0, StopRequested())

    assert effects[-1] == Stopped()
    assert sent(effects) == [Notification.shutdown()]
    assert play.peer.status().sessions_lost == 0


def test_a_stop_is_bounded_even_if_the_peer_takes_nothing() -> None:
    play = established(send_octets_max=1)
    play.at(0.0, BytesSent(1, 1 << 20))
    play.at(0.5, BytesSent(1, 1 << 20), RoutesChanged(routes("198.51.100.1/32")))

    effects = play.at(1.0, StopRequested())
    stopped = play.until(3.0)

    assert effects == []
    assert stopped[-1] == Stopped()


def test_a_stop_ends_early_when_the_session_does() -> None:
    play = established("198.51.100.1/32")
    play.at(1.0, StopRequested())

    effects = play.at(1.1, ConnectionClosed(1, "end of stream"))

    assert effects[-1] == Stopped()


def test_a_stop_while_dialling_gives_up_the_attempt() -> None:
    play = idle()
    play.at(0.0, Started())

    effects = play.at(1.0, StopRequested())
    after = play.at(2.0, Started(), RoutesChanged(routes("198.51.100.1/32")), StopRequested())

    assert effects == [CloseConnection(1), Stopped()]
    assert after == []


def test_routes_that_come_during_a_stop_are_not_advertised() -> None:
    play = established("198.51.100.1/32")
    play.at(1.0, StopRequested())

    effects = play.at(1.1, RoutesChanged(routes("198.51.100.1/32")))

    assert effects == []


# Shape.


def test_advancing_early_or_twice_is_harmless() -> None:
    play = established("198.51.100.1/32")
    deadline = play.peer.next_deadline()
    assert deadline is not None

    early = play.peer.advance(deadline - 1.0)
    once = play.peer.advance(deadline)
    twice = play.peer.advance(deadline)

    assert early == []
    assert sent(once) == [Keepalive()]
    assert twice == []


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("local_asn", 0),
        ("peer_asn", 1 << 32),
        ("peer_port", 0),
        ("hold_time", 2),
        ("keepalive_time", 0.0),
        ("router_id", IPv4Address("0.0.0.0")),
        ("password", ""),
        ("password", "x" * 81),
        ("connect_retry", ()),
        ("families", ()),
    ],
)
def test_settings_that_cannot_work_are_refused_by_field(field: str, value: object) -> None:
    with pytest.raises(InvalidConfig) as caught:
        replace(CONFIG, **{field: value})  # pyright: ignore[reportArgumentType]

    assert caught.value.field == field


def test_a_password_is_not_shown() -> None:
    config = PeerConfig(local_asn=64496, peer_asn=64497, peer_address=REMOTE, password="hunter2")

    [connect] = Peer(config, Latest(0)).step(Started(), 0.0)

    assert "hunter2" not in repr(config) + repr(connect)
