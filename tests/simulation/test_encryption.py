"""Rings under keys in virtual time: what happens to them while the keys change."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from membership import (
    Encryption,
    EncryptionChanged,
    Keyring,
    MemberFailed,
    MemberSuspected,
    MetaChanged,
    PacketDropped,
    PushPullFailed,
    UserBroadcastRequested,
    UserMessageReceived,
    normal,
)
from tests.simulation.rings import Ring

OLD, NEW = bytes(range(16)), bytes(range(32))


def change_member_by_member(
    ring: Ring, change: Callable[[Encryption], Encryption], before: Encryption
) -> Encryption:
    """One after the other, with time between them in which everybody probes and gossips."""
    after = change(before)
    for name in ring.names:
        ring.net.tell(name, EncryptionChanged(after))
        for sender in ring.names:
            ring.net.tell(sender, UserBroadcastRequested(f"from {sender}".encode()))
        ring.net.tell(name, MetaChanged(repr(after).encode()))
        ring.net.run_for(1.5)
    return after


def with_keyring(change: Callable[[Keyring], Keyring]) -> Callable[[Encryption], Encryption]:
    return lambda encryption: replace(encryption, keyring=change(encryption.keyring))


def assert_that_nobody_noticed(ring: Ring) -> None:
    assert ring.told(MemberSuspected) == []
    assert ring.told(PacketDropped) == []
    assert ring.told(PushPullFailed) == []
    assert ring.all_see(ring.names)


def test_a_key_is_rotated_and_nobody_is_missed(seed: int) -> None:
    """Add, use, remove, each on five members in turn under traffic: no suspicion, and not one packet refused."""
    encryption = Encryption(keyring=Keyring((OLD,)))
    ring = Ring(seed, 5, profile=replace(normal(), push_pull_interval=1.0), encryption=encryption)

    encryption = change_member_by_member(ring, with_keyring(lambda keys: keys.add(NEW)), encryption)
    encryption = change_member_by_member(ring, with_keyring(lambda keys: keys.use(NEW)), encryption)
    encryption = change_member_by_member(ring, with_keyring(lambda keys: keys.remove(OLD)), encryption)

    assert encryption.keyring == Keyring((NEW,))
    assert_that_nobody_noticed(ring)
    assert len(ring.told(UserMessageReceived)) > 3 * 5 * 5


def test_a_ring_goes_from_plaintext_to_encryption(seed: int) -> None:
    """In three rounds over its members, and then refuses plaintext; nobody is missed on the way."""
    plain = Encryption()
    ring = Ring(seed, 5, profile=replace(normal(), push_pull_interval=1.0), encryption=plain)

    for step in (
        Encryption(keyring=Keyring((NEW,)), verify_incoming=False, verify_outgoing=False),
        Encryption(keyring=Keyring((NEW,)), verify_incoming=False),
        Encryption(keyring=Keyring((NEW,))),
    ):
        change_member_by_member(ring, lambda _, step=step: step, plain)

    assert_that_nobody_noticed(ring)
    ring.net.tell(ring.names[0], EncryptionChanged(plain))
    ring.time_until_all_see(ring.names[1:], 5)


def test_a_member_with_another_key_is_no_member(seed: int) -> None:
    """It hears nobody and is heard by nobody: the others find it dead, as they should."""
    ring = Ring(seed, 4, encryption=Encryption(keyring=Keyring((OLD,))))

    ring.net.tell("node-4", EncryptionChanged(Encryption(keyring=Keyring((NEW,)))))
    ring.time_until_all_see(["node-1", "node-2", "node-3"], 5)

    assert {failure.name for failure in ring.told(MemberFailed)} >= {"node-4"}
    assert {drop.reason for drop in ring.told(PacketDropped)} == {"undecryptable"}
