"""What each kind means, and the mistakes that one object can make by itself."""

from __future__ import annotations

import base64
from dataclasses import replace
from ipaddress import IPv4Address, ip_address

import pytest

from swimlb.model import (
    AddressRange,
    AoAlgorithm,
    BfdProfile,
    BgpPeer,
    Community,
    DynamicAsn,
    Endpoints,
    FamilyPolicy,
    HealthCheck,
    IpFamily,
    LabelSelector,
    Node,
    OnStop,
    Opening,
    Operator,
    Pool,
    PreferredNodes,
    ProbeKind,
    Protocol,
    Requirement,
    Role,
    Service,
    ServiceAllocation,
    ServicePort,
    TcpAo,
    TrafficPolicy,
)
from tests.unit.swimlb.config.objects import ours, peer, pool, resolved, service, told

SOURCE_OF_OTHER_FAMILY = "2001:db8::1 is not of the family of peerAddress 192.0.2.254"


def only_service(**arguments: object) -> Service:
    result = resolved(service("web", **arguments))  # type: ignore[arg-type]
    assert result.problems == ()
    (found,) = result.configuration.services
    return found


def test_reads_a_pool() -> None:
    """Every field of it."""
    result = resolved(
        pool(
            "gold",
            "192.0.2.0/31",
            "2001:db8::/127",
            autoAssign=False,
            avoidBuggyIPs=True,
            serviceAllocation={
                "priority": 5,
                "namespaces": ["a"],
                "serviceSelectors": [{"matchLabels": {"x": "y"}}],
            },
        )
    )

    assert result.problems == ()
    assert result.configuration.pools == (
        Pool(
            name="gold",
            ranges=(
                AddressRange(ip_address("192.0.2.0"), ip_address("192.0.2.1")),
                AddressRange(ip_address("2001:db8::"), ip_address("2001:db8::1")),
            ),
            auto_assign=False,
            avoid_buggy_ips=True,
            service_allocation=ServiceAllocation(
                priority=5,
                namespaces=frozenset({"a"}),
                service_selectors=(LabelSelector((("x", "y"),)),),
            ),
        ),
    )


@pytest.mark.parametrize(
    ("spec", "field", "message"),
    [
        ({}, "spec.addresses", "is missing"),
        ({"addresses": []}, "spec.addresses", "the pool has no addresses"),
        (
            {"addresses": ["192.0.2.0/24", "192.0.2.9-192.0.2.10"]},
            "spec.addresses[1]",
            "192.0.2.9-192.0.2.10 overlaps with entry 0 of the same pool, 192.0.2.0-192.0.2.255",
        ),
        (
            {"addresses": ["192.0.2.0/32"], "serviceAllocation": {"namespaces": ["a", "a"]}},
            "spec.serviceAllocation.namespaces[1]",
            "duplicate definition of entry 0",
        ),
    ],
)
def test_refuses_a_bad_pool(spec: object, field: str, message: str) -> None:
    result = resolved(ours("IPAddressPool", "gold", spec))

    assert told(result.problems) == [("error", "IPAddressPool/metallb-system/gold", field, message)]
    assert result.configuration.pools == ()


def test_finds_every_overlap_within_a_pool() -> None:
    """Also those that a large entry hides from their neighbours in the order of addresses."""
    result = resolved(pool("gold", "192.0.2.0/32", "192.0.2.0/24", "192.0.2.5/32", "192.0.2.9/32"))

    assert [problem.field for problem in result.problems] == [
        "spec.addresses[1]",
        "spec.addresses[2]",
        "spec.addresses[3]",
    ]


def test_reads_an_l2_advertisement() -> None:
    """With selectors whose values are put in order, so that equal ones compare equal."""
    result = resolved(
        pool("gold", "192.0.2.0/24"),
        ours(
            "L2Advertisement",
            "lan",
            {
                "ipAddressPools": ["gold"],
                "interfaces": ["eth0"],
                "nodeSelectors": [
                    {"matchExpressions": [{"key": "zone", "operator": "In", "values": ["b", "a"]}]}
                ],
                "preferredNodeSelectors": [{"weight": 10, "preference": {"matchLabels": {"fast": "yes"}}}],
            },
        ),
    )

    assert result.problems == ()
    (advertisement,) = result.configuration.l2_advertisements
    assert advertisement.pools == ("gold",)
    assert advertisement.interfaces == ("eth0",)
    assert advertisement.node_selectors == (
        LabelSelector((), (Requirement("zone", Operator.IN, ("a", "b")),)),
    )
    assert advertisement.preferred_nodes == (
        PreferredNodes(weight=10, preference=LabelSelector((("fast", "yes"),))),
    )


