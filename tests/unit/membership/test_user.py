from __future__ import annotations

from dataclasses import replace

import pytest

from membership import (
    CloseStream,
    OpenStream,
    PacketReceived,
    SendPacket,
    StreamAccepted,
    StreamEnded,
    StreamFailed,
    StreamReceived,
    UserBroadcastRequested,
    UserMessageFailed,
    UserMessageReceived,
    UserMessageRequested,
)
from membership.user import PAYLOAD_OCTETS_MAX
from membership.wire.messages import Ping, User, encode
from membership.wire.packet import with_crc
from membership.wire.stream import encode_user
from tests.unit.membership.playbook import CALM, Playbook, alive, endpoint, sent, told


def test_by_packet() -> None:
    """At once, with a CRC, and without news beside it."""
    play = Playbook("node-b", "node-c")

    effects = play.at(3.0, UserMessageRequested("node-c", b"hello"))

    assert effects == [SendPacket(endpoint(3), with_crc(encode(User(b"hello"))))]


def test_by_stream() -> None:
    """It is over when the receiver closes; nothing is told then."""
    play = Playbook("node-b")

    effects = play.at(3.0, UserMessageRequested("node-b", b"hello" * 1000, is_reliable=True))
    after = play.at(3.1, StreamEnded(1))

    assert effects == [OpenStream(1, endpoint(2), encode_user(b"hello" * 1000), CALM.stream_timeout)]
    assert after == [CloseStream(1)]


def test_a_stream_that_breaks_is_told() -> None:
    """The application decides what that means; nothing is sent a second time."""
    play = Playbook("node-b")
    play.at(3.0, UserMessageRequested("node-b", b"hello", is_reliable=True))

    effects = play.at(3.1, StreamFailed(1, "ECONNREFUSED"))

    assert effects == [CloseStream(1), UserMessageFailed("node-b", "ECONNREFUSED")]


def test_gossip() -> None:
    """As often as any news, each time to some members; then it is gone."""
    play = Playbook("node-b", "node-c")

    effects = play.at(3.0, UserBroadcastRequested(b"hello"))
    effects += play.run_until(10.0)

    assert [message for _, message in sent(effects)] == [User(b"hello")] * CALM.retransmit_mult
    assert play.memberlist.depths().broadcasts == 0


def test_gossip_leaves_the_room_to_news_of_members() -> None:
    """A packet takes these first; what has no room waits for the next one."""
    play = Playbook("node-b", profile=replace(CALM, packet_octets_max=1200))
    play.at(3.0, UserBroadcastRequested(bytes(1100)))

    effects = play.hear(3.0, alive("node-c", meta=bytes(300)), Ping(1, "node-a"))
    later = play.run_until(3.5)

    assert not any(isinstance(message, User) for _, message in sent(effects))
    assert (endpoint(2), User(bytes(1100))) in sent(later)
    assert all(len(effect.payload) <= 1205 for effect in told(effects + later, SendPacket))


@pytest.mark.parametrize(
    ("request_", "failure"),
    [
        (UserMessageRequested("node-x", b""), UserMessageFailed("node-x", "unknown-member")),
        (UserMessageRequested("node-b", bytes(1400)), UserMessageFailed("node-b", "too-long")),
        (
            UserMessageRequested("node-b", bytes(PAYLOAD_OCTETS_MAX + 1), is_reliable=True),
            UserMessageFailed("node-b", "too-long"),
        ),
        (UserBroadcastRequested(bytes(1400)), UserMessageFailed(None, "too-long")),
    ],
)
def test_requests_that_cannot_be_met(
    request_: UserMessageRequested | UserBroadcastRequested, failure: UserMessageFailed
) -> None:
    """They say why, and send nothing."""
    assert Playbook("node-b").at(3.0, request_) == [failure]


def test_the_queue_of_gossip_is_capped() -> None:
    """The application is told, and what waits is kept."""
    play = Playbook("node-b")

    effects = [play.at(3.0, UserBroadcastRequested(b"%d" % number)) for number in range(257)]

    assert effects[:256] == [[]] * 256
    assert effects[256] == [UserMessageFailed(None, "queue-full")]


def test_receiving() -> None:
    """By packet and by stream; who sent it is the address it came from."""
    play = Playbook("node-b")

    by_packet = play.at(3.0, PacketReceived(endpoint(2), encode(User(b"hello"))))
    play.at(3.0, StreamAccepted(-1, endpoint(3)))
    by_stream = play.at(3.0, StreamReceived(-1, encode_user(b"hello")))

    assert by_packet == [UserMessageReceived(endpoint(2), b"hello")]
    assert by_stream == [UserMessageReceived(endpoint(3), b"hello"), CloseStream(-1)]
