"""The API server's side of `bench.kube`: lists and watches of as many Services and EndpointSlices as wanted, by TLS.

    python -m bench.kube_server COUNT DIRECTORY

Objects are rendered beforehand, as long as real ones (2.8 and 2.4 kB, with managed fields), so that the client is what is
measured. Writes its certificate and `url` to the directory. `POST /change/N` changes N Services, one every 10 ms.
"""

from __future__ import annotations

import asyncio
import json
import ssl
import sys
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from aiohttp import web

from swimlb.lab.kubernetes.certificates import Authority

FIRST = int(ip_address("10.0.0.1"))
PIECE = 64 * 1024
NODES = 50
CHANGE_INTERVAL = 0.01


def managed(*managers: str) -> list[dict[str, Any]]:
    """What server-side apply keeps of who wrote which field: half of a real object."""
    fields = {f"f:field-{number:02}": {".": {}, "f:value": {}} for number in range(20)}
    return [
        {
            "manager": manager,
            "operation": "Update",
            "apiVersion": "v1",
            "time": "2026-01-05T10:00:00Z",
            "fieldsType": "FieldsV1",
            "fieldsV1": {"f:metadata": fields, "f:spec": {}},
        }
        for manager in managers
    ]


def service(number: int, version: int) -> dict[str, Any]:
    return {
        "kind": "Service",
        "apiVersion": "v1",
        "metadata": {
            "name": f"service-{number:05}",
            "namespace": f"team-{number % 200:03}",
            "uid": f"00000000-0000-4000-8000-{number:012}",
            "resourceVersion": str(version),
            "creationTimestamp": "2026-01-05T10:00:00Z",
            "labels": {
                "app.kubernetes.io/name": f"app-{number % 97}",
                "app.kubernetes.io/part-of": "shop",
                "changed": "yes" if version > number + 1 and version % 2 else "no",
            },
            "annotations": {
                "metallb.io/ip-allocated-from-pool": "pool",
                **({"metallb.io/allow-shared-ip": f"key-{number}"} if number % 10 == 0 else {}),
            },
            "managedFields": managed("kubectl-client-side-apply", "swimlb"),
        },
        "spec": {
            "type": "LoadBalancer",
            "ports": [
                {
                    "name": "http",
                    "protocol": "TCP",
                    "port": 80,
                    "targetPort": 8080,
                    "nodePort": 30000 + number % 2000,
                },
                {
                    "name": "https",
                    "protocol": "TCP",
                    "port": 443,
                    "targetPort": 8443,
                    "nodePort": 30000 + number % 2000,
                },
            ],
            "selector": {"app": f"app-{number % 97}"},
            "clusterIP": str(ip_address((172 << 24) + number)),
            "clusterIPs": [str(ip_address((172 << 24) + number))],
            "sessionAffinity": "None",
            "externalTrafficPolicy": "Local" if number % 3 == 0 else "Cluster",
            "ipFamilies": ["IPv4"],
            "ipFamilyPolicy": "SingleStack",
            "allocateLoadBalancerNodePorts": True,
            "internalTrafficPolicy": "Cluster",
        },
        "status": {"loadBalancer": {"ingress": [{"ip": str(ip_address(FIRST + number)), "ipMode": "VIP"}]}},
    }


def endpoint_slice(number: int, version: int) -> dict[str, Any]:
    name, namespace = f"service-{number:05}", f"team-{number % 200:03}"
    return {
        "kind": "EndpointSlice",
        "apiVersion": "discovery.k8s.io/v1",
        "metadata": {
            "name": f"{name}-abcde",
            "namespace": namespace,
            "uid": f"00000000-0000-4000-9000-{number:012}",
            "resourceVersion": str(version),
            "labels": {
                "kubernetes.io/service-name": name,
                "endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io",
            },
            "managedFields": managed("kube-controller-manager"),
        },
        "addressType": "IPv4",
        "endpoints": [
            {
                "addresses": [str(ip_address((198 << 24) + number * 3 + index))],
                "conditions": {"ready": True, "serving": True, "terminating": False},
                "nodeName": f"node-{(number + index) % NODES:03}",
                "targetRef": {"kind": "Pod", "namespace": namespace, "name": f"{name}-{index}"},
            }
            for index in range(3)
        ],
        "ports": [{"name": "http", "port": 8080, "protocol": "TCP"}],
    }


def node(number: int) -> dict[str, Any]:
    name = f"node-{number:03}"
    return {
        "metadata": {"name": name, "resourceVersion": "1", "labels": {"kubernetes.io/hostname": name}},
        "status": {
            "addresses": [{"type": "InternalIP", "address": str(ip_address((192 << 24) + 512 + number))}]
        },
    }


def pool() -> dict[str, Any]:
    return {
        "metadata": {"name": "pool", "namespace": "metallb-system", "resourceVersion": "1"},
        "spec": {"addresses": ["10.0.0.0/16"]},
    }


def line(kind: str, content: dict[str, Any]) -> bytes:
    return json.dumps({"type": kind, "object": content}, separators=(",", ":")).encode() + b"\n"


class Server:
    def __init__(self, count: int) -> None:
        numbers = range(count)
        self.version = count + 1
        self.lists = {
            "services": b"".join(line("ADDED", service(number, number + 1)) for number in numbers),
            "endpointslices": b"".join(
                line("ADDED", endpoint_slice(number, number + 1)) for number in numbers
            ),
            "nodes": b"".join(line("ADDED", node(number)) for number in range(NODES)),
            "ipaddresspools": line("ADDED", pool()),
            "l2advertisements": line(
                "ADDED", {"metadata": {**pool()["metadata"], "name": "lan"}, "spec": {}}
            ),
        }
        self.watchers: set[asyncio.Queue[bytes]] = set()

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        if request.method == "POST":
            return await self._change(int(request.path.rpartition("/")[2]))
        plural = request.path.rpartition("/")[2]
        response = web.StreamResponse()
        await response.prepare(request)
        queue: asyncio.Queue[bytes] = asyncio.Queue()
        if plural == "services":
            self.watchers.add(queue)
        try:
            if "sendInitialEvents" in request.query:
                content = self.lists.get(plural, b"")
                for begin in range(0, len(content), PIECE):
                    await response.write(content[begin : begin + PIECE])
                end = {
                    "resourceVersion": str(self.version),
                    "annotations": {"k8s.io/initial-events-end": "true"},
                }
                await response.write(line("BOOKMARK", {"metadata": end}))
            while True:
                await response.write(await queue.get())
        finally:
            self.watchers.discard(queue)

    async def _change(self, count: int) -> web.StreamResponse:
        for number in range(count):
            self.version += 1
            changed = line("MODIFIED", service(number, self.version))
            for queue in self.watchers:
                queue.put_nowait(changed)
            await asyncio.sleep(CHANGE_INTERVAL)
        return web.Response()


async def main(count: int, directory: Path) -> None:
    server = Server(count)
    authority = Authority("bench")
    certificate, key = authority.server("127.0.0.1").save(directory, "server")
    (directory / "ca.crt").write_bytes(authority.certificate)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate, key)
    runner = web.ServerRunner(web.Server(server.answer), shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls).start()
    octets = {kind: len(content) for kind, content in server.lists.items()}
    told = {"url": f"https://127.0.0.1:{runner.addresses[0][1]}", "octets": octets}
    (directory / "server.json").write_text(json.dumps(told))
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), Path(sys.argv[2])))
