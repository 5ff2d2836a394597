"""Named network namespaces, and the few things to do in them: links, sysctls, sockets.

Building goes through `ip -b`, one batch for a namespace: a process for each `ip` command would take three times
as long. A socket opened inside `entered()` stays in its namespace for good, so one process can probe, listen
and read routes everywhere, on one clock.
"""

from __future__ import annotations

import ctypes
import json
import os
import shutil
import subprocess
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from swimlb.lab.errors import LabError
from swimlb.lab.processes import ProcessId, identify

COMMAND_TIMEOUT = 15.0
"""For commands that only talk to the kernel: longer means that the machine is stuck."""

INTERFACE_NAME_OCTETS_MAX = 15

_UNSUPPORTED = ("Operation not supported", "Unknown device type", "Protocol not supported")
_NOT_PERMITTED = "Operation not permitted"
_CLONE_NEWNET = 0x40000000
_NAMES = Path("/run/netns")
_MINE = Path("/proc/thread-self/ns/net")
_libc = ctypes.CDLL(None, use_errno=True)

NODE_SYSCTLS: Mapping[str, str] = {
    # Service addresses sit on `lo`: the kernel must neither answer ARP for them nor use them as its own source.
    "net/ipv4/conf/all/arp_ignore": "1",
    "net/ipv4/conf/all/arp_announce": "2",
    "net/ipv4/conf/all/rp_filter": "0",
    "net/ipv4/conf/default/rp_filter": "0",
}

LONG_UP_SYSCTLS: Mapping[str, str] = {"net/ipv6/conf/default/accept_dad": "0"}
"""Of a host that has been up for long when a story begins: the IPv6 addresses of links that it gets are its own at once."""

KUBERNETES_NODE_SYSCTLS: Mapping[str, str] = {
    **NODE_SYSCTLS,
    # kube-proxy sends what arrives for a Service on to a Pod, wherever that is.
    "net/ipv4/ip_forward": "1",
    "net/ipv6/conf/all/forwarding": "1",
    # Clients would be told to go past the node that owns an address, and stay there when it moves.
    "net/ipv4/conf/all/send_redirects": "0",
    "net/ipv4/conf/default/send_redirects": "0",
    "net/ipv4/conf/eth0/send_redirects": "0",
}

ROUTER_SYSCTLS: Mapping[str, str] = {
    "net/ipv4/ip_forward": "1",
    # Hash ports too: one client must be able to reach every next hop.
    "net/ipv4/fib_multipath_hash_policy": "1",
    "net/ipv4/conf/all/rp_filter": "0",
    "net/ipv4/conf/default/rp_filter": "0",
}


def run(argv: Sequence[str], *, stdin: str | None = None, timeout: float = COMMAND_TIMEOUT) -> str:
    """Run a command of the machine and return its output; a failure is a `LabError` with what it complained of."""
    try:
        # A session of its own: Ctrl-C on the terminal reaches us alone, and cannot end the `ip` of a teardown.
        done = subprocess.run(
            argv,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
            start_new_session=True,
        )
    except FileNotFoundError:
        raise LabError(_missing(argv[0])) from None
    except subprocess.TimeoutExpired:
        raise LabError(f"`{' '.join(argv)}` did not end within {timeout:g} s") from None
    if done.returncode != 0:
        complaint = " ".join((done.stderr or done.stdout).split())
        if any(words in complaint for words in _UNSUPPORTED):
            raise LabError(
                f"this kernel lacks what the lab needs (network namespaces, veth, bridge, nftables): `{argv[0]}` "
                f"says {complaint}"
            )
        if argv[0] == "ip" and argv[1] != "netns" and _NOT_PERMITTED in complaint:
            raise LabError(
                f"root may not do here what the lab needs: `ip` says {complaint}; it takes the capabilities SYS_ADMIN and "
                "NET_ADMIN, which a container has if it is privileged"
            )
        raise LabError(f"`{' '.join(argv)}` failed: {complaint or f'exit status {done.returncode}'}")
    return done.stdout


def require_tool(name: str) -> None:
    """`LabError` that says what to install when the tool is not there."""
    if shutil.which(name) is None:
        raise LabError(_missing(name))


def ip_batch(lines: Sequence[str], namespace: str | None = None) -> None:
    """Run many `ip` commands as one process, inside the namespace if given. The first failure ends it."""
    run(_ip(namespace, "-b", "-"), stdin="\n".join(lines) + "\n")


def ip_json(namespace: str, *arguments: str) -> list[dict[str, Any]]:
    """What `ip -j` says in the namespace, for example `ip_json(ns, "route", "show", "192.0.2.0/24")`."""
    output = run(_ip(namespace, "-j", *arguments)).strip()
    return json.loads(output) if output else []


def create(names: Sequence[str]) -> None:
    """Make namespaces, `lo` up in each."""
    ip_batch([f"netns add {name}" for name in names])
    for name in names:
        ip_batch(["link set lo up"], name)


def delete(name: str) -> None:
    """Remove the name; harmless when there is none. The namespace itself goes with its last process."""
    if exists(name):
        run(("ip", "netns", "del", name))


