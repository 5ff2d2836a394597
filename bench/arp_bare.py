"""The least that a process in Python does to answer ARP, for a benchmark: no event loop, no rules, one table, until SIGTERM.

python -m bench.arp_bare --first 198.18.0.1 --count 10000
"""

from __future__ import annotations

import argparse
import socket
from ipaddress import IPv4Address

from announce.l2 import arp
from swimlb.runtime.priority import take_precedence

_ETH_P_ARP = 0x0806


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.arp_bare")
    parser.add_argument("--first", required=True, type=IPv4Address)
    parser.add_argument("--count", required=True, type=int)
    options = parser.parse_args()
    take_precedence()
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ETH_P_ARP)) as link:
        link.bind(("eth0", _ETH_P_ARP))
        mac = link.getsockname()[4]
        addresses = [options.first + number for number in range(options.count)]
        replies = {address.packed: arp.reply_template(mac, address) for address in addresses}
        recv, send = link.recv, link.send
        # The first one tells that it is there.
        for frame in arp.announcement(mac, options.first):
            send(frame)
        while True:
            question = recv(128)
            template = replies.get(question[38:42])
            if template is not None and question[21] == arp.Operation.REQUEST:
                send(arp.reply(template, question[22:28], question[28:32]))


if __name__ == "__main__":
    main()
