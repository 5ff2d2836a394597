"""MetalLB's scenarios of allocation (1-24): a controller, and nobody who would announce anything.

An address that was given back may be another Service's at once, as with MetalLB; by default ours keeps it for a minute.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from swimlb.lab.kubernetes.lab import KubernetesLab
from tests.kube.e2e.api import Api, Object
from tests.kube.e2e.objects import dual, namespace, pool, selector, service, unique
from tests.kube.e2e.seen import (
    POOL,
    addresses,
    wait_for_addresses,
    wait_for_event,
    wait_until_pending,
    wait_until_served,
)

ONE = "192.0.2.1"
SHARED = {"allow-shared-ip": "key"}


@pytest.fixture(scope="module", autouse=True)
def controller(cluster: KubernetesLab) -> Iterator[KubernetesLab]:
    """Our controller, started once for all of them."""
    start(cluster)
    try:
        yield cluster
    finally:
        cluster.stop_controller()


def start(lab: KubernetesLab) -> None:
    lab.start_controller("controller", "--quarantine", "0")


def configure(api: Api, *pools: Object, place: str = "default") -> None:
    """Apply pools, and wait until the controller knows them, and the namespace's labels.

    Of one that comes last, and is for that namespace alone, a Service there has got an address.
    """
    name = unique("witness")
    only = {"namespaceSelectors": [selector(**{"kubernetes.io/metadata.name": place})]}
    api.apply(*pools, pool(name, "198.51.100.99/32", serviceAllocation=only))
    api.apply(service(name, namespace=place, annotations={"address-pool": name}))
    wait_until_served(api, name, namespace=place)
    api.delete("Service", name, place)
    api.delete("IPAddressPool", name)


def cluster_ip(name: str) -> Object:
    one = service(name)
    return {**one, "spec": {**one["spec"], "type": "ClusterIP"}}


def one_address_and_two_services(api: Api) -> tuple[str, str]:
    """The first has the only address, and the second waits for it."""
    first, second = unique("first"), unique("second")
    api.apply(pool("one", f"{ONE}/32"), service(first))
    wait_for_addresses(api, first, ONE)
    api.apply(service(second))
    wait_until_pending(api, second)
    return first, second


def test_who_waits_gets_the_address_of_a_service_that_becomes_a_cluster_ip(api: Api) -> None:
    first, second = one_address_and_two_services(api)

    api.apply(cluster_ip(first))

    wait_for_addresses(api, second, ONE)
    assert addresses(api, first) == {first: ()}


def test_who_waits_gets_the_address_of_a_service_that_is_deleted(api: Api) -> None:
    first, second = one_address_and_two_services(api)

    api.delete("Service", first)

    wait_for_addresses(api, second, ONE)


def test_five_restarts_of_the_controller_change_nothing(api: Api, controller: KubernetesLab) -> None:
    """Two Services keep the two addresses, and two others go on waiting."""
    served, waiting = [unique("served") for _ in range(2)], [unique("waiting") for _ in range(2)]
    api.apply(pool("two", "192.0.2.0/31"), *map(service, served))
    for name in served:
        wait_until_served(api, name)
    api.apply(*map(service, waiting))
    for name in waiting:
        wait_until_pending(api, name)
    before = addresses(api, *served, *waiting)

    for _ in range(5):
        controller.stop_controller()
        start(controller)
        # Whoever comes after a restart is told that there is nothing left: the controller has decided on all.
        newcomer = unique("newcomer")
        api.apply(service(newcomer))
        wait_until_pending(api, newcomer)
        assert addresses(api, *served, *waiting) == before


def sharing(name: str, port: int, app: str, policy: str) -> Object:
    return service(name, app=app, ports=((port, "TCP"),), annotations=SHARED, externalTrafficPolicy=policy)


def test_sharing_follows_the_traffic_policies_and_selectors_of_both(api: Api) -> None:
    """Cluster with Cluster, Local with Local of the same selector; whoever does not fit any more loses the address."""
    first, second = unique("first"), unique("second")
    api.apply(pool("one", f"{ONE}/32"), sharing(first, 80, "a", "Cluster"))
    wait_for_addresses(api, first, ONE)
    api.apply(sharing(second, 81, "a", "Cluster"))
    wait_for_addresses(api, second, ONE)
    before = api.get("Service", first)

    api.apply(sharing(second, 81, "a", "Local"))
    wait_until_pending(api, second)
    # Nobody has touched it, and nothing is under way that would.
    assert api.get("Service", first) == before

    api.apply(sharing(first, 80, "a", "Local"))
    wait_for_addresses(api, second, ONE)
    assert addresses(api, first) == {first: (ONE,)}

    api.apply(sharing(first, 80, "b", "Local"))
    wait_until_pending(api, first)
    assert addresses(api, second) == {second: (ONE,)}

    api.apply(sharing(second, 81, "b", "Local"))
    wait_for_addresses(api, first, ONE)
    assert addresses(api, second) == {second: (ONE,)}


def test_without_pools_no_service_has_an_address(api: Api) -> None:
    name = unique("served")
    api.apply(pool("a", "192.0.2.0/30"), pool("b", "198.51.100.0/30"), service(name))
    wait_until_served(api, name)

    api.delete_all("IPAddressPool")

    wait_until_pending(api, name)
    assert POOL not in api.get("Service", name)["metadata"].get("annotations", {})


def test_a_service_of_a_deleted_pool_moves_to_the_other_one(api: Api) -> None:
    name = unique("served")
    api.apply(pool("a", f"{ONE}/32"), service(name))
    wait_for_addresses(api, name, ONE)
    api.apply(pool("b", "198.51.100.1/32"))

    api.delete("IPAddressPool", "a")

    moved = wait_for_addresses(api, name, "198.51.100.1")
    assert moved["metadata"]["annotations"][POOL] == "b"
    wait_for_event(api, name, "ClearAssignment")


FIRST, SECOND, LAST = "192.0.2.1", "198.51.100.1", "203.0.113.1"
"""The only addresses of the pools of the next tests, in the order in which they are to be used."""


def pools_in_order(first: Object, second: Object) -> tuple[Object, ...]:
    """Two pinned pools, and one that is for everybody. The names are in another order."""
    return (
        pool("z", f"{FIRST}/32", serviceAllocation={"priority": 20, **first}),
        pool("y", f"{SECOND}/32", serviceAllocation={"priority": 30, **second}),
        pool("x", f"{LAST}/32"),
    )


def expect_order(api: Api, place: str = "default", labels: dict[str, str] | None = None) -> None:
    """One Service after the other gets the only address of one pool after the other."""
    for address in (FIRST, SECOND, LAST):
        name = unique("ordered")
        api.apply(service(name, namespace=place, labels=labels))
        wait_for_addresses(api, name, address, namespace=place)


@pytest.fixture
def place(api: Api) -> Iterator[str]:
    """A namespace of the test's own, labelled `team=blue`."""
    name = unique("place")
    api.apply(namespace(name, team="blue"))
    try:
        yield name
    finally:
        # They would wait for addresses of others until their namespace is gone.
        api.delete_all("Service", name)
        api.wait("Service", lambda left: not left, f"all Services of {name} to be gone", namespace=name)
        api.delete("Namespace", name)


