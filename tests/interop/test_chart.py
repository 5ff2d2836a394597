"""The chart before real Helm: what it renders, what it refuses, and that its values are described.

`python -m tests.interop.test_chart` writes the golden files anew.
"""

from __future__ import annotations

import base64
import json
import re
import subprocess
from collections.abc import Iterator, Mapping, Set
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

ROOT = Path(__file__).parents[2]
HELM = ROOT / ".setup/helm/helm"
CHART = ROOT / "charts/swimlb"
GOLDEN = ROOT / "tests/golden/chart"
CASES = sorted(path.name.removesuffix(".values.yaml") for path in GOLDEN.glob("*.values.yaml"))
RELEASES = ("1.34", "1.35", "1.37")
VERSION = yaml.safe_load((CHART / "Chart.yaml").read_text())["appVersion"]
DIGEST = "sha256:" + "0f" * 32
OPERATOR = "monitoring.coreos.com/"
"""The Prometheus Operator's group, which Kubernetes itself does not have."""

JUDGE = ROOT / ".setup/crd-check/crd-check"
EVERY_RULE = ("--set", "prometheus.prometheusRule.enabled=true")

EVERYTHING = (
    *EVERY_RULE,
    *("--set", "prometheus.serviceMonitor.enabled=true,grafana.dashboards.enabled=true"),
    *("--set", "networkpolicies.enabled=true,networkpolicies.defaultDeny=true"),
)

SECRET_KEY = re.compile(r"(?m)^(  secretkey: ).*$")

pytestmark = pytest.mark.interop


