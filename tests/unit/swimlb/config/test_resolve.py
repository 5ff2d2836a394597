"""What several objects together mean, and what stays in force when something is wrong."""

from __future__ import annotations

import pytest

from swimlb.config import Document, Options, Resolved, resolve
from swimlb.model import BfdProfile, Problem, Severity
from tests.unit.swimlb.config.objects import (
    document,
    documents,
    node,
    ours,
    peer,
    pool,
    resolved,
    service,
    told,
)


def pool_names(result: Resolved) -> list[str]:
    return [pool.name for pool in result.configuration.pools]


def test_nothing_is_a_configuration_too() -> None:
    assert resolve([]) == Resolved()


def test_a_bad_object_is_refused_alone() -> None:
    """Each mistake is reported with object, field, line and way out; the rest is in force."""
    result = resolved(
        pool("good", "192.0.2.0/26"),
        pool("inverted", "192.0.2.99-192.0.2.90"),
        ours("L2Advertisement", "lan", {"interfaces": "eth0"}),
        service("web"),
    )

    assert pool_names(result) == ["good"]
    assert [one.key for one in result.configuration.services] == ["default/web"]
    assert result.problems == (
        Problem(
            severity=Severity.ERROR,
            object="IPAddressPool/metallb-system/inverted",
            field="spec.addresses[0]",
            message="invalid IP range '192.0.2.99-192.0.2.90': start IP 192.0.2.99 is after the end IP 192.0.2.90",
            hint="Write 192.0.2.90-192.0.2.99.",
            file="test.yaml",
            line=11,
        ),
        Problem(
            severity=Severity.ERROR,
            object="L2Advertisement/metallb-system/lan",
            field="spec.interfaces",
            message="must be a list, but is the text 'eth0'",
            hint="Write each entry on its own line after `- `.",
            file="test.yaml",
            line=21,
        ),
    )


def test_the_last_good_version_stays_in_force() -> None:
    """The operator is told so, also when the bad version is seen again and again."""
    good = resolved(pool("gold", "192.0.2.0/24"), service("web"))

    bad = resolve(documents(pool("gold", "192.0.2.0/99"), service("web")), good)
    again = resolve(documents(pool("gold", "192.0.2.0/99"), service("web")), bad)

    assert bad.configuration == good.configuration
    assert bad.stale == {"IPAddressPool/metallb-system/gold"}
    assert bad.problems[0].hint.endswith("Until then the last good version stays in force.")
    assert again == bad


def test_a_mended_object_comes_into_force() -> None:
    good = resolved(pool("gold", "192.0.2.0/24"))
    bad = resolve(documents(pool("gold", "nonsense")), good)

    mended = resolve(documents(pool("gold", "198.51.100.0/24")), bad)

    assert mended == resolved(pool("gold", "198.51.100.0/24"))


def test_an_object_that_is_gone_is_gone() -> None:
    """Also when a bad version of it was there in between."""
    bad = resolve(documents(pool("gold", "nonsense")), resolved(pool("gold", "192.0.2.0/24")))

    assert resolve([], bad).configuration.pools == ()


def test_objects_of_a_file_that_cannot_be_read_stay() -> None:
    """A slip in a file must not take down what it defined; other files may still delete theirs."""
    before = resolve(
        [
            document(pool("a", "192.0.2.0/25"), file="a.yaml"),
            document(pool("b", "192.0.2.128/25"), file="b.yaml"),
        ]
    )
    broken = Problem(severity=Severity.ERROR, object="a.yaml", field="", message="", hint="", file="a.yaml")

    after = resolve([], before, source_problems=[broken])

    assert pool_names(after) == ["a"]
    assert after.problems == (broken,)


