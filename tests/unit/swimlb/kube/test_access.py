"""Finding the API server, and showing it who asks."""

from __future__ import annotations

import asyncio
import base64
import json
import stat
from asyncio import sslproto
from pathlib import Path
from typing import Any

import pytest
import yaml
from aiohttp import web

from swimlb.kube.access import Access, NoAccess
from swimlb.kube.client import Client
from swimlb.kube.credentials import FILE_AGE_MAX, ExecPlugin, FreshFile, Identity
from swimlb.kube.errors import ApiError, Unavailable
from swimlb.kube.resources import NODES
from swimlb.kube.transport import TLS_BUFFER_OCTETS
from tests.unit.swimlb.kube.certificates import Authority
from tests.unit.swimlb.kube.server import json_answer, refusal, run, serving

EXEC_V1 = "client.authentication.k8s.io/v1"


def kubeconfig(
    path: Path, *, cluster: dict[str, Any] | None = None, user: dict[str, Any] | None = None
) -> Path:
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "here",
        "contexts": [{"name": "here", "context": {"cluster": "c", "user": "u", "namespace": "n"}}],
        "clusters": [{"name": "c", "cluster": {"server": "https://127.0.0.1:6443/", **(cluster or {})}}],
        "users": [{"name": "u", "user": user or {}}],
    }
    file = path / "kubeconfig"
    file.write_text(yaml.safe_dump(content))
    return file


def encoded(content: bytes) -> str:
    return base64.b64encode(content).decode()


def plugin(path: Path, script: str) -> dict[str, Any]:
    """A credential plugin, as a kubeconfig names it."""
    command = path / "plugin"
    command.write_text(f"#!/bin/sh\n{script}\n")
    command.chmod(command.stat().st_mode | stat.S_IXUSR)
    return {"apiVersion": EXEC_V1, "command": "./plugin", "args": ["a"], "env": [{"name": "E", "value": "e"}]}


def exec_credential(**status: str) -> str:
    return json.dumps({"apiVersion": EXEC_V1, "kind": "ExecCredential", "status": status})


def identity_of(access: Access) -> Identity:
    return run(access.credentials.identity())


def service_account(path: Path) -> dict[str, str]:
    (path / "token").write_text("secret-token\n")
    (path / "ca.crt").write_bytes(Authority().pem)
    (path / "namespace").write_text("metallb-system")
    return {"KUBERNETES_SERVICE_HOST": "2001:db8::1", "KUBERNETES_SERVICE_PORT": "443"}


def test_a_pod_finds_its_api_server(tmp_path: Path) -> None:
    access = Access.in_cluster(tmp_path, service_account(tmp_path))

    assert access.server == "https://[2001:db8::1]:443"
    assert access.namespace == "metallb-system"
    assert identity_of(access) == Identity("secret-token")


def test_what_is_no_pod_is_told_so(tmp_path: Path) -> None:
    with pytest.raises(NoAccess, match=r"KUBERNETES_SERVICE_HOST .* Name a kubeconfig"):
        Access.in_cluster(tmp_path, {})


def test_a_pod_without_a_token_is_told_what_to_turn_on(tmp_path: Path) -> None:
    environment = service_account(tmp_path)
    (tmp_path / "token").unlink()

    with pytest.raises(NoAccess, match="automountServiceAccountToken"):
        Access.in_cluster(tmp_path, environment)


def test_a_rotated_file_is_read_again_after_a_while_and_at_once_in_doubt(tmp_path: Path) -> None:
    path, now = tmp_path / "token", 0.0
    path.write_text("first")
    file = FreshFile(path, lambda: now)
    assert file.content() == b"first"
    path.write_text("second")

    assert file.content() == b"first"
    now = FILE_AGE_MAX
    assert file.content() == b"second"
    path.write_text("third")
    file.forget_age()
    assert file.content() == b"third"


def test_a_file_that_vanishes_for_a_moment_keeps_its_content(tmp_path: Path) -> None:
    path, now = tmp_path / "token", 0.0
    path.write_text("first")
    file = FreshFile(path, lambda: now)
    file.content()
    path.unlink()
    now = FILE_AGE_MAX

    assert file.content() == b"first"


def test_answers_longer_than_the_buffer_of_a_connection_come_whole(tmp_path: Path) -> None:
    """Each connection has a small one: a dozen watches have one each for hours."""
    authority, content = Authority(), {"kind": "Node", "text": "x" * (20 * TLS_BUFFER_OCTETS)}

    async def play() -> None:
        async with serving(json_answer(content), tls=authority.server_context(tmp_path)) as server:
            file = kubeconfig(
                tmp_path,
                cluster={"server": server.url, "certificate-authority-data": encoded(authority.pem)},
                user={"token": "secret-token"},
            )
            async with Client(Access.from_kubeconfig(file)) as client:
                assert await client.get(NODES, "node-a") == content
                assert sslproto.SSLProtocol.max_size == TLS_BUFFER_OCTETS

    run(play())


