"""Whose a bearer token is, and what they may: TokenReview and SubjectAccessReview, as the API server's own gate asks."""

from __future__ import annotations

from swimlb.kube.client import Client
from swimlb.kube.resources import SUBJECT_ACCESS_REVIEWS, TOKEN_REVIEWS
from swimlb.kube.untyped import Json, mapping


async def subject_of(client: Client, token: str) -> Json | None:
    """User and groups, in the words of a SubjectAccessReview; None: it is nobody's. Raises ApiError."""
    review = await client.create(TOKEN_REVIEWS, {"metadata": {}, "spec": {"token": token}})
    status = mapping(review.get("status"))
    if status.get("authenticated") is not True:
        return None
    user = mapping(status.get("user"))
    return {
        "user": user.get("username", ""),
        "uid": user.get("uid", ""),
        "groups": user.get("groups") or [],
        "extra": user.get("extra") or {},
    }


async def may_get_path(client: Client, subject: Json, path: str) -> bool:
    """Whether a role lets them `get` what is no resource. Raises ApiError."""
    spec = {**subject, "nonResourceAttributes": {"path": path, "verb": "get"}}
    review = await client.create(SUBJECT_ACCESS_REVIEWS, {"metadata": {}, "spec": spec})
    return mapping(review.get("status")).get("allowed") is True