BLUE = [selector(team="blue")]


def test_pools_for_a_namespace_are_used_in_the_order_of_their_priorities(api: Api, place: str) -> None:
    configure(api, *pools_in_order({"namespaces": [place]}, {"namespaces": [place]}), place=place)
    expect_order(api, place)


def test_pools_with_a_priority_alone_are_used_in_its_order(api: Api) -> None:
    configure(api, *pools_in_order({}, {}))
    expect_order(api)


def test_pools_for_namespaces_by_name_and_by_label(api: Api, place: str) -> None:
    configure(api, *pools_in_order({"namespaces": [place]}, {"namespaceSelectors": BLUE}), place=place)
    expect_order(api, place)


def test_pools_for_services_by_label(api: Api) -> None:
    configure(api, *pools_in_order({"serviceSelectors": BLUE}, {"serviceSelectors": BLUE}))
    expect_order(api, labels={"team": "blue"})


def test_pools_for_services_by_label_in_a_namespace(api: Api, place: str) -> None:
    both = {"namespaces": [place], "serviceSelectors": [selector(app="web")]}
    configure(api, *pools_in_order(both, both), place=place)

    stranger = unique("stranger")
    api.apply(service(stranger, labels={"app": "web"}))
    wait_for_addresses(api, stranger, LAST)
    api.delete("Service", stranger)
    expect_order(api, place, labels={"app": "web"})