def test_a_watch_that_is_left_leaves_no_socket(tmp_path: Path) -> None:
    """Also when the other side does not answer the goodbye of TLS, as a dead one does not."""
    authority, descriptors = Authority(), Path("/proc/self/fd")

    async def play() -> None:
        left = asyncio.Event()

        async def deaf(request: web.BaseRequest) -> web.StreamResponse:
            response = web.StreamResponse()
            await response.prepare(request)
            await response.write(b"{}\n")
            assert isinstance(request.transport, asyncio.Transport)
            request.transport.pause_reading()
            await left.wait()
            request.transport.abort()
            return response

        async with serving(deaf, tls=authority.server_context(tmp_path)) as server:
            file = kubeconfig(
                tmp_path,
                cluster={"server": server.url, "certificate-authority-data": encoded(authority.pem)},
                user={"token": "secret-token"},
            )
            async with Client(Access.from_kubeconfig(file)) as client:
                async with client.stream("watch", NODES) as body:
                    assert await body.readline() == b"{}\n"
                    meanwhile = len([*descriptors.iterdir()])
                await asyncio.sleep(0.05)
                assert len([*descriptors.iterdir()]) == meanwhile - 1
            left.set()
            await asyncio.sleep(0.05)

    run(play())


def test_a_client_certificate_reaches_the_api_server(tmp_path: Path) -> None:
    authority = Authority()
    chain, key = authority.issue("node-a")
    (tmp_path / "key.pem").write_bytes(key)

    async def play() -> None:
        tls = authority.server_context(tmp_path, clients=True)
        async with serving(json_answer({"kind": "Node"}), tls=tls) as server:
            file = kubeconfig(
                tmp_path,
                cluster={"server": server.url, "certificate-authority-data": encoded(authority.pem)},
                user={"client-certificate-data": encoded(chain), "client-key": "key.pem"},
            )
            async with Client(Access.from_kubeconfig(file)) as client:
                assert await client.get(NODES, "node-a") == {"kind": "Node"}

    run(play())


def test_an_api_server_of_another_authority_is_not_believed(tmp_path: Path) -> None:
    async def play() -> None:
        tls = Authority("a stranger").server_context(tmp_path)
        async with serving(json_answer({}), tls=tls) as server:
            file = kubeconfig(
                tmp_path,
                cluster={"server": server.url, "certificate-authority-data": encoded(Authority().pem)},
                user={"token": "secret-token"},
            )
            async with Client(Access.from_kubeconfig(file)) as client:
                with pytest.raises(Unavailable, match="is not to be trusted"):
                    await client.get(NODES, "node-a")
            assert server.seen == []

    run(play())


def test_the_certificate_may_be_of_the_server_that_the_kubeconfig_names(tmp_path: Path) -> None:
    authority = Authority()

    async def play() -> None:
        tls = authority.server_context(tmp_path, host="kubernetes.example")
        async with serving(json_answer({}), tls=tls) as server:
            cluster = {"server": server.url, "certificate-authority-data": encoded(authority.pem)}
            told = {**cluster, "tls-server-name": "kubernetes.example"}
            async with Client(Access.from_kubeconfig(kubeconfig(tmp_path, cluster=told))) as client:
                await client.get(NODES, "node-a")
            async with Client(Access.from_kubeconfig(kubeconfig(tmp_path, cluster=cluster))) as client:
                with pytest.raises(Unavailable):
                    await client.get(NODES, "node-a")

    run(play())


def test_an_authority_that_is_replaced_is_believed_from_then_on(tmp_path: Path) -> None:
    """In a Pod ca.crt is a file, and a cluster's authority is rotated now and then."""
    old, new = Authority("old"), Authority("new")
    environment = service_account(tmp_path)
    (tmp_path / "ca.crt").write_bytes(old.pem)

    async def play() -> None:
        tls = new.server_context(tmp_path)
        async with serving(json_answer({}), tls=tls) as server:
            environment["KUBERNETES_SERVICE_HOST"], port = "127.0.0.1", server.url.rpartition(":")[2]
            environment["KUBERNETES_SERVICE_PORT"] = port
            async with Client(Access.in_cluster(tmp_path, environment)) as client:
                with pytest.raises(Unavailable):
                    await client.get(NODES, "node-a")
                (tmp_path / "ca.crt").write_bytes(old.pem + new.pem)
                await client.get(NODES, "node-a")

    run(play())


def test_tokens_of_a_kubeconfig(tmp_path: Path) -> None:
    """A token of digits is no number, and a path counts from the kubeconfig."""
    (tmp_path / "my-token").write_text("from-file\n")

    plain = Access.from_kubeconfig(kubeconfig(tmp_path, user={"token": "0123"}))
    assert identity_of(plain) == Identity("0123")
    assert plain.server == "https://127.0.0.1:6443"
    assert plain.namespace == "n"
    from_file = Access.from_kubeconfig(kubeconfig(tmp_path, user={"tokenFile": "my-token"}))
    assert identity_of(from_file) == Identity("from-file")


