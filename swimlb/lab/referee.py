"""Watches the switch and writes down who claims which address by ARP: it takes nobody's word for ownership.

    python -m swimlb.lab.referee --output PATH       # inside the switch's namespace

It sees each frame as it enters a port of the bridge, replies between two hosts too. One line of JSON for each ARP
packet whose sender gives an address, `[time, port, mac, address, is_reply, target]`. SIGTERM ends it.
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
_ETHERNET_OCTETS = 14
_ARP = struct.Struct("!HHBBH6s4s6s4s")
_ARP_IPV4_HEADER = (1, 0x0800, 6, 4)
_ARP_REPLY = 2
_FRAME_OCTETS_MAX = 128
_UNSPECIFIED = "0.0.0.0"  # noqa: S104 - an ARP probe's sender (RFC 5227), no address to bind to.
_BRIDGE = "br0"

# ldh [12]; jeq #0x0806, 0, 1; ret #128; ret #0
_ONLY_ARP = b"".join(
    struct.pack("HBBI", *instruction)
    for instruction in (
        (0x28, 0, 0, 12),
        (0x15, 0, 1, _ETHERTYPE_ARP),
        (0x06, 0, 0, _FRAME_OCTETS_MAX),
        (0x06, 0, 0, 0),
    )
)


def parse_claim(frame: bytes, time: float, port: str) -> Claim | None:
    """The claim that an Ethernet frame makes; None when it is no ARP for IPv4, or its sender claims nothing."""
    if len(frame) < _ETHERNET_OCTETS + _ARP.size or frame[12:14] != _ETHERTYPE_ARP.to_bytes(2, "big"):
        return None
    *header, operation, sender_mac, sender, _, target = _ARP.unpack_from(frame, _ETHERNET_OCTETS)
    address = socket.inet_ntoa(sender)
    if tuple(header) != _ARP_IPV4_HEADER or address == _UNSPECIFIED:
        return None
    return Claim(time, port, sender_mac.hex(":"), address, operation == _ARP_REPLY, socket.inet_ntoa(target))


def open_tap() -> socket.socket:
    """A socket that gets the ARP of all ports of the namespace it is opened in."""
    # All protocols, then a filter: a bridge takes its ports' frames before a tap for one protocol would see them.
    # What comes before the filter is in place, `parse_claim` leaves out.
    tap = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ETH_P_ALL))
    program = ctypes.create_string_buffer(_ONLY_ARP, len(_ONLY_ARP))
    tap.setsockopt(
        socket.SOL_SOCKET,
        _SO_ATTACH_FILTER,
        struct.pack("HxxxxxxP", len(_ONLY_ARP) // 8, ctypes.addressof(program)),
    )
    return tap


def watch(tap: socket.socket, output: TextIO) -> None:
    """Write claims down until the process is told to end."""
    while True:
        frame, (port, _, kind, *_) = tap.recvfrom(_FRAME_OCTETS_MAX)
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
