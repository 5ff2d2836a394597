"""A router of our own that breaks the protocol in every way there is: each fault gets the answer that the RFCs name.

One peer of ours lives through all of it. After each fault it must call again, agree on a session and tell its routes.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import IPv4Address, ip_network

import pytest

from announce.bgp import PeerConfig, Route, RouteAttributes, RoutesChanged
from announce.bgp.errors import (
    CeaseError,
    FsmError,
    MessageHeaderError,
    OpenError,
    Subcode,
    UpdateError,
    code_of,
)
from swimlb.lab import namespaces
from swimlb.lab.sandbox import Sandbox
from tests.interop.live_peer import LivePeer, live_peer

pytestmark = [pytest.mark.interop, pytest.mark.netns]

NODE, ROUTER = "192.0.2.10", "192.0.2.1"
NODE_ASN, ROUTER_ASN = 64496, 64497
PREFIX = bytes((32, 198, 51, 100, 1))
OPEN, UPDATE, NOTIFICATION, KEEPALIVE = 1, 2, 3, 4
PATIENCE = 5.0


def message(
    kind: int, body: bytes = b"", *, length: int | None = None, marker: bytes = b"\xff" * 16
) -> bytes:
    return marker + struct.pack("!HB", 19 + len(body) if length is None else length, kind) + body


def open_message(
    *,
    version: int = 4,
    asn: int = ROUTER_ASN,
    hold_time: int = 90,
    identifier: str = ROUTER,
    options: bytes = b"",
) -> bytes:
    fixed = struct.pack("!BHH4sB", version, asn, hold_time, IPv4Address(identifier).packed, len(options))
    return message(OPEN, fixed + options)


def update(*, withdrawn: bytes = b"", attributes: bytes = b"", nlri: bytes = b"", **lengths: int) -> bytes:
    """An UPDATE; `withdrawn_length` and `attributes_length` may lie."""
    parts = struct.pack("!H", lengths.get("withdrawn_length", len(withdrawn))) + withdrawn
    parts += struct.pack("!H", lengths.get("attributes_length", len(attributes))) + attributes
    return message(UPDATE, parts + nlri)


ORIGIN, AS_PATH = b"\x40\x01\x01\x00", b"\x40\x02\x06\x02\x01" + struct.pack("!I", ROUTER_ASN)
NEXT_HOP = b"\x40\x03\x04" + IPv4Address(ROUTER).packed
FOUR_OCTET_AS = b"\x02\x06\x41\x04" + struct.pack("!I", ROUTER_ASN)
"""The capability, as an optional parameter."""
PROPER_OPEN = open_message(options=FOUR_OCTET_AS)


class Connection:
    """One connection of the node, from the router's end."""

    def __init__(self, opened: socket.socket) -> None:
        opened.settimeout(PATIENCE)
        self._socket = opened
        self._unread = b""

    def send(self, data: bytes) -> None:
        self._socket.sendall(data)

    def read(self) -> tuple[int, bytes] | None:
        """The next message; None at the end of the connection."""
        while len(self._unread) < 19 or len(self._unread) < self._length:
            try:
                more = self._socket.recv(65536)
            except ConnectionResetError:
                return None
            if not more:
                assert not self._unread, "the node closed in the middle of a message"
                return None
            self._unread += more
        whole, self._unread = self._unread[: self._length], self._unread[self._length :]
        assert whole[:16] == b"\xff" * 16
        return whole[18], whole[19:]

    @property
    def _length(self) -> int:
        return int.from_bytes(self._unread[16:18], "big")

    def expect(self, kind: int) -> bytes:
        """The body of the next message of that kind; others may come before."""
        while (one := self.read()) is not None:
            if one[0] == kind:
                return one[1]
        raise AssertionError(f"the node closed without a message of type {kind}")

    def expect_route(self) -> None:
        """The UPDATE that tells the node's route; End-of-RIB may come before."""
        while PREFIX not in self.expect(UPDATE):
            pass

    def rest(self) -> list[tuple[int, bytes]]:
        """All messages up to the end of the connection, which the node has to close."""
        found: list[tuple[int, bytes]] = []
        while (one := self.read()) is not None:
            found.append(one)
        return found

    def open_confirm(self) -> None:
        self.expect(OPEN)
        self.send(PROPER_OPEN)

    def establish(self) -> None:
        self.open_confirm()
        self.send(message(KEEPALIVE))
        self.expect(KEEPALIVE)

    def close(self) -> None:
        self._socket.close()


