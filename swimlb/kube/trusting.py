"""Where the webhook's certificate is kept, and where the API server looks for whom to trust."""

from __future__ import annotations

from base64 import b64decode, b64encode
from binascii import Error
from collections.abc import Sequence
from typing import Any, cast

from swimlb.kube.certificates import Bundle, renewed
from swimlb.kube.client import Client, PatchType
from swimlb.kube.errors import AlreadyExists, Conflict, NotFound
from swimlb.kube.resources import (
    CUSTOM_RESOURCE_DEFINITIONS,
    SECRETS,
    VALIDATING_WEBHOOK_CONFIGURATIONS,
)

CONFIGURATION = "metallb-webhook-configuration"
CONVERTED = "bgppeers.metallb.io"
"""The definition with a conversion."""

_ATTEMPTS_MAX = 3
"""Of two replicas that both make a certificate, one is refused, and takes the other's."""

Json = dict[str, Any]


async def certificate(
    client: Client, namespace: str, secret: str, names: Sequence[str], now: float
) -> Bundle:
    """The one that the replicas share, made or renewed if need be. Raises ApiError."""
    for _ in range(_ATTEMPTS_MAX):
        content, known = await _read(client, namespace, secret)
        bundle = renewed(known, names, now)
        if bundle == known:
            return bundle
        body: Json = {
            "metadata": {"name": secret, "namespace": namespace},
            "type": "Opaque",
            "data": {
                "ca.crt": _text(bundle.authorities),
                "ca.key": _text(bundle.authority_key),
                "tls.crt": _text(bundle.certificate),
                "tls.key": _text(bundle.key),
            },
        }
        try:
            if content is None:
                await client.create(SECRETS, body)
            else:
                # Whatever else stands there stays: labels, owners, the type.
                metadata = {"resourceVersion": content["metadata"]["resourceVersion"]}
                patch: Json = {"metadata": metadata, "data": body["data"]}
                await client.patch(SECRETS, secret, patch, namespace=namespace)
        except (Conflict, AlreadyExists, NotFound):
            continue
        return bundle
    raise Conflict(409, "Conflict", f"the Secret {namespace}/{secret} changes all the time")


async def inject(client: Client, bundle: Bundle) -> list[str]:
    """Let the API server trust the certificate; the names of what is there to be told. Raises ApiError.

    Written only where something else stands.
    """
    told: list[str] = []
    authorities = _text(bundle.authorities)
    try:
        configuration = await client.get(VALIDATING_WEBHOOK_CONFIGURATIONS, CONFIGURATION)
        hooks = cast("list[Json]", configuration.get("webhooks") or [])
        if any(hook.get("clientConfig", {}).get("caBundle") != authorities for hook in hooks):
            patches = [{"name": hook["name"], "clientConfig": {"caBundle": authorities}} for hook in hooks]
            await client.patch(
                VALIDATING_WEBHOOK_CONFIGURATIONS,
                CONFIGURATION,
                {"webhooks": patches},
                patch_type=PatchType.STRATEGIC,
            )
        told.append(CONFIGURATION)
    except NotFound:
        pass
    try:
        definition = await client.get(CUSTOM_RESOURCE_DEFINITIONS, CONVERTED)
        conversion = cast("Json", definition["spec"].get("conversion") or {})
        if conversion.get("strategy") == "Webhook":
            known = cast("Json", conversion.get("webhook", {}).get("clientConfig") or {})
            if known.get("caBundle") != authorities:
                webhook = {"webhook": {"clientConfig": {"caBundle": authorities}}}
                await client.patch(CUSTOM_RESOURCE_DEFINITIONS, CONVERTED, {"spec": {"conversion": webhook}})
            told.append(CONVERTED)
    except NotFound:
        pass
    return told


async def _read(client: Client, namespace: str, secret: str) -> tuple[Json | None, Bundle | None]:
    try:
        content = await client.get(SECRETS, secret, namespace=namespace)
    except NotFound:
        return None, None
    data = cast("dict[str, str]", content.get("data") or {})
    try:
        parts = [b64decode(data[name], validate=True) for name in ("ca.crt", "ca.key", "tls.crt", "tls.key")]
    except (KeyError, Error):
        return content, None
    return content, Bundle(*parts)


def _text(content: bytes) -> str:
    return b64encode(content).decode()
