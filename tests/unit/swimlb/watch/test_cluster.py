"""What a cluster says becomes records for *wire*, one change at a time."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address
from typing import Any

from swimlb.config import Resolved
from swimlb.model import (
    AddressRange,
    Allocation,
    Configuration,
    Endpoints,
    Intent,
    L2Advertisement,
    Pool,
    Seeds,
    Service,
    ServicePort,
    TrafficPolicy,
)
from swimlb.model import Protocol as PortProtocol
from swimlb.runtime import records
from swimlb.runtime.replica import Publisher
from swimlb.watch.cluster import NOT_ALLOCATED, NOT_IN_POOL, ClusterRecords


def pool(name: str, first: int, last: int) -> Pool:
    return Pool(
        name=name, ranges=(AddressRange(ip_address(f"192.0.2.{first}"), ip_address(f"192.0.2.{last}")),)
    )


def service(name: str = "web", *addresses: str, **of_service: Any) -> Service:
    held = tuple(map(ip_address, addresses))
    return Service(namespace="default", name=name, held_addresses=held, **of_service)


def resolved(*pools: Pool, lan: str = "lan") -> Resolved:
    return Resolved(Configuration(pools=pools, l2_advertisements=(L2Advertisement(name=lan),)))


LOW, HIGH = pool("low", 0, 15), pool("high", 16, 31)


class Play:
    """The records beside the table that *wire* would have."""

    def __init__(self) -> None:
        self.published = Publisher(records.SCHEMA)
        self.cluster = ClusterRecords(self.published)

    def begin(self) -> None:
        self.cluster.begin()
        self.settle()
        self.published.retain(self.cluster.keys())
        self.sent()

    def settle(self) -> None:
        while self.cluster.is_pending:
            self.cluster.work(3)

    @property
    def table(self) -> dict[str, Any]:
        return {key: records.decode(value) for key, value in self.published.table.items()}

    def sent(self) -> list[str]:
        """Keys of what has gone over the link since the last call, without what begins and ends a batch."""
        frames: list[str] = []
        while (frame := self.published.next_frame()) is not None:
            frames.append(records.msgpack.unpackb(frame)[2])
        return [key for key in frames if key]


def begun(*services: Service, pools: tuple[Pool, ...] = (LOW, HIGH)) -> Play:
    play = Play()
    play.cluster.configure(resolved(*pools))
    for entry in services:
        play.cluster.put_service(entry)
    play.begin()
    return play


def test_a_service_is_announced_with_the_addresses_that_its_status_holds() -> None:
    """From the pool that has them, and with its endpoints, of which there are none as long as no slice tells of any."""
    play = begun(service("web", "192.0.2.20", ports=(ServicePort(PortProtocol.TCP, 80),)))

    assert play.table == {
        "Pool/low": LOW,
        "Pool/high": HIGH,
        "L2Advertisement/lan": L2Advertisement(name="lan"),
        "Endpoints/default/web": Endpoints(service="default/web", nodes=frozenset()),
        "Allocation/default/web": Allocation(
            service=Service(namespace="default", name="web"),
            addresses=(ip_address("192.0.2.20"),),
            pool="high",
        ),
    }


def test_one_changed_service_is_one_record() -> None:
    """Among many; and none when what has changed is nothing that *wire* decides by."""
    play = begun(*(service(f"web-{number}", f"192.0.2.{number}") for number in range(16)))

    changed = service("web-3", "192.0.2.3", traffic_policy=TrafficPolicy.LOCAL)
    play.cluster.put_service(changed)
    play.settle()
    assert play.sent() == ["Allocation/default/web-3"]

    play.cluster.put_service(replace(changed, ports=(ServicePort(PortProtocol.TCP, 81),)))
    play.settle()
    assert play.sent() == []

    play.cluster.put_endpoints("default/web-3", frozenset({"node-a"}))
    assert play.sent() == ["Endpoints/default/web-3"]


def test_endpoints_of_other_services_are_not_told() -> None:
    """A cluster has many Services without an address of ours; but one that gets one is announced with its endpoints."""
    play = begun()
    play.cluster.put_endpoints("default/web", frozenset({"node-a"}))
    assert play.sent() == []

    play.cluster.put_service(service("web", "192.0.2.1"))
    play.settle()

    assert play.sent() == ["Endpoints/default/web", "Allocation/default/web"]
    assert play.table["Endpoints/default/web"].nodes == {"node-a"}


def test_a_service_without_an_address_is_pending() -> None:
    """And says why; what loses its address is withdrawn."""
    play = begun(service("new"), service("odd", "198.51.100.1"), service("web", "192.0.2.1"))
    play.cluster.put_service(service("web"))
    play.settle()

    world = play.cluster.world()
    assert {entry.service.name: entry.reason for entry in world.pending} == {
        "new": NOT_ALLOCATED,
        "odd": NOT_IN_POOL,
        "web": NOT_ALLOCATED,
    }
    assert world.allocations == ()
    assert set(play.sent()) == {"Allocation/default/web", "Endpoints/default/web"}
    assert "Allocation/default/web" not in play.table


def test_an_address_stays_announced_until_the_controller_has_moved_it() -> None:
    """Its pool is gone: its rules are kept until no Service uses it any more."""
    play = begun(service("web", "192.0.2.20"))

    play.cluster.configure(resolved(LOW))
    play.settle()
    assert play.sent() == []
    assert play.table["Pool/high"] == HIGH

    play.cluster.put_service(service("web", "192.0.2.1"))
    play.settle()
    assert play.table["Allocation/default/web"].pool == "low"
    assert "Pool/high" not in play.table
    assert play.cluster.keys() == play.table.keys()


def test_a_pool_that_comes_back_is_a_pool_like_any() -> None:
    """With the addresses that it has then."""
    play = begun(service("web", "192.0.2.20"))
    play.cluster.configure(resolved(LOW))
    play.settle()

    play.cluster.configure(resolved(LOW, replace(HIGH, labels=(("a", "b"),))))
    play.settle()
    play.cluster.remove_service("default/web")
    play.settle()

    assert play.table.keys() == {"Pool/low", "Pool/high", "L2Advertisement/lan"}
    assert play.table["Pool/high"].labels == (("a", "b"),)


def test_a_renamed_pool_takes_its_services_along() -> None:
    """The addresses are the same: nothing but the name is told anew."""
    play = begun(service("web", "192.0.2.20"))

    play.cluster.configure(resolved(LOW, replace(HIGH, name="tall")))
    play.settle()

    assert play.table["Allocation/default/web"].pool == "tall"
    assert play.table.keys() & {"Pool/high", "Pool/tall"} == {"Pool/tall"}


def test_nothing_is_told_before_all_is_known() -> None:
    """Half of it would make *wire* let go of what the last good state has; then what is not known is gone."""
    play = Play()
    last_good: dict[str, bytes] = {}
    for key in ("Allocation/default/web", "Allocation/default/gone", "Intent/own"):
        last_good[key] = b""
    play.published.replace(last_good)

    play.cluster.put_service(service("web", "192.0.2.1"))
    play.cluster.put_endpoints("default/web", frozenset())
    play.cluster.configure(resolved(LOW))
    assert not play.cluster.is_pending
    assert play.published.table == last_good

    play.begin()
    assert play.table.keys() == {
        "Allocation/default/web",
        "Endpoints/default/web",
        "Pool/low",
        "L2Advertisement/lan",
    }


def test_what_is_about_this_node_goes_straight_to_it() -> None:
    """Where others are, in a fixed order, and whether it is to serve."""
    play = begun()
    play.cluster.find_seeds(map(ip_address, ("192.0.2.9", "192.0.2.10", "192.0.2.9")))
    play.cluster.drain("label:maintenance")

    assert play.table[records.SEEDS_KEY] == Seeds(
        addresses=(ip_address("192.0.2.9"), ip_address("192.0.2.10"))
    )
    assert play.table["Intent/own"] == Intent(drained_by="label:maintenance")
    assert play.cluster.keys() == play.table.keys()

    play.cluster.drain(None)
    assert "Intent/own" not in play.table
    assert play.cluster.keys() == play.table.keys()
