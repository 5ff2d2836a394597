"""What the API server asks a webhook, and what it is answered: AdmissionReview and ConversionReview."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from swimlb.controller.admission import Verdict
from swimlb.kube.conversion import NotConvertible, convert

Json = dict[str, Any]


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
    return {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": response}


def answer_conversion(review: Json) -> Json:
    """All or none is converted. Raises NoReview."""
    request = _section(review, "request")
    objects = request.get("objects")
    if not isinstance(objects, list):
        raise NoReview("request.objects is missing")
    response: Json = {"uid": request.get("uid")}
    try:
        version = str(request.get("desiredAPIVersion"))
        response["convertedObjects"] = [convert(one, version) for one in cast("list[Json]", objects)]
        response["result"] = {"status": "Success"}
    except NotConvertible as error:
        response["convertedObjects"] = []
        response["result"] = {"status": "Failure", "message": str(error)}
    return {"apiVersion": "apiextensions.k8s.io/v1", "kind": "ConversionReview", "response": response}


def _section(content: Json, name: str) -> Json:
    section = content.get(name)
    if not isinstance(section, dict):
        raise NoReview(f"{name} is missing")
    return cast("Json", section)
