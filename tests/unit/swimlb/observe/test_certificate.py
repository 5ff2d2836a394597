"""The certificate of /metrics, shown to a client that asks for it on loopback."""

from __future__ import annotations

import asyncio
import logging
import ssl
from contextlib import suppress
from pathlib import Path

import pytest
from cryptography import x509

from swimlb.kube.certificates import renewed
from swimlb.observe.certificate import CertificateFiles, KeptCertificate, OwnCertificate, certified
from swimlb.observe.logs import EventLog

NOW = 1_800_000_000.0
DAY = 86_400.0
LOG = EventLog(logging.getLogger(__name__))


def shown(context: ssl.SSLContext) -> x509.Certificate:
    """What a client gets to see that believes everybody. In memory, without a socket."""
    client_context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client_context.check_hostname, client_context.verify_mode = False, ssl.CERT_NONE
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = client_context.wrap_bio(to_client, to_server)
    server = context.wrap_bio(to_server, to_client, server_side=True)
    for side in (client, server, client, server):
        with suppress(ssl.SSLWantReadError):
            side.do_handshake()
    told = client.getpeercert(binary_form=True)
    assert told is not None
    return x509.load_der_x509_certificate(told)


def write(directory: Path, name: str) -> x509.Certificate:
    bundle = renewed(None, (name,), NOW)
    (directory / "tls.crt").write_bytes(bundle.certificate)
    (directory / "tls.key").write_bytes(bundle.key)
    return x509.load_pem_x509_certificate(bundle.certificate)


def test_shows_the_one_in_the_files_and_the_next_one_when_they_change(tmp_path: Path) -> None:
    """For connections from then on, by the same context."""
    certificate = KeptCertificate(CertificateFiles(tmp_path), LOG)

    for name in ("former", "next"):
        written = write(tmp_path, name)
        assert certificate.look()
        assert shown(certificate.context) == written


@pytest.mark.parametrize("changed", ["tls.crt", "tls.key"])
def test_keeps_the_last_good_one_and_tells_once_what_is_wrong(
    changed: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """As where one of the two files is written before the other."""
    certificate = KeptCertificate(CertificateFiles(tmp_path), LOG)
    good = write(tmp_path, "good")
    assert certificate.look()

    other = renewed(None, ("other",), NOW)
    (tmp_path / changed).write_bytes({"tls.crt": other.certificate, "tls.key": other.key}[changed])

    assert [certificate.look(), certificate.look()] == [False, False]
    assert shown(certificate.context) == good
    assert caplog.messages.count("metrics_certificate_unusable") == 1


def test_without_any_nobody_connects(tmp_path: Path) -> None:
    certificate = KeptCertificate(CertificateFiles(tmp_path), LOG)

    assert not certificate.look()
    with pytest.raises(ssl.SSLError):
        shown(certificate.context)


def test_its_own_is_for_its_name_and_renewed_before_it_ends() -> None:
    now = [NOW]
    own = OwnCertificate("node-a", lambda: now[0])
    first = x509.load_pem_x509_certificate(own()[0])

    assert own()[0] == own()[0]
    now[0] += 300 * DAY
    second = x509.load_pem_x509_certificate(own()[0])

    names = first.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["node-a"]
    assert second.not_valid_after_utc > first.not_valid_after_utc


def test_is_looked_after_while_it_is_served(tmp_path: Path) -> None:
    written = write(tmp_path, "node-a")

    async def story() -> x509.Certificate:
        async with certified(CertificateFiles(tmp_path), LOG) as context:
            await asyncio.sleep(0)
            return shown(context)

    assert asyncio.run(story()) == written