@pytest.mark.parametrize(
    "slip",
    [
        {"apiVersion": "metallb.io/v1"},
        {"kind": "IPAdressPool"},
        {"kind": None},
        {"metadata": ["name: gold"]},
        {"metadata": {"namespace": "metallb-system"}},
        {"metadata": {"name": "gold"}},
        {"metadata": {"name": "gold", "namespace": "metallb-sytem"}},
    ],
    ids=str,
)
def test_a_slip_in_what_tells_an_object_is_no_deletion(slip: dict[str, object]) -> None:
    """What the file held stays in force until it is mended; what other files held may go."""
    gold, lead = pool("gold", "192.0.2.0/25"), pool("lead", "192.0.2.128/25")
    before = resolve([document(gold, file="a.yaml"), document(lead, file="b.yaml")])

    after = resolve([document(gold | slip, file="a.yaml")], before)

    assert pool_names(after) == ["gold"]
    assert after.stale == {"IPAddressPool/metallb-system/gold"}
    (problem,) = after.problems
    assert "Until then" in problem.hint
    assert pool_names(resolve([], after)) == []


def test_an_object_belongs_to_the_file_that_it_was_seen_in_last() -> None:
    """In a bad version, too: a slip in that file keeps it, and one in the file that it has left does not."""
    before = resolve([document(pool("gold", "192.0.2.0/24"), file="a.yaml")])
    moved = resolve([document(pool("gold", "nonsense"), file="b.yaml")], before)
    slip_in_a, slip_in_b = (
        document({"kind": "Pool"}, file="a.yaml"),
        document({"kind": "Pool"}, file="b.yaml"),
    )

    assert moved.configuration == before.configuration
    assert pool_names(resolve([slip_in_b], moved)) == ["gold"]
    assert pool_names(resolve([slip_in_a], moved)) == []


def test_a_service_in_a_namespace_that_is_no_text_stays_where_it_is() -> None:
    web = service("web", namespace="shop")
    before = resolved(web)

    after = resolve(documents(web | {"metadata": {"name": "web", "namespace": 5}}), before)

    assert [one.key for one in after.configuration.services] == ["shop/web"]


def test_an_object_of_an_unread_kind_keeps_nothing() -> None:
    """It is none of our business, so it is no slip either."""
    before = resolved(pool("gold", "192.0.2.0/24"))
    stranger = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "gold"}}

    assert pool_names(resolve(documents(stranger), before)) == []


@pytest.mark.parametrize("kind", ["ClusterIP", "NodePort", "ExternalName", "", None])
def test_a_service_that_is_no_longer_ours_is_let_go(kind: object) -> None:
    """Being ignored is a good version, not a bad one."""
    before = resolved(service("web"))

    after = resolve(documents(service("web", type=kind)), before)

    assert after.configuration.services == ()
    assert after.problems == ()


def test_deleting_what_an_object_refers_to_leaves_it_in_force() -> None:
    """The mistake is reported, but what is announced goes on as it was."""
    names = ours("Community", "names", {"communities": [{"name": "named", "value": "64496:1"}]})
    advertisement = ours("BGPAdvertisement", "out", {"communities": ["named"]})
    before = resolved(names, advertisement)

    after = resolve(documents(advertisement), before)
    again = resolve(documents(advertisement), after)

    assert told(after.problems) == [
        (
            "error",
            "BGPAdvertisement/metallb-system/out",
            "spec.communities[0]",
            'no Community object defines "named"',
        )
    ]
    assert after.configuration == again.configuration == before.configuration


def test_of_two_pools_that_overlap_the_first_by_name_is_in_force() -> None:
    """In whatever order they stand in the file; the message names both."""
    result = resolved(pool("b", "192.0.2.0/24"), pool("a", "192.0.2.255-198.51.100.0"))

    assert pool_names(result) == ["a"]
    assert told(result.problems) == [
        (
            "error",
            "IPAddressPool/metallb-system/b",
            "spec.addresses[0]",
            "192.0.2.0-192.0.2.255 of pool b overlaps with 192.0.2.255-198.51.100.0 of pool a",
        )
    ]


def test_a_version_that_comes_to_overlap_falls_back() -> None:
    """The pool that was grown into another one keeps its old size."""
    before = resolved(pool("a", "192.0.2.0/25"), pool("b", "192.0.2.128/25"))

    after = resolve(documents(pool("a", "192.0.2.0/25"), pool("b", "192.0.2.0/24")), before)

    assert after.configuration == before.configuration
    assert after.stale == {"IPAddressPool/metallb-system/b"}


