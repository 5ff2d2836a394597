"""Our client against a real API server, with the official one as the witness."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import kubernetes
import pytest

from swimlb.kube.access import Access
from swimlb.kube.client import Client, PatchType
from swimlb.kube.credentials import Fixed, Identity, RotatedToken
from swimlb.kube.errors import AlreadyExists, Conflict, Forbidden, Invalid, NotFound, Unauthorized
from swimlb.kube.resources import CONFIG_MAPS, IP_ADDRESS_POOLS, LEASES, NODES, SECRETS, SERVICES, Resource
from swimlb.lab.kubernetes.lab import KubernetesLab
from tests.kube.oracle import admin, api, inside, run


def config_map(namespace: str, name: str, **data: str) -> dict[str, Any]:
    return {"metadata": {"namespace": namespace, "name": name}, "data": data}


def service(namespace: str, name: str) -> dict[str, Any]:
    return {
        "metadata": {"namespace": namespace, "name": name},
        "spec": {"type": "LoadBalancer", "ports": [{"port": 80}]},
    }


def test_what_we_write_is_what_the_official_client_reads(cluster: KubernetesLab, namespace: str) -> None:
    async def play(core: Any) -> None:
        async with Client(admin(cluster)) as client:
            made = await client.create(CONFIG_MAPS, config_map(namespace, "a", x="1", y="1"))
            assert core.read_namespaced_config_map("a", namespace).data == {"x": "1", "y": "1"}

            await client.patch(CONFIG_MAPS, "a", {"data": {"x": "2", "y": None}}, namespace=namespace)
            assert core.read_namespaced_config_map("a", namespace).data == {"x": "2"}

            operations = [{"op": "add", "path": "/data/z", "value": "3"}]
            await client.patch(CONFIG_MAPS, "a", operations, namespace=namespace, patch_type=PatchType.JSON)
            assert core.read_namespaced_config_map("a", namespace).data == {"x": "2", "z": "3"}

            now = await client.get(CONFIG_MAPS, "a", namespace=namespace)
            await client.replace(CONFIG_MAPS, {**now, "data": {"w": "4"}})
            assert core.read_namespaced_config_map("a", namespace).data == {"w": "4"}

            with pytest.raises(Conflict):
                await client.replace(CONFIG_MAPS, {**made, "data": {"w": "5"}})
            with pytest.raises(AlreadyExists):
                await client.create(CONFIG_MAPS, config_map(namespace, "a"))
            with pytest.raises(Conflict):
                await client.delete(CONFIG_MAPS, "a", namespace=namespace, uid="another")
            await client.delete(CONFIG_MAPS, "a", namespace=namespace, uid=made["metadata"]["uid"])
            with pytest.raises(kubernetes.client.ApiException, match="404"):
                core.read_namespaced_config_map("a", namespace)

    with inside(cluster) as oracle:
        run(play(api(oracle, "CoreV1Api")))


def test_fields_have_owners(cluster: KubernetesLab, namespace: str) -> None:
    async def play(core: Any) -> None:
        async with Client(admin(cluster)) as client:
            await client.apply(CONFIG_MAPS, config_map(namespace, "a", x="1"), field_manager="one")
            with pytest.raises(Conflict):
                await client.apply(CONFIG_MAPS, config_map(namespace, "a", x="2"), field_manager="two")
            await client.apply(
                CONFIG_MAPS, config_map(namespace, "a", x="2"), field_manager="two", force=True
            )

            read = core.read_namespaced_config_map("a", namespace)
            assert read.data == {"x": "2"}
            assert "two" in {entry.manager for entry in read.metadata.managed_fields}

    with inside(cluster) as oracle:
        run(play(api(oracle, "CoreV1Api")))


def test_the_status_of_a_service_is_a_resource_of_its_own(cluster: KubernetesLab, namespace: str) -> None:
    async def play(core: Any) -> None:
        async with Client(admin(cluster)) as client:
            await client.create(SERVICES, service(namespace, "web"))
            body = {"status": {"loadBalancer": {"ingress": [{"ip": "192.0.2.10"}]}}}
            await client.patch(
                SERVICES,
                "web",
                body,
                namespace=namespace,
                subresource="status",
                patch_type=PatchType.STRATEGIC,
                field_manager="us",
            )

            read = core.read_namespaced_service("web", namespace)
            assert [one.ip for one in read.status.load_balancer.ingress] == ["192.0.2.10"]
            assert client.metrics.count(verb="patch", resource="services/status", code=200) == 1

    with inside(cluster) as oracle:
        run(play(api(oracle, "CoreV1Api")))


def test_pages_are_what_the_official_client_lists(cluster: KubernetesLab, namespace: str) -> None:
    async def play(core: Any) -> None:
        async with Client(admin(cluster)) as client:
            for number in range(30):
                body = config_map(namespace, f"m{number}")
                body["metadata"]["labels"] = {"odd": str(number % 2)}
                await client.create(CONFIG_MAPS, body)

            page = await client.list_all(
                CONFIG_MAPS, page_size=7, namespace=namespace, label_selector="odd=1"
            )

            expected = core.list_namespaced_config_map(namespace, label_selector="odd=1").items
            assert [one["metadata"]["name"] for one in page.items] == [one.metadata.name for one in expected]
            assert client.metrics.count(verb="list", code=200) == 3

    with inside(cluster) as oracle:
        run(play(api(oracle, "CoreV1Api")))


def test_refusals_say_whose_fault_it_is(cluster: KubernetesLab, namespace: str) -> None:
    async def play() -> None:
        missing = Resource("metallb.io", "v9", "ipaddresspools", "IPAddressPool")
        async with Client(admin(cluster)) as client:
            with pytest.raises(NotFound) as no_object:
                await client.get(LEASES, "none", namespace=namespace)
            with pytest.raises(NotFound) as no_kind:
                await client.list(missing)
            assert (no_object.value.is_kind_missing, no_kind.value.is_kind_missing) == (False, True)
            bad = {"metadata": {"namespace": "metallb-system", "name": "bad"}, "spec": {"addresses": 7}}
            with pytest.raises(Invalid, match=r"spec\.addresses"):
                await client.create(IP_ADDRESS_POOLS, bad)
        async with Client(Access.from_kubeconfig(cluster.installation.speaker_access())) as client:
            with pytest.raises(Forbidden, match="cannot list resource"):
                await client.list(SECRETS)
            await client.list(NODES)

    with inside(cluster):
        run(play())


def test_a_token_that_is_not_known_is_replaced_by_the_one_in_the_file(
    cluster: KubernetesLab, tmp_path: Path
) -> None:
    """As the kubelet rotates it: the old one has expired, the new one lies there."""
    token = tmp_path / "token"
    token.write_text("expired")
    good = cluster.control_plane.token("metallb-system", "swimlb-speaker")

    async def play() -> None:
        known = admin(cluster)
        access = Access(server=known.server, trust=known.trust, credentials=RotatedToken(token))
        async with Client(access) as client:
            with pytest.raises(Unauthorized):
                await client.list(NODES)
            token.write_text(good)
            await client.list(NODES)
        stranger = Access(server=known.server, trust=known.trust, credentials=Fixed(Identity("not-a-token")))
        async with Client(stranger) as client:
            with pytest.raises(Unauthorized):
                await client.list(NODES)

    with inside(cluster):
        run(play())
