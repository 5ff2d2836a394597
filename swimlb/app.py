"""The composition root: the only place where the real things are built and put together.

`swimlb speaker` becomes the supervisor (`run_speaker`), which starts `python -m swimlb.app wire|watch ...`.
Imports stand inside the functions, because each process pays, in memory and in time to start, for what it imports.
"""

from __future__ import annotations

import os
import random
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from swimlb.runtime.errors import NotStarted, StartRefused
from swimlb.runtime.supervisor import EX_CONFIG, EX_TEMPFAIL, Process
from swimlb.settings import Settings

if TYPE_CHECKING:
    from announce import l2
    from swimlb.control.settings import ControlSettings

_PYTHON = (sys.executable, "-P", "-m")
"""-P: modules come from the installation, never from the directory that root happens to stand in."""


def run_speaker(settings: Settings) -> NoReturn:
    """Turn this process into the supervisor of this node's speaker, rid of all that reading a command line needs."""
    os.execv(sys.executable, [*_PYTHON, "swimlb.app", "supervise", settings.to_json()])


def supervise(settings: Settings) -> int:
    """Run this node's speaker until it is told to stop; gives the exit status."""
    from swimlb.runtime.processes import supervise as supervise_processes

    Path(settings.run_dir).mkdir(mode=0o755, parents=True, exist_ok=True)
    arguments = settings.to_json()

    def command(process: Process, link_fd: int) -> list[str]:
        return [*_PYTHON, "swimlb.app", process, arguments, str(link_fd), str(os.getpid())]

    return supervise_processes(command, environment=child_environment)


def child_environment(process: Process) -> dict[str, str] | None:
    """*watch* gets all; *wire* nothing that tells of the API server, or of anything else that it does not use."""
    if process is Process.WATCH:
        return None
    names = ("PATH", "HOME", "LANG", "TZ")
    return {
        name: value
        for name, value in os.environ.items()
        if name in names or name.startswith(("LC_", "PYTHON"))
    }


def confine(process: Process, settings: Settings) -> bool:
    """Give up what the process has no use for; False: this kernel cannot keep *wire* from reading the API token.

    *wire* keeps the capabilities of the network, *watch* none. What *watch* talks to the API server with, *wire* cannot
    read: not as a file, nor (Landlock and the missing CAP_SYS_PTRACE forbid it) in the memory of *watch*.
    """
    from swimlb.runtime.privileges import Capability, hide, keep_capabilities

    if process is Process.WATCH:
        keep_capabilities(frozenset())
        return True
    keep_capabilities(frozenset(Capability))
    return hide(Path(path) for path in settings.credential_paths())


def run_wire(settings: Settings, link_fd: int) -> int:
    """The body of the *wire* process."""
    import asyncio

    from announce.net.prompt_loop import PromptLoop

    with asyncio.Runner(loop_factory=PromptLoop) as runner:
        runner.run(_wire(settings, link_fd))
    return 0


async def _wire(settings: Settings, link_fd: int) -> None:
    import asyncio

    import membership as ml
    from announce import l2
    from membership.metallb import KeyDerivation
    from swimlb.observe.logs import configure
    from swimlb.runtime.link import Link
    from swimlb.runtime.priority import take_precedence
    from swimlb.runtime.prompt_end import end_connections_first
    from swimlb.runtime.recorder import Recorder
    from swimlb.runtime.records import SCHEMA
    from swimlb.runtime.replica import Subscriber
    from swimlb.runtime.urgency import Urgency
    from swimlb.speaker.core import Config, Speaker
    from swimlb.speaker.links import SubnetRule
    from swimlb.speaker.presence import MAGIC
    from swimlb.wire.chaining import Chaining
    from swimlb.wire.lan import Lan
    from swimlb.wire.peers import Peers
    from swimlb.wire.process import Wire
    from swimlb.wire.ring import Ring
    from swimlb.wire.secret import Plaintext, SecretFiles, SecretUnusable

    log = configure(settings.log_level, is_unwaiting=True, process="wire", node=settings.node)
    end_connections_first()
    if (precedence_refusal := take_precedence()) is not None:
        log.info(
            "precedence_refused",
            reason=precedence_refusal,
            hint="CAP_SYS_NICE lets this process run before others",
        )
    recorder, rng = Recorder(), random.Random()
    secret_files = SecretFiles(
        [Path(path) for path in settings.gossip_secret_files],
        KeyDerivation(settings.gossip_key_derivation),
        Plaintext(settings.gossip_plaintext),
    )
    try:
        encryption = secret_files.encryption()
    except SecretUnusable as error:
        raise StartRefused(f"--gossip-secret-file {error}") from error
    speaker = Speaker(
        Config(
            node=settings.node,
            is_data_path_local=settings.data_path == "local",
            is_exclude_label_ignored=settings.is_exclude_label_ignored,
            subnet_rule=SubnetRule(settings.subnet),
            is_probing=settings.is_probing,
            is_hearing_checked=settings.is_hearing_checked,
            is_chaining=settings.keeps_connections,
        )
    )
    gossip = ml.Config(
        name=settings.node,
        address=settings.bind_address,
        port=settings.bind_port,
        meta=speaker.inventory.presences[settings.node].encode(),
        encryption=encryption,
        label=settings.gossip_label,
        profile={"normal": ml.normal, "fast": ml.fast, "lan": ml.lan, "wan": ml.wan}[settings.profile](),
        # MetalLB's speakers and serf's agents do not say so, and are given memberlist's time.
        capability_prefix=MAGIC,
    )
    seeds = tuple(ml.Endpoint(host, port) for host, port in settings.seeds())
    wire = Wire(speaker, recorder, log, {"pid": os.getpid(), "node": settings.node})
    lan = Lan(
        l2.Responder(layer2_config(settings), rng),
        recorder,
        log,
        wire.tell,
        wire.review_addresses,
        is_data_path_local=settings.data_path == "local",
    )

    def told_interfaces() -> list[l2.Interface]:
        told = {link.mac for link in speaker.inventory.presences[settings.node].links}
        return [interface for interface in lan.open_interfaces if interface.mac in told]

    async with asyncio.TaskGroup() as tasks:
        ring = Ring(gossip, seeds, secret_files, rng, recorder, log, wire.tell, wire.report, tasks)
        wire.attach(
            ring,
            lan,
            Chaining(log, told_interfaces, ring.address_of),
            Peers(settings.node, rng, recorder, log, wire.tell, wire.report, tasks, lan.is_on_link),
            lambda facts, on_batch: Link(link_fd, facts, Subscriber(SCHEMA), on_batch, wire.crash),
        )
        urgency = Urgency()
        try:
            if precedence_refusal is None and (refusal := urgency.start()) is not None:
                log.info(
                    "realtime_refused",
                    reason=refusal,
                    hint="a kernel that shares real-time out among control groups has none for those of containers",
                )
            await wire.run(Path(settings.run_dir) / "wire-flight-record.txt")
        finally:
            urgency.close()