def test_an_edit_takes_no_other_object_out_of_force() -> None:
    """Though its name comes first: who did not touch the other one does not look for the fault there."""
    before = resolved(pool("a", "192.0.2.0/28"), pool("b", "192.0.2.16/28", "198.51.100.0/24"))
    edit = pool("a", "192.0.2.0/28", "198.51.100.200/32")
    both = (edit, pool("b", "192.0.2.16/28", "198.51.100.0/24"))

    after = resolve(documents(*both), before)
    again = resolve(documents(*both), after)
    newcomer = resolve(documents(pool("0", "192.0.2.0/29"), *both), after)

    assert after.configuration == again.configuration == newcomer.configuration == before.configuration
    assert after.stale == {"IPAddressPool/metallb-system/a"}
    assert [problem.object for problem in after.problems] == ["IPAddressPool/metallb-system/a"]
    assert [problem.object.rpartition("/")[2] for problem in newcomer.problems] == ["0", "a"]


def test_pools_may_change_places() -> None:
    before = resolved(pool("a", "192.0.2.0/28"), pool("b", "192.0.2.16/28"))

    after = resolve(documents(pool("a", "192.0.2.16/28"), pool("b", "192.0.2.0/28")), before)

    assert after.problems == ()
    assert [str(one.ranges[0].first) for one in after.configuration.pools] == ["192.0.2.16", "192.0.2.0"]


def test_the_same_object_twice_is_an_error_on_the_second() -> None:
    result = resolved(pool("gold", "192.0.2.0/25"), pool("gold", "192.0.2.128/25"))

    assert [str(one.ranges[0]) for one in result.configuration.pools] == ["192.0.2.0-192.0.2.127"]
    assert told(result.problems) == [
        (
            "error",
            "IPAddressPool/metallb-system/gold",
            "",
            "is defined twice; the first one is at test.yaml:1",
        )
    ]
    assert result.problems[0].line == 11


def test_configuration_belongs_into_the_system_namespace() -> None:
    stray = pool("gold", "192.0.2.0/24")
    stray["metadata"] = {"name": "gold", "namespace": "web"}

    result = resolved(stray)

    assert told(result.problems) == [
        (
            "error",
            "IPAddressPool/web/gold",
            "metadata.namespace",
            "resource must be created in metallb-system namespace, but is in web",
        )
    ]
    assert resolve(documents(stray), options=Options(system_namespace="web")).problems == ()


@pytest.mark.parametrize(
    ("api_version", "kind", "expected"),
    [
        ("metallb.io/v1beta1", "IPAdressPool", ("error", "kind", "unknown kind IPAdressPool in metallb.io")),
        (
            "metallb.io/v1alpha1",
            "IPAddressPool",
            ("error", "apiVersion", "IPAddressPool has no version metallb.io/v1alpha1"),
        ),
        ("metallb.io/v1beta1", "AddressPool", ("error", "kind", "unknown kind AddressPool in metallb.io")),
        (
            "serving.knative.dev/v1",
            "Service",
            ("warning", "apiVersion", "Service of serving.knative.dev/v1 is not used"),
        ),
        ("v1", "Sevice", ("error", "kind", "unknown kind Sevice in v1")),
        ("v1", "service", ("error", "kind", "unknown kind service in v1")),
        ("apps/v1", "DeamonSet", ("error", "kind", "unknown kind DeamonSet in apps/v1")),
        ("v1", "Deployments", ("error", "kind", "unknown kind Deployments in v1")),
        ("apps/v1", "Service", ("error", "apiVersion", "there is no Service of apps/v1")),
        ("v1beta1", "IPAddressPool", ("error", "apiVersion", "there is no IPAddressPool of v1beta1")),
        (
            "metalb.io/v1beta1",
            "IPAddressPool",
            ("error", "apiVersion", "there is no IPAddressPool of metalb.io/v1beta1"),
        ),
        (
            "metallb/v1beta1",
            "IpAddressPool",
            ("error", "apiVersion", "there is no IpAddressPool of metallb/v1beta1"),
        ),
    ],
)
def test_tells_of_unknown_kinds(api_version: str, kind: str, expected: tuple[str, str, str]) -> None:
    """In our own group, and in Kubernetes' own, what is nearly a kind that we read is a slip; other groups are others'."""
    result = resolved({"apiVersion": api_version, "kind": kind, "metadata": {"name": "x", "namespace": "y"}})

    assert told(result.problems) == [(expected[0], f"{kind}/y/x", *expected[1:])]


