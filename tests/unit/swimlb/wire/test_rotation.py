from __future__ import annotations

from membership import Keyring
from membership.keyring import KEYS_MAX
from swimlb.wire.rotation import Effect, KeysRead, Rotation, UseKeyring

OLD, NEW, NEWER = (bytes((number,)) * 32 for number in (1, 2, 3))


def play(rotation: Rotation, until: float) -> list[tuple[float, Effect]]:
    """Let time pass, with every deadline met."""
    effects: list[tuple[float, Effect]] = []
    while (due := rotation.next_deadline()) is not None and due <= until:
        effects += [(due, effect) for effect in rotation.advance(due)]
    return effects


def test_a_new_secret_is_read_by_then_used_then_alone() -> None:
    """One delay for the others to get it, two more for the last of them to have ceased to use the old one."""
    rotation = Rotation(Keyring((OLD,)), delay=10.0)

    at_once = rotation.step(KeysRead(Keyring((NEW,))), 100.0)
    later = play(rotation, 1000.0)

    assert at_once == [UseKeyring(Keyring((OLD, NEW)), "reading")]
    assert later == [
        (110.0, UseKeyring(Keyring((NEW, OLD)), "using")),
        (130.0, UseKeyring(Keyring((NEW,)), "settled")),
    ]
    assert rotation.next_deadline() is None


def test_nodes_that_learn_within_the_delay_always_understand_each_other() -> None:
    """Whoever is first and whoever is last: what one seals by, all others have, at any time."""
    delay, learn_at = 10.0, [0.0, 3.0, 9.9]
    rotations = [Rotation(Keyring((OLD,)), delay) for _ in learn_at]

    for tenth in range(500):
        now = tenth / 10
        for rotation, learned in zip(rotations, learn_at, strict=True):
            if now == learned:
                rotation.step(KeysRead(Keyring((NEW,))), now)
            rotation.advance(now)
        for sender in rotations:
            assert all(sender.keyring.keys[0] in reader.keyring.keys for reader in rotations), now

    assert [rotation.keyring.keys for rotation in rotations] == [(NEW,)] * 3


def test_keys_to_read_by_are_taken_at_once() -> None:
    """When the key to seal by stays, there is nothing to wait for."""
    rotation = Rotation(Keyring((OLD,)), delay=10.0)

    effects = rotation.step(KeysRead(Keyring((OLD, NEW))), 0.0)

    assert effects == [UseKeyring(Keyring((OLD, NEW)), "using")]


def test_a_change_of_mind_on_the_way() -> None:
    """Back to the old secret before the new one was used; then nothing of the new one is left."""
    rotation = Rotation(Keyring((OLD,)), delay=10.0)
    rotation.step(KeysRead(Keyring((NEW,))), 0.0)

    back = rotation.step(KeysRead(Keyring((OLD,))), 5.0)
    later = play(rotation, 100.0)

    assert back == [UseKeyring(Keyring((OLD, NEW)), "using")]
    assert later == [(25.0, UseKeyring(Keyring((OLD,)), "settled"))]


def test_a_third_secret_before_the_second_is_in_use() -> None:
    """All three are read by, and the last one wins."""
    rotation = Rotation(Keyring((OLD,)), delay=10.0)
    rotation.step(KeysRead(Keyring((NEW,))), 0.0)

    effects = rotation.step(KeysRead(Keyring((NEWER,))), 5.0)

    assert effects == [UseKeyring(Keyring((OLD, NEWER, NEW)), "reading")]
    assert [effect for _, effect in play(rotation, 15.0)] == [UseKeyring(Keyring((NEWER, OLD, NEW)), "using")]


def test_the_same_secret_is_no_news() -> None:
    """Also when it was read while the rotation to it runs."""
    rotation = Rotation(Keyring((OLD,)), delay=10.0)

    assert rotation.step(KeysRead(Keyring((OLD,))), 0.0) == []
    rotation.step(KeysRead(Keyring((NEW,))), 1.0)
    assert rotation.step(KeysRead(Keyring((NEW,))), 2.0) == []
    assert rotation.next_deadline() == 11.0


def test_many_changes_do_not_fill_the_keyring() -> None:
    """The primary and the newest stay."""
    rotation = Rotation(Keyring((OLD,)), delay=10.0)

    for number in range(4, 40):
        rotation.step(KeysRead(Keyring((bytes((number,)) * 32,))), 0.0)

    assert len(rotation.keyring.keys) == KEYS_MAX
    assert rotation.keyring.keys[:2] == (OLD, bytes((39,)) * 32)


def test_advancing_early_or_twice_is_harmless() -> None:
    """The deadline decides."""
    rotation = Rotation(Keyring((OLD,)), delay=10.0)
    rotation.step(KeysRead(Keyring((NEW,))), 0.0)

    assert rotation.advance(9.9) == []
    assert len(rotation.advance(10.0)) == 1
    assert rotation.advance(10.0) == []
