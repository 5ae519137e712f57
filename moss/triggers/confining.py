"""What keeps a process in its place where the kernel has no namespaces for it: Landlock, and a filter of system calls.

Both last until the process ends and are handed on to all that it starts. The calls are the kernel's own: Python
and the C library have none for them.
"""

import ctypes
import os
import platform
import struct
from collections.abc import Iterable

_libc = ctypes.CDLL(None, use_errno=True)

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
"""The same numbers on every architecture."""
_VERSION_ASKED = 1
_PATH_BENEATH = 1
_WRITES = sum(1 << bit for bit in (1, *range(4, 13)))
"""Writing to files; removing and making whatever can be made."""
_LINKS_ELSEWHERE, _TRUNCATES = 1 << 13, 1 << 14
"""Known from the second and the third version on."""
_TCP = 3
_SIGNALS_AND_ABSTRACT_SOCKETS = 3
_PR_SET_NO_NEW_PRIVS, _PR_SET_SECCOMP, _SECCOMP_MODE_FILTER = 38, 22, 2
_PR_SET_CHILD_SUBREAPER = 36

_LOAD, _EQUAL, _AT_LEAST, _RETURN = 0x20, 0x15, 0x35, 0x06
_ALLOW, _REFUSE = 0x7FFF0000, 0x00050000 | 1  # EPERM
_MACHINES = {"x86_64": (0xC000003E, 41), "aarch64": (0xC00000B7, 198)}
"""By machine: what the kernel calls it, and the number of `socket`."""
_IO_URING_SETUP, _FOREIGN_CALLS = 425, 0x40000000
_AF_UNIX = 1


def landlock_version() -> int:
    """0 where the kernel has none, or does not use it."""
    return max(0, int(_libc.syscall(_CREATE_RULESET, None, 0, _VERSION_ASKED)))


def write_only_below(directories: Iterable[str], *, alone: bool) -> bool:
    """From now on nothing can be written, made, removed or linked but below these directories; whether that could be
    had. `alone`: no TCP either, and no signals to others, where the kernel knows how. OSError where it fails."""
    version = landlock_version()
    if version == 0:
        return False
    writes = _WRITES | (_LINKS_ELSEWHERE if version >= 2 else 0) | (_TRUNCATES if version >= 3 else 0)
    attributes = [writes]
    if version >= 4:
        attributes.append(_TCP if alone else 0)
    if version >= 6:
        attributes.append(_SIGNALS_AND_ABSTRACT_SOCKETS if alone else 0)
    packed = struct.pack(f"={len(attributes)}Q", *attributes)
    ruleset = _checked(_libc.syscall(_CREATE_RULESET, packed, ctypes.c_size_t(len(packed)), 0), "Landlock")
    try:
        for directory in directories:
            place = os.open(directory, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                rule = struct.pack("=Qi", writes, place)
                _checked(_libc.syscall(_ADD_RULE, ruleset, _PATH_BENEATH, rule, 0), directory)
            finally:
                os.close(place)
        _gains_nothing()
        _checked(_libc.syscall(_RESTRICT_SELF, ruleset, 0), "Landlock")
    finally:
        os.close(ruleset)
    return True


def without_network() -> bool:
    """From now on there are no sockets but those of this machine's own (AF_UNIX); whether that could be had."""
    machine = _MACHINES.get(platform.machine())
    if machine is None:
        return False
    architecture, socket = machine
    program = [
        (_LOAD, 0, 0, 4),  # which architecture's call it is: another one's numbers mean something else
        (_EQUAL, 0, 7, architecture),
        (_LOAD, 0, 0, 0),  # its number
        (_AT_LEAST, 5, 0, _FOREIGN_CALLS),
        (_EQUAL, 4, 0, _IO_URING_SETUP),  # which could make sockets by itself
        (_EQUAL, 0, 2, socket),
        (_LOAD, 0, 0, 16),  # its first argument: which kind of network
        (_EQUAL, 0, 1, _AF_UNIX),
        (_RETURN, 0, 0, _ALLOW),
        (_RETURN, 0, 0, _REFUSE),
    ]
    filters = b"".join(struct.pack("=HBBI", *one) for one in program)
    kept = ctypes.create_string_buffer(filters, len(filters))
    whole = struct.pack("HxxxxxxQ", len(program), ctypes.addressof(kept))
    _gains_nothing()
    _checked(_libc.prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, whole, 0, 0), "seccomp")
    return True


def adopt_orphans() -> None:
    """What this process's children leave behind becomes its own child, and not the first process's."""
    _checked(_libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0), "prctl")


def _gains_nothing() -> None:
    _checked(_libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "prctl")


def _checked(result: int, what: str) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), what)
    return result
