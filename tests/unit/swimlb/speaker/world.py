"""Small worlds for tests of the planner and the core."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Any

from swimlb.model import (
    AddressRange,
    Allocation,
    BgpAdvertisement,
    BgpPeer,
    IpAddress,
    L2Advertisement,
    Pool,
    Service,
)
from swimlb.speaker.inventory import Inventory, Record
from swimlb.speaker.presence import Presence

VIP = ip_address("192.0.2.10")
OTHER_VIP = ip_address("192.0.2.11")

POOL = Pool(name="pool", ranges=(AddressRange(ip_address("192.0.2.0"), ip_address("192.0.2.255")),))
ON_LAN = L2Advertisement(name="lan")
TO_ROUTERS = BgpAdvertisement(name="routers")
ROUTER = BgpPeer(name="router", my_asn=64496, peer_asn=64497, peer_address=ip_address("198.51.100.1"))


def allocation(name: str = "web", *addresses: IpAddress, **of_service: Any) -> Allocation:
    service = Service(namespace="default", name=name, **of_service)
    return Allocation(service=service, addresses=addresses or (VIP,), pool="pool")


def inventory(
    *records: Record, this_node: str = "node-a", members: str = "node-a node-b node-c"
) -> Inventory:
    known = Inventory(this_node)
    for record in records:
        known.put(record)
    known.presences = dict.fromkeys(members.split(), Presence())
    return known
