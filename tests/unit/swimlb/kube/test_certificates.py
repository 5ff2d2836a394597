from __future__ import annotations

from dataclasses import replace

from cryptography import x509

from swimlb.kube.certificates import Bundle, renewed

NAMES = ("hook.metallb-system.svc", "hook.metallb-system")
NOW = 1_800_000_000.0
DAY = 86_400.0


def leaf(bundle: Bundle) -> x509.Certificate:
    return x509.load_pem_x509_certificate(bundle.certificate)


def authorities(bundle: Bundle) -> list[x509.Certificate]:
    return x509.load_pem_x509_certificates(bundle.authorities)


def test_a_certificate_is_made_for_the_names_and_signed_by_its_own_authority() -> None:
    bundle = renewed(None, NAMES, NOW)

    told = leaf(bundle).extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert tuple(told.get_values_for_type(x509.DNSName)) == NAMES
    leaf(bundle).verify_directly_issued_by(authorities(bundle)[0])


def test_a_good_certificate_is_kept() -> None:
    bundle = renewed(None, NAMES, NOW)

    assert renewed(bundle, NAMES, NOW + 200 * DAY) == bundle


def test_a_certificate_is_renewed_before_it_ends_by_the_same_authority() -> None:
    """So whoever trusts the authority need not be told."""
    bundle = renewed(None, NAMES, NOW)

    after = renewed(bundle, NAMES, NOW + 300 * DAY)

    assert after.authorities == bundle.authorities
    assert leaf(after).not_valid_after_utc > leaf(bundle).not_valid_after_utc


def test_a_new_authority_is_told_beside_the_former_one() -> None:
    bundle = renewed(None, NAMES, NOW)

    after = renewed(bundle, NAMES, NOW + 3000 * DAY)

    assert len(authorities(after)) == 2
    assert authorities(after)[1] == authorities(bundle)[0]
    leaf(after).verify_directly_issued_by(authorities(after)[0])
    assert len(authorities(renewed(after, NAMES, NOW + 5900 * DAY))) == 2


def test_what_is_broken_or_for_other_names_is_made_anew() -> None:
    bundle, other = renewed(None, NAMES, NOW), renewed(None, NAMES, NOW)

    for broken in (
        replace(bundle, certificate=b"nonsense"),
        replace(bundle, key=other.key),
        replace(bundle, certificate=other.certificate, key=other.key),
        replace(bundle, authority_key=b""),
        replace(bundle, authorities=b""),
    ):
        mended = renewed(broken, NAMES, NOW)
        leaf(mended).verify_directly_issued_by(authorities(mended)[0])
        assert renewed(mended, NAMES, NOW) == mended
    assert renewed(bundle, ("elsewhere.svc",), NOW) != bundle


def test_no_key_is_shown() -> None:
    bundle = renewed(None, NAMES, NOW)

    assert "PRIVATE" not in repr(bundle)
