"""What a process gives up before it begins: capabilities, ways to get any back, and the sight of what others may know.

Called once at the start, while the process has a single thread, for all of this belongs to threads. Nothing here asks for
a right: what a process does not have it cannot keep, and what it may not drop (the bounding set, without CAP_SETPCAP) it
could not use either, once it has promised the kernel to gain nothing by exec (`no_new_privs`).

    prctl(2), capset(2), capabilities(7), landlock(7)
"""

from __future__ import annotations

import ctypes
import errno
import os
import struct
from collections.abc import Iterable, Set
from contextlib import suppress
from enum import IntEnum
from pathlib import Path

_PR_CAPBSET_READ, _PR_CAPBSET_DROP = 23, 24
_PR_SET_NO_NEW_PRIVS = 38
_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL = 47, 4
_CAPABILITY_VERSION_3 = 0x20080522
_CAPABILITIES_MAX = 64

_SYS_LANDLOCK_CREATE_RULESET, _SYS_LANDLOCK_ADD_RULE, _SYS_LANDLOCK_RESTRICT_SELF = 444, 445, 446
"""The same on every architecture: system calls this new share one table."""
_LANDLOCK_CREATE_RULESET_VERSION = 1
_LANDLOCK_RULE_PATH_BENEATH = 1
_LANDLOCK_ACCESS_FS_READ_FILE = 1 << 2


class Capability(IntEnum):
    """Those that *wire* uses (linux/capability.h)."""

    NET_BIND_SERVICE = 10
    """BGP's port, where a router opens the session."""
    NET_ADMIN = 12
    """Addresses on `lo`, TCP MD5, rules for open connections."""
    NET_RAW = 13
    """ARP and NDP."""
    SYS_NICE = 23
    """Precedence (`swimlb.runtime.priority`)."""


def keep_capabilities(kept: Set[Capability]) -> None:
    """Drop all other capabilities for good, of this process and whatever it may become. Raises OSError.

    CAP_SETPCAP is what dropping from the bounding set takes; in a container without it, that set is the container's.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    for capability in range(_CAPABILITIES_MAX):
        if capability not in kept and libc.prctl(_PR_CAPBSET_READ, capability, 0, 0, 0) == 1:
            _check(libc.prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0), but=errno.EPERM)
    # Old kernels have no ambient set (before 4.3).
    _check(libc.prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0), but=errno.EINVAL)
    header = ctypes.create_string_buffer(struct.pack("=Ii", _CAPABILITY_VERSION_3, 0))
    data = ctypes.create_string_buffer(24)
    _check(libc.capget(header, data))
    _, low, _, _, high, _ = struct.unpack("=6I", data.raw[:24])
    mask = sum(1 << capability for capability in kept)
    low, high = low & mask, high & mask >> 32
    _check(libc.capset(header, struct.pack("=6I", low, low, 0, high, high, 0)))
    _check(libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))


def hide(paths: Iterable[Path]) -> bool:
    """Take from this process, for good, the right to read anything beneath these paths; False: the kernel cannot.

    Landlock only knows what is allowed: that is everything beside each step of the way to a hidden path, as it stands
    now. Files made later right in one of those few directories cannot be read either. Paths that do not exist are passed
    over. `keep_capabilities` goes first. Raises OSError.
    """
    hidden = {Path(os.path.realpath(path)) for path in paths if path.exists()}
    if not hidden:
        return True
    try:
        _system_call(_SYS_LANDLOCK_CREATE_RULESET, None, 0, _LANDLOCK_CREATE_RULESET_VERSION)
    except OSError:
        return False
    handled = struct.pack("=Q", _LANDLOCK_ACCESS_FS_READ_FILE)
    ruleset = _system_call(_SYS_LANDLOCK_CREATE_RULESET, handled, len(handled), 0)
    try:
        for path in _beside(hidden):
            # What vanishes meanwhile, or is no file of a file system, need not be allowed.
            with suppress(OSError):
                _allow(ruleset, path)
        _system_call(_SYS_LANDLOCK_RESTRICT_SELF, ruleset, 0)
    finally:
        os.close(ruleset)
    return True


def _beside(hidden: Set[Path]) -> set[Path]:
    """The fewest paths that hold everything but what is hidden."""
    ways = {parent for path in hidden for parent in path.parents}
    return {
        directory / entry
        for directory in ways
        for entry in os.listdir(directory)
        if directory / entry not in ways | hidden
    }


def _allow(ruleset: int, path: Path) -> None:
    # Not what a link stands for: that may be what is hidden, and is allowed by its own path if not.
    descriptor = os.open(path, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        rule = struct.pack("=Qi", _LANDLOCK_ACCESS_FS_READ_FILE, descriptor)
        _system_call(_SYS_LANDLOCK_ADD_RULE, ruleset, _LANDLOCK_RULE_PATH_BENEATH, rule, 0)
    finally:
        os.close(descriptor)


def _system_call(number: int, *arguments: int | bytes | None) -> int:
    libc = ctypes.CDLL(None, use_errno=True)
    libc.syscall.restype = ctypes.c_long
    # Each argument takes a whole register.
    return _check(
        libc.syscall(*(ctypes.c_long(one) if isinstance(one, int) else one for one in (number, *arguments)))
    )


def _check(result: int, *, but: int | None = None) -> int:
    """The result of a system call; raises OSError unless it failed with the error that is expected."""
    if result < 0 and (error := ctypes.get_errno()) != but:
        raise OSError(error, os.strerror(error))
    return result
