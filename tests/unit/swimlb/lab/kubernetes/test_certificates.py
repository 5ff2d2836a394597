"""The lab's certificates say who their bearer is, and are good for that alone."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from cryptography.x509.verification import PolicyBuilder, Store, VerificationError

from swimlb.lab.kubernetes.certificates import Authority


def loaded(pem: bytes) -> x509.Certificate:
    return x509.load_pem_x509_certificate(pem)


def test_a_client_is_its_user_and_groups() -> None:
    pair = Authority("lab").client("system:node:node-a", "system:nodes")

    subject = loaded(pair.certificate).subject

    assert subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value == "system:node:node-a"
    assert [one.value for one in subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)] == [
        "system:nodes"
    ]


def test_a_server_is_known_by_its_names_and_addresses() -> None:
    authority = Authority("lab")
    certificate = loaded(authority.server("192.0.2.1", "kubernetes").certificate)
    verifier = PolicyBuilder().store(Store([loaded(authority.certificate)]))

    verifier.build_server_verifier(x509.DNSName("kubernetes")).verify(certificate, [])
    with pytest.raises(VerificationError):
        verifier.build_server_verifier(x509.DNSName("elsewhere")).verify(certificate, [])


def test_another_authority_is_not_trusted() -> None:
    certificate = loaded(Authority("other").server("kubernetes").certificate)
    verifier = PolicyBuilder().store(Store([loaded(Authority("lab").certificate)]))

    with pytest.raises(VerificationError):
        verifier.build_server_verifier(x509.DNSName("kubernetes")).verify(certificate, [])


def test_keys_are_saved_for_their_owner_alone(tmp_path: Path) -> None:
    certificate, key = Authority("lab").client("admin").save(tmp_path, "admin")

    assert key.stat().st_mode & 0o077 == 0
    public = loaded(certificate.read_bytes()).public_key()
    assert isinstance(public, ec.EllipticCurvePublicKey)