def exists(name: str) -> bool:
    return (_NAMES / name).exists()


def inhabitants(names: Sequence[str]) -> tuple[ProcessId, ...]:
    """The processes that live in these namespaces, whoever started them there."""
    identities = {_identity(_NAMES / name) for name in names if exists(name)}
    found: list[ProcessId] = []
    for entry in Path("/proc").iterdir():
        # Named before it is looked at: whoever gets its pid after the look is somebody else.
        if entry.name.isdigit() and (process := identify(int(entry.name))) is not None:
            with suppress(OSError):  # It has ended meanwhile.
                if _identity(entry / "ns" / "net") in identities:
                    found.append(process)
    return tuple(found)


def execute(name: str, *argv: str) -> tuple[str, ...]:
    """The command line that runs `argv` inside: it replaces itself, so the pid is that of the command."""
    return ("ip", "netns", "exec", name, *argv)


@contextmanager
def entered(name: str) -> Generator[None]:
    """The calling thread is inside the namespace for the `with` block, and always comes back.

    Keep the block short and synchronous (open the sockets, leave): an `await` inside it would let other tasks
    of the thread run in the wrong network.
    """
    with open(_NAMES / name, "rb") as target, entered_by_descriptor(target.fileno()):
        yield


@contextmanager
def entered_by_descriptor(descriptor: int) -> Generator[None]:
    """Like `entered`, for a namespace that has no name."""
    with open(_MINE, "rb") as home:
        try:
            # Inside the `try`: an interrupt straight after the call must not leave the thread in there.
            _setns(descriptor)
            yield
        finally:
            _setns(home.fileno())


def create_unnamed() -> int:
    """A descriptor of a new namespace, which lives as long as this or something in it does. `lo` is up.

    Nothing of it can be left behind: it ends with the process that has made it.
    """
    with open(_MINE, "rb") as home:
        try:
            if _libc.unshare(_CLONE_NEWNET) != 0:
                raise LabError(f"cannot make a network namespace: {os.strerror(ctypes.get_errno())}")
            descriptor = os.open(_MINE, os.O_RDONLY | os.O_CLOEXEC)
            ip_batch(["link set lo up"])
        finally:
            _setns(home.fileno())
    return descriptor


def set_sysctls(name: str, values: Mapping[str, str]) -> None:
    """Write `/proc/sys` entries (`net/ipv4/ip_forward`) of a namespace."""
    with entered(name):
        for key, value in values.items():
            try:
                Path("/proc/sys", key).write_text(value)
            except OSError as error:
                raise LabError(
                    f"this kernel does not let the lab set {key.replace('/', '.')}: {error.strerror}"
                ) from error


def build_switch(name: str) -> None:
    """Turn a namespace of its own into an Ethernet switch: a bridge `br0` that forwards from the first moment."""
    ip_batch(
        [
            "link add br0 type bridge stp_state 0 forward_delay 0 mcast_snooping 0",
            "link set br0 up",
        ],
        name,
    )


def plug_in(switch: str, hosts: Mapping[str, str]) -> None:
    """Wire hosts to the switch: from switch port to the host's namespace, where the link is called `eth0`.

    A host "loses its link" when its switch-side port goes down: it notices nothing itself, as with a cable
    that broke behind a switch.
    """
    lines: list[str] = []
    for port, namespace in hosts.items():
        if len(port) > INTERFACE_NAME_OCTETS_MAX:
            raise LabError(
                f"`{port}` is too long: an interface's name has at most {INTERFACE_NAME_OCTETS_MAX} bytes"
            )
        lines += [
            f"link add {port} type veth peer name eth0 netns {namespace}",
            f"link set {port} master br0 up",
        ]
    ip_batch(lines, switch)


def configure(name: str, *, addresses: Mapping[str, str], gateway: str | None = None) -> None:
    """Bring links up with their addresses (link -> `192.0.2.1/24`), and set the default route."""
    lines = [f"address add {address} dev {link}" for link, address in addresses.items()]
    lines += [f"link set {link} up" for link in addresses]
    if gateway is not None:
        lines.append(f"route add default via {gateway}")
    ip_batch(lines, name)


def mac_of(name: str, link: str = "eth0") -> str:
    """The link's MAC address, as `aa:bb:cc:dd:ee:ff`."""
    return str(ip_json(name, "link", "show", "dev", link)[0]["address"])


def _ip(namespace: str | None, *arguments: str) -> tuple[str, ...]:
    return ("ip", *(("-n", namespace) if namespace else ()), *arguments)


def _identity(namespace: Path) -> tuple[int, int]:
    status = namespace.stat()
    return status.st_dev, status.st_ino


def _setns(descriptor: int) -> None:
    if _libc.setns(descriptor, _CLONE_NEWNET) != 0:
        raise LabError(f"cannot enter a network namespace: {os.strerror(ctypes.get_errno())}")


def _missing(tool: str) -> str:
    package = {"ip": "iproute2", "nft": "nftables", "vtysh": "frr"}.get(tool, tool)
    return f"`{tool}` is not installed: run `apt-get install {package}`"