def helm(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([HELM, *arguments], capture_output=True, text=True, timeout=60)


def render(*arguments: str) -> str:
    done = helm("template", "swimlb", str(CHART), "--namespace", "metallb-system", *arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout


def objects(text: str) -> Iterator[dict[str, Any]]:
    return (one for one in yaml.safe_load_all(text) if one)


def golden(case: str) -> str:
    """What Helm renders of a case, without what has a file of its own, and without chance."""
    text = render("--values", str(GOLDEN / f"{case}.values.yaml"))
    kept = [
        one
        for one in re.split(r"(?m)^---\n", text)
        if "kind: CustomResourceDefinition\n" not in one and one.strip()
    ]
    return SECRET_KEY.sub(r"\1(generated)", "".join(f"---\n{one}" for one in kept))


@pytest.mark.parametrize("case", CASES)
def test_renders_what_it_rendered_before(case: str) -> None:
    """A change that is meant is written by `python -m tests.interop.test_chart`, and read in the diff."""
    assert golden(case) == (GOLDEN / f"{case}.yaml").read_text()


@pytest.mark.parametrize("case", CASES)
def test_lint_finds_nothing(case: str) -> None:
    done = helm("lint", "--strict", str(CHART), "--values", str(GOLDEN / f"{case}.values.yaml"))

    assert done.returncode == 0, done.stdout
    assert "[WARNING]" not in done.stdout
    assert "[ERROR]" not in done.stdout


@pytest.mark.parametrize("release", RELEASES)
@pytest.mark.parametrize("case", CASES)
def test_kubernetes_knows_every_field(case: str, release: str) -> None:
    for one in objects((GOLDEN / f"{case}.yaml").read_text()):
        if not one["apiVersion"].startswith(OPERATOR):
            kubernetes_validate.validate(one, release, strict=True)


@pytest.mark.parametrize("release", RELEASES)
def test_kubernetes_knows_every_field_of_the_delivered_manifests(release: str) -> None:
    """The namespace and the definitions of kinds among them."""
    delivered = list(objects((ROOT / "deploy/swimlb.yaml").read_text()))

    assert {"Namespace", "CustomResourceDefinition", "DaemonSet"} <= {one["kind"] for one in delivered}
    for one in delivered:
        kubernetes_validate.validate(one, release, strict=True)


@pytest.mark.parametrize("case", CASES)
def test_the_prometheus_operator_knows_every_field(case: str) -> None:
    """By its definitions, before the API server's own code."""
    definitions = [
        yaml.safe_load(path.read_text())
        for path in sorted((ROOT / ".setup/prometheus-operator").glob("*.yaml"))
    ]
    assert len(definitions) == 3, "`make prometheus-operator` fetches the definitions"
    rendered = objects(render("--values", str(GOLDEN / f"{case}.values.yaml"), *EVERY_RULE))
    monitoring = [one for one in rendered if one["apiVersion"].startswith(OPERATOR)]

    asked = {"definitions": definitions, "cases": [{"object": one} for one in monitoring]}
    answer = subprocess.run(
        [JUDGE], input=json.dumps(asked), capture_output=True, text=True, check=True, timeout=60
    )
    verdicts = json.loads(answer.stdout)["cases"]

    assert len(verdicts) == len(monitoring) > 0
    assert [one for one in verdicts if one["errors"] or one["unknown"]] == []


def rules(*arguments: str) -> dict[str, Any]:
    (found,) = (one for one in objects(render(*EVERY_RULE, *arguments)) if one["kind"] == "PrometheusRule")
    return found["spec"]


def test_the_alerts_are_those_of_the_file() -> None:
    """Which is what the tests with a real Prometheus read."""
    assert rules() == yaml.safe_load((CHART / "files/alerts.yaml").read_text())


@pytest.mark.parametrize(
    ("part", "alone"), [("controller", "SwimlbControllerAbsent"), ("speaker", "SwimlbSpeakersAbsent")]
)
def test_what_is_not_installed_is_not_missed(part: str, alone: str) -> None:
    every, some = (
        {rule["alert"] for group in found["groups"] for rule in group["rules"]}
        for found in (rules(), rules("--set", f"{part}.enabled=false"))
    )

    assert every - some == {alone}


def test_metallbs_values_choose_among_its_alerts(tmp_path: Path) -> None:
    """One off, one with another label, pools left out, thresholds of one's own; the rest stays, and Prometheus reads it."""
    wanted = {
        "staleConfig": {"labels": {"team": "net"}},
        "addressPoolExhausted": {"excludePools": "spare"},
        "addressPoolUsage": {
            "excludePools": r"lab-\d+",
            "thresholds": [{"percent": 50}, {"percent": 97.5, "labels": {"severity": "page"}}],
        },
        "bgpSessionDown": {"enabled": False},
    }
    values, file = tmp_path / "values.yaml", tmp_path / "rules.yaml"
    values.write_text(yaml.safe_dump({"prometheus": {"prometheusRule": wanted}}))
    found = rules("--values", str(values))
    file.write_text(yaml.safe_dump(found))
    subprocess.run(["promtool", "check", "rules", file], check=True, capture_output=True, timeout=60)

    by_name = {one["alert"]: one for group in found["groups"] for one in group["rules"]}
    usual = {one["alert"]: one for group in rules()["groups"] for one in group["rules"]}
    gone = {"MetalLBBGPSessionDown", *(f"MetalLBAddressPoolUsage{at}Percent" for at in (75, 85, 95))}
    new = {"MetalLBAddressPoolUsage50Percent", "MetalLBAddressPoolUsage97.5Percent"}
    assert by_name.keys() == usual.keys() - gone | new
    assert by_name["MetalLBStaleConfig"]["labels"] == {"severity": "warning", "team": "net"}
    assert 'in_use_total{pool!~"spare"} >= metallb' in by_name["MetalLBAddressPoolExhausted"]["expr"]
    half, nearly_all = (by_name[name] for name in sorted(new))
    assert r'(metallb_allocator_addresses_in_use_total{pool!~"lab-\\d+"} / metallb' in half["expr"]
    assert half["expr"].endswith(" > 50")
    assert half["labels"] == {"severity": "warning"}
    assert nearly_all["expr"].endswith(" > 97.5")
    assert nearly_all["labels"] == {"severity": "page"}
    assert all(by_name[name] == usual[name] for name in usual if name.startswith("Swimlb"))


def test_files_of_dashboards_are_nobody_elses() -> None:
    """Grafana's sidecar names them by the keys alone: of two ConfigMaps with one key the later one is shown."""
    rendered = objects(render("--set", "grafana.dashboards.enabled=true"))
    files = {key for one in rendered if one["kind"] == "ConfigMap" for key in one["data"]}

    assert files == {f"swimlb-{path.name}" for path in (CHART / "files/dashboards").iterdir()}


def test_the_delivered_manifests_are_what_the_chart_renders() -> None:
    """`make manifests` writes them anew."""
    text = render("--values", str(ROOT / "deploy/values.yaml"))
    plain = subprocess.run(
        ["sed", "-f", ROOT / "deploy/plain.sed"], input=text, capture_output=True, text=True, check=True
    ).stdout

    head, _, body = (ROOT / "deploy/swimlb.yaml").read_text().partition("\n")
    assert head.startswith("# Made by `make manifests`")
    assert body == plain


def test_definitions_outlive_the_release() -> None:
    """Helm deletes what it has installed, and with a definition every object of its kind would go."""
    rendered = [one for one in objects(render()) if one["kind"] == "CustomResourceDefinition"]

    assert len(rendered) == len(list((CHART / "files/crds").iterdir()))
    for one in rendered:
        assert one["metadata"]["annotations"] == {"helm.sh/resource-policy": "keep"}


def test_without_webhooks_nobody_is_asked_to_convert() -> None:
    """The API server could not even list BGPPeers while nobody answers."""
    with_webhooks, without = (
        {
            one["metadata"]["name"]: one["spec"]
            for one in objects(text)
            if one["kind"] == "CustomResourceDefinition"
        }
        for text in (render(), render("--set", "controller.webhookMode=disabled"))
    )

    peers = with_webhooks.pop("bgppeers.metallb.io")
    assert peers["conversion"]["strategy"] == "Webhook"
    assert without.pop("bgppeers.metallb.io") == {**peers, "conversion": {"strategy": "None"}}
    assert without == with_webhooks


def test_no_name_is_too_long() -> None:
    """Of a release whose name is as long as Helm takes it."""
    text = helm("template", "a" * 53, str(CHART), *EVERYTHING).stdout

    names = {one["metadata"]["name"]: one["kind"] for one in objects(text)}
    assert "Service" in names.values()
    assert {name for name, kind in names.items() if len(name) > 63 and kind == "Service"} == set()


@pytest.mark.parametrize(
    ("values", "images"),
    [
        (f"image.digest={DIGEST}", (f"swimlb:{VERSION}@{DIGEST}", f"swimlb:{VERSION}@{DIGEST}")),
        (
            f"image.digest={DIGEST},speaker.image.tag=canary",
            (f"swimlb:{VERSION}@{DIGEST}", "swimlb:canary"),
        ),
        (f"speaker.image.digest={DIGEST}", (f"swimlb:{VERSION}", f"swimlb:{VERSION}@{DIGEST}")),
    ],
)
def test_a_digest_goes_with_the_image_that_it_is_given_for(values: str, images: tuple[str, str]) -> None:
    """Of the controller and of the speakers."""
    pods = {
        one["kind"]: one["spec"]["template"]["spec"]
        for one in objects(render("--set", values))
        if one["kind"] in ("Deployment", "DaemonSet")
    }

    assert images == tuple(pods[kind]["containers"][0]["image"] for kind in ("Deployment", "DaemonSet"))


def test_the_gossip_key_has_the_form_that_metallb_gives_it() -> None:
    """Sixteen octets in base64 without padding, another one each time."""
    keys: list[str] = []
    for _ in range(2):
        (secret,) = (one for one in objects(render()) if one["kind"] == "Secret")
        keys.append(base64.b64decode(secret["data"]["secretkey"]).decode())

    assert keys[0] != keys[1]
    assert [len(base64.b64decode(key + "==")) for key in keys] == [16, 16]


def test_a_rollback_does_not_bring_an_old_key_back() -> None:
    """Helm writes again what a release had at that time. The key is no part of it: it may have been changed since."""
    assert "Secret" not in {one["kind"] for one in objects(render("--no-hooks"))}


@pytest.mark.parametrize("level", ["debug", "info", "warn", "warning", "error"])
def test_levels_of_the_log_are_those_of_the_command(level: str) -> None:
    """MetalLB's users bring `warn` along."""
    rendered = render("--set", f"speaker.logLevel={level},controller.logLevel={level}")

    assert rendered.count(f"--log-level={level.removesuffix('ing').replace('warn', 'warning')}\n") == 2


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (
            "speaker.resources.limits.cpu=1",
            "speaker.resources.limits.cpu: a throttled speaker is taken for dead",
        ),
        ("frrk8s.enabled=false", "frrk8s: the speaker holds BGP sessions itself, without FRR; remove it"),
        ("configInline.peers=1", "`swimlb convert` writes them from it"),
        ("tls.minVersion=VersionTLS13", "tls.minVersion: is OpenSSL's own choice, of TLS 1.2 or later"),
        ("tls.speakerMetricsTLSSecret=a", "has no meaning while prometheus.secureMetrics is false"),
        (
            "prometheus.secureMetrics=true,prometheus.podMonitor.enabled=true",
            "a PodMonitor cannot show Prometheus' own token",
        ),
        ("prometheus.serviceAccount=prometheus", "name the namespace of prometheus.serviceAccount"),
        ("networkpolicies.defaultDeny=true", "has no meaning while networkpolicies.enabled is false"),
        ("speaker.createSecret=false", "name the Secret with the ring's key"),
        (
            "prometheus.podMonitor.enabled=true,prometheus.serviceMonitor.enabled=true",
            "the Pods would be scraped twice",
        ),
        (
            "speaker.livenessProbe.port=17473",
            "speaker.readinessProbe.port: is not speaker.livenessProbe.port",
        ),
        (
            "controller.readinessProbe.port=17473",
            "controller.readinessProbe.port: is not controller.livenessProbe.port",
        ),
        (
            "controller.image.repository=quay.io/metallb/controller",
            "controller.image.repository: is MetalLB's; remove it",
        ),
        (
            "prometheus.metricsPort=7946",
            "prometheus.metricsPort: is 7946, and so is speaker.memberlist.mlBindPort; the speaker needs both",
        ),
        (
            "controller.livenessProbe.port=9443,controller.readinessProbe.port=9443",
            "controller.livenessProbe.port: is 9443, and so is the port of the webhooks; the controller needs both",
        ),
        ("image.digest=sha256:abc", "/image/digest"),
        ("speaker.profile=slow", "/speaker/profile"),
        ("speaker.frr.enabled=true", "'frr' not allowed"),
        ("controller.replicas=0", "/controller/replicas"),
        (
            "prometheus.prometheusRule.addressPoolUsage.thresholds[0].percent=100",
            "/prometheus/prometheusRule/addressPoolUsage/thresholds/0/percent",
        ),
    ],
)
def test_refuses_what_would_not_do_what_it_says(values: str, words: str) -> None:
    done = helm("template", "swimlb", str(CHART), "--set", values)

    assert done.returncode != 0
    assert words in done.stderr


