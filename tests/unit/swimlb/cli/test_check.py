from __future__ import annotations

import io
import json
import os
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from swimlb.cli.check import check
from swimlb.cli.main import main

EXAMPLES = Path(__file__).parents[4] / "examples"
BAD_POOL = """\
apiVersion: metallb.io/v1beta1
kind: IPAddressPool
metadata:
  name: gold
  namespace: metallb-system
spec:
  addresses:
  - 192.0.2.20-192.0.2.10
"""
LONELY = """\
apiVersion: v1
kind: Service
metadata:
  name: web
spec:
  type: LoadBalancer
  ports: [{port: 80}]
"""

LIVE = """\
apiVersion: v1
kind: List
metadata:
  resourceVersion: ""
items:
- apiVersion: metallb.io/v1beta1
  kind: IPAddressPool
  metadata:
    annotations:
      kubectl.kubernetes.io/last-applied-configuration: |
        {"apiVersion":"metallb.io/v1beta1","kind":"IPAddressPool"}
    creationTimestamp: "2026-01-02T03:04:05Z"
    generation: 1
    managedFields:
    - apiVersion: metallb.io/v1beta1
      fieldsType: FieldsV1
      fieldsV1: {f:spec: {.: {}, f:addresses: {}}}
      manager: kubectl
      operation: Update
      time: "2026-01-02T03:04:05Z"
    name: gold
    namespace: metallb-system
    resourceVersion: "1234"
    uid: 7b1f1c5e-0000-4000-8000-000000000000
  spec:
    addresses:
    - 192.0.2.10-192.0.2.20
    autoAssign: true
    avoidBuggyIPs: false
  status:
    assignedIPv4: 1
    assignedIPv6: 0
    availableIPv4: 10
    availableIPv6: 0
- apiVersion: metallb.io/v1beta1
  kind: L2Advertisement
  metadata: {name: lan, namespace: metallb-system, creationTimestamp: "2026-01-02T03:04:05Z"}
  spec: {ipAddressPools: [gold]}
  status: {}
- apiVersion: metallb.io/v1beta1
  kind: ServiceL2Status
  metadata: {name: l2-abcde, namespace: metallb-system, generateName: l2-}
  spec: {}
  status: {node: node-a, serviceName: web, serviceNamespace: default}
- apiVersion: metallb.io/v1beta1
  kind: ConfigurationState
  metadata: {name: controller, namespace: metallb-system}
  status: {result: Valid, conditions: []}
- apiVersion: v1
  kind: Node
  metadata: {name: node-a, labels: {kubernetes.io/hostname: node-a}}
  spec: {podCIDR: 198.51.100.0/24}
  status:
    addresses: [{type: InternalIP, address: 192.0.2.1}, {type: Hostname, address: node-a}]
    conditions: [{type: Ready, status: "True"}]
- apiVersion: v1
  kind: ConfigMap
  metadata: {name: kube-root-ca.crt, namespace: default}
  data: {ca.crt: x}
- apiVersion: v1
  kind: Service
  metadata:
    annotations: {metallb.io/ip-allocated-from-pool: gold}
    creationTimestamp: "2026-01-02T03:04:05Z"
    name: web
    namespace: default
  spec:
    allocateLoadBalancerNodePorts: true
    clusterIP: 198.51.100.7
    clusterIPs: [198.51.100.7]
    externalTrafficPolicy: Cluster
    internalTrafficPolicy: Cluster
    ipFamilies: [IPv4]
    ipFamilyPolicy: SingleStack
    ports: [{name: http, nodePort: 30080, port: 80, protocol: TCP, targetPort: 8080}]
    selector: {app: web}
    sessionAffinity: None
    type: LoadBalancer
  status:
    conditions: []
    loadBalancer: {ingress: [{ip: 192.0.2.10, ipMode: VIP}]}
"""


def run(*arguments: str, given: str | None = None) -> Result:
    return CliRunner().invoke(check, arguments, given)


def test_the_examples_are_without_fault() -> None:
    result = run("-f", str(EXAMPLES / "demo"), "--strict")

    assert result.exit_code == 0
    assert result.stdout == ""
    assert result.stderr == "11 objects, 0 errors, 0 warnings\n"


def test_tells_where_what_and_the_way_out(tmp_path: Path) -> None:
    """One line for each problem, and a status that scripts can use."""
    file = tmp_path / "pool.yaml"
    file.write_text(BAD_POOL)

    result = run("-f", str(file))

    assert result.exit_code == 1
    assert result.stdout == (
        f"{file}:8: error: IPAddressPool/metallb-system/gold spec.addresses[0]: "
        "invalid IP range '192.0.2.20-192.0.2.10': start IP 192.0.2.20 is after the end IP 192.0.2.10"
        " — Write 192.0.2.10-192.0.2.20.\n"
    )
    assert result.stderr == "1 object, 1 error, 0 warnings\n"


def test_a_table_has_the_way_out_below_what_is_wrong() -> None:
    result = run("-f", "-", "-o", "table", given=BAD_POOL)

    head, row, *more = result.stdout.splitlines()
    assert result.exit_code == 1
    assert head.split() == ["SEVERITY", "OBJECT", "FIELD", "WHERE", "PROBLEM"]
    assert row.split()[:5] == [
        "error",
        "IPAddressPool/metallb-system/gold",
        "spec.addresses[0]",
        "<stdin>:8",
        "invalid",
    ]
    assert more[-1].strip() == "→ Write 192.0.2.10-192.0.2.20."