def test_an_advertisement_needs_no_spec() -> None:
    """It then is for all pools, nodes and Services."""
    bare = {**ours("L2Advertisement", "lan", None)}
    del bare["spec"]

    result = resolved(bare)

    assert result.problems == ()
    assert [one.name for one in result.configuration.l2_advertisements] == ["lan"]


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ({"key": "a", "operator": "In"}, "is empty, but In compares with values"),
        ({"key": "a", "operator": "Exists", "values": ["b"]}, "must be empty for Exists"),
        ({"key": "a", "operator": "in"}, "'in' is not one of In, NotIn, Exists, DoesNotExist"),
        ({"operator": "Exists"}, "is missing"),
    ],
)
def test_refuses_a_bad_selector(expression: object, message: str) -> None:
    result = resolved(ours("L2Advertisement", "lan", {"nodeSelectors": [{"matchExpressions": [expression]}]}))

    assert [problem.message for problem in result.problems] == [message]


def test_reads_a_peer() -> None:
    result = resolved(
        peer(
            "router",
            peerPort=1179,
            sourceAddress="192.0.2.1",
            holdTime="90s",
            keepaliveTime="30s",
            routerID="192.0.2.2",
            password="secret",
            ebgpMultiHop=True,
            nodeSelectors=[{"matchLabels": {"rack": "1"}}],
        ),
        ours("BGPAdvertisement", "all", {}),
    )

    assert result.problems == ()
    assert result.configuration.bgp_peers == (
        BgpPeer(
            name="router",
            my_asn=64496,
            peer_asn=64497,
            peer_address=IPv4Address("192.0.2.254"),
            peer_port=1179,
            source_address=IPv4Address("192.0.2.1"),
            hold_time=90,
            keepalive_time=30,
            router_id=IPv4Address("192.0.2.2"),
            node_selectors=(LabelSelector((("rack", "1"),)),),
            password="secret",
            ebgp_multihop=True,
        ),
    )


@pytest.mark.parametrize(
    ("spec", "hold_time", "keepalive_time"),
    [
        ({}, None, None),
        ({"holdTime": "90s"}, 90, 30),
        ({"keepaliveTime": "10s"}, 30, 10),
        ({"keepaliveTime": "0s"}, 0, 0),
        ({"keepaliveTime": "1500ms"}, 4, 1),
        ({"holdTime": "0s"}, 0, 0),
        ({"holdTime": "900ms"}, 0, 0),
        ({"holdTime": "3.7s", "keepaliveTime": "3s"}, 3, 3),
    ],
)
def test_completes_the_timers_of_a_peer(
    spec: dict[str, object], hold_time: int | None, keepalive_time: int | None
) -> None:
    """Whole seconds; one timer that is given sets the other at a third or three times."""
    (found,) = resolved(peer("router", **spec)).configuration.bgp_peers

    assert (found.hold_time, found.keepalive_time) == (hold_time, keepalive_time)


def test_an_old_peer_without_timers_has_no_keepalives() -> None:
    """v1beta1 cannot leave timers unset: they are 0, and stay so in conversion."""
    old = ours(
        "BGPPeer", "router", {"myASN": 64496, "peerASN": 64497, "peerAddress": "192.0.2.254", "peerPort": 0}
    )

    result = resolved(old)

    (found,) = result.configuration.bgp_peers
    assert (found.hold_time, found.keepalive_time, found.peer_port) == (0, 0, 179)
    assert ("apiVersion", "v1beta1 is deprecated") in [(one.field, one.message) for one in result.problems]


