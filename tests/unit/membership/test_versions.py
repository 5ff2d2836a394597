"""A member whose delegate versions are left open takes on those of the ring that it meets."""

from __future__ import annotations

from random import Random

from membership import (
    CloseStream,
    Config,
    Effect,
    Endpoint,
    Event,
    JoinCompleted,
    JoinFailure,
    JoinRequested,
    MemberJoined,
    Memberlist,
    OpenStream,
    SendStream,
    Started,
    StreamAccepted,
    StreamReceived,
)
from membership.wire.stream import NodeState, PushPull, StreamDecoder, encode_push_pull
from tests.unit.membership.playbook import CALM, endpoint, octets, told

SERF = bytes((1, 5, 2, 2, 5, 5))
NONE = bytes((1, 5, 2, 0, 0, 0))


def row(name: str, number: int, versions: bytes) -> NodeState:
    return NodeState(name, octets(number), 7946, b"", 1, 0, versions)


class Newcomer:
    def __init__(self, delegate_versions: tuple[int, int, int] | None = None) -> None:
        config = Config(name="node-a", address="192.0.2.1", delegate_versions=delegate_versions, profile=CALM)
        self._memberlist = Memberlist(config, Random(1))
        self.happen(Started())

    def happen(self, *events: Event) -> list[Effect]:
        return [effect for event in events for effect in self._memberlist.step(event, 1.0)]

    def names(self) -> list[str]:
        return [member.name for member in self._memberlist.members()]


def our_versions(effect: OpenStream | SendStream) -> bytes:
    table = StreamDecoder().feed(effect.payload)
    assert isinstance(table, PushPull)
    return table.nodes[0].versions


def test_joins_once_more_with_the_rings_versions() -> None:
    """The first join is refused there, and harmless; the second one says what the ring says."""
    newcomer = Newcomer()
    answer = encode_push_pull([row("node-b", 2, SERF)], is_join=True)

    first = told(newcomer.happen(JoinRequested((endpoint(2),))), OpenStream)
    second = newcomer.happen(StreamReceived(1, answer))
    third = newcomer.happen(StreamReceived(2, answer))

    assert [our_versions(stream) for stream in first] == [NONE]
    assert [our_versions(stream) for stream in told(second, OpenStream)] == [SERF]
    assert told(second, MemberJoined) == []
    assert told(third, JoinCompleted) == [JoinCompleted((endpoint(2),), ())]
    assert newcomer.names() == ["node-a", "node-b"]


def test_is_found_out_also_when_others_join_first() -> None:
    """A member that is alone answers with the versions of whoever comes."""
    newcomer = Newcomer()

    effects = newcomer.happen(
        StreamAccepted(-1, Endpoint("192.0.2.2", 40_000)),
        StreamReceived(-1, encode_push_pull([row("node-b", 2, SERF)], is_join=True)),
    )

    assert [our_versions(stream) for stream in told(effects, SendStream)] == [SERF]
    assert newcomer.names() == ["node-a", "node-b"]


def test_stays_with_what_it_has_become() -> None:
    """In a ring, the versions of another ring are refused as ever."""
    newcomer = Newcomer()
    table = encode_push_pull([row("node-b", 2, NONE)], is_join=True)
    newcomer.happen(StreamAccepted(-1, endpoint(2)), StreamReceived(-1, table))

    newcomer.happen(
        JoinRequested((endpoint(3),)),
        StreamReceived(1, encode_push_pull([row("node-c", 3, SERF)], is_join=True)),
    )

    assert newcomer.names() == ["node-a", "node-b"]


def test_a_ring_at_odds_with_itself_is_refused() -> None:
    """There are no versions with which all of it would exchange tables."""
    newcomer = Newcomer()
    answer = encode_push_pull(
        [row("node-b", 2, SERF), row("node-c", 3, bytes((1, 5, 2, 6, 7, 7)))], is_join=True
    )

    effects = newcomer.happen(JoinRequested((endpoint(2),)), StreamReceived(1, answer))

    failure = JoinFailure(endpoint(2), "incompatible-versions")
    assert told(effects, JoinCompleted) == [JoinCompleted((), (failure,))]
    assert told(effects, CloseStream) == [CloseStream(1)]


def test_configured_versions_stay() -> None:
    """Whoever has set them gets the error that says so."""
    newcomer = Newcomer(delegate_versions=(0, 0, 0))

    effects = newcomer.happen(
        JoinRequested((endpoint(2),)),
        StreamReceived(1, encode_push_pull([row("node-b", 2, SERF)], is_join=True)),
    )

    assert told(effects, JoinCompleted)[0].failures[0].reason == "incompatible-versions"
