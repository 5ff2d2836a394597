"""The command `swimlb`: finds the sub-command and imports only that."""

from __future__ import annotations

import importlib
import sys

import click

from swimlb import __version__

COMMANDS = {
    "speaker": ("swimlb.cli.speaker", "speaker", "Run this node's speaker."),
    "controller": ("swimlb.cli.controller", "controller", "Give the Services of a cluster their addresses."),
    "check": ("swimlb.cli.check", "check", "Tell what is wrong with manifests, before they are in force."),
    "plan": (
        "swimlb.cli.plan",
        "plan",
        "Show who would get and announce which address, and what if nodes fail.",
    ),
    "convert": ("swimlb.cli.convert", "convert", "Turn other configurations into manifests."),
    "router-config": (
        "swimlb.cli.router_config",
        "router_config",
        "Print the routers' side of the BGP sessions.",
    ),
    "manifests": (
        "swimlb.cli.manifests",
        "manifests",
        "Print what installs swimlb on Kubernetes, without Helm.",
    ),
    "status": ("swimlb.cli.status", "status", "Show what the speaker of this node does, and why."),
    "lab": ("swimlb.cli.lab", "lab", "Run a whole network of speakers in network namespaces."),
    "demo": ("swimlb.cli.demo", "demo", "Watch addresses come up, owners die, and others take over."),
}


class _OnDemand(click.Group):
    """Knows its commands by name and help, and imports one when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, name, _ = COMMANDS[cmd_name]
        return getattr(importlib.import_module(module), name)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        # Without importing any: the demo alone would bring in half of the standard library.
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, _, text) in COMMANDS.items()])


@click.command(cls=_OnDemand, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="swimlb")
def main() -> None:
    """A LoadBalancer for bare-metal Kubernetes, and without it."""
    # Names of the operator's may hold what the terminal's encoding has no sign for. Standard error is so already.
    if reconfigure := getattr(sys.stdout, "reconfigure", None):  # None where it is closed.
        reconfigure(errors="backslashreplace")