@pytest.mark.parametrize(
    ("spec", "field", "message"),
    [
        ({"myASN": 0}, "myASN", "missing local ASN"),
        ({"myASN": 2**32}, "myASN", "is 4294967296, must be from 0 to 4294967295"),
        ({"peerASN": None}, "peerASN", "missing peer ASN and dynamicASN"),
        ({"dynamicASN": "internal"}, "dynamicASN", "both peer ASN and dynamicASN specified"),
        (
            {"peerASN": None, "dynamicASN": "both"},
            "dynamicASN",
            "'both' is not one of internal, external",
        ),
        ({"peerAddress": None}, "peerAddress", "peer has no Address or Interface specified"),
        ({"interface": "eth0"}, "interface", "peer has both Address and Interface specified"),
        ({"sourceAddress": "2001:db8::1"}, "sourceAddress", SOURCE_OF_OTHER_FAMILY),
        (
            {"peerAddress": "fe80::1"},
            "peerAddress",
            "fe80::1 is link-local, and says nothing of the interface",
        ),
        ({"password": "x" * 81}, "password", "is longer than 80 octets, which TCP MD5 cannot take"),
        ({"connectTime": "500ms"}, "connectTime", "connect time should be between 1 seconds to 65535"),
        (
            {"connectTime": "1500ms"},
            "connectTime",
            "connect time should contain a whole number of seconds",
        ),
        ({"localASN": 64497}, "localASN", "localASN is the AS of the router"),
        ({"localASN": 64500, "peerASN": 64496}, "localASN", "localASN is set for an ibgp peer"),
        ({"peerAddress": "node-a"}, "peerAddress", "'node-a' is not an IP address"),
        ({"peerPort": 0}, "peerPort", "is 0, must be from 1 to 16384"),
        ({"holdTime": "2s"}, "holdTime", "invalid hold time 2s: must be 0 or from 3s to 65535s"),
        (
            {"keepaliveTime": "500ms"},
            "keepaliveTime",
            "invalid hold time 1s: must be 0 or from 3s to 65535s",
        ),
        (
            {"holdTime": "9s", "keepaliveTime": "10s"},
            "keepaliveTime",
            "invalid keepaliveTime 10s, must be lower than holdTime 9s",
        ),
        ({"routerID": "2001:db8::1"}, "routerID", "invalid router ID '2001:db8::1'"),
        (
            {"peerASN": 64496, "ebgpMultiHop": True},
            "ebgpMultiHop",
            "invalid ebgp-multihop parameter set for an ibgp peer",
        ),
        (
            {"password": "x", "passwordSecret": {"name": "s"}},
            "passwordSecret",
            "can not have both password and secret ref set in peer config",
        ),
    ],
)
def test_refuses_a_bad_peer(spec: dict[str, object], field: str, message: str) -> None:
    result = resolved(peer("router", **spec))

    assert told(result.problems) == [("error", "BGPPeer/metallb-system/router", f"spec.{field}", message)]
    assert result.configuration.bgp_peers == ()


def test_reads_what_only_the_new_version_of_a_peer_has() -> None:
    """All that MetalLB takes in any of its modes."""
    result = resolved(
        peer(
            "fabric",
            peerASN=None,
            dynamicASN="external",
            peerAddress=None,
            interface="eth1",
            localASN=64500,
            connectTime="10s",
            enableGracefulRestart=True,
            vrf="red",
            dualStackAddressFamily=True,
        ),
        ours("BGPAdvertisement", "all", {}),
    )

    assert result.problems == ()
    assert result.configuration.bgp_peers == (
        BgpPeer(
            name="fabric",
            my_asn=64496,
            dynamic_asn=DynamicAsn.EXTERNAL,
            local_asn=64500,
            interface="eth1",
            vrf="red",
            connect_time=10,
            has_graceful_restart=True,
            is_dual_stack=True,
        ),
    )


def test_tells_that_disabling_multiprotocol_is_in_vain() -> None:
    result = resolved(peer("router", disableMP=True), ours("BGPAdvertisement", "all", {}))

    assert [(one.severity.value, one.field) for one in result.problems] == [("warning", "spec.disableMP")]
    assert len(result.configuration.bgp_peers) == 1


RESTARTABLE: dict[str, object] = {"enableGracefulRestart": True, "password": "secret"}


def annotated_peer(more: dict[str, object] = RESTARTABLE, /, **annotations: str) -> dict[str, object]:
    settings = {f"swimlb.io/{name.replace('_', '-')}": text for name, text in annotations.items()}
    spec = {"myASN": 64496, "peerASN": 64497, "peerAddress": "192.0.2.254"}
    return ours("BGPPeer", "router", spec | more, version="v1beta2", annotations=settings)