def test_pools_for_namespaces_by_label(api: Api, place: str) -> None:
    configure(api, *pools_in_order({"namespaceSelectors": BLUE}, {"namespaceSelectors": BLUE}), place=place)
    expect_order(api, place)


def test_a_namespace_that_is_relabelled_may_use_another_pool(api: Api, place: str) -> None:
    """The next Service in it: those that are there keep what they have."""
    either = {"matchExpressions": [{"key": "team", "operator": "In", "values": ["blue", "red"]}]}
    api.apply(
        pool(
            "z",
            "192.0.2.0/31",
            serviceAllocation={"priority": 20, "namespaceSelectors": [selector(team="red")]},
        ),
        pool("y", f"{SECOND}/32", serviceAllocation={"priority": 30, "namespaceSelectors": [either]}),
    )
    before, witness, after = unique("before"), unique("witness"), unique("after")
    api.apply(service(before, namespace=place))
    wait_for_addresses(api, before, SECOND, namespace=place)
    api.apply(service(witness, namespace=place, annotations={"address-pool": "z"}))
    wait_until_pending(api, witness, place)

    api.apply(namespace(place, team="red"))
    wait_for_addresses(api, witness, "192.0.2.0", namespace=place)
    api.apply(service(after, namespace=place))

    wait_for_addresses(api, after, "192.0.2.1", namespace=place)
    assert addresses(api, before, namespace=place) == {before: (SECOND,)}


ANY4, ANY6 = "192.0.2.0/30", "2001:db8::/126"


def first_of(*pools: str) -> tuple[str, ...]:
    return tuple(one.partition("/")[0] for one in pools)


def test_prefer_dual_stack_takes_a_pool_with_both_families(api: Api) -> None:
    name = unique("prefer")
    configure(api, pool("a4", "198.51.100.0/30"), pool("b6", "2001:db8:1::/126"), pool("c", ANY4, ANY6))

    api.apply(service(name, **dual("Prefer")))

    wait_for_addresses(api, name, *first_of(ANY4, ANY6))


@pytest.mark.parametrize(
    ("families", "wanted"),
    [(("IPv4", "IPv6"), ANY4), (("IPv6", "IPv4"), ANY6)],
    ids=["IPv4 first", "IPv6 first"],
)
def test_prefer_dual_stack_takes_its_first_family_where_pools_have_one(
    api: Api, families: tuple[str, str], wanted: str
) -> None:
    name = unique("prefer")
    configure(api, pool("a6", ANY6), pool("b4", ANY4))

    api.apply(service(name, **dual("Prefer", *families)))

    wait_for_addresses(api, name, *first_of(wanted))


def test_prefer_dual_stack_gets_the_other_address_when_its_pool_does(api: Api) -> None:
    name = unique("prefer")
    api.apply(pool("grows", ANY4), service(name, **dual("Prefer")))
    wait_for_addresses(api, name, *first_of(ANY4))

    api.apply(pool("grows", ANY4, ANY6))

    wait_for_addresses(api, name, *first_of(ANY4, ANY6))
    wait_for_event(api, name, "IPAllocated", f'Assigned additional IP "{first_of(ANY6)[0]}"')


def test_require_dual_stack_has_both_or_none(api: Api) -> None:
    """A Service that prefers both, requires both, and prefers them again, with a pool of one family."""
    name = unique("dual")
    api.apply(pool("four", ANY4), service(name, **dual("Prefer")))
    wait_for_addresses(api, name, *first_of(ANY4))

    api.apply(service(name, **dual("Require")))
    wait_until_pending(api, name)

    api.apply(service(name, **dual("Prefer")))
    wait_for_addresses(api, name, *first_of(ANY4))


