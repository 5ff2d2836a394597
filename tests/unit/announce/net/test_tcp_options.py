"""What sockets are told, read back from the kernel, and the structures that it is told by."""

from __future__ import annotations

import errno
import socket
import struct
from contextlib import closing
from ipaddress import IPv4Address, IPv6Address

import pytest

from announce.net.tcp_options import (
    AoKeyIds,
    Endpoints,
    IpAddress,
    SocketOptions,
    limit_hops,
    prepared_socket,
    set_key,
    tcp_ao_add,
    tcp_ao_del,
    tcp_md5sig,
)

V4, V6 = IPv4Address("127.0.0.1"), IPv6Address("::1")
AO = AoKeyIds(send_id=100, receive_id=101, algorithm="hmac(sha1)")


@pytest.mark.parametrize("peer", [V4, V6])
def test_packets_leave_with_the_highest_ttl_and_may_come_from_anywhere(peer: IpAddress) -> None:
    with closing(prepared_socket(SocketOptions(), Endpoints(peer))) as made:
        assert ttls(made) == (255, 0)


@pytest.mark.parametrize("peer", [V4, V6])
@pytest.mark.parametrize(("hops", "lowest"), [(1, 255), (2, 254), (254, 2)])
def test_packets_from_further_off_are_dropped(peer: IpAddress, hops: int, lowest: int) -> None:
    """RFC 5082: who is one hop away, or none, sends 255."""
    with closing(prepared_socket(SocketOptions(hops_max=hops), Endpoints(peer))) as made:
        assert ttls(made) == (255, lowest)

        limit_hops(made, SocketOptions())
        assert ttls(made) == (255, 0)


def ttls(made: socket.socket) -> tuple[int, int]:
    """Of what is sent, and the lowest one that is taken."""
    if made.family == socket.AF_INET:
        return made.getsockopt(socket.IPPROTO_IP, socket.IP_TTL), made.getsockopt(socket.IPPROTO_IP, 21)
    level = socket.IPPROTO_IPV6
    return made.getsockopt(level, socket.IPV6_UNICAST_HOPS), made.getsockopt(level, 73)


def test_an_interface_that_is_not_there_is_named() -> None:
    with pytest.raises(OSError, match="interface red: No such device"):
        prepared_socket(SocketOptions(device="red"), Endpoints(V4))


def test_a_source_that_is_not_there_is_named() -> None:
    with pytest.raises(OSError, match=r"source address 192\.0\.2\.1: Cannot assign requested address"):
        prepared_socket(SocketOptions(), Endpoints(V4, IPv4Address("192.0.2.1")))


def test_a_key_that_was_never_set_can_be_removed() -> None:
    with closing(prepared_socket(SocketOptions(), Endpoints(V4))) as made:
        set_key(made, V4, None)


def test_the_structure_of_tcp_md5() -> None:
    packed = tcp_md5sig(IPv4Address("192.0.2.1"), b"secret")

    assert len(packed) == 216
    assert packed[:8] == struct.pack("=HH", socket.AF_INET, 0) + bytes([192, 0, 2, 1])
    assert packed[128:142] == bytes([0, 0, 6, 0, 0, 0, 0, 0]) + b"secret"


def test_the_structure_of_tcp_ao() -> None:
    """`struct tcp_ao_add` has 288 octets. The only key is the current one without a word, which listeners would refuse."""
    packed = tcp_ao_add(IPv6Address("2001:db8::1"), b"secret", AO)

    assert len(packed) == 288
    assert packed[:24] == struct.pack("=HHI", socket.AF_INET6, 0, 0) + IPv6Address("2001:db8::1").packed
    assert packed[128:192].rstrip(b"\0") == b"hmac(sha1)"
    assert packed[192:208] == struct.pack("=iIH", 0, 0, 0) + bytes([128, 100, 101, 12, 0, 6])
    assert packed[208:].rstrip(b"\0") == b"secret"


def test_the_structure_that_removes_a_key_of_tcp_ao() -> None:
    """`struct tcp_ao_del` has 144 octets."""
    packed = tcp_ao_del(V4, AO)

    assert len(packed) == 144
    assert packed[:8] == struct.pack("=HH", socket.AF_INET, 0) + V4.packed
    assert packed[128:] == struct.pack("=iIH", 0, 0, 0) + bytes([32, 100, 101, 0, 0, 0])


def test_a_kernel_without_tcp_ao_is_told_of() -> None:
    """Not a session without authentication."""
    with closing(socket.socket()) as made:
        if _has_tcp_ao(made):
            set_key(made, V4, "secret", AO)
            return
        with pytest.raises(OSError, match="this kernel has no TCP-AO"):
            set_key(made, V4, "secret", AO)


def _has_tcp_ao(made: socket.socket) -> bool:
    """Reading TCP_AO_INFO of a socket without keys is refused in another way where there is TCP-AO at all."""
    try:
        made.getsockopt(socket.IPPROTO_TCP, 40, 64)
    except OSError as error:
        return error.errno != errno.ENOPROTOOPT
    return True
