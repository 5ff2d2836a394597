"""What the API server asks a webhook, and what it is answered: AdmissionReview and ConversionReview.

The answer is of the version of the question. MetalLB's definition of BGPPeers names v1beta1 for its reviews, where it
means its own versions, so that is what the API server asks in; the fields are those of v1.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

from swimlb.controller.admission import Verdict
from swimlb.kube.conversion import NotConvertible, convert
from swimlb.kube.untyped import Json, items


class NoReview(ValueError):
    """The body is not what the API server asks."""


def answer_admission(review: Json, judge: Callable[[str, Json], Verdict]) -> Json:
    """`judge` gets the operation and the object (on DELETE the one that goes). Raises NoReview."""
    request = _section(review, "request")
    operation = str(request.get("operation"))
    content = request.get("oldObject" if operation == "DELETE" else "object")
    if not isinstance(content, dict):
        raise NoReview("request.object is missing")
    verdict = judge(operation, cast("Json", content))
    response: Json = {"uid": request.get("uid"), "allowed": not verdict.refusal}
    if verdict.refusal:
        response["status"] = {"code": 403, "reason": "Forbidden", "message": verdict.refusal}
    if verdict.warnings:
        response["warnings"] = list(verdict.warnings)
    return _answer(review, "admission.k8s.io", response)


def answer_conversion(review: Json) -> Json:
    """All or none is converted. Raises NoReview."""
    request = _section(review, "request")
    if not isinstance(request.get("objects"), list):
        raise NoReview("request.objects is missing")
    response: Json = {"uid": request.get("uid")}
    try:
        version = str(request.get("desiredAPIVersion"))
        response["convertedObjects"] = [convert(one, version) for one in items(request["objects"])]
        response["result"] = {"status": "Success"}
    except NotConvertible as error:
        response["convertedObjects"] = []
        response["result"] = {"status": "Failure", "message": str(error)}
    return _answer(review, "apiextensions.k8s.io", response)


def _answer(review: Json, group: str, response: Json) -> Json:
    version, kind = str(review.get("apiVersion")), review.get("kind")
    if version.partition("/")[0] != group:
        raise NoReview(f"apiVersion {version} is not of {group}")
    return {"apiVersion": version, "kind": kind, "response": response}


def _section(content: Json, name: str) -> Json:
    section = content.get(name)
    if not isinstance(section, dict):
        raise NoReview(f"{name} is missing")
    return cast("Json", section)