def test_prefer_dual_stack_does_not_move_for_another_pool(api: Api) -> None:
    name, newcomer = unique("prefer"), unique("newcomer")
    api.apply(pool("four", ANY4), service(name, **dual("Prefer")))
    before = wait_for_addresses(api, name, *first_of(ANY4))

    api.apply(pool("both", "198.51.100.0/30", ANY6), service(newcomer, **dual("Require")))
    wait_until_served(api, newcomer, 2)

    assert api.get("Service", name)["status"] == before["status"]


def test_a_dual_service_moves_when_its_pool_loses_a_family(api: Api) -> None:
    name = unique("dual")
    api.apply(pool("shrinks", ANY4, ANY6), service(name, **dual("Require")))
    wait_for_addresses(api, name, *first_of(ANY4, ANY6))

    api.apply(pool("shrinks", ANY4), pool("other", "198.51.100.0/30", "2001:db8:1::/126"))

    wait_for_addresses(api, name, "198.51.100.0", "2001:db8:1::")


def wait_for_counts(api: Api, name: str, four: tuple[int, int], six: tuple[int, int]) -> None:
    """Assigned and available addresses of a pool, by its status."""

    def judge(pools: list[Any]) -> bool:
        status = pools[0].get("status", {})
        found = [
            status.get(f"{what}{family}") for family in ("IPv4", "IPv6") for what in ("assigned", "available")
        ]
        return found == [*four, *six]

    api.wait("IPAddressPool", judge, f"{name} to count {four} and {six}", name=name)


def test_the_counts_of_a_pool_follow_services_and_its_own_edits(api: Api) -> None:
    name = unique("counted")
    api.apply(pool("counted", ANY4, ANY6))
    wait_for_counts(api, "counted", (0, 4), (0, 4))

    api.apply(service(name, **dual("Require")))
    wait_for_counts(api, "counted", (1, 3), (1, 3))

    api.apply(pool("counted", "192.0.2.0/29", ANY6))
    wait_for_counts(api, "counted", (1, 7), (1, 3))

    api.delete("Service", name)
    wait_for_counts(api, "counted", (0, 8), (0, 4))


@pytest.mark.parametrize("is_automatic", [True, False], ids=["autoAssign", "not autoAssign"])
@pytest.mark.parametrize(
    ("family", "pools"),
    [("IPv4", ("192.0.2.0/31", "198.51.100.0/31")), ("IPv6", ("2001:db8::/127", "2001:db8:1::/127"))],
    ids=["ipv4", "ipv6"],
)
def test_a_service_gets_an_address_of_the_pool_that_it_names(
    api: Api, family: str, pools: tuple[str, str], is_automatic: bool
) -> None:
    """Of one that is not for everybody, too. The Services before it keep theirs."""
    earlier, name = [unique("earlier") for _ in range(2)], unique("named")
    api.apply(pool("a", pools[0]), *(service(one, ipFamilies=[family]) for one in earlier))
    for one in earlier:
        wait_until_served(api, one)
    before = addresses(api, *earlier)

    api.apply(
        pool("b", pools[1], autoAssign=is_automatic),
        service(name, ipFamilies=[family], annotations={"address-pool": "b"}),
    )

    served = wait_for_addresses(api, name, *first_of(pools[1]))
    assert served["metadata"]["annotations"][POOL] == "b"
    assert addresses(api, *earlier) == before


def test_a_service_of_another_class_never_gets_an_address(api: Api) -> None:
    """A Service that comes after it is served, and it is left as it was."""
    foreign, ours = unique("foreign"), unique("ours")
    api.apply(pool("a", ANY4), service(foreign, loadBalancerClass="example.com/other"))
    before = api.get("Service", foreign)

    api.apply(service(ours))
    wait_until_served(api, ours)

    assert api.get("Service", foreign) == before