def test_annotations_say_what_the_spec_of_a_peer_cannot() -> None:
    result = resolved(
        annotated_peer(
            connection="both",
            ttl_security_hops="1",
            role="customer",
            max_prefixes="1000",
            graceful_shutdown_wait="1500ms",
            graceful_restart_time="1m",
            on_stop="restart",
            role_strict="true",
            keep_received="true",
            tcp_ao="1/2 aes-128-cmac-96",
        ),
        ours("BGPAdvertisement", "all", {}),
    )

    assert result.problems == ()
    (found,) = result.configuration.bgp_peers
    assert (found.on_stop, found.is_role_strict, found.keeps_received) == (OnStop.RESTART, True, True)
    assert found.ao == TcpAo(1, 2, AoAlgorithm.AES_128_CMAC)
    assert (found.opening, found.hops_max, found.role) == (Opening.BOTH, 1, Role.CUSTOMER)
    assert (found.prefixes_max, found.shutdown_wait, found.restart_time) == (1000, 1.5, 60)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("connection", "server", "'server' is not one of active, passive, both"),
        ("ttl-security-hops", "255", "'255' is not a number from 1 to 254"),
        ("ttl-security-hops", "one", "'one' is not a number from 1 to 254"),
        ("role", "Provider", "'Provider' is not one of provider, customer, peer, rs, rs-client"),
        ("max-prefixes", "0", "'0' is not a number from 1 to 4294967295"),
        ("graceful-shutdown-wait", "2m", "2m is longer than 20s"),
        ("graceful-shutdown-wait", "2", "'2' is not a duration"),
        ("graceful-restart-time", "2h", "2h is not from 1s to 4095s"),
        ("role-strict", "yes", "'yes' is neither true nor false"),
        ("keep-received", "1", "'1' is neither true nor false"),
        ("tcp-ao", "1", "'' is not a number from 0 to 255"),
        ("tcp-ao", "1/256", "'256' is not a number from 0 to 255"),
        ("tcp-ao", "1/1 md5", "'md5' is not one of hmac-sha-1-96, aes-128-cmac-96"),
        ("on-stop", "reload", "'reload' is not one of drain, restart"),
    ],
)
def test_refuses_a_bad_annotation_of_a_peer(name: str, text: str, message: str) -> None:
    result = resolved(annotated_peer(**{name: text}))

    field = f"metadata.annotations.swimlb.io/{name}"
    assert told(result.problems) == [("error", "BGPPeer/metallb-system/router", field, message)]


@pytest.mark.parametrize(
    ("name", "text", "lacking"),
    [
        ("on-stop", "restart", "graceful restart"),
        ("graceful-restart-time", "60s", "graceful restart"),
        ("role-strict", "true", "a role"),
    ],
)
def test_tells_of_annotations_that_have_no_effect_alone(name: str, text: str, lacking: str) -> None:
    result = resolved(annotated_peer({}, **{name: text}), ours("BGPAdvertisement", "all", {}))

    (problem,) = result.problems
    assert (problem.severity.value, problem.field) == ("warning", f"metadata.annotations.swimlb.io/{name}")
    assert problem.message == f"has no effect without {lacking}"


def test_tells_of_an_annotation_of_ours_that_is_not_known() -> None:
    result = resolved(annotated_peer(ttl_security="1"), ours("BGPAdvertisement", "all", {}))

    (problem,) = result.problems
    assert (problem.severity.value, problem.message) == ("warning", "unknown annotation, ignored")
    assert problem.hint == "Did you mean swimlb.io/ttl-security-hops?"


def test_refuses_a_key_of_tcp_ao_that_is_none() -> None:
    result = resolved(annotated_peer({}, tcp_ao="1/1"))

    field = "metadata.annotations.swimlb.io/tcp-ao"
    assert told(result.problems) == [
        ("error", "BGPPeer/metallb-system/router", field, "there is no key"),
    ]


def called_from_one_address(name: str, connection: str, password: str) -> dict[str, object]:
    spec = {
        "myASN": 64496,
        "peerASN": 64497,
        "peerAddress": "192.0.2.254",
        "sourceAddress": f"192.0.2.{len(name)}",
        "password": password,
    }
    annotations = {"swimlb.io/connection": connection}
    return ours("BGPPeer", name, spec, version="v1beta2", annotations=annotations)


