"""What a cluster says becomes records for *wire*: the way there does not matter."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from swimlb.model import Pool, Service
from tests.unit.swimlb.watch.test_cluster import HIGH, LOW, Play, begun, resolved, service

NAMES = st.sampled_from(["a", "b", "c"])
ADDRESS = st.sampled_from(["192.0.2.1", "192.0.2.17", "192.0.2.200"])
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("service"), NAMES, st.lists(ADDRESS, max_size=1)),
        st.tuples(st.just("removed"), NAMES, st.just(None)),
        st.tuples(st.just("endpoints"), NAMES, st.frozensets(st.sampled_from(["node-a", "node-b"]))),
        st.tuples(st.just("pools"), st.just(""), st.sets(st.sampled_from([LOW, HIGH]))),
        st.tuples(st.just("work"), st.just(""), st.integers(1, 2)),
    ),
    max_size=20,
)


@given(STEPS)
def test_any_way_to_a_cluster_gives_the_same_records(steps: list[tuple[str, str, Any]]) -> None:
    """Once every Service has moved out of pools that are gone, the table is that of a speaker that starts now."""
    play = begun()
    services: dict[str, Service] = {}
    endpoints: dict[str, frozenset[str]] = {}
    pools: set[Pool] = {LOW, HIGH}
    for kind, name, value in steps:
        match kind:
            case "service":
                services[name] = service(name, *value)
                play.cluster.put_service(services[name])
            case "removed":
                services.pop(name, None)
                play.cluster.remove_service(f"default/{name}")
            case "endpoints":
                endpoints[name] = value
                play.cluster.put_endpoints(f"default/{name}", value)
            case "pools":
                pools = value
                play.cluster.configure(resolved(*sorted(pools, key=lambda one: one.name)))
            case _:
                play.cluster.work(value)
    # The controller takes addresses away that no pool has.
    for name, entry in services.items():
        if not any(all(address in one for address in entry.held_addresses) for one in pools):
            services[name] = service(name)
            play.cluster.put_service(services[name])
    play.settle()

    fresh = Play()
    fresh.cluster.configure(resolved(*sorted(pools, key=lambda one: one.name)))
    for name, nodes in endpoints.items():
        fresh.cluster.put_endpoints(f"default/{name}", nodes)
    for entry in services.values():
        fresh.cluster.put_service(entry)
    fresh.begin()

    assert play.table == fresh.table
    assert play.cluster.keys() == play.table.keys()