@pytest.mark.parametrize(("output", "expected"), [("table", ""), ("json", '{\n  "problems": []\n}\n')])
def test_nothing_wrong_is_told_so(output: str, expected: str) -> None:
    result = run("-f", str(EXAMPLES / "demo"), "-o", output)

    assert (result.exit_code, result.stdout) == (0, expected)


def test_takes_what_kubectl_prints() -> None:
    """`kubectl get -o yaml` of a live cluster: lists, statuses, managed fields, and kinds that are none of ours."""
    result = run("-f", "-", "--strict", given=LIVE)

    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr == "7 objects, 0 errors, 0 warnings\n"


def test_json_is_an_interface() -> None:
    """Its fields are fixed; standard input is read like a file."""
    result = run("-f", "-", "-o", "json", given=BAD_POOL)

    assert result.exit_code == 1
    assert json.loads(result.stdout) == {
        "problems": [
            {
                "severity": "error",
                "object": "IPAddressPool/metallb-system/gold",
                "field": "spec.addresses[0]",
                "file": "<stdin>",
                "line": 8,
                "message": "invalid IP range '192.0.2.20-192.0.2.10': start IP 192.0.2.20 is after the end IP 192.0.2.10",
                "hint": "Write 192.0.2.10-192.0.2.20.",
                "is_partial": False,
            }
        ]
    }


@pytest.mark.parametrize(("options", "status"), [((), 0), (("--strict",), 1)])
def test_warnings_count_only_when_strict(options: tuple[str, ...], status: int) -> None:
    """Such as that of a Service that gets no address."""
    result = run("-f", "-", *options, given=LONELY)

    assert result.exit_code == status
    assert result.stdout.startswith(
        "<stdin>:1: warning: Service/default/web: gets no address: no available IPs"
    )


def test_a_path_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    result = run("-f", str(tmp_path / "gone.yaml"))

    assert result.exit_code == 1
    assert result.stdout.startswith(
        f"{tmp_path / 'gone.yaml'}: error: cannot be read: No such file or directory"
    )


def test_other_namespaces_and_classes_can_be_judged() -> None:
    result = run("-f", "-", "--namespace", "other", "--lb-class", "mine", given=BAD_POOL + "---\n" + LONELY)

    assert "resource must be created in other namespace" in result.stdout
    assert "Service/default/web" not in result.stdout


@pytest.mark.parametrize("output", ["text", "table", "json"])
def test_a_name_that_is_no_text_is_told_like_any_other(tmp_path: Path, output: str) -> None:
    file = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff.yaml"))
    file.write_text(BAD_POOL)

    result = run("-f", str(file), "-f", str(file) + ".gone", "-o", output)

    assert result.exit_code == 1
    assert isinstance(result.exception, SystemExit)
    assert "192.0.2.10" in result.stdout
    assert "xff.yaml.gone" in "".join(result.stdout.split())


def test_what_a_terminal_has_no_sign_for_is_written_otherwise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "pool.yaml").write_text(BAD_POOL)
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, encoding="latin-1", write_through=True))

    with pytest.raises(SystemExit):
        main(["check", "-f", str(tmp_path)], standalone_mode=False)

    assert rb"\u2014 Write 192.0.2.10-192.0.2.20." in written.getvalue()


@pytest.mark.parametrize(("given", "message"), [(b"", "is empty"), (b"a: \xff", "is not UTF-8 text")])
def test_standard_input_is_judged_like_a_file(given: bytes, message: str) -> None:
    """The command that was to write it may have failed, and then nothing at all would be wrong."""
    result = CliRunner().invoke(check, ["-f", "-"], given)

    assert result.exit_code == 1
    assert result.stdout.startswith("<stdin>")
    assert message in result.stdout


def test_an_empty_path_is_not_the_working_directory() -> None:
    result = run("-f", "")

    assert result.exit_code == 2
    assert "a PATH is empty; name a file or a directory, or - for standard input" in result.stderr


def test_a_directory_without_manifests_is_told(tmp_path: Path) -> None:
    """Such as the one above; nothing at all would be wrong there."""
    (tmp_path / "base").mkdir()

    result = run("-f", str(tmp_path))

    assert result.exit_code == 0
    assert result.stdout == (
        f"{tmp_path}: warning: holds no manifests — "
        "Name one with files that end in .yaml, .yml, .json; those further in are not read.\n"
    )


@pytest.mark.parametrize("namespace", ["", "a b", "\udcff"])
def test_what_is_no_namespace_is_refused(namespace: str) -> None:
    result = run("-f", str(EXAMPLES / "demo"), "--namespace", namespace)

    assert result.exit_code == 2
    assert "is no name of a namespace; write it like metallb-system" in result.stderr


@pytest.mark.parametrize("output", ["text", "table"])
def test_what_a_terminal_would_act_on_is_shown(output: str) -> None:
    given = BAD_POOL + '  "a\\e[31m\\r": b\n'

    result = run("-f", "-", "-o", output, given=given)

    assert "\x1b" not in result.stdout
    assert r"a\x1b[31m\r" in "".join(result.stdout.split())


def test_what_is_named_twice_is_read_once(tmp_path: Path) -> None:
    (tmp_path / "web.yaml").write_text(LONELY)

    result = run("-f", str(tmp_path), "-f", str(tmp_path))

    assert result.exit_code == 0
    assert result.stderr == "1 object, 0 errors, 1 warning\n"
