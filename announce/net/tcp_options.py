"""What a BGP connection's socket is told before its first packet: TTLs, device, source, authentication.

TCP MD5 (RFC 2385) and TCP-AO (RFC 5925) are keys that the kernel holds for a socket and an address of the peer. A key
of MD5 may be replaced on a connection that is up: segments of the old one are dropped and sent again, so the session
lives on if the router changes its key before the hold timer ends.
"""

from __future__ import annotations

import errno
import os
import socket
import struct
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address
from typing import TypeAlias

IpAddress: TypeAlias = IPv4Address | IPv6Address

_TCP_MD5SIG = 14
_TCP_AO_ADD_KEY, _TCP_AO_DEL_KEY = 38, 39
_IP_MINTTL, _IPV6_MINHOPCOUNT = 21, 73
_DSCP_CS6 = 0xC0
"""Routing protocols go before other traffic in congested networks (RFC 4594)."""
_TTL_MAX = 255
_KEY_OCTETS_MAX = 80
_AO_MAC_OCTETS = 12
"""Both algorithms of RFC 5926 cut their code to 96 bits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AoKeyIds:
    """How both sides name a key of TCP-AO, and what it is used with."""

    send_id: int
    receive_id: int
    algorithm: str
    """The kernel's name, such as `hmac(sha1)`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SocketOptions:
    """Of all connections with one peer."""

    hops_max: int | None = None
    """Packets that came over more hops are dropped (GTSM, RFC 5082); None: no such check."""
    device: str = ""
    """VRF, or the interface of a link-local peer; empty: as the routing table says."""
    ao: AoKeyIds | None = None
    """The password is a key of TCP-AO; None: of TCP MD5."""

    @property
    def ttl_min(self) -> int:
        return 0 if self.hops_max is None else _TTL_MAX + 1 - self.hops_max


@dataclass(frozen=True, slots=True)
class Endpoints:
    """Between whom a connection is to be, and by which secret."""

    peer: IpAddress
    source: IpAddress | None = None
    password: str | None = field(default=None, repr=False)


def prepared_socket(options: SocketOptions, endpoints: Endpoints) -> socket.socket:
    """A socket to connect with, with all options that have to be there before the first packet. Raises OSError."""
    prepared = new_socket(endpoints.peer.version, options.device)
    try:
        limit_hops(prepared, options)
        if endpoints.password is not None:
            set_key(prepared, endpoints.peer, endpoints.password, options.ao)
        if endpoints.source is not None:
            _bind(prepared, str(endpoints.source))
    except BaseException:
        prepared.close()
        raise
    return prepared


def new_socket(version: int, device: str) -> socket.socket:
    """What listening and connecting sockets have in common. Raises OSError.

    Every packet leaves with the highest TTL: a router that checks it (GTSM) takes us then, and no other cares.
    """
    made = socket.socket(socket.AF_INET if version == 4 else socket.AF_INET6, socket.SOCK_STREAM)
    try:
        made.setblocking(False)
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if version == 4:
            made.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, _DSCP_CS6)
            made.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, _TTL_MAX)
        else:
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_TCLASS, _DSCP_CS6)
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS, _TTL_MAX)
        if device:
            _bind_to_device(made, device)
    except BaseException:
        made.close()
        raise
    return made


def limit_hops(connection: socket.socket, options: SocketOptions) -> None:
    """Also on a connection that is up. Raises OSError."""
    if connection.family == socket.AF_INET:
        connection.setsockopt(socket.IPPROTO_IP, _IP_MINTTL, options.ttl_min)
    else:
        connection.setsockopt(socket.IPPROTO_IPV6, _IPV6_MINHOPCOUNT, options.ttl_min)


def set_key(
    connection: socket.socket, peer: IpAddress, password: str | None, ao: AoKeyIds | None = None
) -> None:
    """Set, replace or (None) remove the key for a peer, also on a connection that is up. Raises OSError."""
    key = b"" if password is None else password.encode()
    try:
        if ao is not None and password is None:
            connection.setsockopt(socket.IPPROTO_TCP, _TCP_AO_DEL_KEY, tcp_ao_del(peer, ao))
        elif ao is not None:
            connection.setsockopt(socket.IPPROTO_TCP, _TCP_AO_ADD_KEY, tcp_ao_add(peer, key, ao))
        else:
            connection.setsockopt(socket.IPPROTO_TCP, _TCP_MD5SIG, tcp_md5sig(peer, key))
    except OSError as error:
        if password is None and error.errno in (errno.ENOENT, errno.ENOPROTOOPT):
            return  # There was none, or there never can be one.
        if ao is not None and error.errno in (errno.ENOPROTOOPT, errno.EOPNOTSUPP):
            raise OSError("this kernel has no TCP-AO (Linux 6.7 with CONFIG_TCP_AO has)") from error
        raise


def tcp_md5sig(peer: IpAddress, key: bytes) -> bytes:
    """`struct tcp_md5sig` of linux/tcp.h: the peer's sockaddr_storage, flags, prefix length, key, interface."""
    return struct.pack("=128sBBHi80s", _sockaddr(peer), 0, 0, len(key), 0, key)


def tcp_ao_add(peer: IpAddress, key: bytes, ids: AoKeyIds) -> bytes:
    """`struct tcp_ao_add` of linux/tcp.h.

    Nothing is said of which key is the current one: the only one is, and the kernel takes no such word of a socket that
    listens.
    """
    assert len(key) <= _KEY_OCTETS_MAX
    return struct.pack(
        "=128s64siIHBBBBBB80s",
        _sockaddr(peer),
        ids.algorithm.encode(),
        0,
        0,
        0,
        peer.max_prefixlen,
        ids.send_id,
        ids.receive_id,
        _AO_MAC_OCTETS,
        0,
        len(key),
        key,
    )


def tcp_ao_del(peer: IpAddress, ids: AoKeyIds) -> bytes:
    """`struct tcp_ao_del` of linux/tcp.h."""
    return struct.pack(
        "=128siIH6B",
        _sockaddr(peer),
        0,
        0,
        0,
        peer.max_prefixlen,
        ids.send_id,
        ids.receive_id,
        0,
        0,
        0,
    )


def _sockaddr(address: IpAddress) -> bytes:
    if address.version == 4:
        return struct.pack("=H2x4s", socket.AF_INET, address.packed)
    return struct.pack("=H2x4x16s", socket.AF_INET6, address.packed)


def _bind_to_device(made: socket.socket, device: str) -> None:
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, device.encode() + b"\0")
    except OSError as error:
        raise OSError(f"interface {device}: {words(error)}") from error


def _bind(prepared: socket.socket, source: str) -> None:
    try:
        prepared.bind((source, 0))
    except OSError as error:
        raise OSError(f"source address {source}: {words(error)}") from error


def words(error: BaseException) -> str:
    """The kernel's words: asyncio puts its own in their place."""
    if isinstance(error, OSError) and error.errno:
        return os.strerror(error.errno)
    return str(error) or type(error).__name__