def test_a_plugin_is_asked_once_until_its_answer_expires(tmp_path: Path) -> None:
    answer = exec_credential(token="secret-$COUNT", expirationTimestamp="2030-01-01T00:00:00Z")
    script = f"""
        echo x >> {tmp_path}/asked
        printf '%s %s' "$1" "$E" > {tmp_path}/told
        printf '%s' "$KUBERNETES_EXEC_INFO" > {tmp_path}/info
        COUNT=$(wc -l < {tmp_path}/asked)
        cat <<END\n{answer}\nEND"""
    access = Access.from_kubeconfig(kubeconfig(tmp_path, user={"exec": plugin(tmp_path, script)}))
    expiry, now = 1893456000.0, 1800000000.0
    assert isinstance(access.credentials, ExecPlugin)
    access.credentials._wall = lambda: now

    async def tokens() -> list[str]:
        nonlocal now
        found = [(await access.credentials.identity()).token for _ in range(2)]
        now = expiry - 1
        found.append((await access.credentials.identity()).token)
        now = 1800000000.0
        access.credentials.doubt()
        return [*found, (await access.credentials.identity()).token]

    assert run(tokens()) == ["secret-1", "secret-1", "secret-2", "secret-3"]
    assert (tmp_path / "told").read_text() == "a e"
    assert json.loads((tmp_path / "info").read_text())["spec"] == {"interactive": False}


@pytest.mark.parametrize(
    ("script", "told"),
    [
        ("exit 3", "ended with status 3"),
        ("echo secret-token", "no ExecCredential"),
        (f"echo '{exec_credential()}'", "neither a token nor"),
        (f"echo '{exec_credential(token='secret-token').replace('/v1', '/v9')}'", "another kind or version"),
    ],
)
def test_a_plugin_that_fails_is_named_and_its_output_is_not_repeated(
    tmp_path: Path, script: str, told: str
) -> None:
    access = Access.from_kubeconfig(kubeconfig(tmp_path, user={"exec": plugin(tmp_path, script)}))

    with pytest.raises(Unavailable, match=told) as caught:
        identity_of(access)
    assert "secret" not in str(caught.value)


def test_a_plugin_that_is_not_installed_is_told_with_its_hint(tmp_path: Path) -> None:
    user = {
        "exec": {"apiVersion": EXEC_V1, "command": "/nonexistent/plugin", "installHint": "Install it from X."}
    }

    with pytest.raises(Unavailable, match=r"does not start: No such file.* Install it from X"):
        identity_of(Access.from_kubeconfig(kubeconfig(tmp_path, user=user)))


@pytest.mark.parametrize(
    ("cluster", "user", "told"),
    [
        ({"server": "127.0.0.1"}, {}, r"cluster c: server: is no URL\. Write https"),
        ({"certificate-authority-data": "%"}, {}, "cluster c: certificate-authority-data: is not base64"),
        ({"certificate-authority": "missing.pem"}, {}, "certificate-authority: .*missing.pem cannot be read"),
        ({}, {"client-certificate-data": "YQ=="}, "user u: client-certificate: one of"),
        ({}, {"auth-provider": {"name": "gcp"}}, "auth-provider: .* Use exec"),
        ({}, {"exec": {"apiVersion": EXEC_V1}}, "user u: exec: command: is missing"),
        ({}, {"exec": {"apiVersion": "v7", "command": "x"}}, "exec: apiVersion: is not known"),
    ],
)
def test_a_mistake_in_a_kubeconfig_is_told_with_its_field(
    tmp_path: Path, cluster: dict[str, Any], user: dict[str, Any], told: str
) -> None:
    with pytest.raises(NoAccess, match=told):
        Access.from_kubeconfig(kubeconfig(tmp_path, cluster=cluster, user=user))


def test_a_context_that_is_not_there_is_told_with_those_that_are(tmp_path: Path) -> None:
    with pytest.raises(NoAccess, match=r"no context 'elsewhere' in contexts\. Known there: here\."):
        Access.from_kubeconfig(kubeconfig(tmp_path), "elsewhere")


def test_a_kubeconfig_that_is_no_yaml_is_not_quoted(tmp_path: Path) -> None:
    file = tmp_path / "kubeconfig"
    file.write_text("users:\n  token: 'secret-token\n\x01")

    with pytest.raises(NoAccess) as caught:
        Access.from_kubeconfig(file)
    assert "secret" not in str(caught.value)


def test_no_secret_shows_when_something_is_printed(tmp_path: Path) -> None:
    access = Access.in_cluster(tmp_path, service_account(tmp_path))

    async def refused() -> ApiError:
        async with serving(refusal(403, "Forbidden")) as server:
            told = Access(server=server.url, credentials=access.credentials)
            async with Client(told) as client:
                with pytest.raises(ApiError) as caught:
                    await client.get(NODES, "node-a")
            return caught.value

    shown = f"{access!r} {identity_of(access)!r} {run(refused())!r}"
    assert "secret-token" not in shown
