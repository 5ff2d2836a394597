from __future__ import annotations

import hashlib

import pytest

from membership.errors import InvalidConfig
from membership.metallb import KeyDerivation, keyring
from tests.unit.membership.wire.captures import load

SECRET = b"abcdefghijklmnopqrstuv"
FROM_0_14 = bytes.fromhex("6162636465666768696a6b6c6d6e6f70717273747576e3b0c44298fc1c149afb")
UP_TO_0_13 = b"abcdefghijklmnop"


@pytest.mark.parametrize(
    ("derivation", "key"),
    [
        (KeyDerivation.METALLB, FROM_0_14),
        (KeyDerivation.METALLB_0_13, UP_TO_0_13),
        (KeyDerivation.SHA256, hashlib.sha256(SECRET).digest()),
    ],
)
def test_the_keys_of_a_secret(derivation: KeyDerivation, key: bytes) -> None:
    """The chosen one seals, all three are read by."""
    ring = keyring(SECRET, derivation)

    assert ring.keys[0] == key
    assert set(ring.keys) == {FROM_0_14, UP_TO_0_13, hashlib.sha256(SECRET).digest()}


def test_the_key_of_a_captured_ring() -> None:
    """Members that had MetalLB's own derivation made of this secret understood each other by this key."""
    ring = keyring(b"c3dpbWxiLXRlc3Qtc2Vjcm")

    assert ring.keys[0].hex() == load("ml051-metallb-key")["keys"][0]


def test_secrets_are_taken_byte_for_byte() -> None:
    """Short ones are filled up, long ones are cut, and a line feed counts."""
    assert keyring(b"x").keys[0] == b"x" + hashlib.sha256(b"").digest()[:31]
    assert keyring(b"y" * 172).keys[:2] == (b"y" * 32, b"y" * 16)
    assert keyring(SECRET + b"\n").keys[0] != FROM_0_14


def test_an_empty_secret_is_refused() -> None:
    """Its key would be known to everybody."""
    with pytest.raises(InvalidConfig, match="no secret"):
        keyring(b"")
