"""The lab's certificate authority, and the certificates by which Kubernetes' components know each other.

Kubernetes reads who somebody is from a client certificate: the common name is the user, the organizations are its
groups. Keys are P-256, which are made in no time; everything is valid for a day, longer than any lab is up.
"""

from __future__ import annotations

import base64
import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

VALIDITY = timedelta(days=1)
SKEW = timedelta(minutes=5)
"""Certificates begin this much before they are made: the kernel's clock may be set back a little."""


@dataclass(frozen=True, slots=True)
class Pair:
    """A certificate and its private key, both PEM."""

    certificate: bytes
    key: bytes

    def save(self, directory: Path, name: str) -> tuple[Path, Path]:
        """Write `NAME.crt` and `NAME.key`; their paths."""
        certificate, key = directory / f"{name}.crt", directory / f"{name}.key"
        certificate.write_bytes(self.certificate)
        key.touch(mode=0o600)
        key.write_bytes(self.key)
        return certificate, key


class Authority:
    """A certificate authority that lives as long as this object: its own key is kept nowhere else."""

    def __init__(self, name: str, now: datetime | None = None) -> None:
        self._now = datetime.now(UTC) if now is None else now
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _name(name)
        self.certificate = _pem(
            self._builder(self._name, self._key.public_key())
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_key_usage(signs_certificates=True), critical=True)
            .sign(self._key, hashes.SHA256())
        )
        """PEM: what others need to trust it."""

    def client(self, user: str, *groups: str) -> Pair:
        """What a client proves with that it is `user`, a member of `groups`."""
        return self._issue(_name(user, *groups), ExtendedKeyUsageOID.CLIENT_AUTH)

    def server(self, *names: str) -> Pair:
        """What a server proves with that it is one of `names`, DNS names and IP addresses."""
        return self._issue(_name(names[0]), ExtendedKeyUsageOID.SERVER_AUTH, names)

    def _issue(self, subject: x509.Name, usage: x509.ObjectIdentifier, names: Sequence[str] = ()) -> Pair:
        key = ec.generate_private_key(ec.SECP256R1())
        builder = (
            self._builder(subject, key.public_key())
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_key_usage(signs_certificates=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False
            )
        )
        if names:
            builder = builder.add_extension(
                x509.SubjectAlternativeName([_alternative(name) for name in names]), critical=False
            )
        return Pair(_pem(builder.sign(self._key, hashes.SHA256())), private_key_pem(key))

    def _builder(self, subject: x509.Name, key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
            .serial_number(x509.random_serial_number())
            .not_valid_before(self._now - SKEW)
            .not_valid_after(self._now + VALIDITY)
        )


def signing_key() -> tuple[bytes, bytes]:
    """A private key and its public half, PEM: for the tokens of ServiceAccounts."""
    key = ec.generate_private_key(ec.SECP256R1())
    public = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return private_key_pem(key), public


def private_key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    """PEM, in the form that Go reads for every kind of key."""
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    )


def inline(pem: bytes) -> str:
    """As a kubeconfig holds it: base64."""
    return base64.b64encode(pem).decode()


def _name(common_name: str, *organizations: str) -> x509.Name:
    return x509.Name(
        [
            *(x509.NameAttribute(NameOID.ORGANIZATION_NAME, one) for one in organizations),
            x509.NameAttribute(NameOID.COMMON_NAME, common_name),
        ]
    )


def _alternative(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)