@pytest.mark.parametrize(
    ("api_version", "kind", "meant"),
    [
        ("v1", "Sevice", "Did you mean Service?"),
        ("v1", "Deployments", "Did you mean Deployment, of apps/v1?"),
        ("metalb.io/v1beta2", "BGPPear", "Did you mean BGPPeer of metallb.io/v1beta2?"),
        ("apps/v1", "Service", "Known is v1."),
    ],
)
def test_a_slip_in_a_kind_takes_nothing_out_of_force(api_version: str, kind: str, meant: str) -> None:
    """The Service would be deleted by it, and its address given to another. What else the file holds is read."""
    before = resolved(service("web"), pool("gold", "192.0.2.0/24"))
    slip = service("web") | {"apiVersion": api_version, "kind": kind}

    after = resolve(documents(slip, pool("gold", "198.51.100.0/24")), before)

    (problem,) = after.problems
    assert problem.hint.startswith(f"{meant} Until then ")
    assert [one.key for one in after.configuration.services] == ["default/web"]
    assert [str(one.ranges[0].first) for one in after.configuration.pools] == ["198.51.100.0"]


@pytest.mark.parametrize(
    ("api_version", "kind"),
    [
        ("v1", "ConfigMap"),
        ("v1", "ServiceAccount"),
        ("v1", "Endpoints"),
        ("apps/v1", "ReplicaSet"),
        ("networking.k8s.io/v1", "Ingress"),
        ("apiextensions.k8s.io/v1", "CustomResourceDefinition"),
        *(
            ("v1", kind)
            for kind in (
                "Binding",
                "ComponentStatus",
                "Event",
                "LimitRange",
                "PersistentVolume",
                "PersistentVolumeClaim",
                "PodTemplate",
                "ReplicationController",
                "ResourceQuota",
            )
        ),
        ("apps/v1", "ControllerRevision"),
        ("apps/v1", "Scale"),
        ("example.com/v1", "Sevice"),
        ("example.com/v1", "Pool"),
    ],
)
def test_other_kinds_are_passed_over(api_version: str, kind: str) -> None:
    """A directory of manifests, or a cluster, holds much that is none of our business."""
    assert (
        resolved(
            {"apiVersion": api_version, "kind": kind, "metadata": {"name": "x"}, "data": {"a": "b"}}
        ).problems
        == ()
    )


@pytest.mark.parametrize(
    "metadata", [None, {}, {"generateName": "x-"}, {"name": "x", "labels": {"a": 1}}, "x"]
)
def test_what_others_write_into_metadata_is_not_judged(metadata: object) -> None:
    """A Kustomization has none at all."""
    stranger = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "metadata": metadata,
    }

    assert resolved(stranger).problems == ()


def test_tells_of_the_former_configuration() -> None:
    """Who moves from an old MetalLB gets the command that makes objects of it."""
    result = resolved(
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "config", "namespace": "metallb-system"},
            "data": {"config": "address-pools:\n- name: default\n"},
        }
    )

    assert [(problem.severity.value, problem.field) for problem in result.problems] == [
        ("warning", "data.config")
    ]
    assert "swimlb convert metallb-configmap" in result.problems[0].hint


def test_tells_of_unknown_sections() -> None:
    """Of our kinds; a slip in `spec` must not leave an advertisement that announces everything."""
    misspelt = {**ours("L2Advertisement", "lan", {}), "sepc": {"interfaces": ["eth0"]}}

    assert told(resolved(misspelt).problems) == [
        ("warning", "L2Advertisement/metallb-system/lan", "sepc", "unknown field, ignored")
    ]


