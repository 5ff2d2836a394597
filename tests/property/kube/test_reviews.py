"""Webhooks are asked by whoever reaches their port: whatever the body says, there is an answer, or none is owed."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from swimlb.config import Document, Options
from swimlb.controller.admission import KINDS, Verdict, admit, admit_deletion
from swimlb.kube.conversion import NEW, OLD
from swimlb.kube.reviews import NoReview, answer_admission, answer_conversion

KEYS = st.sampled_from(
    (
        *(
            "metadata",
            "spec",
            "name",
            "namespace",
            "labels",
            "nodeSelectors",
            "matchExpressions",
            "key",
            "values",
        ),
        *("communities", "bfdProfile", "addresses", "myASN", "holdTime", "peerPort"),
    )
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)
HEADS = st.fixed_dictionaries({"kind": st.sampled_from(KINDS), "apiVersion": st.sampled_from([OLD, NEW])})
OBJECTS = JSON | st.tuples(HEADS, st.dictionaries(KEYS, JSON, max_size=4)).map(lambda both: both[0] | both[1])
OPTIONS = Options(system_namespace="metallb-system")


@given(
    group=st.sampled_from(["admission.k8s.io/v1", "apiextensions.k8s.io/v1"]),
    operation=st.sampled_from(["CREATE", "UPDATE", "DELETE"]),
    content=OBJECTS,
    there=st.lists(OBJECTS, max_size=3),
    version=st.sampled_from([OLD, NEW, "v9"]),
)
def test_whatever_is_asked_is_answered_or_refused(
    group: str, operation: str, content: Any, there: list[Any], version: str
) -> None:
    def judge(operation: str, candidate: dict[str, Any]) -> Verdict:
        if operation == "DELETE":
            return admit_deletion(candidate, documents)
        return admit(candidate, documents, OPTIONS)

    documents = [Document(one) for one in there]
    request = {"uid": "7", "operation": operation, "object": content, "oldObject": content}
    request |= {"desiredAPIVersion": version, "objects": [*there, content]}
    review = {"apiVersion": group, "kind": "Review", "request": request}

    with suppress(NoReview):
        msgspec.json.encode(answer_admission(review, judge))
    with suppress(NoReview):
        msgspec.json.encode(answer_conversion(review))
