"""Requests are counted by what they ask, not by whom they ask about."""

from __future__ import annotations

import pytest

from swimlb.lab.kubernetes.detour_server import kind_of


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/api/v1/services", "/api/v1/services"),
        ("/api/v1/nodes/node-a", "/api/v1/nodes/*"),
        ("/api/v1/namespaces/default", "/api/v1/namespaces/*"),
        ("/api/v1/namespaces/default/services", "/api/v1/namespaces/*/services"),
        ("/api/v1/namespaces/default/services/web/status", "/api/v1/namespaces/*/services/*/status"),
        ("/apis/metallb.io/v1beta1/ipaddresspools", "/apis/metallb.io/v1beta1/ipaddresspools"),
        (
            "/apis/coordination.k8s.io/v1/namespaces/metallb-system/leases/one",
            "/apis/coordination.k8s.io/v1/namespaces/*/leases/*",
        ),
        ("/readyz", "/readyz"),
    ],
)
def test_kind_of(path: str, kind: str) -> None:
    assert kind_of(path) == kind