def test_what_speakers_write_is_no_mistake() -> None:
    """`kubectl get -o yaml` prints it along with the rest."""
    assert resolved(ours("ServiceL2Status", "l2-x", {})).problems == ()


@pytest.mark.parametrize("content", [[], "text", 5, {}, {"kind": "Service"}, {"apiVersion": 1, "kind": 2}])
def test_tells_of_what_is_no_object(content: object) -> None:
    result = resolved(content)

    assert [problem.object for problem in result.problems] == ["test.yaml"]
    assert result.has_errors


@pytest.mark.parametrize(
    ("content", "what"), [(["a"], "a list"), ("text", "the text 'text'"), (5, "the number 5")]
)
def test_says_what_there_is_in_place_of_an_object(content: object, what: str) -> None:
    (problem,) = resolved(content).problems

    assert problem.message == f"is no Kubernetes object, but {what}"


@pytest.mark.parametrize("metadata", [{}, {"name": ""}, {"name": 5}, "text", None])
def test_an_object_needs_a_name(metadata: object) -> None:
    result = resolved({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})

    assert result.has_errors
    assert result.kept == {}


@pytest.mark.parametrize("name", ["a/b", "a b", "a\nb", "\x1b[31m", "a%2fb"])
@pytest.mark.parametrize("field", ["name", "namespace"])
def test_what_is_in_no_name_is_refused(field: str, name: str) -> None:
    """Service c in a namespace a/b, and b/c in a, would be one and get one address."""
    web = service("web") | {"metadata": {"name": "web", "namespace": "default", field: name}}

    result = resolved(web)

    assert [(one.field, one.message) for one in result.problems] == [
        (f"metadata.{field}", f"{name!r} cannot be a name")
    ]
    assert result.kept == {}


def test_warns_of_references_that_lead_nowhere() -> None:
    """They may be created yet, so the advertisement is in force."""
    result = resolved(
        ours(
            "L2Advertisement",
            "lan",
            {"ipAddressPools": ["gone"], "ipAddressPoolSelectors": [{"matchLabels": {"a": "b"}}]},
        ),
        ours("BGPAdvertisement", "out", {"peers": ["gone"]}),
        peer("router"),
    )

    assert told(result.problems) == [
        ("warning", "L2Advertisement/metallb-system/lan", "spec.ipAddressPoolSelectors", "select no pool"),
        (
            "warning",
            "L2Advertisement/metallb-system/lan",
            "spec.ipAddressPools[0]",
            "there is no IPAddressPool gone",
        ),
        ("warning", "BGPAdvertisement/metallb-system/out", "spec.peers[0]", "there is no BGPPeer gone"),
        ("warning", "BGPPeer/metallb-system/router", "", "no BGPAdvertisement uses this peer"),
    ]
    assert len(result.configuration.l2_advertisements) == len(result.configuration.bgp_advertisements) == 1


@pytest.mark.parametrize(
    ("community", "message"),
    [
        ("gone", 'no Community object defines "gone"'),
        ("64496:65536", "invalid community value: 64496:65536"),
        ("64496:1:2", "invalid community format: 64496:1:2"),
        ("big:64496:1:2", "invalid community format: big:64496:1:2"),
    ],
)
def test_refuses_an_advertisement_with_a_bad_community(community: str, message: str) -> None:
    result = resolved(ours("BGPAdvertisement", "out", {"communities": [community]}))

    assert told(result.problems) == [
        ("error", "BGPAdvertisement/metallb-system/out", "spec.communities[0]", message)
    ]


def test_names_of_communities_are_unique_over_all_objects() -> None:
    def community(name: str) -> dict[str, object]:
        return ours("Community", name, {"communities": [{"name": "gold", "value": "64496:1"}]})

    result = resolved(community("b"), community("a"))

    assert told(result.problems) == [
        (
            "error",
            "Community/metallb-system/b",
            "spec.communities[0]",
            'duplicate definition of community "gold", which Community/metallb-system/a defines already',
        )
    ]


