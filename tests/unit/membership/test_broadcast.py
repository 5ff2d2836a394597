from __future__ import annotations

from membership.broadcast import BroadcastQueue, transmit_limit


def test_the_least_sent_goes_first() -> None:
    """And among equals the newest."""
    queue = BroadcastQueue()
    for name in ("node-a", "node-b", "node-c"):
        queue.put(name, name.encode() * 10)

    packets = [queue.take(2 * 62, limit=2) for _ in range(3)]

    assert packets == [
        [b"node-c" * 10, b"node-b" * 10],
        [b"node-a" * 10, b"node-b" * 10],
        [b"node-a" * 10, b"node-c" * 10],
    ]
    assert len(queue) == 0


def test_newer_news_replaces_older() -> None:
    """About the same member; it starts anew with its transmits."""
    queue = BroadcastQueue()
    queue.put("node-a", b"old" * 10)
    queue.take(100, limit=2)

    queue.put("node-a", b"new" * 10)

    assert [queue.take(100, limit=2) for _ in range(3)] == [[b"new" * 10], [b"new" * 10], []]


def test_what_does_not_fit_waits() -> None:
    """A shorter one behind it may go."""
    queue = BroadcastQueue()
    queue.put("node-a", bytes(50))
    queue.put("node-b", bytes(500))

    assert queue.take(100, limit=3) == [bytes(50)]
    assert "node-b" in queue


def test_a_packet_never_has_more_parts_than_can_be_counted() -> None:
    """255 with the message that they ride on; an overflow of the count ends old members."""
    queue = BroadcastQueue()
    for number in range(600):
        queue.put(f"node-{number}", bytes(30))

    assert len(queue.take(65_000, limit=3)) == 254


def test_the_limit_grows_with_the_ring() -> None:
    """memberlist's: four times the digits of n + 1."""
    assert [transmit_limit(4, count) for count in (1, 9, 10, 99, 100)] == [4, 4, 8, 8, 12]
