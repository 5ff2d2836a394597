from __future__ import annotations

import subprocess
import sys

import pytest

from membership.errors import InvalidConfig
from membership.keyring import Keyring, fingerprint
from tests.unit.membership.wire.captures import load, octets

OLD, NEW, THIRD = bytes(16), bytes(range(24)), bytes(range(32))


def test_rotation() -> None:
    """Add, use, remove: the primary is always the first, and the one that is used."""
    ring = Keyring().add(OLD)

    with_both = ring.add(NEW)
    with_new_first = with_both.use(NEW)

    assert (ring.keys, with_both.keys, with_new_first.keys) == ((OLD,), (OLD, NEW), (NEW, OLD))
    assert with_new_first.remove(OLD).keys == (NEW,)


def test_what_is_already_so_changes_nothing() -> None:
    """An installed key is not added again, the primary is used as it is, an unknown key is not there to remove."""
    ring = Keyring((OLD, NEW))

    assert ring.add(NEW) == ring.use(OLD) == ring.remove(THIRD) == ring


@pytest.mark.parametrize(
    ("mistake", "hint"),
    [
        (lambda: Keyring((OLD, NEW)).remove(OLD), "use another key"),
        (lambda: Keyring((OLD,)).remove(OLD), "use another key"),
        (lambda: Keyring((OLD,)).use(NEW), "add the key"),
        (lambda: Keyring((bytes(15),)), "16, 24 or 32"),
        (lambda: Keyring((OLD, OLD)), "once"),
        (lambda: Keyring(tuple(bytes((number,)) * 16 for number in range(17))), "out of use"),
    ],
)
def test_mistakes_of_the_operator(mistake: object, hint: str) -> None:
    """They say what to do instead."""
    assert callable(mistake)
    with pytest.raises(InvalidConfig, match=hint):
        mistake()


def test_keys_are_not_shown() -> None:
    """What stands in logs and flight records tells keys apart, and no more."""
    shown = repr(Keyring((OLD, NEW)))

    assert shown == f"Keyring({fingerprint(OLD)}, {fingerprint(NEW)})"
    assert fingerprint(OLD) != fingerprint(NEW)
    assert OLD.hex() not in shown


def test_a_ring_in_plaintext_does_not_pay_for_encryption() -> None:
    """The library is imported with the first key."""
    asked = "import sys, membership, membership.net; sys.exit('cryptography' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", asked], check=False).returncode == 0


def test_the_captured_keys_are_keys() -> None:
    """128, 192 and 256 bits, as real members have them."""
    names = ("ml051-label-aes128", "ml022-encv0", "serf-encrypted")

    rings = [Keyring(tuple(map(octets, load(name)["keys"]))) for name in names]

    assert [len(ring.keys[0]) for ring in rings] == [16, 24, 32]