def test_a_value_that_is_needed_cannot_be_taken_away() -> None:
    """`null` takes a default away. A template that stumbles over that would name a line of its own, and not the value."""
    schema = json.loads((CHART / "values.schema.json").read_text())
    needed = list(_needed(schema, schema, ()))

    for path in needed:
        done = helm("template", "swimlb", str(CHART), *EVERYTHING, "--set", f"{'.'.join(path)}=null")
        assert done.returncode != 0
        assert f"missing property '{path[-1]}'" in done.stderr
    assert ("speaker", "profile") in needed


def test_every_other_value_can_be_taken_away(tmp_path: Path) -> None:
    """All at once: Kubernetes gets nothing that is empty where it wants a value."""
    schema = json.loads((CHART / "values.schema.json").read_text())
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    needed = set(_needed(schema, schema, ()))
    without = tmp_path / "values.yaml"
    without.write_text(yaml.safe_dump(_without_defaults(values, (), needed)))

    rendered = list(objects(render("--values", str(without), *EVERYTHING)))

    assert "null" in without.read_text()
    for one in rendered:
        if not one["apiVersion"].startswith(OPERATOR):
            kubernetes_validate.validate(one, RELEASES[0], strict=True)


def _needed(
    schema: Mapping[str, Any], node: Mapping[str, Any], path: tuple[str, ...]
) -> Iterator[tuple[str, ...]]:
    """Paths of values without which the schema takes none."""
    if "$ref" in node:
        node = {**schema["definitions"][node["$ref"].rpartition("/")[2]], **node}
    for name in node.get("required", ()):
        yield (*path, name)
    for name, inner in node.get("properties", {}).items():
        if inner is not True:
            yield from _needed(schema, inner, (*path, name))