@dataclass(frozen=True, slots=True)
class Scene:
    live: LivePeer
    listener: socket.socket

    @contextmanager
    def connection(self) -> Generator[Connection]:
        connection = Connection(self.listener.accept()[0])
        try:
            yield connection
        finally:
            connection.close()

    def is_well(self) -> None:
        """The node calls again, agrees, and tells its route."""
        with self.connection() as connection:
            connection.establish()
            connection.expect_route()


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    with Sandbox.create("hostile", base=tmp_path_factory.mktemp("hostile")) as sandbox:
        sandbox.add_namespaces("node", "router")
        node, router = sandbox.namespace("node"), sandbox.namespace("router")
        namespaces.ip_batch([f"link add eth0 type veth peer name eth0 netns {router}"], node)
        for namespace, address in ((node, NODE), (router, ROUTER)):
            namespaces.configure(namespace, addresses={"eth0": f"{address}/24"})
        with namespaces.entered(router):
            listener = socket.create_server((ROUTER, 179))
        listener.settimeout(PATIENCE)
        config = PeerConfig(
            local_asn=NODE_ASN,
            peer_asn=ROUTER_ASN,
            peer_address=IPv4Address(ROUTER),
            connect_retry=(0.05,),
            open_timeout=1.0,
        )
        with listener, live_peer(node, config) as live:
            live.feed(RoutesChanged(frozenset({Route(ip_network("198.51.100.1/32"), RouteAttributes())})))
            yield Scene(live, listener)


def assert_answer(connection: Connection, subcode: Subcode, data: bytes | None = None) -> None:
    """The node's last message is that NOTIFICATION, and it closes."""
    messages = connection.rest()
    assert messages, "the node closed without a word"
    kind, body = messages[-1]
    assert (kind, body[0], body[1]) == (NOTIFICATION, code_of(subcode), subcode)
    assert data is None or body[2:] == data


HEADER_FAULTS = {
    "zeros": (b"\x00" * 19, MessageHeaderError.CONNECTION_NOT_SYNCHRONIZED, None),
    "another protocol": (
        b"SSH-2.0-OpenSSH_9.2p1\r\n",
        MessageHeaderError.CONNECTION_NOT_SYNCHRONIZED,
        None,
    ),
    "half a marker": (
        message(KEEPALIVE, marker=b"\xff" * 15 + b"\xfe"),
        MessageHeaderError.CONNECTION_NOT_SYNCHRONIZED,
        None,
    ),
    "a length below the header": (
        message(KEEPALIVE, length=18),
        MessageHeaderError.BAD_MESSAGE_LENGTH,
        b"\x00\x12",
    ),
    "a length of nothing": (message(KEEPALIVE, length=0), MessageHeaderError.BAD_MESSAGE_LENGTH, b"\x00\x00"),
    "an oversized length": (
        message(OPEN, length=4097),
        MessageHeaderError.BAD_MESSAGE_LENGTH,
        b"\x10\x01",
    ),
    "the largest length": (
        message(OPEN, length=65535),
        MessageHeaderError.BAD_MESSAGE_LENGTH,
        b"\xff\xff",
    ),
    "a KEEPALIVE with a body": (message(KEEPALIVE, b"x"), MessageHeaderError.BAD_MESSAGE_LENGTH, b"\x00\x14"),
    "an OPEN without its fields": (
        message(OPEN, b"\x04"),
        MessageHeaderError.BAD_MESSAGE_LENGTH,
        b"\x00\x14",
    ),
    # RFC 4271 section 6.4 would answer no NOTIFICATION, but 6.1 names this very length.
    "a NOTIFICATION without a code": (
        message(NOTIFICATION, b"\x06"),
        MessageHeaderError.BAD_MESSAGE_LENGTH,
        b"\x00\x14",
    ),
    "an unknown type": (message(9), MessageHeaderError.BAD_MESSAGE_TYPE, b"\x09"),
    "type 0": (message(0), MessageHeaderError.BAD_MESSAGE_TYPE, b"\x00"),
}