@pytest.mark.parametrize(
    ("connection", "password", "is_refused"),
    [
        ("passive", "other", True),
        ("both", "", True),
        ("active", "other", False),
        ("passive", "secret", False),
    ],
)
def test_two_that_call_from_one_address_have_one_password(
    connection: str, password: str, is_refused: bool
) -> None:
    """The kernel looks for the key by the caller's address, before anybody knows whom it calls."""
    result = resolved(
        called_from_one_address("first", "both", "secret"),
        called_from_one_address("second", connection, password),
        ours("BGPAdvertisement", "all", {}),
    )

    problems = [problem for problem in told(result.problems) if problem[0] == "error"]
    message = "differs from that of BGPPeer first, and both are called from 192.0.2.254"
    expected = [("error", "BGPPeer/metallb-system/second", "spec.password", message)]
    assert problems == (expected if is_refused else [])


def test_a_new_key_of_tcp_ao_is_a_new_session() -> None:
    before = BgpPeer(name="router", my_asn=64496, peer_asn=64497, password="old", ao=TcpAo(1, 1))

    assert before.needs_new_session(replace(before, password="new"))
    assert before.needs_new_session(replace(before, ao=TcpAo(1, 2)))
    assert not before.needs_new_session(before)


@pytest.mark.parametrize(
    ("change", "needed"),
    [
        ({"password": "other"}, False),
        ({"node_selectors": (LabelSelector((("rack", "1"),)),)}, False),
        ({"hold_time": 9}, False),
        ({"keepalive_time": 3}, False),
        ({"connect_time": 5}, False),
        ({"hops_max": 1}, False),
        ({"prefixes_max": 10}, False),
        ({"my_asn": 64500}, True),
        ({"local_asn": 64500}, True),
        ({"peer_port": 1179}, True),
        ({"vrf": "red"}, True),
        ({"router_id": IPv4Address("192.0.2.9")}, True),
        ({"role": Role.PEER}, True),
    ],
)
def test_only_what_makes_another_session_needs_a_new_one(change: dict[str, object], needed: bool) -> None:
    before = BgpPeer(name="router", my_asn=64496, peer_asn=64497, peer_address=IPv4Address("192.0.2.254"))

    after = replace(before, **change)  # type: ignore[arg-type]

    assert before.needs_new_session(after) is needed


def test_reads_a_bgp_advertisement() -> None:
    """Communities are literal or by name; large ones have three parts."""
    result = resolved(
        pool("gold", "192.0.2.0/24"),
        ours("Community", "names", {"communities": [{"name": "no-export", "value": "65535:65281"}]}),
        ours(
            "BGPAdvertisement",
            "out",
            {
                "ipAddressPools": ["gold"],
                "aggregationLength": 24,
                "localPref": 200,
                "communities": ["64496:1", "large:64496:1:2", "no-export"],
            },
        ),
    )

    assert result.problems == ()
    (advertisement,) = result.configuration.bgp_advertisements
    assert advertisement.communities == (
        Community((64496, 1)),
        Community((64496, 1, 2)),
        Community((65535, 65281)),
    )
    assert (advertisement.aggregation_length, advertisement.local_pref) == (24, 200)


def test_service_selectors_and_aggregation_exclude_each_other() -> None:
    """An aggregate covers Services that the selectors leave out."""
    result = resolved(ours("BGPAdvertisement", "out", {"aggregationLength": 24, "serviceSelectors": [{}]}))

    assert [(problem.field, problem.severity.value) for problem in result.problems] == [("spec", "error")]
    assert "mutually exclusive" in result.problems[0].message


def test_checks_the_ranges_of_a_bfd_profile() -> None:
    """All of them in one pass."""
    result = resolved(
        ours(
            "BFDProfile",
            "fast",
            {"receiveInterval": 5, "detectMultiplier": 1, "minimumTtl": 255, "echoMode": 1},
        )
    )

    assert [problem.field for problem in result.problems] == [
        "spec.detectMultiplier",
        "spec.echoMode",
        "spec.minimumTtl",
        "spec.receiveInterval",
    ]


def test_an_unset_bfd_profile_has_the_defaults_of_frr() -> None:
    """Which are MetalLB's."""
    [profile] = resolved(ours("BFDProfile", "plain", {})).configuration.bfd_profiles

    assert profile == BfdProfile(
        name="plain",
        receive_interval_ms=300,
        transmit_interval_ms=300,
        detect_multiplier=3,
        echo_interval_ms=50,
        has_echo=False,
        is_passive=False,
        minimum_ttl=254,
    )


