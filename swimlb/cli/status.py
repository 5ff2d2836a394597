"""`swimlb status`: ask the speaker of this node what it does."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import click

_PATIENCE = 5.0
"""Seconds to wait for an answer."""


@click.command()
@click.option("--run-dir", default="/run/swimlb", show_default=True, type=click.Path(path_type=Path))
@click.option("-o", "--output", default="table", show_default=True, type=click.Choice(["table", "json"]))
def status(run_dir: Path, output: str) -> None:
    """Show members, Services, owners of addresses, BGP sessions, and what is withheld and why."""
    from aiohttp import ClientError

    from swimlb.watch.api import SOCKET_NAME

    socket = run_dir / SOCKET_NAME
    try:
        answer = asyncio.run(_ask(socket))
    except (OSError, ClientError) as error:
        why = getattr(error, "strerror", None) or str(error) or f"nothing came within {_PATIENCE:.0f} s"
        raise click.ClickException(
            f"no speaker answers at {socket}: {why}; is one running here, with this --run-dir?"
        ) from error
    if output == "json":
        click.echo(json.dumps(answer, indent=2))
        return
    try:
        _print(answer)
    except KeyError as error:
        raise click.ClickException(
            f"the speaker at {socket} does not tell {error}, so it is of another version than this command; "
            "see all that it tells by --output json, or run the swimlb of its own image"
        ) from error


async def _ask(socket: Path) -> dict[str, Any]:
    import aiohttp

    timeout = aiohttp.ClientTimeout(total=_PATIENCE)
    async with (
        aiohttp.ClientSession(connector=aiohttp.UnixConnector(str(socket)), timeout=timeout) as session,
        session.get("http://localhost/v1/status", raise_for_status=True) as response,
    ):
        return await response.json()


def _in_use(squatter: dict[str, str] | None) -> str:
    return "" if squatter is None else f"in use by {squatter['mac']} on {squatter['interface']}"


def _print(answer: dict[str, Any]) -> None:
    from rich.console import Console

    from swimlb.cli.problems import place
    from swimlb.cli.tables import table

    console = Console()

    def show(title: str, columns: list[str], rows: list[list[object]]) -> None:
        if rows:
            console.print(table(title, columns, rows))

    click.echo(f"node {answer['node']}: {answer['phase']}, profile {answer['profile']}")
    _print_source(answer["source"])
    show(
        "Members",
        ["name", "address", "state"],
        [[member["name"], member["address"], member["state"]] for member in answer["members"]],
    )
    show(
        "Services",
        ["service", "addresses", "pool", "state"],
        [
            [
                f"{service['namespace']}/{service['name']}",
                " ".join(service["addresses"]),
                service["pool"],
                ": ".join(filter(None, [service["state"], service["reason"]])),
            ]
            for service in answer["services"]
        ],
    )
    show(
        "Addresses on the LAN",
        ["address", "owner", "then", "announced here on"],
        [
            [
                entry["address"],
                entry["owner"],
                " ".join(entry["candidates"][1:]),
                " ".join(f"{interface['name']} ({interface['mac']})" for interface in entry["interfaces"])
                or _in_use(entry["in_use_by"]),
            ]
            for entry in answer["l2"]
        ],
    )
    show(
        "BGP sessions",
        ["peer", "address", "AS", "state", "since", "hold", "lost", "routes", "last error"],
        [
            [
                peer["peer"],
                peer["address"],
                _part(peer["session"], "remote_asn"),
                peer["state"],
                peer["since"],
                _part(peer["session"], "hold_time"),
                _part(peer["counters"], "sessions_lost"),
                " ".join(peer["routes"]),
                peer["last_error"],
            ]
            for peer in answer["bgp"]
        ],
    )
    show(
        "Withheld here",
        ["service", "by", "reason"],
        [[entry["service"], entry["by"], entry["reason"]] for entry in answer["withheld"]],
    )
    show(
        "Problems",
        ["severity", "where", "object", "problem", "way out"],
        [
            [
                problem["severity"],
                place(problem["file"], problem["line"]),
                f"{problem['object']} {problem['field']}",
                problem["message"],
                problem["hint"],
            ]
            for problem in answer["problems"]
        ],
    )


def _print_source(source: dict[str, Any] | None) -> None:
    """Where what is in force comes from, and how old it is, if it is not as of now."""
    if source is None:
        return
    age = "" if source["age"] is None else f", {_duration(source['age'])} old"
    click.echo(f"source {source['from']}: {source['state']}{age}")
    if source.get("drained_by"):
        click.echo(f"drained by {source['drained_by']}")
    for trouble in source["troubles"]:
        click.echo(f"trouble {trouble['kind']}: {trouble['message']} {trouble['hint']}".rstrip())


def _duration(seconds: float) -> str:
    for length, unit in ((86_400, "d"), (3600, "h"), (60, "min")):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:.0f} s"


def _part(whole: dict[str, Any] | None, name: str) -> object:
    """Of something that may not be there now."""
    return None if whole is None else whole[name]