@pytest.mark.parametrize("fault", HEADER_FAULTS)
def test_headers_are_refused_as_rfc_4271_section_6_1_says(scene: Scene, fault: str) -> None:
    data, subcode, told = HEADER_FAULTS[fault]

    with scene.connection() as connection:
        connection.expect(OPEN)
        connection.send(data)
        assert_answer(connection, subcode, told)

    scene.is_well()


OPEN_FAULTS = {
    "version 3": (open_message(version=3), OpenError.UNSUPPORTED_VERSION_NUMBER, b"\x00\x04"),
    "version 5": (open_message(version=5), OpenError.UNSUPPORTED_VERSION_NUMBER, b"\x00\x04"),
    "another AS": (open_message(asn=64511), OpenError.BAD_PEER_AS, None),
    "AS 0": (open_message(asn=0), OpenError.BAD_PEER_AS, None),
    "another AS in the capability": (
        open_message(options=b"\x02\x06\x41\x04" + struct.pack("!I", 4200000001)),
        OpenError.BAD_PEER_AS,
        None,
    ),
    "identifier 0.0.0.0": (open_message(identifier="0.0.0.0"), OpenError.BAD_BGP_IDENTIFIER, None),
    "hold time 1": (open_message(hold_time=1), OpenError.UNACCEPTABLE_HOLD_TIME, None),
    "hold time 2": (open_message(hold_time=2), OpenError.UNACCEPTABLE_HOLD_TIME, None),
    "the optional parameter of old": (
        open_message(options=b"\x01\x02\x00\x00"),
        OpenError.UNSUPPORTED_OPTIONAL_PARAMETER,
        None,
    ),
    "an optional parameter longer than the rest": (
        open_message(options=b"\x02\xf0\x41\x04"),
        OpenError.UNSPECIFIC,
        None,
    ),
    "a capability longer than its parameter": (
        open_message(options=b"\x02\x02\x41\x04"),
        OpenError.UNSPECIFIC,
        None,
    ),
}


@pytest.mark.parametrize("fault", OPEN_FAULTS)
def test_opens_are_refused_as_rfc_4271_section_6_2_says(scene: Scene, fault: str) -> None:
    data, subcode, told = OPEN_FAULTS[fault]

    with scene.connection() as connection:
        connection.expect(OPEN)
        connection.send(data)
        assert_answer(connection, subcode, told)

    scene.is_well()


OUT_OF_PLACE = {
    "KEEPALIVE": message(KEEPALIVE),
    "UPDATE": update(),
    "ROUTE-REFRESH": message(5, b"\x00\x01\x00\x01"),
}


@pytest.mark.parametrize("what", OUT_OF_PLACE)
def test_messages_before_the_open_are_an_error_of_the_fsm(scene: Scene, what: str) -> None:
    """RFC 6608."""
    with scene.connection() as connection:
        connection.expect(OPEN)
        connection.send(OUT_OF_PLACE[what])
        assert_answer(connection, FsmError.UNEXPECTED_MESSAGE_IN_OPENSENT)

    scene.is_well()


@pytest.mark.parametrize("what", ["UPDATE", "ROUTE-REFRESH"])
def test_messages_before_the_first_keepalive_are_an_error_of_the_fsm(scene: Scene, what: str) -> None:
    with scene.connection() as connection:
        connection.open_confirm()
        connection.send(OUT_OF_PLACE[what])
        assert_answer(connection, FsmError.UNEXPECTED_MESSAGE_IN_OPENCONFIRM)

    scene.is_well()


def test_an_open_in_a_session_is_an_error_of_the_fsm(scene: Scene) -> None:
    with scene.connection() as connection:
        connection.establish()
        connection.send(PROPER_OPEN)
        assert_answer(connection, FsmError.UNEXPECTED_MESSAGE_IN_ESTABLISHED)

    scene.is_well()


