from __future__ import annotations

from copy import deepcopy
from typing import Any

import yaml
from hypothesis import given
from hypothesis import strategies as st

from swimlb.config import Document, resolve
from swimlb.model import Severity
from swimlb.sources import read_text
from tests.unit.swimlb.config.objects import document, ours, peer, pool, service

_SELECTOR = {"matchLabels": {"a": "b"}, "matchExpressions": [{"key": "a", "operator": "In", "values": ["b"]}]}
_TEMPLATE = {
    "metadata": {"labels": {"app": "web"}},
    "spec": {
        "containers": [
            {
                "ports": [{"name": "http", "containerPort": 8080}],
                "readinessProbe": {
                    "httpGet": {"path": "/", "port": "http", "httpHeaders": [{"name": "a", "value": "b"}]}
                },
            }
        ]
    },
}
GOOD: list[dict[str, Any]] = [
    pool(
        "gold",
        "192.0.2.0/25",
        "2001:db8::1-2001:db8::9",
        autoAssign=True,
        serviceAllocation={"priority": 1, "namespaces": ["a"], "namespaceSelectors": [_SELECTOR]},
    ),
    pool("lead", "198.51.100.0/24"),
    ours(
        "L2Advertisement",
        "lan",
        {
            "ipAddressPools": ["gold"],
            "nodeSelectors": [_SELECTOR],
            "interfaces": ["eth0"],
            "preferredNodeSelectors": [{"weight": 1, "preference": _SELECTOR}],
        },
    ),
    ours(
        "BGPAdvertisement",
        "out",
        {"aggregationLength": 26, "communities": ["64496:1", "named"], "peers": ["router"]},
    ),
    ours("Community", "names", {"communities": [{"name": "named", "value": "large:1:2:3"}]}),
    ours("BFDProfile", "fast", {"receiveInterval": 50}),
    peer("router", holdTime="90s", keepaliveTime="30s", bfdProfile="fast", passwordSecret={"name": "bgp"}),
    {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "bgp", "namespace": "metallb-system"},
        "type": "kubernetes.io/basic-auth",
        "data": {"password": "c2VjcmV0"},
    },
    {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "a", "labels": {"a": "b"}}},
    {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": "node-a"},
        "status": {"conditions": [{"type": "NetworkUnavailable", "status": "False"}]},
    },
    {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"name": "web-1", "labels": {"kubernetes.io/service-name": "web"}},
        "endpoints": [{"nodeName": "node-a", "conditions": {"ready": True}}],
    },
    {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web"},
        "spec": {"template": _TEMPLATE},
    },
    service(
        "web",
        annotations={"metallb.io/loadBalancerIPs": "192.0.2.1", "metallb.io/allow-shared-ip": "k"},
        selector={"app": "web"},
        clusterIPs=["198.51.100.1"],
        status={"loadBalancer": {"ingress": [{"ip": "192.0.2.1"}]}},
    ),
    service(
        "dns", annotations={"swimlb.io/health-check": "tcp://:53", "swimlb.io/health-check-interval": "1s"}
    ),
]
"""Every kind, with most of its fields."""

JUNK = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=5)
    | st.binary(max_size=2)
    | st.sampled_from(["192.0.2.0/24", "192.0.2.1-192.0.2.0", "gold", "0s", "1:2", "None", "x" * 10_000]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3) | st.integers(), inner, max_size=3)
    ),
    max_leaves=5,
)


