"""The definitions of our kinds are MetalLB's, field by field: other programs and stored objects rely on them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import kubernetes_validate
import pytest
from jsonschema import Draft4Validator

from swimlb.cli.generate import generated
from swimlb.config.crds import DEFINITIONS, crd
from swimlb.config.openapi import record_schema
from swimlb.config.selectors import LegacySelectorSpec, SelectorSpec
from swimlb.sources import read_paths, read_text
from tests.property.config.test_resolve import GOOD

ROOT = Path(__file__).parents[4]

# MetalLB's tables (main after v0.16.1): path, type with bounds and default, and ! where the field is required.
# u32 is 0..4294967295. Where MetalLB's admission refuses what its schema does not, our bounds are the narrower.
FIELDS = {
    "IPAddressPool/v1beta1": """
        spec object !
        spec.addresses[] string !
        spec.autoAssign boolean =True
        spec.avoidBuggyIPs boolean =False
        spec.serviceAllocation object
        spec.serviceAllocation.namespaceSelectors[] selector
        spec.serviceAllocation.namespaces[] string
        spec.serviceAllocation.priority integer
        spec.serviceAllocation.serviceSelectors[] selector
        status object
        status.assignedIPv4 integer 0.. !
        status.assignedIPv6 integer 0.. !
        status.availableIPv4 integer 0.. !
        status.availableIPv6 integer 0.. !
        """,
    "L2Advertisement/v1beta1": """
        spec object
        spec.interfaces[] string
        spec.ipAddressPoolSelectors[] selector
        spec.ipAddressPools[] string
        spec.nodeSelectors[] selector
        spec.preferredNodeSelectors[] object
        spec.preferredNodeSelectors[].preference selector !
        spec.preferredNodeSelectors[].weight integer 1..100 !
        spec.serviceSelectors[] selector
        status object
        """,
    "BGPAdvertisement/v1beta1": """
        spec object
        spec.aggregationLength integer 1..32 =32
        spec.aggregationLengthV6 integer 1..128 =128
        spec.communities[] string
        spec.ipAddressPoolSelectors[] selector
        spec.ipAddressPools[] string
        spec.localPref integer 0..4294967295
        spec.nodeSelectors[] selector
        spec.peers[] string
        spec.serviceSelectors[] selector
        status object
        """,
    "BGPPeer/v1beta1": """
        spec object
        spec.bfdProfile string
        spec.ebgpMultiHop boolean
        spec.holdTime string
        spec.keepaliveTime string
        spec.myASN integer 0..4294967295 !
        spec.nodeSelectors[] legacy-selector
        spec.password string
        spec.peerASN integer 0..4294967295 !
        spec.peerAddress string !
        spec.peerPort integer 0..16384
        spec.routerID string
        spec.sourceAddress string
        status object
        """,
    "BGPPeer/v1beta2": """
        spec object
        spec.bfdProfile string
        spec.connectTime string
        spec.disableMP boolean =False
        spec.dualStackAddressFamily boolean =False
        spec.dynamicASN string external|internal
        spec.ebgpMultiHop boolean
        spec.enableGracefulRestart boolean
        spec.holdTime string
        spec.interface string
        spec.keepaliveTime string
        spec.localASN integer 1..4294967295
        spec.myASN integer 0..4294967295 !
        spec.nodeSelectors[] selector
        spec.password string
        spec.passwordSecret object
        spec.passwordSecret.name string
        spec.passwordSecret.namespace string
        spec.peerASN integer 0..4294967295
        spec.peerAddress string
        spec.peerPort integer 1..16384 =179
        spec.routerID string
        spec.sourceAddress string
        spec.vrf string
        status object
        """,
    "BFDProfile/v1beta1": """
        spec object
        spec.detectMultiplier integer 2..255
        spec.echoInterval integer 10..60000
        spec.echoMode boolean
        spec.minimumTtl integer 1..254
        spec.passiveMode boolean
        spec.receiveInterval integer 10..60000
        spec.transmitInterval integer 10..60000
        status object
        """,
    "Community/v1beta1": """
        spec object
        spec.communities[] object
        spec.communities[].name string !
        spec.communities[].value string !
        status object
        """,
    "ServiceL2Status/v1beta1": """
        spec object
        status object
        status.interfaces[] object
        status.interfaces[].name string
        status.node string
        status.serviceName string
        status.serviceNamespace string
        """,
    "ServiceBGPStatus/v1beta1": """
        spec object
        status object
        status.node string
        status.peers[] string
        status.serviceName string
        status.serviceNamespace string
        """,
    "ConfigurationState/v1beta1": """
        status object
        status.conditions[] object
        status.conditions[].lastTransitionTime string !
        status.conditions[].message string !
        status.conditions[].observedGeneration integer 0..
        status.conditions[].reason string !
        status.conditions[].status string False|True|Unknown !
        status.conditions[].type string !
        status.errorSummary string
        status.result string Invalid|Unknown|Valid
        """,
}

COLUMNS = {
    "IPAddressPool": "Auto Assign:boolean Avoid Buggy IPs:boolean Addresses:string",
    "L2Advertisement": "IPAddressPools:string IPAddressPool Selectors:string Interfaces:string Node Selectors:string@10",
    "BGPAdvertisement": "IPAddressPools:string IPAddressPool Selectors:string Peers:string Node Selectors:string@10",
    "BGPPeer": "Address:string ASN:string BFD Profile:string Multi Hops:string",
    "BFDProfile": "Passive Mode:boolean Transmit Interval:integer Receive Interval:integer Multiplier:integer",
    "Community": "",
    "ServiceL2Status": "Allocated Node:string Service Name:string Service Namespace:string",
    "ServiceBGPStatus": "Node:string Service Name:string Service Namespace:string",
    "ConfigurationState": "Result:string ErrorSummary:string Age:date",
}

PLURALS = {
    "IPAddressPool": "ipaddresspools",
    "L2Advertisement": "l2advertisements",
    "BGPAdvertisement": "bgpadvertisements",
    "BGPPeer": "bgppeers",
    "BFDProfile": "bfdprofiles",
    "Community": "communities",
    "ServiceL2Status": "servicel2statuses",
    "ServiceBGPStatus": "servicebgpstatuses",
    "ConfigurationState": "configurationstates",
}

CRDS: dict[str, Any] = {definition.kind: crd(definition) for definition in DEFINITIONS}
_SELECTORS = {"selector": record_schema(SelectorSpec), "legacy-selector": record_schema(LegacySelectorSpec)}


def versions() -> dict[str, Any]:
    return {
        f"{kind}/{version['name']}": version
        for kind, definition in CRDS.items()
        for version in definition["spec"]["versions"]
    }


def schema_of(version: Any) -> dict[str, Any]:
    return version["schema"]["openAPIV3Schema"]


def fields(schema: Any, path: str = "") -> Iterator[str]:
    """A line for each field below an object, in the manner of the tables above."""
    for name, below in schema.get("properties", {}).items():
        here, mark = f"{path}{name}", " !" if name in schema.get("required", ()) else ""
        while below["type"] == "array":
            here, below = f"{here}[]", below["items"]
        bare = {key: value for key, value in below.items() if key != "description"}
        selector = next((known for known, one in _SELECTORS.items() if one == bare), None)
        yield f"{here} {selector or described(below)}{mark}"
        if selector is None:
            yield from fields(below, f"{here}.")


def described(schema: Any) -> str:
    words = [schema["type"]]
    if "minimum" in schema or "maximum" in schema:
        high = schema.get("maximum", "")
        words.append(f"{schema.get('minimum', '')}..{high}")
    if "enum" in schema:
        words.append("|".join(sorted(schema["enum"])))
    if "default" in schema:
        words.append(f"={schema['default']}")
    return " ".join(words)


@pytest.mark.parametrize("version", FIELDS)
def test_every_field_is_metallbs(version: str) -> None:
    """Name, type, bounds, default, and whether it has to be there."""
    metadata = {"apiVersion string", "kind string", "metadata object"}

    found = set(fields(schema_of(versions()[version]))) - metadata

    assert sorted(found) == sorted(line.strip() for line in FIELDS[version].strip().splitlines())


def test_every_version_is_compared() -> None:
    assert set(versions()) == set(FIELDS)


@pytest.mark.parametrize("kind", CRDS)
def test_every_name_and_column_is_metallbs(kind: str) -> None:
    spec = CRDS[kind]["spec"]

    assert CRDS[kind]["metadata"]["name"] == f"{PLURALS[kind]}.metallb.io"
    assert (spec["group"], spec["scope"]) == ("metallb.io", "Namespaced")
    assert spec["names"] == {
        "kind": kind,
        "listKind": f"{kind}List",
        "plural": PLURALS[kind],
        "singular": kind.lower(),
    }
    for version in spec["versions"]:
        shown = [
            f"{column['name']}:{column['type']}" + (f"@{column['priority']}" if "priority" in column else "")
            for column in version.get("additionalPrinterColumns", ())
        ]
        assert " ".join(shown) == COLUMNS[kind]
        assert version["subresources"] == {"status": {}}


def test_peers_have_two_versions() -> None:
    """The old one is served with a warning and converted by the controller."""
    old, new = CRDS["BGPPeer"]["spec"]["versions"]

    assert (old["name"], old["served"], old["storage"]) == ("v1beta1", True, False)
    assert (old["deprecated"], old["deprecationWarning"]) == (
        True,
        "v1beta1 is deprecated, please use v1beta2",
    )
    assert (new["name"], new["served"], new["storage"]) == ("v1beta2", True, True)
    assert "deprecated" not in new
    webhook = CRDS["BGPPeer"]["spec"]["conversion"]["webhook"]
    assert webhook["conversionReviewVersions"] == ["v1beta1", "v1beta2"]
    assert webhook["clientConfig"]["service"] == {
        "name": "metallb-webhook-service",
        "namespace": "metallb-system",
        "path": "/convert",
    }


def test_legacy_selectors_have_all_three_fields() -> None:
    requirement = cast("Any", _SELECTORS["legacy-selector"])["properties"]["matchExpressions"]["items"]

    assert requirement["required"] == ["key", "operator", "values"]
    assert requirement["properties"]["values"]["minItems"] == 1


def test_every_field_says_what_it_means() -> None:
    """`kubectl explain` prints it, and so does the reference."""
    for version in versions().values():
        for path, schema in _described_fields(schema_of(version)):
            assert schema.get("description", "").endswith("."), path


def _described_fields(schema: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    for name, below in schema.get("properties", {}).items():
        here = f"{path}.{name}"
        if here not in (".apiVersion", ".kind", ".metadata", ".spec", ".status"):
            yield here, below
        yield from _described_fields(below.get("items", below), here)


def test_what_is_generated_is_up_to_date() -> None:
    """`make generate` writes it anew."""
    stale = [str(path) for path, text in generated(ROOT) if not path.exists() or path.read_text() != text]

    assert stale == []


def test_what_is_written_reads_as_what_was_meant() -> None:
    """The files of the chart are the definitions."""
    written = read_paths([ROOT / "charts/swimlb/files/crds"])

    assert written.problems == ()
    assert {one.file: one.content for one in written.documents} == {
        str(ROOT / f"charts/swimlb/files/crds/metallb.io_{PLURALS[kind]}.yaml"): definition
        for kind, definition in CRDS.items()
    }


@pytest.mark.parametrize("kind", CRDS)
def test_kubernetes_knows_every_field_of_the_definitions(kind: str) -> None:
    kubernetes_validate.validate(CRDS[kind], "1.31", strict=True)


def manifests() -> list[Any]:
    """Objects of our kinds in the examples, and those that the property tests start from."""
    shown = read_paths(sorted(path for path in (ROOT / "examples").iterdir() if path.is_dir())).documents
    objects: list[Any] = [*(one.content for one in shown), *GOOD]
    return [one for one in objects if one["apiVersion"].startswith("metallb.io/")]


def test_the_schemas_take_every_example() -> None:
    objects = manifests()

    assert len(objects) > 10
    for one in objects:
        version = one["apiVersion"].removeprefix("metallb.io/")
        schema = schema_of(versions()[f"{one['kind']}/{version}"])
        Draft4Validator(schema).validate(one)


def test_the_schemas_refuse_what_they_can_tell() -> None:
    """So that the check above could fail."""
    (bad,) = read_text(
        "spec: {addresses: [192.0.2.0], autoAssign: 'yes', serviceAllocation: {priority: 1.5}}", "bad.yaml"
    ).documents

    errors = Draft4Validator(schema_of(versions()["IPAddressPool/v1beta1"])).iter_errors(
        cast("Any", bad.content)
    )

    assert sorted("/".join(map(str, error.absolute_path)) for error in errors) == [
        "spec/addresses/0",
        "spec/autoAssign",
        "spec/serviceAllocation/priority",
    ]
