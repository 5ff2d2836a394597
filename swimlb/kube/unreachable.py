"""Why the API server gives no answer, in words for people: which host and port, the cause, and the way out.

What the client library says holds Python objects, and nobody finds a firewall by these.
"""

from __future__ import annotations

import errno
import os
import ssl

import aiohttp

_NO_WAY = {errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EHOSTDOWN, errno.ENETDOWN}


def explain(error: BaseException, server: str, deadline: float) -> str:
    """What an OSError, a TimeoutError or an aiohttp.ClientError comes to, of a call to the URL `server`."""
    match error:
        case TimeoutError() if not isinstance(error, aiohttp.ClientConnectorError):
            return (
                f"{server} gave no answer within {deadline:.1f} s; it may be overloaded, "
                "or a firewall on the way may swallow what is sent"
            )
        case aiohttp.ClientConnectorCertificateError():
            return (
                f"{_place(error)} has a certificate that is not to be trusted ({_words(error.certificate_error)}); "
                "compare the authority that it is checked by, and the name it is called by, with the API server's"
            )
        case aiohttp.ClientConnectorDNSError():
            return (
                f"{error.host} has no address ({_words(error.os_error)}); check the name, and this node's DNS"
            )
        case aiohttp.ClientSSLError():
            return (
                f"{_place(error)} does not speak TLS as it should ({_words(error.os_error)}); "
                "check that this is the API server's port, and no other server's"
            )
        case aiohttp.ClientConnectorError():
            return f"{_place(error)} {_refusal(error.os_error)}"
        case aiohttp.ServerDisconnectedError():
            return f"{server} closed the connection without an answer; it may be restarting"
        case ConnectionResetError() | BrokenPipeError():
            return (
                f"{server} broke the connection; it may be restarting, or something between ends connections"
            )
        case _:
            return f"{server} cannot be asked ({_words(error)})"


def _place(error: aiohttp.ClientConnectorError | aiohttp.ClientConnectorCertificateError) -> str:
    host = f"[{error.host}]" if ":" in error.host else error.host
    return f"{host}:{error.port}"


def _refusal(cause: OSError) -> str:
    if isinstance(cause, ConnectionRefusedError):
        return "refuses connections; check that the API server runs there, and that the address is right"
    if isinstance(cause, ConnectionResetError):
        return (
            "breaks the connection at its begin; it may be restarting, or something between ends connections"
        )
    if cause.errno in _NO_WAY:
        return f"cannot be reached ({_words(cause)}); check this node's routes, and firewalls on the way"
    return f"takes no connection ({_words(cause)}); check that the API server runs there, and firewalls on the way"


def _words(error: BaseException) -> str:
    """The cause without numbers, Python's types, and lines of its source."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return error.verify_message.rstrip(".")
    if isinstance(error, ssl.SSLError) and error.reason:
        return error.reason.replace("_", " ").lower()
    if isinstance(error, OSError) and error.errno is not None and error.errno in errno.errorcode:
        return os.strerror(error.errno).lower()
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    return str(error) or type(error).__name__