def test_refuses_bfd_intervals_that_a_busy_node_cannot_keep() -> None:
    """The echo interval counts only where there is an Echo function."""
    short = {"receiveInterval": 49, "transmitInterval": 10, "echoInterval": 49}
    whole = resolved(ours("BFDProfile", "fast", {**short, "echoMode": True}))
    silent = resolved(ours("BFDProfile", "fast", {"echoInterval": 10}))

    assert [problem.field for problem in whole.problems] == [
        "spec.echoInterval",
        "spec.receiveInterval",
        "spec.transmitInterval",
    ]
    assert "49 ms is shorter than this speaker can keep" in whole.problems[1].message
    assert whole.problems[1].hint.startswith("Choose 50 or more")
    assert [problem.severity.value for problem in silent.problems] == ["warning"], "only that nobody uses it"


def test_reads_a_node() -> None:
    result = resolved(
        {
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {"name": "node-a", "labels": {"zone": "a"}},
            "status": {"conditions": [{"type": "NetworkUnavailable", "status": "True"}]},
        }
    )

    assert result.configuration.nodes == (
        Node(name="node-a", labels=(("zone", "a"),), is_network_unavailable=True),
    )


def test_an_endpoint_serves_when_it_is_ready_or_still_serving() -> None:
    """Slices of one Service add up; one without a serving endpoint still says that there is none."""

    def endpoint_slice(name: str, of: str, *endpoints: object) -> dict[str, object]:
        labels = {"kubernetes.io/service-name": of}
        return {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": {"name": name, "labels": labels},
            "endpoints": list(endpoints),
        }

    result = resolved(
        endpoint_slice(
            "web-1", "web", {"nodeName": "node-a"}, {"nodeName": "node-b", "conditions": {"ready": False}}
        ),
        endpoint_slice(
            "web-2", "web", {"nodeName": "node-c", "conditions": {"ready": False, "serving": True}}
        ),
        endpoint_slice("dns-1", "dns", {"nodeName": "node-a", "conditions": {"ready": False}}),
    )

    assert result.configuration.endpoints == (
        Endpoints(service="default/dns", nodes=frozenset()),
        Endpoints(service="default/web", nodes=frozenset({"node-a", "node-c"})),
    )


def test_endpoints_count_without_a_node_but_not_without_an_address() -> None:
    """The former serve a Service of any node; the latter are left over."""
    result = resolved(
        {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": {"name": "web-1", "labels": {"kubernetes.io/service-name": "web"}},
            "endpoints": [
                {"addresses": ["192.0.2.1"]},
                {"addresses": ["192.0.2.2"], "nodeName": "node-a"},
                {"addresses": [], "nodeName": "node-b"},
            ],
        }
    )

    assert result.configuration.endpoints == (
        Endpoints(service="default/web", nodes=frozenset({"", "node-a"})),
    )


def test_reads_a_service() -> None:
    found = only_service(
        annotations={
            "metallb.io/loadBalancerIPs": "192.0.2.1, 2001:db8::1",
            "metallb.io/address-pool": "gold",
            "metallb.universe.tf/allow-shared-ip": "",
        },
        selector={"app": "web"},
        ports=[{"port": 53, "protocol": "UDP"}, {"port": 53}],
        externalTrafficPolicy="Local",
        ipFamilyPolicy="RequireDualStack",
        clusterIPs=["198.51.100.1", "2001:db8:1::1"],
        allocateLoadBalancerNodePorts=False,
        status={"loadBalancer": {"ingress": [{"ip": "192.0.2.7"}, {"hostname": "a.example"}]}},
    )

    assert found == Service(
        namespace="default",
        name="web",
        selector=(("app", "web"),),
        ports=(ServicePort(Protocol.TCP, 53), ServicePort(Protocol.UDP, 53)),
        traffic_policy=TrafficPolicy.LOCAL,
        family_policy=FamilyPolicy.REQUIRE_DUAL_STACK,
        families=(IpFamily.IPV4, IpFamily.IPV6),
        requested_addresses=(ip_address("192.0.2.1"), ip_address("2001:db8::1")),
        requested_pool="gold",
        sharing_key="",
        held_addresses=(ip_address("192.0.2.7"),),
    )


