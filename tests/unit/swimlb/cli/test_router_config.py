"""`swimlb router-config`: of which manifests and nodes, and what is told when some of them are not well."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from swimlb.cli.router_config import router_config
from swimlb.routerconfig import DIALECTS

POOL = """
apiVersion: metallb.io/v1beta1
kind: IPAddressPool
metadata: {name: pool, namespace: metallb-system}
spec: {addresses: [198.51.100.0/24]}
"""


def peer(name: str, address: str, more: str = "") -> str:
    return f"""
apiVersion: metallb.io/v1beta2
kind: BGPPeer
metadata: {{name: {name}, namespace: metallb-system}}
spec: {{myASN: 64496, peerASN: 64497, peerAddress: {address} {more}}}
"""


def node(name: str, *addresses: str) -> str:
    """Addresses as `InternalIP 192.0.2.10`."""
    told = ", ".join(f"{{type: {kind}, address: '{address}'}}" for kind, address in map(str.split, addresses))
    return f"""
apiVersion: v1
kind: Node
metadata: {{name: {name}}}
status: {{addresses: [{told}]}}
"""


TOR = peer("tor", "192.0.2.1")
NODE = node("node-a", "InternalIP 192.0.2.10")


def printed(*documents: str, options: tuple[str, ...] = (), dialect: str = "frr") -> Result:
    given = "---".join((POOL, *documents))
    return CliRunner().invoke(router_config, ("-f", "-", "--for", dialect, *options), given)


def test_what_is_wrong_is_told_and_the_rest_is_printed() -> None:
    """Who pastes it into a router has to know that a neighbor is missing."""
    result = printed(TOR, NODE, peer("spine", "192.0.2.300"))

    assert result.exit_code == 1
    assert "neighbor 192.0.2.10 remote-as 64496" in result.stdout
    assert "BGPPeer/metallb-system/spine" in result.stderr


def test_a_path_that_cannot_be_read_is_told() -> None:
    result = printed(TOR, NODE, options=("-f", "/nonexistent.yaml"))

    assert result.exit_code == 1
    assert "/nonexistent.yaml" in result.stderr


def test_a_path_that_is_not_there_is_one_error() -> None:
    """That no node has a session then says nothing more."""
    result = CliRunner().invoke(router_config, ("-f", "/nonexistent.yaml", "--for", "frr"))

    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.splitlines() == [
        "/nonexistent.yaml: error: cannot be read: No such file or directory — Check the name and the permissions."
    ]


@pytest.mark.parametrize(
    ("other", "status"), [("password: known", 0), ("passwordSecret: {name: b}", 0), ("holdTime: 90s", 1)]
)
def test_a_password_that_is_not_known_may_be_that_of_another_peer(other: str, status: int) -> None:
    """Two that are called from one address must have the same, but one that has none has not."""
    listening = "namespace: metallb-system, annotations: {swimlb.io/connection: both}"
    peers = (
        peer("a", "192.0.2.1", ", passwordSecret: {name: a}"),
        peer("b", "192.0.2.1", f", peerPort: 1179, {other}"),
    )

    result = printed(*(one.replace("namespace: metallb-system", listening) for one in peers), NODE)

    assert result.exit_code == status
    assert ("differs from that of BGPPeer" in result.stderr) == bool(status)


def test_no_secret_is_needed() -> None:
    """The password is not printed anyhow, and people hardly pipe their Secrets around."""
    result = printed(peer("tor", "192.0.2.1", ", passwordSecret: {name: tor}"), NODE)

    assert result.exit_code == 0, result.stderr
    assert "neighbor 192.0.2.10 password PASSWORD" in result.stdout


def test_a_node_without_a_fitting_address_is_told() -> None:
    result = printed(TOR, NODE, node("node-b", "InternalIP 2001:db8::11"), node("node-c"))

    assert result.exit_code == 0
    assert "192.0.2.10" in result.stdout
    assert "Node/node-b: has no IPv4 address" in result.stderr
    assert "Node/node-c: has no IPv4 address" in result.stderr


def test_a_node_is_called_by_its_address_within_the_cluster() -> None:
    """In whatever order a cloud controller lists them; and what is given goes before what is found."""
    both = node("node-a", "ExternalIP 203.0.113.7", "InternalIP 192.0.2.10")

    assert "neighbor 192.0.2.10 remote-as" in printed(TOR, both).stdout
    assert (
        "neighbor 192.0.2.99 remote-as" in printed(TOR, both, options=("--node", "node-a=192.0.2.99")).stdout
    )


def test_one_router_can_be_asked_for() -> None:
    """What the others lack is then no matter."""
    dynamic = peer("spine", "192.0.2.2").replace("peerASN: 64497", "dynamicASN: external")

    assert "64497" in printed(TOR, dynamic, NODE, options=("--router", "192.0.2.1")).stdout
    assert "--router-asn" in printed(TOR, dynamic, NODE).stderr
    unknown = printed(TOR, NODE, options=("--router", "192.0.2.9"))
    assert unknown.exit_code == 1
    assert "no BGPPeer has the address 192.0.2.9" in unknown.stderr


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_key_of_tcp_ao_is_no_password(dialect: str) -> None:
    """By MD5 the router would drop all that the node sends."""
    secured = peer("tor", "192.0.2.1", ", password: hunter2").replace(
        "name: tor,", "name: tor, annotations: {swimlb.io/tcp-ao: 1/2},"
    )

    result = printed(secured, NODE, dialect=dialect)

    assert result.exit_code == 0
    assert "PASSWORD" not in result.stdout
    assert "192.0.2.10" in result.stdout
    assert "the key is one of TCP-AO (SendID 2, RecvID 1, hmac-sha-1-96)" in result.stderr
    assert "hunter2" not in result.output


def test_what_the_router_needs_besides_is_told() -> None:
    odd = peer("tor", "192.0.2.1", ", peerPort: 1179")

    assert "BGPPeer/metallb-system/tor: BGP has to listen on port 1179" in printed(odd, NODE).stderr
    assert printed(odd, NODE, dialect="bird").stderr == ""


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (("--node", "node-x"), "--node: 'node-x' is not NAME=ADDRESS; write it like node-d=192.0.2.14"),
        (("--node", "node-x=here"), "--node: 'here' is not an IP address"),
        (("--node", "node-x=fe80::1%eth0"), "--node: 'fe80::1%eth0' has a zone"),
        (("--router", "here"), "--router: 'here' is not an IP address"),
    ],
)
def test_options_that_make_no_sense_are_refused_with_the_way_out(options: tuple[str, ...], text: str) -> None:
    result = printed(TOR, NODE, options=options)

    assert (result.exit_code, result.stdout) == (2, "")
    assert text in result.stderr


def test_nothing_to_print_is_told(tmp_path: Path) -> None:
    result = CliRunner().invoke(router_config, ("-f", str(tmp_path), "--for", "frr"))

    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == "Error: there is no BGPPeer; give the manifests that hold them\n"
