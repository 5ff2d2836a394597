"""All speakers die at once and are started again: what clients lose by a router that keeps their routes, and by one that does not."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import pytest

from swimlb.lab.router import FAMILIES
from swimlb.lab.waiting import wait_until
from tests.kube.e2e.bgp.routers import EXTERNAL, GUEST, NODES_ASN, OTHER_ASN, POLL_INTERVAL, Place, peer_name
from tests.kube.e2e.bgp.scene import Scene, of, pools, prefixes_of
from tests.kube.e2e.objects import PORT, peer, service
from tests.kube.e2e.objects import bgp as advertisement
from tests.kube.e2e.seen import wait_for_answer

PLACES = (GUEST, EXTERNAL)
RESTARTED_WITHIN = 60.0
"""Three speakers start at once, on a machine with other work."""
SAMPLES_MIN = 5
"""Fewer would not say much. Speakers take two seconds to start."""
Answers = Mapping[tuple[str, str], list[bool]]
"""By router and family: whether a client there was answered, time after time while speakers were away."""


@pytest.fixture(scope="module")
def answers(scene: Scene) -> Iterator[Answers]:
    """One restart of all speakers. The guest has agreed on graceful restart with them, the standing routers have not."""
    try:
        addresses = _serve(scene)
        yield _restart(scene, addresses)
    finally:
        scene.clear()


def _serve(bgp: Scene) -> dict[str, str]:
    """A Service's addresses by family, once all routers lead to them."""
    neighbours = [one for family in FAMILIES for one in bgp.routers.neighbours(family, helps_restart=True)]
    bgp.routers.tell_guest(*neighbours)
    bgp.apply(*pools("dual"), advertisement())
    for family in FAMILIES:
        name = peer_name(GUEST.name, family)
        address = GUEST.addresses[family]
        bgp.apply(peer(name, address, NODES_ASN, OTHER_ASN, enableGracefulRestart=True))
    addresses = bgp.serve(service("web", **of("dual")), families=2)
    bgp.routers.wait_for(dict.fromkeys(prefixes_of(addresses), bgp.nodes), *PLACES)
    _wait_for_answers(bgp, addresses)
    return dict(zip(FAMILIES, addresses, strict=True))


def _restart(bgp: Scene, addresses: Mapping[str, str]) -> Answers:
    wanted = {prefix: set(bgp.nodes) for prefix in prefixes_of(tuple(addresses.values()))}
    found: dict[tuple[str, str], list[bool]] = {
        (place.name, family): [] for place in PLACES for family in addresses
    }

    def are_told() -> bool:
        """Clients ask once more; whether by then all routes are there, and none of them is from before."""
        for place in PLACES:
            for family, address in addresses.items():
                found[place.name, family].append(_is_answered(bgp, place, address))
        tables = [bgp.routers.table(place.name) for place in PLACES]
        are_there = all({prefix: set(paths) for prefix, paths in one.items()} == wanted for one in tables)
        are_fresh = not any(
            path.is_stale for one in tables for paths in one.values() for path in paths.values()
        )
        return are_there and are_fresh

    for node in bgp.nodes:
        bgp.lab.kill(node)
    what = "the routers to notice"
    wait_until(lambda: not are_told(), timeout=RESTARTED_WITHIN, what=what, interval=POLL_INTERVAL)
    for node in bgp.nodes:
        bgp.lab.start(node)
    what = "all routes to be told again"
    wait_until(are_told, timeout=RESTARTED_WITHIN, what=what, interval=POLL_INTERVAL)
    bgp.stand()
    _wait_for_answers(bgp, addresses.values())
    return found


def _wait_for_answers(bgp: Scene, addresses: Iterable[str]) -> None:
    for place in PLACES:
        for address in addresses:
            wait_for_answer(bgp.lab, address, client=place.host)


def _is_answered(bgp: Scene, place: Place, address: str) -> bool:
    """By a new connection: a socket that is open may keep a way that its kernel has lost."""
    try:
        return bgp.lab.get(address, PORT, client=place.host).status == 200
    except OSError:
        return False


@pytest.mark.parametrize("family", FAMILIES)
def test_with_graceful_restart_nothing_is_lost_while_speakers_restart(answers: Answers, family: str) -> None:
    found = answers[GUEST.name, family]

    assert len(found) >= SAMPLES_MIN
    assert all(found)


@pytest.mark.parametrize("family", FAMILIES)
def test_without_graceful_restart_clients_wait_while_speakers_restart(answers: Answers, family: str) -> None:
    found = answers[EXTERNAL.name, family]

    assert found.count(False) >= SAMPLES_MIN