def test_the_new_prefix_of_annotations_wins() -> None:
    """By being there, even if it is empty."""
    found = only_service(
        annotations={
            "metallb.io/allow-shared-ip": "",
            "metallb.universe.tf/allow-shared-ip": "dns",
            "metallb.universe.tf/address-pool": "gold",
        }
    )

    assert (found.sharing_key, found.requested_pool) == ("", "gold")


@pytest.mark.parametrize(
    ("spec", "families"),
    [
        ({}, ["IPv4"]),
        ({"clusterIPs": ["2001:db8::1"]}, ["IPv6"]),
        ({"clusterIP": "2001:db8::1"}, ["IPv6"]),
        ({"clusterIP": "2001:db8::1", "clusterIPs": ["198.51.100.1"]}, ["IPv4"]),
        ({"clusterIP": "", "clusterIPs": [""]}, ["IPv4"]),
        ({"ipFamilies": ["IPv6", "IPv4"]}, ["IPv6", "IPv4"]),
        ({"ipFamilyPolicy": "PreferDualStack"}, ["IPv4", "IPv6"]),
        ({"loadBalancerIP": "2001:db8::1"}, ["IPv6"]),
    ],
)
def test_knows_the_families_of_a_service(spec: dict[str, object], families: list[str]) -> None:
    """clusterIPs tell; a manifest that was never in a cluster tells by what it asks for."""
    assert [family.value for family in only_service(**spec).families] == families


@pytest.mark.parametrize(
    ("spec", "reason"),
    [
        ({"type": "ClusterIP", "ports": "nonsense"}, "its type is ClusterIP, not LoadBalancer"),
        ({"loadBalancerClass": "other"}, "its loadBalancerClass is other"),
    ],
)
def test_ignores_services_that_are_not_ours(spec: dict[str, object], reason: str) -> None:
    """Nothing else about them is judged."""
    result = resolved(service("web", **spec))  # type: ignore[arg-type]

    assert result.problems == ()
    assert result.ignored == (("default/web", reason),)
    assert result.configuration.services == ()


@pytest.mark.parametrize(
    ("arguments", "field", "message"),
    [
        ({"ports": []}, "spec.ports", "the Service has no ports"),
        ({"ports": [{"port": 80}, {"port": 80}]}, "spec.ports[1]", "TCP/80 is listed twice"),
        ({"ports": [{"port": 0}]}, "spec.ports[0].port", "is 0, must be from 1 to 65535"),
        ({"clusterIP": "None"}, "spec.clusterIP", "a headless Service cannot have a load balancer"),
        ({"clusterIPs": ["None"]}, "spec.clusterIPs[0]", "a headless Service cannot have a load balancer"),
        ({"loadBalancerIP": 5}, "spec.loadBalancerIP", "must be text, but is the number 5"),
        (
            {"annotations": {"metallb.io/loadBalancerIPs": "192.0.2.1,192.0.2.2"}},
            "metadata.annotations.metallb.io/loadBalancerIPs",
            "'192.0.2.1,192.0.2.2' has the same family twice",
        ),
        (
            {"annotations": {"metallb.io/loadBalancerIPs": "192.0.2.1"}, "loadBalancerIP": "192.0.2.1"},
            "metadata.annotations.metallb.io/loadBalancerIPs",
            "service can not have both metallb.io/loadBalancerIPs and svc.Spec.LoadBalancerIP",
        ),
        (
            {"annotations": {"swimlb.io/health-check": "udp://:53"}},
            "metadata.annotations.swimlb.io/health-check",
            "'udp://:53' is not a health check",
        ),
        (
            {"annotations": {"swimlb.io/health-check": "tcp://a..b:80"}},
            "metadata.annotations.swimlb.io/health-check",
            "'tcp://a..b:80': 'a..b' is no host name",
        ),
    ],
)
def test_refuses_a_bad_service(arguments: dict[str, object], field: str, message: str) -> None:
    result = resolved(service("web", **arguments))  # type: ignore[arg-type]

    assert told(result.problems) == [("error", "Service/default/web", field, message)]
    assert result.configuration.services == ()


