"""How swimlb recognizes the addresses and neighbours that it has put on an interface, also those of an earlier life."""

from __future__ import annotations

from announce.net.rtnetlink import AddressMessage

OUR_PROTOCOL = 0x5B
"""Our IFA_PROTO: a recent `ip address show proto 0x5b` lists what swimlb has put there. Linux before 5.18 ignores it.

The same number marks local routes (`ip -6 route show table local proto 0x5b`) and neighbours (NDA_PROTOCOL)."""

_LABEL_SUFFIX = ":slb"


def label_for(interface: str) -> str:
    """The label of our IPv4 addresses, which every kernel keeps. It has to begin with the interface's name."""
    label = interface + _LABEL_SUFFIX
    assert len(label) <= 15, "IFNAMSIZ leaves 15 octets for a label"
    return label


def is_ours(message: AddressMessage) -> bool:
    return message.protocol == OUR_PROTOCOL or message.label.endswith(_LABEL_SUFFIX)