def test_an_aggregate_may_not_reach_beyond_the_pool() -> None:
    result = resolved(
        pool("gold", "192.0.2.0/24", "198.51.100.0-198.51.100.9"),
        ours("BGPAdvertisement", "out", {"aggregationLength": 26}),
    )

    assert [(problem.object, problem.field) for problem in result.problems] == [
        ("BGPAdvertisement/metallb-system/out", "spec.aggregationLength")
    ]
    assert "prefix 29 in pool gold is more specific" in result.problems[0].message


@pytest.mark.parametrize(
    ("other", "errors"),
    [
        ({"localPref": 200}, 1),
        ({"localPref": 100}, 0),
        ({"localPref": 200, "aggregationLength": 24, "aggregationLengthV6": 64}, 0),
        ({"localPref": 200, "peers": ["second"]}, 0),
        ({"localPref": 200, "ipAddressPools": ["silver"]}, 0),
    ],
)
def test_advertisements_must_agree_on_the_preference(other: dict[str, object], errors: int) -> None:
    """If they would send the same prefix to the same peer."""
    result = resolved(
        pool("gold", "192.0.2.0/24"),
        pool("silver", "198.51.100.0/24"),
        peer("first"),
        peer("second", peerAddress="192.0.2.253"),
        ours("BGPAdvertisement", "a", {"localPref": 100, "ipAddressPools": ["gold"], "peers": ["first"]}),
        ours("BGPAdvertisement", "b", {"ipAddressPools": ["gold"], "peers": ["first"], **other}),
    )

    found = [problem for problem in result.problems if problem.severity is Severity.ERROR]
    assert len(found) == errors
    assert all(problem.object == "BGPAdvertisement/metallb-system/b" for problem in found)


def test_namespace_selectors_of_a_pool_are_followed() -> None:
    """They add to the namespaces that are listed; ones that match none admit none."""
    namespace = {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": "a", "labels": {"team": "red"}},
    }
    red, blue = {"matchLabels": {"team": "red"}}, {"matchLabels": {"team": "blue"}}

    result = resolved(
        namespace,
        pool("gold", "192.0.2.0/25", serviceAllocation={"namespaces": ["b"], "namespaceSelectors": [red]}),
        pool("lead", "192.0.2.128/25", serviceAllocation={"namespaceSelectors": [blue]}),
    )

    allocations = [one.service_allocation for one in result.configuration.pools]
    assert [one.namespaces for one in allocations if one] == [frozenset({"a", "b"}), frozenset()]
    assert [(problem.severity.value, problem.object) for problem in result.problems] == [
        ("warning", "IPAddressPool/metallb-system/lead")
    ]


def test_a_peer_without_its_password_or_bfd_profile_is_not_in_force() -> None:
    result = resolved(
        ours("BGPAdvertisement", "out", {}),
        peer("a", passwordSecret={"name": "gone"}),
        peer("b", bfdProfile="gone", peerAddress="192.0.2.253"),
    )

    assert [(problem.severity.value, problem.object, problem.field) for problem in result.problems] == [
        ("error", "BGPPeer/metallb-system/a", "spec.passwordSecret"),
        ("error", "BGPPeer/metallb-system/b", "spec.bfdProfile"),
    ]
    assert result.configuration.bgp_peers == ()


def _password(text: str | None, kind: str = "kubernetes.io/basic-auth") -> dict[str, object]:
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "md5", "namespace": "metallb-system"},
        "type": kind,
        "stringData": {} if text is None else {"password": text},
    }


@pytest.mark.parametrize(
    "broken",
    [
        pytest.param([], id="deleted"),
        pytest.param([_password(None)], id="without its key"),
        pytest.param([_password("")], id="empty"),
        pytest.param([_password("x" * 81)], id="too long"),
        pytest.param([_password("other", "Opaque")], id="of another type"),
        pytest.param([{**_password(None), "data": {"password": "%"}}], id="not base64"),
    ],
)
def test_a_peer_keeps_the_last_good_password(broken: list[dict[str, object]]) -> None:
    """What happens to a Secret never makes a session go on without a password, and it is told."""
    out, router = ours("BGPAdvertisement", "out", {}), peer("router", passwordSecret={"name": "md5"})
    before = resolve(documents(out, router, _password("good")))

    after = resolve(documents(out, router, *broken), before)
    mended = resolve(documents(out, router, _password("new")), after)

    assert [one.password for one in after.configuration.bgp_peers] == ["good"]
    assert after.has_errors
    assert [one.password for one in mended.configuration.bgp_peers] == ["new"]
    assert mended.problems == ()


