"""kubeconfig files: contexts, clusters and users, as kubectl reads them (one file, not a list of several)."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import yaml

from swimlb.kube.access import Access, NoAccess
from swimlb.kube.credentials import Certificate, Credentials, ExecPlugin, Fixed, Identity, RotatedToken
from swimlb.kube.trust import Trust
from swimlb.kube.untyped import items, mapping, mappings

SIZE_MAX = 1 << 20
"""Octets; kubectl's own files have thousands."""

EXEC_VERSIONS = ("client.authentication.k8s.io/v1", "client.authentication.k8s.io/v1beta1")


def read_kubeconfig(path: Path, context: str | None = None) -> Access:
    """The access that a context describes, the current one if none is named. Raises NoAccess."""
    content = _load(path)
    name = context or _text(content, "current-context")
    if not name:
        raise NoAccess(f"{path}: current-context is not set. Set it, or name a context.")
    chosen = _named(content, "contexts", "context", name, path)
    cluster_name, user_name = _text(chosen, "cluster"), _text(chosen, "user")
    cluster = _Section(
        path, f"cluster {cluster_name}", _named(content, "clusters", "cluster", cluster_name, path)
    )
    user = _Section(
        path, f"user {user_name}", _named(content, "users", "user", user_name, path) if user_name else {}
    )
    server = cluster.text("server").rstrip("/")
    if not server.startswith(("https://", "http://")):
        raise cluster.refuse("server", "is no URL", "Write https://HOST:PORT.")
    authority = cluster.data("certificate-authority") or b""
    return Access(
        server=server,
        credentials=_credentials(user, cluster, authority),
        trust=Trust(
            authority=authority,
            is_verified=not cluster.flag("insecure-skip-tls-verify"),
            server_name=cluster.text("tls-server-name") or None,
        ),
        namespace=_text(chosen, "namespace") or "default",
        proxy=cluster.text("proxy-url") or None,
        headers={"Impersonate-User": user.text("as")} if user.text("as") else {},
    )


class _Section:
    """A cluster or a user of the file."""

    def __init__(self, path: Path, name: str, content: Mapping[str, Any]) -> None:
        self.path = path
        self.name = name
        self.content = content

    def text(self, key: str) -> str:
        return _text(self.content, key)

    def flag(self, key: str) -> bool:
        return self.text(key).lower() == "true"

    def file(self, key: str) -> Path | None:
        """A path, which counts from where the kubeconfig is."""
        text = self.text(key)
        return self.path.parent / text if text else None

    def data(self, key: str) -> bytes | None:
        """What stands in the file in base64 (`KEY-data`, which goes before), or in another file."""
        encoded, file = self.text(f"{key}-data"), self.file(key)
        if encoded:
            try:
                return base64.b64decode(encoded, validate=True)
            except binascii.Error:
                raise self.refuse(
                    f"{key}-data", "is not base64", f"Encode it, or name a file in {key}."
                ) from None
        if file is None:
            return None
        try:
            return file.read_bytes()
        except OSError as error:
            raise self.refuse(
                key, f"{file} cannot be read: {error.strerror}", "Mend the path or its permissions."
            ) from error

    def refuse(self, key: str, problem: str, hint: str) -> NoAccess:
        return NoAccess(f"{self.path}: {self.name}: {key}: {problem}. {hint}")


def _credentials(user: _Section, cluster: _Section, authority: bytes) -> Credentials:
    if mapping(user.content.get("exec")):
        return _plugin(user, cluster, authority)
    if mapping(user.content.get("auth-provider")):
        raise user.refuse(
            "auth-provider", "is what kubectl itself has given up", "Use exec with the vendor's plugin."
        )
    chain, key = user.data("client-certificate"), user.data("client-key")
    if (chain is None) != (key is None):
        raise user.refuse(
            "client-certificate", "one of client-certificate and client-key is missing", "Give both."
        )
    if chain is not None and key is not None:
        return Fixed(Identity(user.text("token"), Certificate(chain, key)))
    token_file = user.file("tokenFile")
    if token_file is not None:
        return RotatedToken(token_file)
    return Fixed(Identity(user.text("token")))


def _plugin(user: _Section, cluster: _Section, authority: bytes) -> ExecPlugin:
    told = _Section(user.path, f"{user.name}: exec", mapping(user.content.get("exec")))
    command, version = told.text("command"), told.text("apiVersion")
    if not command:
        raise told.refuse("command", "is missing", "Name the plugin's command.")
    if version not in EXEC_VERSIONS:
        raise told.refuse("apiVersion", "is not known", f"Use {EXEC_VERSIONS[0]}.")
    if told.text("interactiveMode") == "Always":
        raise told.refuse("interactiveMode", "is Always, but nobody sits here", "Use IfAvailable or Never.")
    if "/" in command:
        command = str(user.path.parent / command)
    described: dict[str, Any] | None = None
    if told.flag("provideClusterInfo"):
        described = {"server": cluster.text("server")}
        if authority:
            described["certificate-authority-data"] = base64.b64encode(authority).decode()
    return ExecPlugin(
        [command, *map(str, items(told.content.get("args")))],
        {_text(entry, "name"): _text(entry, "value") for entry in mappings(told.content.get("env"))},
        version,
        cluster=described,
        install_hint=told.text("installHint"),
    )


def _load(path: Path) -> Mapping[str, Any]:
    try:
        with path.open("rb") as file:
            text = file.read(SIZE_MAX + 1)
    except OSError as error:
        raise NoAccess(
            f"{path} cannot be read: {error.strerror}. Mend the path or its permissions."
        ) from error
    if len(text) > SIZE_MAX:
        raise NoAccess(f"{path} is longer than {SIZE_MAX} octets: this is no kubeconfig.")
    try:
        # Every scalar stays text: a token of digits is no number.
        content: object = yaml.load(text, Loader=yaml.CBaseLoader)  # noqa: S506 (it makes text, lists and mappings only)
    except yaml.YAMLError as error:
        # Not the error itself, which quotes the text around: there may be a token in it.
        mark: Any = getattr(error, "problem_mark", None)
        line = f" in line {mark.line + 1}" if mark is not None else ""
        raise NoAccess(f"{path} is not YAML{line}. Mend it there.") from None
    if not isinstance(content, dict):
        raise NoAccess(f"{path} is no kubeconfig. Name another file.")
    return cast("dict[str, Any]", content)


def _named(content: Mapping[str, Any], section: str, key: str, name: str, path: Path) -> Mapping[str, Any]:
    for entry in mappings(content.get(section)):
        if entry.get("name") == name:
            return mapping(entry.get(key))
    known = ", ".join(_text(entry, "name") for entry in mappings(content.get(section))) or "none"
    raise NoAccess(f"{path}: there is no {key} {name!r} in {section}. Known there: {known}.")


def _text(content: Mapping[str, Any], key: str) -> str:
    value = content.get(key)
    return value if isinstance(value, str) and value != "null" else ""