def _without_defaults(
    values: Mapping[str, Any], path: tuple[str, ...], needed: Set[tuple[str, ...]]
) -> dict[str, Any]:
    """Values that take every default away but those that are needed."""
    found: dict[str, Any] = {}
    for name, inner in values.items():
        here = (*path, name)
        if here not in needed:
            found[name] = None
        elif isinstance(inner, dict):
            found[name] = _without_defaults(inner, here, needed)
    return found


def test_tells_all_that_is_wrong_at_once() -> None:
    done = helm(
        "template", "swimlb", str(CHART), "--set", "frrk8s.enabled=false,networkpolicies.defaultDeny=true"
    )

    assert "frrk8s:" in done.stderr
    assert "networkpolicies.defaultDeny:" in done.stderr


def test_the_notes_tell_what_to_do_next() -> None:
    """And where an image comes from, as long as no registry is named."""

    def notes(*arguments: str) -> str:
        done = helm("install", "swimlb", str(CHART), "--dry-run=client", "--namespace", "lb", *arguments)
        assert done.returncode == 0, done.stderr
        return done.stdout.partition("\nNOTES:\n")[2]

    assert "kubectl --namespace lb rollout status daemonset/swimlb-speaker" in notes()
    assert "make image" in notes()
    assert "make image" not in notes("--set", "image.repository=registry.example/swimlb")