def test_a_peer_is_given_its_bfd_profile() -> None:
    result = resolved(
        ours("BGPAdvertisement", "out", {}),
        ours("BFDProfile", "fast", {"receiveInterval": 50, "transmitInterval": 60, "passiveMode": True}),
        peer("a", bfdProfile="fast"),
    )

    [linked] = result.configuration.bgp_peers
    assert linked.bfd == BfdProfile(
        name="fast", receive_interval_ms=50, transmit_interval_ms=60, is_passive=True
    )
    assert result.configuration.bfd_profiles == (linked.bfd,)
    assert result.problems == ()


@pytest.mark.parametrize(
    "spec", [{"peerAddress": "2001:db8::1"}, {"ebgpMultiHop": True}], ids=["ipv6", "multihop"]
)
def test_tells_where_echo_mode_has_no_effect(spec: dict[str, object]) -> None:
    result = resolved(
        ours("BGPAdvertisement", "out", {}),
        ours("BFDProfile", "echo", {"echoMode": True}),
        peer("a", bfdProfile="echo", **spec),
    )

    assert [(problem.severity.value, problem.field) for problem in result.problems] == [
        ("warning", "spec.bfdProfile")
    ]
    assert "echoMode of echo has no effect" in result.problems[0].message


_RACKS = [{"nodeSelectors": [{"matchLabels": {"rack": rack}}]} for rack in "12"]


@pytest.mark.parametrize(
    ("first", "second", "errors"),
    [
        ({}, {}, 1),
        ({}, {"peerPort": 1179}, 0),
        ({}, {"sourceAddress": "192.0.2.9"}, 0),
        ({}, {"vrf": "red"}, 0),
        ({}, {"myASN": 64500, "routerID": "192.0.2.9"}, 1),
        ({}, {"peerAddress": "192.0.2.253"}, 0),
        (_RACKS[0], _RACKS[1], 0),
        (_RACKS[0], _RACKS[0], 1),
        (_RACKS[0], {"nodeSelectors": [{"matchLabels": {"zone": "a"}}]}, 1),
    ],
)
def test_a_node_has_one_session_with_a_router(
    first: dict[str, object], second: dict[str, object], errors: int
) -> None:
    """The router would take the second one for a collision, and close one after the other."""
    nodes = [node("node-a", labels={"rack": "1", "zone": "a"}), node("node-b", labels={"rack": "2"})]

    result = resolved(*nodes, ours("BGPAdvertisement", "out", {}), peer("a", **first), peer("b", **second))

    assert [problem.object for problem in result.problems] == ["BGPPeer/metallb-system/b"] * errors
    assert all("BGPPeer a has 192.0.2.254 port 179 already" in problem.message for problem in result.problems)


def test_a_peer_that_comes_to_clash_keeps_its_router() -> None:
    out = ours("BGPAdvertisement", "out", {})
    before = resolved(out, peer("a"), peer("b", peerAddress="192.0.2.253"))

    after = resolve(
        documents(out, peer("a", peerAddress="192.0.2.253"), peer("b", peerAddress="192.0.2.253")), before
    )

    assert after.configuration == before.configuration
    assert after.stale == {"BGPPeer/metallb-system/a"}


def test_of_peers_that_come_to_clash_by_labels_one_is_in_force() -> None:
    """Neither has changed, but the node has: what was in force before does not outlive that."""
    racks = [
        peer(name, nodeSelectors=[{"matchExpressions": [{"key": name, "operator": "Exists"}]}])
        for name in "ab"
    ]
    content = [ours("BGPAdvertisement", "out", {}), *racks]
    before = resolved(*content, node("node-a", labels={"a": ""}))

    after = resolve(documents(*content, node("node-a", labels={"a": "", "b": ""})), before)

    assert [one.name for one in before.configuration.bgp_peers] == ["a", "b"]
    assert [one.name for one in after.configuration.bgp_peers] == ["a"]