UPDATE_FAULTS = {
    "withdrawn routes beyond the end": (update(withdrawn_length=400), UpdateError.MALFORMED_ATTRIBUTE_LIST),
    "attributes beyond the end": (update(attributes_length=400), UpdateError.MALFORMED_ATTRIBUTE_LIST),
    "a prefix of 33 bits": (
        update(attributes=ORIGIN + AS_PATH + NEXT_HOP, nlri=bytes((33, 1, 2, 3, 4, 5))),
        UpdateError.INVALID_NETWORK_FIELD,
    ),
    "a prefix cut short": (
        update(attributes=ORIGIN + AS_PATH + NEXT_HOP, nlri=bytes((32, 198, 51))),
        UpdateError.INVALID_NETWORK_FIELD,
    ),
}


@pytest.mark.parametrize("fault", UPDATE_FAULTS)
def test_updates_that_cannot_be_taken_apart_end_the_session(scene: Scene, fault: str) -> None:
    """RFC 7606 section 3: only where nobody can tell which prefixes are meant."""
    data, subcode = UPDATE_FAULTS[fault]

    with scene.connection() as connection:
        connection.establish()
        connection.send(data)
        assert_answer(connection, subcode)

    scene.is_well()


BEARABLE = {
    "a bad ORIGIN": update(attributes=b"\x40\x01\x01\x09" + AS_PATH + NEXT_HOP, nlri=PREFIX),
    "no ORIGIN": update(attributes=AS_PATH + NEXT_HOP, nlri=PREFIX),
    "an AS_PATH cut short": update(attributes=ORIGIN + b"\x40\x02\x03\x02\x05\x00" + NEXT_HOP, nlri=PREFIX),
    "an attribute that nobody knows": update(
        attributes=ORIGIN + AS_PATH + NEXT_HOP + b"\xc0\xfa\x02\x01\x02", nlri=PREFIX
    ),
    "an attribute longer than the rest": update(
        attributes=ORIGIN + AS_PATH + NEXT_HOP + b"\xc0\x08\xff\x01", nlri=PREFIX
    ),
}


@pytest.mark.parametrize("fault", BEARABLE)
def test_updates_with_bad_attributes_do_not(scene: Scene, fault: str) -> None:
    """RFC 7606: the routes count as withdrawn, and the session stays. It answers a refresh, so it lives."""
    with scene.connection() as connection:
        connection.establish()
        connection.expect_route()
        connection.send(BEARABLE[fault])
        connection.send(message(KEEPALIVE))
        lost = scene.live.status.sessions_lost
        connection.send(message(5, b"\x00\x01\x00\x01"))
        connection.expect_route()
        assert scene.live.status.sessions_lost == lost

    scene.is_well()


NOTIFICATIONS = {
    "with a known code": bytes((6, CeaseError.ADMINISTRATIVE_RESET)),
    "with an unknown code": b"\xfa\xfb and data of any kind",
    "with half a communication": bytes((6, CeaseError.ADMINISTRATIVE_SHUTDOWN)) + b"\xff\xc3",
}


@pytest.mark.parametrize("state", ["OpenSent", "OpenConfirm", "Established"])
@pytest.mark.parametrize("which", NOTIFICATIONS)
def test_a_notification_is_never_answered(scene: Scene, which: str, state: str) -> None:
    with scene.connection() as connection:
        match state:
            case "OpenSent":
                connection.expect(OPEN)
            case "OpenConfirm":
                connection.open_confirm()
                connection.expect(KEEPALIVE)
            case _:
                connection.establish()
        connection.send(message(NOTIFICATION, NOTIFICATIONS[which]))
        assert NOTIFICATION not in [kind for kind, _ in connection.rest()]

    scene.is_well()


@pytest.mark.parametrize("octets", [0, 1, 18, 25], ids=lambda octets: f"after {octets} octets")
def test_a_router_that_hangs_up_is_called_again(scene: Scene, octets: int) -> None:
    with scene.connection() as connection:
        connection.expect(OPEN)
        connection.send(PROPER_OPEN[:octets])

    scene.is_well()


def test_a_router_that_says_nothing_is_given_up(scene: Scene) -> None:
    with scene.connection() as connection:
        connection.expect(OPEN)
        connection.rest()  # Within PATIENCE, or the test fails.

    scene.is_well()


def test_a_message_may_come_octet_by_octet(scene: Scene) -> None:
    with scene.connection() as connection:
        connection.expect(OPEN)
        for octet in PROPER_OPEN + message(KEEPALIVE):
            connection.send(bytes((octet,)))
        connection.expect_route()

    scene.is_well()
