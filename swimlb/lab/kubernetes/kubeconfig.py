"""Kubeconfig files: who somebody is to which API server. Written as JSON, which is YAML too."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from swimlb.lab.kubernetes.certificates import Pair, inline


def of_certificate(server: str, authority: bytes, pair: Pair) -> dict[str, Any]:
    """Somebody who proves who he is by a client certificate."""
    user = {"client-certificate-data": inline(pair.certificate), "client-key-data": inline(pair.key)}
    return _kubeconfig(server, authority, user)


def of_token(server: str, authority: bytes, token: str) -> dict[str, Any]:
    """A ServiceAccount, by its token."""
    return _kubeconfig(server, authority, {"token": token})


def save(path: Path, kubeconfig: Mapping[str, Any]) -> Path:
    """Write it readable for its owner alone, since it holds a secret."""
    path.touch(mode=0o600)
    path.write_text(json.dumps(kubeconfig, indent=1))
    return path


def _kubeconfig(server: str, authority: bytes, user: Mapping[str, str]) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [
            {
                "name": "lab",
                "cluster": {"server": server, "certificate-authority-data": inline(authority)},
            }
        ],
        "users": [{"name": "me", "user": dict(user)}],
        "contexts": [{"name": "lab", "context": {"cluster": "lab", "user": "me"}}],
        "current-context": "lab",
    }