def test_peers_that_clash_on_one_node_are_well_on_the_others() -> None:
    """Each of these has one session with the router, and its speaker judges for itself."""

    def exists(label: str) -> dict[str, object]:
        return {"nodeSelectors": [{"matchExpressions": [{"key": label, "operator": "Exists"}]}]}

    nodes = [
        node("node-a", labels={"left": "", "right": ""}),
        node("node-b", labels={"right": ""}),
        node("node-c"),
    ]
    content = [*nodes, peer("a", **exists("left")), peer("b", **exists("right"))]

    def in_force(asking: str) -> list[str]:
        result = resolve([Document(one) for one in content], options=Options(node=asking))
        assert result.has_errors == (len(result.configuration.bgp_peers) == 1)
        return [one.name for one in result.configuration.bgp_peers]

    assert {one: in_force(one) for one in ("", "node-a", "node-b", "node-c", "node-unknown")} == {
        "": ["a"],
        "node-a": ["a"],
        "node-b": ["a", "b"],
        "node-c": ["a", "b"],
        "node-unknown": ["a"],
    }


def test_objects_without_a_file_are_read_too() -> None:
    """As they come from an API server."""
    assert pool_names(resolve([Document(pool("gold", "192.0.2.0/24"))])) == ["gold"]


def test_all_that_is_wrong_with_an_object_is_told_at_once() -> None:
    """What it gets wrong by itself does not hide what it gets wrong among others, and each is told at its entry."""
    result = resolved(
        pool("a", "192.0.2.0/25"),
        pool("b", "nonsense", "198.51.100.0/24", "198.51.100.9/32", "192.0.2.0/24"),
        ours(
            "BGPAdvertisement",
            "out",
            {"aggregationLength": 33, "communities": ["1:1", "1:1", "gone"], "peers": [5, "gone"]},
        ),
        ours(
            "Community",
            "names",
            {"communities": [{"name": "x"}, {"name": "x", "value": "1:2"}, {"value": "1:2"}]},
        ),
    )

    assert sorted((problem.object.split("/")[-1], problem.field) for problem in result.problems) == [
        ("b", "spec.addresses[0]"),
        ("b", "spec.addresses[2]"),
        ("b", "spec.addresses[3]"),
        ("names", "spec.communities[0].value"),
        ("names", "spec.communities[1]"),
        ("names", "spec.communities[2].name"),
        ("out", "spec.aggregationLength"),
        ("out", "spec.communities[1]"),
        ("out", "spec.communities[2]"),
        ("out", "spec.peers[0]"),
        ("out", "spec.peers[1]"),
    ]
    assert pool_names(result) == ["a"]


def test_what_an_object_elsewhere_refers_to_is_not_judged() -> None:
    """It would be another thing in the right namespace."""
    stray = peer("router", passwordSecret={"name": "bgp"})
    stray["metadata"] = {"name": "router"}

    assert [problem.field for problem in resolved(stray).problems] == ["metadata.namespace"]


@pytest.mark.parametrize("slip", ["Loadbalancer", "LoadBalancr", 5])
def test_a_slip_in_the_type_of_a_service_lets_nothing_go(slip: object) -> None:
    before = resolved(service("web"))

    after = resolve(documents(service("web", type=slip)), before)

    (problem,) = after.problems
    assert (problem.severity, problem.field) == (Severity.ERROR, "spec.type")
    assert after.configuration == before.configuration
    assert after.ignored == ()


def test_a_service_that_was_ignored_and_is_now_wrong_is_ignored_still() -> None:
    before = resolved(service("web", type="ClusterIP"))

    after = resolve(documents(service("web", ports=[])), before)

    assert after.ignored == before.ignored
    assert after.configuration.services == ()
    assert after.stale == {"Service/default/web"}