def test_every_value_is_described_and_every_description_has_a_value() -> None:
    schema = json.loads((CHART / "values.schema.json").read_text())
    values = yaml.safe_load((CHART / "values.yaml").read_text())

    described = dict(_described(schema, schema, ()))
    assert [".".join(path) for path, text in described.items() if not text] == []
    assert {path for path in _paths(values, ()) if path not in described} == set()


def _described(schema: Mapping[str, Any], node: Mapping[str, Any], path: tuple[str, ...]) -> Iterator[Any]:
    """Every value's path with its description."""
    if "$ref" in node:
        node = {**schema["definitions"][node["$ref"].rpartition("/")[2]], **node}
    if path:
        yield path, node.get("description", "")
    for name, inner in node.get("properties", {}).items():
        if inner is not True:  # What is only there to be refused with a text of ours.
            yield from _described(schema, inner, (*path, name))


def _paths(values: Any, path: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """Those of the chart's own values, down to what its user is free to fill."""
    if path:
        yield path
    if isinstance(values, dict) and path[-1:] not in {
        ("strategy",),
        ("updateStrategy",),
        ("securityContext",),
        ("requests",),
        ("labels",),
        ("tlsConfig",),
    }:
        for name, inner in values.items():
            yield from _paths(inner, (*path, name))


def main() -> None:
    for case in CASES:
        (GOLDEN / f"{case}.yaml").write_text(golden(case))


if __name__ == "__main__":
    main()
