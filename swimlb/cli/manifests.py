"""`swimlb manifests`: what is applied to install swimlb without Helm, and the Secret that is created once."""

from __future__ import annotations

import re
import secrets
from pathlib import Path
from typing import Any

import click

from swimlb.cli.namespaces import checked_namespace

_PRODUCT = Path(__file__).parents[1]
_FILE = Path("deploy") / "swimlb.yaml"
_WRITTEN_NAMESPACE = "metallb-system"
_WRITTEN_IMAGE = re.compile(r"(?m)^(\s*image: ).*$")
_IMAGE = re.compile(r"[\w./:@-]+", re.ASCII)

SECRET_NAME = "memberlist"  # noqa: S105 - where it is, not what it is
"""As in MetalLB's manifests, so that its speakers and ours have one key while they are replaced."""


def _image(_context: click.Context, _option: click.Parameter, value: str | None) -> str | None:
    if value is not None and not _IMAGE.fullmatch(value):
        raise click.BadParameter(
            f"{value!r} is no name of an image; write it like registry.example.com/swimlb:1.2"
        )
    return value


@click.command()
@click.option(
    "--namespace",
    default=_WRITTEN_NAMESPACE,
    show_default=True,
    callback=checked_namespace,
    help="Where swimlb runs, and where pools, advertisements and peers are.",
)
@click.option(
    "--image", callback=_image, help="Another image than the release's, such as that of a registry of yours."
)
@click.option(
    "--gossip-secret",
    is_flag=True,
    help="Print only the Secret with the key of the ring, a new one each time, for `kubectl create`.",
)
def manifests(*, namespace: str, image: str | None, gossip_secret: bool) -> None:
    """Print the manifests that install swimlb, for `kubectl apply --server-side`.

    \b
    The key of the ring is created before, once:
      swimlb manifests | kubectl apply --server-side -f -
      swimlb manifests --gossip-secret | kubectl create -f -
    """
    if gossip_secret:
        # Imported here: what is delivered is printed as it is, without YAML.
        from swimlb.sources.yaml_writer import write_documents

        click.echo(write_documents([new_gossip_secret(namespace)]), nl=False)
    else:
        click.echo(delivered(namespace, image), nl=False)


def delivered(namespace: str = _WRITTEN_NAMESPACE, image: str | None = None) -> str:
    """The manifests of this release, for another namespace or image where told. `ClickException` if they are missing."""
    for root in (_PRODUCT.parent, _PRODUCT):
        if (path := root / _FILE).is_file():
            text = path.read_text().replace(_WRITTEN_NAMESPACE, namespace)
            return text if image is None else _WRITTEN_IMAGE.sub(lambda found: found[1] + image, text)
    raise click.ClickException("the manifests are not installed with this swimlb; use the chart")


def new_gossip_secret(namespace: str) -> dict[str, Any]:
    """With as much entropy as its key has room for: MetalLB's form, 16 octets in base64 without padding."""
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": SECRET_NAME, "namespace": namespace},
        "type": "Opaque",
        "stringData": {"secretkey": secrets.token_urlsafe(16)},
    }
