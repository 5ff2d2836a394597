"""A certificate to serve with, such as the one of the webhooks: made by ourselves, P-256, renewed in time.

A certificate authority of our own signs it, and stays when it is renewed. Near its end it is followed by another one,
and for a while both are told, so that no replica is refused that still shows what the former one signed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

AUTHORITY_LIFE = timedelta(days=3650)
SERVING_LIFE = timedelta(days=365)
RENEW_BEFORE = 1 / 3
"""Of its life a certificate has left so much when it is renewed."""

_BACKDATED = timedelta(minutes=5)
"""Clocks of a cluster differ."""


@dataclass(frozen=True, slots=True)
class Bundle:
    """All in PEM."""

    authorities: bytes
    """Those to trust; the first one signs."""
    authority_key: bytes = field(repr=False)
    certificate: bytes
    key: bytes = field(repr=False)


def renewed(known: Bundle | None, names: Sequence[str], now: float) -> Bundle:
    """The same bundle while it is good for these DNS names, else another one. `now`: seconds since the epoch."""
    moment = datetime.fromtimestamp(now, UTC)
    authority = _authority(known, moment)
    if known is not None and authority is None and _is_good(known, names, moment):
        return known
    if authority is not None:
        certificate, key = authority
        former = known.authorities if known is not None and _first(known.authorities) is not None else b""
        authorities = certificate.public_bytes(Encoding.PEM) + _still_valid(former, moment)
        authority_key = _pem(key)
    else:
        assert known is not None, "without an authority there is a new one"
        authorities, authority_key = known.authorities, known.authority_key
    return _signed(authorities, authority_key, names, moment)


def _authority(
    known: Bundle | None, moment: datetime
) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey] | None:
    """A new one, if the known one is none or near its end."""
    if known is not None:
        certificate = _first(known.authorities)
        if certificate is not None and _has_time_left(certificate, moment) and _key(known.authority_key):
            return None
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "swimlb authority")])
    builder = _builder(name, name, key, moment, AUTHORITY_LIFE)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    return builder.sign(key, SHA256()), key


def _signed(authorities: bytes, authority_key: bytes, names: Sequence[str], moment: datetime) -> Bundle:
    authority, signing = _first(authorities), _key(authority_key)
    assert authority is not None
    assert signing is not None
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0][:64])])
    builder = _builder(subject, authority.subject, key, moment, SERVING_LIFE)
    builder = builder.add_extension(x509.SubjectAlternativeName(map(x509.DNSName, names)), critical=False)
    builder = builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
    certificate = builder.sign(signing, SHA256())
    return Bundle(authorities, authority_key, certificate.public_bytes(Encoding.PEM), _pem(key))


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    moment: datetime,
    life: timedelta,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(moment - _BACKDATED)
        .not_valid_after(moment + life)
    )


def _is_good(known: Bundle, names: Sequence[str], moment: datetime) -> bool:
    certificate, authority, key = _first(known.certificate), _first(known.authorities), _key(known.key)
    if certificate is None or authority is None or key is None or not _has_time_left(certificate, moment):
        return False
    try:
        certificate.verify_directly_issued_by(authority)
        told = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (ValueError, TypeError, InvalidSignature, x509.ExtensionNotFound):
        return False
    is_pair = certificate.public_key() == key.public_key()
    return is_pair and set(names) <= set(told.get_values_for_type(x509.DNSName))


def _has_time_left(certificate: x509.Certificate, moment: datetime) -> bool:
    begin, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    return begin <= moment < end - (end - begin) * RENEW_BEFORE


def _still_valid(authorities: bytes, moment: datetime) -> bytes:
    if not authorities:
        return b""
    certificates = x509.load_pem_x509_certificates(authorities)
    return b"".join(
        one.public_bytes(Encoding.PEM) for one in certificates if moment < one.not_valid_after_utc
    )


def _first(pem: bytes) -> x509.Certificate | None:
    try:
        return x509.load_pem_x509_certificates(pem)[0]
    except (ValueError, IndexError):
        return None


def _key(pem: bytes) -> ec.EllipticCurvePrivateKey | None:
    try:
        key = load_pem_private_key(pem, None)
    except (ValueError, TypeError):
        return None
    return key if isinstance(key, ec.EllipticCurvePrivateKey) else None


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
