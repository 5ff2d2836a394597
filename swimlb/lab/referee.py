"""Watches the switch and writes down who claims which address, by ARP or by neighbour advertisement (RFC 4861).

It takes nobody's word for ownership.

    python -m swimlb.lab.referee --output PATH       # inside the switch's namespace

It sees each frame as it enters a port of the bridge, replies between two hosts too. One line of JSON for each ARP
packet whose sender gives an address, and for each advertisement with a link-layer address, `[time, port, mac, address,
is_reply, target]`. SIGTERM ends it.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import signal
import socket
import struct
from pathlib import Path
from typing import TextIO

from swimlb.lab.measure import Claim
from swimlb.runtime import clock

_ETH_P_ALL = 0x0003
_ETHERTYPE_ARP = 0x0806
_SO_ATTACH_FILTER = 26
_SO_RCVBUFFORCE = 33
_SOL_PACKET = 263
_PACKET_STATISTICS = 6
_STATISTICS = struct.Struct("@II")
"""Packets that came, and of these: how many found the queue full."""
QUEUE_OCTETS = 16 << 20
"""A node that takes over a thousand addresses announces them all at once, and the bridge shows each frame once for every
port: by the kernel's usual measure, a few hundred frames."""
LOOK_FOR_LOSS_INTERVAL = 0.5
_ETHERNET_OCTETS = 14
_ARP = struct.Struct("!HHBBH6s4s6s4s")
_ARP_IPV4_HEADER = (1, 0x0800, 6, 4)
_ARP_REPLY = 2
_FRAME_OCTETS_MAX = 128
_UNSPECIFIED = "0.0.0.0"  # noqa: S104 - an ARP probe's sender (RFC 5227), no address to bind to.
_BRIDGE = "br0"
_ETHERTYPE_IPV6 = 0x86DD
_NEXT_HEADER_ICMPV6 = 58
_NEIGHBOR_ADVERTISEMENT = 136
_TARGET_LINK_LAYER_ADDRESS = b"\x02\x01"
_IPV6_AND_ICMPV6 = struct.Struct("!6xBx16s16sBxxxBxxx16s2s6s")
"""Next header, source, destination, type, flags, target, the option's type and length, its address."""
_SOLICITED = 0x40

_ONLY_CLAIMS = b"".join(
    struct.pack("HBBI", *instruction)
    for instruction in (
        (0x28, 0, 0, 12),  # ldh [12]
        (0x15, 5, 0, _ETHERTYPE_ARP),
        (0x15, 0, 5, _ETHERTYPE_IPV6),
        (0x30, 0, 0, 20),  # ldb [20]
        (0x15, 0, 3, _NEXT_HEADER_ICMPV6),
        (0x30, 0, 0, 54),  # ldb [54]
        (0x15, 0, 1, _NEIGHBOR_ADVERTISEMENT),
        (0x06, 0, 0, _FRAME_OCTETS_MAX),  # ret #128
        (0x06, 0, 0, 0),  # ret #0
    )
)


def parse_claim(frame: bytes, time: float, port: str) -> Claim | None:
    """The claim that an Ethernet frame makes; None when its sender claims nothing."""
    if frame[12:14] == _ETHERTYPE_IPV6.to_bytes(2, "big"):
        return _parse_advertisement(frame, time, port)
    if len(frame) < _ETHERNET_OCTETS + _ARP.size or frame[12:14] != _ETHERTYPE_ARP.to_bytes(2, "big"):
        return None
    *header, operation, sender_mac, sender, _, target = _ARP.unpack_from(frame, _ETHERNET_OCTETS)
    address = socket.inet_ntoa(sender)
    if tuple(header) != _ARP_IPV4_HEADER or address == _UNSPECIFIED:
        return None
    return Claim(time, port, sender_mac.hex(":"), address, operation == _ARP_REPLY, socket.inet_ntoa(target))


def _parse_advertisement(frame: bytes, time: float, port: str) -> Claim | None:
    if len(frame) < _ETHERNET_OCTETS + _IPV6_AND_ICMPV6.size:
        return None
    next_header, _, destination, kind, flags, target, option, mac = _IPV6_AND_ICMPV6.unpack_from(
        frame, _ETHERNET_OCTETS
    )
    if (next_header, kind, option) != (
        _NEXT_HEADER_ICMPV6,
        _NEIGHBOR_ADVERTISEMENT,
        _TARGET_LINK_LAYER_ADDRESS,
    ):
        return None
    address, heard_by = (socket.inet_ntop(socket.AF_INET6, octets) for octets in (target, destination))
    return Claim(time, port, mac.hex(":"), address, bool(flags & _SOLICITED), heard_by)


def open_tap() -> socket.socket:
    """A socket that gets the claims of all ports of the namespace it is opened in."""
    # All protocols, then a filter: a bridge takes its ports' frames before a tap for one protocol would see them.
    # What comes before the filter is in place, `parse_claim` leaves out.
    tap = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ETH_P_ALL))
    program = ctypes.create_string_buffer(_ONLY_CLAIMS, len(_ONLY_CLAIMS))
    tap.setsockopt(
        socket.SOL_SOCKET,
        _SO_ATTACH_FILTER,
        struct.pack("HxxxxxxP", len(_ONLY_CLAIMS) // 8, ctypes.addressof(program)),
    )
    tap.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, QUEUE_OCTETS)
    missed(tap)  # What came before the filter does not count.
    return tap


def missed(tap: socket.socket) -> int:
    """How many frames have found the queue full since this was asked last."""
    _, dropped = _STATISTICS.unpack(tap.getsockopt(_SOL_PACKET, _PACKET_STATISTICS, _STATISTICS.size))
    return dropped


def watch(tap: socket.socket, output: TextIO) -> None:
    """Write claims down until the process is told to end, or has missed one: who did not see all cannot judge."""
    tap.settimeout(LOOK_FOR_LOSS_INTERVAL)
    look_at = clock.monotonic()
    while True:
        if clock.monotonic() >= look_at:
            if count := missed(tap):
                raise SystemExit(f"{count} frames came faster than they could be read: claims are missing")
            look_at = clock.monotonic() + LOOK_FOR_LOSS_INTERVAL
        try:
            frame, (port, _, kind, *_) = tap.recvfrom(_FRAME_OCTETS_MAX)
        except TimeoutError:
            continue
        # A frame enters by one port, leaves by others, and is shown to the bridge itself: it counts where it enters.
        if kind == socket.PACKET_OUTGOING or port == _BRIDGE:
            continue
        claim = parse_claim(frame, clock.monotonic(), port)
        if claim is not None:
            fields = [claim.time, claim.port, claim.mac, claim.address, claim.is_reply, claim.target]
            output.write(json.dumps(fields) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m swimlb.lab.referee")
    parser.add_argument("--output", required=True, type=Path)
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, _leave)
    with open_tap() as tap, open(options.output, "w", buffering=1) as output:
        watch(tap, output)


def _leave(_signum: int, _frame: object) -> None:
    raise SystemExit(0)


if __name__ == "__main__":
    main()
