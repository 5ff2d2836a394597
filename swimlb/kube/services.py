"""Services as the API server has them, and as the controller sees them; and the status that it writes."""

from __future__ import annotations

from dataclasses import replace
from typing import cast

import msgspec

from swimlb.config import Mistake, Options, judge, parse_address
from swimlb.controller.records import CONDITION, Condition, IngressEntry, ServiceView, ServiceWrite
from swimlb.kube.objects import Metadata
from swimlb.kube.resources import SERVICES
from swimlb.kube.times import now_text
from swimlb.kube.untyped import Json, mapping, mappings
from swimlb.model import IpAddress, Service, Severity, family_of, labels_of

POOL_ANNOTATION = "metallb.io/ip-allocated-from-pool"
_PREFIXES = ("metallb.io/", "metallb.universe.tf/")
_DEPRECATED = _PREFIXES[1]
_SHARING = "allow-shared-ip"


class ServiceObject(msgspec.Struct):
    """A Service without what only its managers care for."""

    metadata: Metadata
    spec: Json | None = None
    status: Json | None = None


def service_view(source: ServiceObject, options: Options) -> ServiceView | None:
    """What the controller sees of it; None: it is none of our business.

    The rules are those of `swimlb.config`, so `swimlb check` says the same about the same object.
    """
    key = f"{source.metadata.namespace}/{source.metadata.name}"
    verdict = _judge(source, options)
    annotations = source.metadata.annotations or {}
    view = ServiceView(
        key=key,
        uid=source.metadata.uid,
        version=source.metadata.resource_version,
        ingress=_ingress(source.status or {}),
        pool=annotations.get(POOL_ANNOTATION),
        condition=_condition(source.status or {}),
        deprecated=tuple(sorted(name for name in annotations if name.startswith(_DEPRECATED))),
    )
    match verdict:
        case Service():
            return replace(view, service=verdict)
        case str():
            return replace(view, refusal=verdict, service=_what_is_left(source, view, options))
        case None:
            is_trace = (source.spec or {}).get("type") != "LoadBalancer" and (view.pool or view.condition)
            return view if is_trace else None


def _judge(source: ServiceObject, options: Options) -> Service | str | None:
    """The record; or all that is wrong with it; None: it is not ours."""
    metadata = source.metadata
    content = {
        "apiVersion": SERVICES.api_version,
        "kind": SERVICES.kind,
        "metadata": {
            "name": metadata.name,
            "namespace": metadata.namespace,
            "labels": metadata.labels or {},
            "annotations": metadata.annotations or {},
            "creationTimestamp": metadata.creation_timestamp or "",
        },
        "spec": source.spec or {},
        "status": source.status or {},
    }
    judged = judge(content, options)
    if judged.ignored is not None:
        return None
    errors = [
        f"{problem.field}: {problem.message}" if problem.field else problem.message
        for problem in judged.problems
        if problem.severity is Severity.ERROR
    ]
    return "; ".join(errors) if errors or judged.service is None else judged.service


def _what_is_left(source: ServiceObject, view: ServiceView, options: Options) -> Service | None:
    """A refused Service keeps the addresses it has: nobody else may get them. Without any, it gets none."""
    if not view.addresses:
        return None
    spec = {name: value for name, value in (source.spec or {}).items() if name != "loadBalancerIP"}
    annotations = {
        name: value
        for name, value in (source.metadata.annotations or {}).items()
        if not name.startswith(_PREFIXES) or name.endswith(_SHARING)
    }
    metadata = msgspec.structs.replace(source.metadata, annotations=annotations)
    plain = _judge(ServiceObject(metadata, spec, source.status), options)
    if not isinstance(plain, Service):
        plain = Service(
            namespace=metadata.namespace,
            name=metadata.name,
            labels=labels_of(metadata.labels or {}),
            families=tuple(dict.fromkeys(family_of(address) for address in view.addresses)),
            held_addresses=view.addresses,
            created=metadata.creation_timestamp or "",
        )
    return replace(plain, requested_addresses=view.addresses)


def addresses_of(status: object) -> tuple[IpAddress, ...]:
    """What a Service has by its status, whatever else is in there."""
    entries = _ingress(mapping(status))
    return tuple(entry.address for entry in entries if entry.address is not None)


def _ingress(status: Json) -> tuple[IngressEntry, ...]:
    entries = mappings(mapping(status.get("loadBalancer")).get("ingress"))
    return tuple(
        IngressEntry(_address(entry.get("ip")), msgspec.json.encode(entry).decode())
        for entry in entries
        if entry
    )


def _address(text: object) -> IpAddress | None:
    try:
        return parse_address(text) if isinstance(text, str) else None
    except Mistake:
        return None


def _condition(status: Json) -> Condition | None:
    for one in mappings(status.get("conditions")):
        if one.get("type") == CONDITION:
            return Condition(
                one.get("status") == "True",
                str(one.get("reason", "")),
                str(one.get("message", "")),
                str(one.get("lastTransitionTime", "")),
            )
    return None


# What is written


def status_patch(write: ServiceWrite) -> Json:
    """A strategic merge patch for the status subresource, which takes metadata, too.

    It is refused unless the Service is of the very version and uid. Conditions of others stay, as lists are merged by
    their key; entries of ingress that stay are given back as they came.
    """
    metadata: Json = {
        "uid": write.uid,
        "resourceVersion": write.version,
        "annotations": {POOL_ANNOTATION: write.pool},
    }
    status: Json = {"conditions": [_condition_patch(write.condition)]}
    if write.ingress is not None:
        status["loadBalancer"] = {"ingress": [_entry(entry) for entry in write.ingress] or None}
    return {"metadata": metadata, "status": status}


def _entry(entry: IngressEntry) -> Json:
    return cast("Json", msgspec.json.decode(entry.content)) if entry.content else {"ip": str(entry.address)}


def _condition_patch(condition: Condition | None) -> Json:
    if condition is None:
        return {"$patch": "delete", "type": CONDITION}
    return {
        "type": CONDITION,
        "status": "True" if condition.is_true else "False",
        "reason": condition.reason,
        "message": condition.message,
        "lastTransitionTime": condition.since or now_text(),
    }
