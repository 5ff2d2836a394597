"""When routes go out: at once or together, in portions, and how many messages they take."""

from __future__ import annotations

from ipaddress import IPv4Network
from time import process_time

from announce.bgp import (
    BytesReceived,
    BytesSent,
    ConnectionClosed,
    Effect,
    Peer,
    Reconfigured,
    Route,
    RouteAttributes,
    RoutesChanged,
    RoutesUpdated,
    Send,
    State,
)
from announce.bgp.messages import MESSAGE_OCTETS_MAX, RouteRefresh, Update, encode
from announce.bgp.nlri import IPV4_UNICAST
from announce.bgp.peer import OCTETS_AT_ONCE, ROUTES_AT_ONCE
from announce.bgp.table import PREFIXES_AT_ONCE
from tests.unit.announce.bgp.playbook import Playbook, established, routes, sent

SHARED = RouteAttributes(communities=((64496, 1),))


def many(count: int, first: int = 0) -> frozenset[Route]:
    return frozenset(Route(IPv4Network((0x0A000000 + first + n, 32)), SHARED) for n in range(count))


def counts(effects: list[Effect]) -> list[tuple[int, int]]:
    """Of each UPDATE: prefixes announced and withdrawn."""
    return [
        (message.announced_count, message.withdrawn_count)
        for message in sent(effects)
        if isinstance(message, Update)
    ]


def octets(effects: list[Effect]) -> int:
    return sum(len(effect.data) for effect in effects if isinstance(effect, Send))


def unlimited(*prefixes: str) -> Playbook:
    return established(*prefixes, send_octets_max=1 << 30)


def test_a_difference_is_told_like_the_whole() -> None:
    """One UPDATE for one Service among others; removing what is not there is nothing."""
    play = established("198.51.100.1/32", "198.51.100.2/32")

    added = play.at(1.0, RoutesUpdated(added=routes("198.51.100.3/32")))
    removed = play.at(2.0, RoutesUpdated(removed=routes("198.51.100.1/32", "203.0.113.9/32")))
    again = play.at(3.0, RoutesUpdated(added=routes("198.51.100.3/32")))

    assert (counts(added), counts(removed), again) == ([(1, 0)], [(0, 1)], [])
    assert set(play.peer.status().advertised) == routes("198.51.100.2/32", "198.51.100.3/32")


def test_one_of_several_routes_of_a_prefix_goes_and_the_prefix_stays() -> None:
    """As an aggregate, which lives until the last Service that generates it goes."""
    play = established()
    play.at(1.0, RoutesUpdated(added=routes("198.51.100.0/24", med=1) | routes("198.51.100.0/24", med=2)))

    changed = play.at(2.0, RoutesUpdated(removed=routes("198.51.100.0/24", med=1)))
    gone = play.at(3.0, RoutesUpdated(removed=routes("198.51.100.0/24", med=2)))

    [update] = [message for message in sent(changed) if isinstance(message, Update)]
    assert (update.attributes.med, update.withdrawn_count) == (2, 0)
    assert counts(gone) == [(0, 1)]


def test_a_change_goes_at_once_and_those_after_it_together() -> None:
    """The update interval begins with the first."""
    play = established()

    first = play.at(1.0, RoutesUpdated(added=routes("198.51.100.1/32")))
    then = play.at(1.01, RoutesUpdated(added=routes("198.51.100.2/32")))
    then += play.at(1.02, RoutesUpdated(added=routes("198.51.100.3/32")))
    together = play.until(1.05)

    assert (counts(first), then, counts(together)) == ([(1, 0)], [], [(2, 0)])


def test_what_comes_and_goes_within_the_interval_is_never_told() -> None:
    play = established()
    play.at(1.0, RoutesUpdated(added=routes("198.51.100.1/32")))

    play.at(1.01, RoutesUpdated(added=routes("198.51.100.2/32")))
    play.at(1.02, RoutesUpdated(removed=routes("198.51.100.2/32")))

    assert play.until(2.0) == []


def test_no_call_does_much_at_a_time() -> None:
    """And what is left is due at once."""
    play = unlimited()

    effects = play.peer.step(RoutesChanged(many(10 * ROUTES_AT_ONCE)), 1.0)
    portions = [effects]
    while (deadline := play.peer.next_deadline()) is not None and deadline <= 1.0:
        portions.append(play.peer.advance(1.0))

    assert len(portions) > 10
    assert max(map(octets, portions)) <= OCTETS_AT_ONCE + MESSAGE_OCTETS_MAX
    assert sum(announced for portion in portions for announced, _ in counts(portion)) == 10 * ROUTES_AT_ONCE


def test_what_the_kernel_takes_at_once_is_not_made_at_once() -> None:
    """BytesSent comes from within Send as long as there is room in the socket."""
    play = established(send_octets_max=8192)

    effects = play.peer.step(RoutesChanged(many(20_000)), 1.0)
    after = play.peer.step(BytesSent(1, octets(effects)), 1.0)

    assert after == []
    assert play.peer.next_deadline() == 1.0