def layer2_config(settings: Settings) -> l2.Config:
    """What the operator decides about announcements on the LAN; the rest is as it comes."""
    from announce import l2

    return l2.Config(
        excluded_interfaces=(
            l2.DEFAULT_EXCLUDED_INTERFACES
            if settings.excluded_interfaces is None
            else settings.excluded_interfaces
        ),
        refresh_interval=settings.refresh_interval or None,
    )


def run_watch(settings: Settings, link_fd: int) -> int:
    """The body of the *watch* process."""
    import asyncio

    if settings.is_in_kubernetes:
        return _run_cluster_watch(settings, link_fd)

    from swimlb.config import Options
    from swimlb.observe.logs import configure
    from swimlb.sources import Directory
    from swimlb.watch.process import Watch
    from swimlb.watch.standalone import Standalone

    log = configure(settings.log_level, process="watch", node=settings.node)
    options = Options(
        system_namespace=settings.system_namespace, lb_class=settings.lb_class or "", node=settings.node
    )
    standalone = Standalone(Directory(Path(settings.manifests)), options)
    asyncio.run(Watch(settings, standalone, link_fd, log).run(os.getppid()))
    return 0


def _run_cluster_watch(settings: Settings, link_fd: int) -> int:
    import asyncio

    from swimlb.kube.access import Access
    from swimlb.observe.logs import configure
    from swimlb.watch.cluster_process import ClusterWatch

    log = configure(settings.log_level, process="watch", node=settings.node)
    access = (
        Access.in_cluster()
        if settings.kubeconfig is None
        else Access.from_kubeconfig(Path(settings.kubeconfig), settings.kube_context)
    )

    async def watch() -> None:
        await ClusterWatch(settings, access, link_fd, log).run(os.getppid())

    asyncio.run(watch())
    return 0


def _warn_of_readable_credentials(settings: Settings) -> None:
    from swimlb.observe.logs import configure

    configure(settings.log_level, process=Process.WIRE, node=settings.node).warning(
        "credentials_readable",
        message="this kernel has no Landlock, so the process with the network capabilities could read the API token",
        hint="use Linux 5.13 or later with landlock among its security modules (lsm=)",
    )


def run_controller(settings: ControlSettings) -> None:
    """The controller, in this process, until it is told to stop. Raises StartRefused."""
    import asyncio

    from swimlb.kube.access import Access
    from swimlb.observe.logs import configure

    if settings.kubeconfig is not None:
        access = Access.from_kubeconfig(settings.kubeconfig, settings.context)
    else:
        access = Access.in_cluster()
    log = configure(settings.log_level, process="controller")

    async def run() -> None:
        from swimlb.control.process import Control
        from swimlb.kube.client import Client

        async with Client(access, user_agent="swimlb-controller") as client:
            await Control(settings, client, log, random.Random()).run()

    asyncio.run(run())


def main(arguments: list[str]) -> int:
    """Entry of the three processes: which one, the settings, and for the children the link and the supervisor."""
    from swimlb.runtime.processes import become_child

    process, settings = arguments[0], Settings.from_json(arguments[1])
    if process == "supervise":
        return supervise(settings)
    link_fd, supervisor_pid = arguments[2:]
    become_child(int(supervisor_pid))
    if not confine(Process(process), settings):
        _warn_of_readable_credentials(settings)
    body = run_wire if process == Process.WIRE else run_watch
    errors: list[Exception] = []
    try:
        return body(settings, int(link_fd))
    except* NotStarted as group:
        errors = list(group.exceptions)
    # The environment's fault: one line that says what to do, and no attempt to start again where that cannot help.
    print(f"swimlb {process}: {'; '.join(map(str, errors))}", file=sys.stderr)
    return EX_CONFIG if any(isinstance(error, StartRefused) for error in errors) else EX_TEMPFAIL


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
