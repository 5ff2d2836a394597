"""The annotation that tells a standalone node how to find out whether it can serve.

`swimlb.io/health-check: tcp://[host]:port` or `http://[host]:port/path`; without a host it is this node.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from swimlb.config.report import Mistake
from swimlb.config.schema import shorten
from swimlb.model import HealthCheck, ProbeKind

ANNOTATION = "swimlb.io/health-check"
INTERVAL_ANNOTATION = "swimlb.io/health-check-interval"
_HINT = "Write tcp://:8080 or http://:8080/healthz; a host may stand before the port."


def is_host(text: str) -> bool:
    """An address or a name that can be asked for: no empty label, none of more than 63 octets, nothing unprintable."""
    try:
        text.encode("idna")
    except UnicodeError:
        return False
    return text.isprintable() and " " not in text


def parse_health_check(text: str) -> HealthCheck:
    try:
        url = urlsplit(text)
        port, host = url.port, url.hostname
    except ValueError:
        raise Mistake(f"{shorten(text)!r} is not a health check", _HINT) from None
    if url.scheme not in [kind.value for kind in ProbeKind] or url.username is not None:
        raise Mistake(f"{shorten(text)!r} is not a health check", _HINT)
    if not port:
        raise Mistake(f"{shorten(text)!r} names no port", _HINT)
    if host is not None and not is_host(host):
        raise Mistake(f"{shorten(text)!r}: {shorten(host)!r} is no host name", _HINT)
    kind = ProbeKind(url.scheme)
    path = (url.path or "/") + (f"?{url.query}" if url.query else "")
    if kind is ProbeKind.TCP and path != "/":
        raise Mistake(f"{shorten(text)!r} has a path, which TCP does not know", _HINT)
    return HealthCheck(kind=kind, port=port, host=host or "127.0.0.1", path=path)