def paths(value: object, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place within an object."""
    children = (
        value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    )
    return [path, *(found for key, child in children for found in paths(child, (*path, key)))]


@st.composite
def spoiled(draw: st.DrawFn) -> list[Any]:
    """The good objects with nonsense in some places."""
    root: list[Any] = [deepcopy(GOOD)]
    for _ in range(draw(st.integers(1, 3))):
        *steps, last = draw(st.sampled_from(paths(root)[1:]))
        node: Any = root
        for step in steps:
            node = node[step]
        node[last] = draw(JUNK)
    return root[0] if isinstance(root[0], list) else [root[0]]


def in_one_file(contents: list[Any]) -> list[Document]:
    return [document(content, line=1 + index) for index, content in enumerate(contents)]


def test_what_the_properties_start_from_is_good() -> None:
    """Or else they would show little."""
    problems = resolve(in_one_file(GOOD)).problems

    assert [problem for problem in problems if problem.severity is Severity.ERROR] == []


@given(spoiled())
def test_whatever_is_given_is_read_or_reported(contents: list[Any]) -> None:
    """Nothing that a manifest may hold makes `resolve` raise, and every problem can be mended."""
    result = resolve(in_one_file(contents))

    assert all(problem.message and problem.hint for problem in result.problems)


@given(spoiled())
def test_nonsense_never_takes_anything_out_of_force(contents: list[Any]) -> None:
    """Every object that is still there by name has a version in force: the new one, or the last good one."""
    good = resolve(in_one_file(GOOD))

    after = resolve(in_one_file(contents), good)

    named = {ref for ref in good.kept if any(_is_named(content, ref.kind, ref.name) for content in contents)}
    lost = named - after.kept.keys()
    # A pool may grow into one whose old version then fits nowhere; the problem names both.
    assert all(ref.kind == "IPAddressPool" for ref in lost)


def _is_named(content: object, kind: str, name: str) -> bool:
    good = next(one for one in GOOD if one["kind"] == kind and one["metadata"]["name"] == name)
    return (
        isinstance(content, dict)
        and all(content.get(key) == good[key] for key in ("apiVersion", "kind"))
        and content.get("metadata") == good["metadata"]
    )


@given(spoiled(), st.randoms(use_true_random=False))
def test_the_order_of_documents_does_not_matter(contents: list[Any], random: Any) -> None:
    """Files may be read in any order: the same objects give the same answer."""
    documents = in_one_file(contents)
    shuffled = list(documents)
    random.shuffle(shuffled)

    first, second = resolve(documents), resolve(shuffled)

    assert first.configuration == second.configuration
    assert list(map(repr, first.problems)) == list(map(repr, second.problems))


ALONE: list[dict[str, Any]] = [
    one for one in GOOD if one["kind"] not in ("Namespace", "Secret", "Community", "BFDProfile")
]
"""Objects that no other needs to mean what it means."""


@given(st.data())
def test_a_bad_object_changes_nothing_for_the_others(data: st.DataObject) -> None:
    """Whatever is wrong with one: the others mean what they mean without it."""
    index = data.draw(st.integers(0, len(ALONE) - 1))
    contents = deepcopy(ALONE)
    bad = contents[index]
    *steps, last = data.draw(st.sampled_from(paths(bad)[1:]))
    node: Any = bad
    for step in steps:
        node = node[step]
    node[last] = data.draw(JUNK)
    rest = [one for position, one in enumerate(contents) if position != index]

    together, without = resolve(in_one_file(contents)), resolve(in_one_file(rest))

    # Else it is still good, and may count for others.
    if together.kept.keys() == without.kept.keys():
        assert together.configuration == without.configuration


_LINES = st.sampled_from(
    [
        *(line for one in GOOD for line in yaml.safe_dump(one).splitlines()),
        "---",
        "- ",
        "    - x",
        "spec:",
        "items:",
        "kind: List",
        "\tx: y",
        "a: &a [*a]",
        "? [x]",
    ]
)


@given(st.lists(_LINES | st.text(max_size=10), max_size=40).map("\n".join))
def test_any_text_gives_objects_or_problems(text: str) -> None:
    """From the file to the configuration, as `swimlb check` goes."""
    manifests = read_text(text, "test.yaml")

    result = resolve(manifests.documents, source_problems=manifests.problems)

    assert all(problem.message and problem.hint for problem in result.problems)


@given(st.sampled_from(GOOD), st.data())
def test_any_manifest_with_a_slip_gives_objects_or_problems(
    content: dict[str, Any], data: st.DataObject
) -> None:
    """A line lost, doubled, or indented another way."""
    lines = yaml.safe_dump(content).splitlines()
    index = data.draw(st.integers(0, len(lines) - 1))
    lines[index : index + 1] = data.draw(
        st.sampled_from(
            [[], [lines[index]] * 2, [" " + lines[index]], [lines[index].lstrip()], [lines[index] + ":"]]
        )
    )
    manifests = read_text("\n".join(lines), "test.yaml")

    result = resolve(manifests.documents, source_problems=manifests.problems)

    assert result.kept or result.problems or result.ignored
    assert all(problem.line is None or problem.line <= len(lines) + 1 for problem in result.problems)
