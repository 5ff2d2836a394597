from __future__ import annotations

from ipaddress import ip_address
from typing import Any

import msgspec

from swimlb.config import Options
from swimlb.controller.records import Condition, IngressEntry, ServiceView, ServiceWrite
from swimlb.kube.objects import Metadata
from swimlb.kube.services import ServiceObject, service_view, status_patch

OPTIONS = Options()
HELD = ip_address("192.0.2.7")


def source(
    *,
    annotations: dict[str, str] | None = None,
    status: dict[str, Any] | None = None,
    labels: dict[str, str] | None = None,
    **spec: Any,
) -> ServiceObject:
    return ServiceObject(
        Metadata(
            name="web",
            namespace="default",
            uid="u",
            resource_version="5",
            creation_timestamp="2026-01-01T00:00:00Z",
            labels=labels,
            annotations=annotations,
        ),
        {
            "type": "LoadBalancer",
            "clusterIP": "10.0.0.1",
            "clusterIPs": ["10.0.0.1"],
            "ports": [{"port": 80}],
            **spec,
        },
        status,
    )


def held(**more: Any) -> dict[str, Any]:
    return {"loadBalancer": {"ingress": [{"ip": "192.0.2.7", "ipMode": "VIP", **more}]}}


def view_of(content: ServiceObject, options: Options = OPTIONS) -> ServiceView:
    view = service_view(content, options)
    assert view is not None
    return view


def test_a_service_is_seen_with_what_it_shows() -> None:
    condition = {
        "type": "swimlb.io/AddressAssigned",
        "status": "True",
        "reason": "Assigned",
        "message": "m",
        "lastTransitionTime": "t",
    }
    view = view_of(
        source(
            annotations={
                "metallb.io/ip-allocated-from-pool": "lab",
                "metallb.universe.tf/allow-shared-ip": "k",
            },
            status={**held(), "conditions": [{"type": "Other"}, condition]},
        )
    )

    assert (view.key, view.uid, view.version) == ("default/web", "u", "5")
    assert view.addresses == (HELD,)
    assert view.ingress == (IngressEntry(HELD, '{"ip":"192.0.2.7","ipMode":"VIP"}'),)
    assert view.pool == "lab"
    assert view.condition == Condition(True, "Assigned", "m", "t")
    assert view.deprecated == ("metallb.universe.tf/allow-shared-ip",)
    assert view.service is not None
    assert view.service.sharing_key == "k"
    assert view.service.held_addresses == (HELD,)


def test_a_service_of_another_class_or_type_is_none_of_ours() -> None:
    assert service_view(source(loadBalancerClass="other"), OPTIONS) is None
    assert service_view(source(type="ClusterIP"), OPTIONS) is None
    assert service_view(source(loadBalancerClass="ours"), Options(lb_class="ours")) is not None


def test_traces_of_having_been_ours_are_seen() -> None:
    view = view_of(source(type="ClusterIP", annotations={"metallb.io/ip-allocated-from-pool": "lab"}))

    assert view.service is None
    assert view.pool == "lab"


def test_a_refused_service_keeps_what_it_has_and_asks_for_nothing_else() -> None:
    view = view_of(source(annotations={"metallb.io/loadBalancerIPs": "nonsense"}, status=held()))

    assert "metadata.annotations.metallb.io/loadBalancerIPs" in view.refusal
    assert view.service is not None
    assert view.service.requested_addresses == (HELD,)


def test_a_refused_service_without_an_address_gets_none() -> None:
    view = view_of(source(annotations={"metallb.io/loadBalancerIPs": "nonsense"}))

    assert view.refusal
    assert view.service is None


def test_the_addresses_of_what_cannot_be_read_at_all_are_kept_from_others() -> None:
    view = view_of(source(ports=[], status=held()))

    assert view.service is not None
    assert view.service.held_addresses == (HELD,)


def test_the_patch_names_the_version_and_gives_back_what_others_wrote() -> None:
    entry = {"ip": "192.0.2.7", "ipMode": "Proxy", "ports": [{"port": 80, "protocol": "TCP"}]}
    write = ServiceWrite(
        key="default/web",
        uid="u",
        version="5",
        ingress=(
            IngressEntry(HELD, msgspec.json.encode(entry).decode()),
            IngressEntry(ip_address("2001:db8::1")),
        ),
        pool="lab",
        condition=Condition(True, "Assigned", "m", "2026-01-01T00:00:00Z"),
    )

    assert status_patch(write) == {
        "metadata": {
            "uid": "u",
            "resourceVersion": "5",
            "annotations": {"metallb.io/ip-allocated-from-pool": "lab"},
        },
        "status": {
            "loadBalancer": {"ingress": [entry, {"ip": "2001:db8::1"}]},
            "conditions": [
                {
                    "type": "swimlb.io/AddressAssigned",
                    "status": "True",
                    "reason": "Assigned",
                    "message": "m",
                    "lastTransitionTime": "2026-01-01T00:00:00Z",
                }
            ],
        },
    }


def test_clearing_removes_the_address_the_annotation_and_the_condition() -> None:
    write = ServiceWrite(key="default/web", uid="u", version="5", ingress=(), pool=None, condition=None)

    patch = status_patch(write)

    assert patch["metadata"]["annotations"] == {"metallb.io/ip-allocated-from-pool": None}
    assert patch["status"] == {
        "loadBalancer": {"ingress": None},
        "conditions": [{"$patch": "delete", "type": "swimlb.io/AddressAssigned"}],
    }