@pytest.mark.parametrize(
    ("text", "check"),
    [
        ("tcp://:53", HealthCheck(kind=ProbeKind.TCP, port=53)),
        (
            "http://[2001:db8::1]:8080/healthz?full",
            HealthCheck(kind=ProbeKind.HTTP, port=8080, host="2001:db8::1", path="/healthz?full"),
        ),
    ],
)
def test_reads_the_health_check_annotation(text: str, check: HealthCheck) -> None:
    assert only_service(annotations={"swimlb.io/health-check": text}).health_check == check


def test_reads_the_interval_of_a_health_check() -> None:
    """A check may not take longer than the time to the next one."""
    annotations = {"swimlb.io/health-check": "tcp://:53", "swimlb.io/health-check-interval": "500ms"}

    check = only_service(annotations=annotations).health_check

    assert check == HealthCheck(kind=ProbeKind.TCP, port=53, period=0.5, timeout=0.5)


def deployment(probe: object, **metadata: object) -> dict[str, object]:
    container = {"ports": [{"name": "http", "containerPort": 8080}], "readinessProbe": probe}
    template = {"metadata": {"labels": {"app": "web", "tier": "front"}}, "spec": {"containers": [container]}}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web", **metadata},
        "spec": {"template": template},
    }


@pytest.mark.parametrize(
    ("probe", "check"),
    [
        (
            {
                "httpGet": {
                    "path": "/healthz",
                    "port": "http",
                    "httpHeaders": [{"name": "Host", "value": "a"}],
                }
            },
            HealthCheck(kind=ProbeKind.HTTP, port=8080, path="/healthz", headers=(("Host", "a"),)),
        ),
        (
            {"tcpSocket": {"port": 53}, "periodSeconds": 2, "timeoutSeconds": 3, "failureThreshold": 4},
            HealthCheck(kind=ProbeKind.TCP, port=53, period=2.0, timeout=3.0, failure_threshold=4),
        ),
    ],
)
def test_takes_the_readiness_probe_of_the_workload(probe: object, check: HealthCheck) -> None:
    """Of the one whose Pods the Service selects."""
    result = resolved(deployment(probe), service("web", selector={"app": "web"}))

    assert result.problems == ()
    assert result.configuration.services[0].health_check == check


@pytest.mark.parametrize(
    ("metadata", "selector"), [({}, {"app": "other"}), ({"namespace": "other"}, {"app": "web"}), ({}, {})]
)
def test_takes_no_probe_of_another_workload(metadata: dict[str, object], selector: object) -> None:
    """Other labels or another namespace; and a Service without a selector selects nothing."""
    result = resolved(deployment({"tcpSocket": {"port": 53}}, **metadata), service("web", selector=selector))

    assert result.configuration.services[0].health_check is None


def test_warns_of_a_probe_that_a_node_cannot_run() -> None:
    result = resolved(deployment({"exec": {"command": ["true"]}}), service("web", selector={"app": "web"}))

    assert [(problem.severity.value, problem.field) for problem in result.problems] == [
        ("warning", "spec.template.spec.containers[0].readinessProbe.exec")
    ]
    assert result.configuration.services[0].health_check is None


def test_refuses_a_probe_of_a_host_that_cannot_be_asked_for() -> None:
    result = resolved(deployment({"tcpSocket": {"port": 53, "host": "a..b"}}), service("web"))

    assert told(result.problems) == [
        (
            "error",
            "Deployment/default/web",
            "spec.template.spec.containers[0].readinessProbe.tcpSocket.host",
            "'a..b' is no host name",
        )
    ]


def test_takes_the_password_from_a_secret() -> None:
    """Which is base64 text in `data`."""
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "bgp", "namespace": "metallb-system"},
        "type": "kubernetes.io/basic-auth",
        "data": {"password": base64.b64encode(b"hunter2").decode()},
    }

    result = resolved(secret, peer("router", passwordSecret={"name": "bgp"}))

    assert result.configuration.bgp_peers[0].password == "hunter2"


@pytest.mark.parametrize("data", [{"password": "hunter2!"}, {"password": 4711}])
def test_never_repeats_a_secret(data: object) -> None:
    """Problems end up in logs."""
    metadata = {"name": "bgp", "namespace": "metallb-system"}

    result = resolved(
        {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": data},
        peer("router", password=4711),
    )

    assert len(result.problems) == 2
    assert "hunter2" not in str(result.problems)
    assert "4711" not in str(result.problems)