def test_messages_are_full_although_work_is_done_in_portions() -> None:
    """811 prefixes of 5 octets fit beside these attributes."""
    play = unlimited()

    effects = play.at(1.0, RoutesChanged(many(10_000))) + play.until(2.0)

    announced = [count for count, _ in counts(effects)]
    assert sum(announced) == 10_000
    assert len(announced) <= 10_000 / min(announced[:3]) + 2


def test_withdrawals_pass_by_what_is_still_to_be_announced() -> None:
    """As when a node drains while a slow router still reads."""
    play = established("203.0.113.1/32", send_octets_max=8192)
    play.at(0.0, BytesSent(1, 1 << 20))
    stuck = play.at(1.0, RoutesUpdated(added=many(20_000))) + play.until(1.5)

    play.at(2.0, RoutesUpdated(removed=routes("203.0.113.1/32")))
    effects = play.at(2.1, BytesSent(1, octets(stuck))) + play.until(2.2)

    assert counts(effects)[0] == (0, 1)


def test_a_change_while_portions_are_due_counts() -> None:
    """The whole replaces what has not been taken in yet."""
    play = unlimited()

    play.peer.step(RoutesChanged(many(5000)), 1.0)
    play.peer.step(RoutesChanged(many(3, first=4999)), 1.0)
    play.until(2.0)

    assert set(play.peer.status().advertised) == many(3, first=4999)
    assert play.peer.status().waiting_count == 0


def test_portions_outlive_the_session() -> None:
    play = unlimited()
    play.peer.step(RoutesChanged(many(5000)), 1.0)

    play.at(1.0, ConnectionClosed(1, "end of stream"))
    play.until(1.5)

    assert play.peer.status().waiting_count == 5000


def test_a_refresh_of_many_is_answered_in_portions_too() -> None:
    play = unlimited()
    play.at(1.0, RoutesChanged(many(5000)))
    play.until(2.0)

    first = play.hears(3.0, RouteRefresh(IPV4_UNICAST))
    rest = play.until(4.0)

    assert octets(first) <= OCTETS_AT_ONCE + MESSAGE_OCTETS_MAX
    assert sum(announced for announced, _ in counts([*first, *rest])) == 5000


def test_news_overtakes_what_is_only_told_once_more() -> None:
    """And what went meanwhile is not told again."""
    play = unlimited()
    play.at(1.0, RoutesChanged(many(20_000)))
    play.until(2.0)
    first = play.peer.step(BytesReceived(1, encode(RouteRefresh(IPV4_UNICAST))), 3.0)

    changed = RoutesUpdated(added=routes("198.51.100.1/32"), removed=many(10, first=19_000))
    later = play.peer.step(changed, 3.0) + play.until(4.0)

    of_each = [
        [str(prefix) for prefix in message.nlri] for message in sent(later) if isinstance(message, Update)
    ]
    before = [prefix for prefixes in of_each for prefix in prefixes]
    assert before.index("198.51.100.1/32") < 2 * PREFIXES_AT_ONCE
    assert sum(announced for announced, _ in counts([*first, *later])) == 20_000 - 10 + 1


def test_other_settings_count_without_a_new_session() -> None:
    play = established("198.51.100.1/32")
    config = play.peer.config

    effects = play.at(
        1.0, Reconfigured(established(connect_timeout=9.0, hold_time=30, update_interval=0.5).peer.config)
    )
    play.at(1.0, RoutesUpdated(added=routes("198.51.100.2/32")))
    apart = play.at(1.2, RoutesUpdated(added=routes("198.51.100.3/32")))

    assert effects == []
    assert play.peer.state is State.ESTABLISHED
    assert play.peer.config != config
    assert apart == []
    assert counts(play.until(1.5)) == [(1, 0)]


def test_a_portion_takes_some_milliseconds() -> None:
    """The bound leaves a factor of ten, and one quiet try is enough."""
    assert any(longest_turn() < 0.05 for _ in range(5))


def longest_turn() -> float:
    """Seconds of the processor, of taking in and telling many routes. A busy machine counts all the same, as far as its kernel
    cannot tell what others took, and so does a collection of garbage.
    """
    play, longest = unlimited(), 0.0
    wanted = many(20_000)

    def timed(peer: Peer, event: RoutesChanged | None) -> None:
        nonlocal longest
        begun = process_time()
        if event is None:
            peer.advance(1.0)
        else:
            peer.step(event, 1.0)
        longest = max(longest, process_time() - begun)

    timed(play.peer, RoutesChanged(wanted))
    while (deadline := play.peer.next_deadline()) is not None and deadline <= 1.0:
        timed(play.peer, None)
    return longest
