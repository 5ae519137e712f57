"""The Linux calls that Python 3.11 lacks: namespaces, mounts, and what a process gives up."""

import ctypes
import os
from enum import IntFlag

_libc = ctypes.CDLL(None, use_errno=True)

_PR_SET_PDEATHSIG = 1
_PR_CAPBSET_READ = 23
_PR_CAPBSET_DROP = 24
_PR_SET_NO_NEW_PRIVS = 38
_SIGKILL = 9
_LAST_CAPABILITY = 63


class Namespace(IntFlag):
    """As linux/sched.h has them."""

    MOUNTS = 0x00020000
    NAMES = 0x04000000
    MESSAGES = 0x08000000
    USERS = 0x10000000
    PROCESSES = 0x20000000
    NETWORK = 0x40000000


class MountFlag(IntFlag):
    """As linux/mount.h has them."""

    READ_ONLY = 0x1
    NO_SETUID = 0x2
    NO_DEVICES = 0x4
    NO_EXECUTION = 0x8
    REMOUNT = 0x20
    BIND = 0x1000
    MOVE = 0x2000
    RECURSIVE = 0x4000
    PRIVATE = 0x40000


def unshare(namespaces: Namespace) -> None:
    """Leave these namespaces for new ones. OSError where the kernel has none, or does not allow it."""
    _checked(_libc.unshare(int(namespaces)), "namespaces")


def mount(source: str, target: str, kind: str | None, flags: MountFlag, options: str = "") -> None:
    """OSError names the target."""
    result = _libc.mount(
        source.encode(), target.encode(), None if kind is None else kind.encode(),
        ctypes.c_ulong(int(flags)), options.encode() or None,
    )  # fmt: skip
    _checked(result, f"{kind or 'mount'} at {target}")


def die_with_parent() -> None:
    """This process is killed when the one that made it ends."""
    _checked(_libc.prctl(_PR_SET_PDEATHSIG, _SIGKILL, 0, 0, 0), "prctl")


def keep_capabilities(kept: frozenset[int]) -> None:
    """Whatever is executed from now on has none but these, and cannot get more."""
    for number in range(_LAST_CAPABILITY + 1):
        if number not in kept and _libc.prctl(_PR_CAPBSET_READ, number, 0, 0, 0) == 1:
            _checked(_libc.prctl(_PR_CAPBSET_DROP, number, 0, 0, 0), "capabilities")
    _checked(_libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "prctl")


def _checked(result: int, what: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), what)
