"""Trying a tree: a command in a copy of the system with another /usr, of which nothing stays.

Every directory of the root is an overlay whose lower layer is the root's own, so the command sees the person's
files and changes none; /usr is the tree to be tried. The network and the terminal are the system's. Where the kernel
has no overlays, /usr and /etc are private copies, and the other directories can only be read.
"""

import os
import signal
import stat
from collections.abc import Iterator, Mapping, Sequence
from typing import NoReturn

from moss.root import ROOT_LINKS
from moss.triggers.capture import is_opaque
from moss.triggers.kernel import MountFlag, Namespace, keep_capabilities, mount, unshare
from moss.triggers.private_copy import PrivateCopy, stands_for_nothing
from moss.triggers.sandbox import mount_devices, mount_overlay, to_be_root
from solver.values import field, value

_NAMESPACES = Namespace.MOUNTS | Namespace.PROCESSES | Namespace.MESSAGES
_EMPTY = {"dev": 0o755, "proc": 0o555, "sys": 0o555, "run": 0o755, "tmp": 0o1777}
_LEFT_OUT = frozenset({*_EMPTY, *ROOT_LINKS, ".moss", "boot", "efi", "lost+found", "usr"})
_PLAIN = MountFlag.NO_SETUID | MountFlag.NO_DEVICES
_CANNOT = 125
"""How the process ends where the place could not be made: as `env` and `chroot` do."""
_CAPABILITIES = frozenset({0, 1, 2, 3, 4, 5, 6, 7, 8, 10, 13, 18, 29, 31})
"""What a service's manager would leave to a container: no mounts, no devices, no clock, no kernel."""

COPIED = ("usr", "etc")
"""The directories that can be written to without overlays; others may hold more than anybody wants copied."""


@value
class Trial:
    """Where things are. Paths below `base` are relative to it."""

    root: str
    """The system's root, absolute."""
    base: str
    """Absolute; on the root's file system."""
    tree: str
    """What /usr will be."""
    scratch: str
    """An empty directory for what is written."""
    shares_system: bool
    """The root is the running system's: /dev, /run and /sys are as they are."""
    copies: Mapping[str, PrivateCopy] = field(default_factory=dict)
    """Without overlays: the directories that lie in `scratch` as copies, by name."""


@value
class Tried:
    """How it ended, and what it wrote, of which nothing is kept."""

    exit_code: int
    written: tuple[str, ...]
    """Absolute paths, in order."""
    removed: tuple[str, ...]


def directories_of(root: str) -> list[str]:
    """The directories of a root that the command sees, /usr first."""
    with os.scandir(root) as listing:
        names = sorted(one.name for one in listing if one.is_dir(follow_symlinks=False))
    return ["usr", *(name for name in names if name not in _LEFT_OUT and os.access(os.path.join(root, name), os.R_OK))]


def parts_of(trial: Trial) -> list[str]:
    """The directories that must be in `scratch`, each as it goes below it."""
    return ["root", *(f"{name}.{part}" for name in directories_of(trial.root) for part in ("upper", "work"))]


def try_out(trial: Trial, command: Sequence[str], environment: Mapping[str, str]) -> int:
    """Run a command to its end; its exit code, 125 where the place cannot be made (the reason is on standard error).

    Ctrl-C is the command's while it runs.
    """
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        child = os.fork()
        if child == 0:
            _child(trial, command, environment)
        _, status = os.waitpid(child, 0)
    finally:
        signal.signal(signal.SIGINT, before)
    return _code(status)


def outcome(trial: Trial, exit_code: int) -> Tried:
    """What the command wrote: read before `scratch` is removed."""
    written: list[str] = []
    removed: list[str] = []
    for name in directories_of(trial.root):
        top = os.path.join(trial.base, trial.scratch, f"{name}.upper")
        under = os.path.join(trial.base, trial.tree) if name == "usr" else os.path.join(trial.root, name)
        word = trial.copies[name].gone if name in trial.copies else None
        for path, gone in _changes(top, under, f"/{name}", word):
            (removed if gone else written).append(path)
    return Tried(exit_code, tuple(written), tuple(removed))


def _changes(
    upper: str, under: str, said: str, word: str | None, is_alone: bool = False
) -> Iterator[tuple[str, bool]]:
    """Paths, each with whether it is gone. `is_alone`: the overlay showed nothing of what is under it."""
    names = set(os.listdir(upper))
    for name in sorted(names.union(os.listdir(under) if is_alone else ())):
        if name not in names:
            yield f"{said}/{name}", True
            continue
        path, below = os.path.join(upper, name), os.path.join(under, name)
        status = os.lstat(path)
        if stands_for_nothing(path, status, word):
            yield f"{said}/{name}", True
        elif stat.S_ISDIR(status.st_mode) and os.path.isdir(below) and not os.path.islink(below):
            yield from _changes(path, below, f"{said}/{name}", word, is_alone or is_opaque(path))
        else:
            yield f"{said}/{name}", False


def _code(status: int) -> int:
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code


def _child(trial: Trial, command: Sequence[str], environment: Mapping[str, str]) -> NoReturn:
    try:
        _enter(trial)
        child = os.fork()
        if child == 0:
            signal.signal(signal.SIGINT, signal.SIG_DFL)
            os.execvpe(command[0], list(command), dict(environment))
        while True:
            pid, status = os.waitpid(-1, 0)
            if pid == child:
                os._exit(_code(status))
    except OSError as fault:
        place = f"{os.fsdecode(fault.filename)}: " if fault.filename else ""
        os.write(2, f"moss try: {command[0]} cannot be run: {place}{fault.strerror}\n".encode())
        os._exit(127 if isinstance(fault, FileNotFoundError) else _CANNOT)
    except BaseException as fault:  # noqa: BLE001 (a second moss must not run on in this process)
        os.write(2, f"moss try: {fault!r}\n".encode())
        os._exit(_CANNOT)


def _enter(trial: Trial) -> None:
    os.chdir(trial.base)
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGPIPE, signal.SIGCHLD):
        signal.signal(number, signal.SIG_DFL)
    here = os.environ.get("PWD", "/") if trial.shares_system else "/"
    if os.geteuid() == 0:
        unshare(_NAMESPACES)
    else:
        to_be_root(_NAMESPACES)
    child = os.fork()
    if child:
        _, status = os.waitpid(child, 0)
        os._exit(_code(status))
    _make_root(trial)
    os.chdir(here if os.path.isdir(here) else "/")
    keep_capabilities(_CAPABILITIES)


def _make_root(trial: Trial) -> None:
    mount("none", "/", None, MountFlag.RECURSIVE | MountFlag.PRIVATE)
    names = directories_of(trial.root)
    root = os.path.join(trial.scratch, "root")
    mount("moss", root, "tmpfs", _PLAIN, "mode=755")
    for name, mode in _EMPTY.items():
        os.mkdir(os.path.join(root, name))
        os.chmod(os.path.join(root, name), mode)
    for name in ROOT_LINKS:
        os.symlink(f"usr/{name}", os.path.join(root, name))
    for name in names:
        os.mkdir(os.path.join(root, name))
        if trial.copies:
            _mount_without_overlay(trial, name, os.path.join(root, name))
            continue
        lower = trial.tree if name == "usr" else os.path.relpath(os.path.join(trial.root, name), trial.base)
        upper, work = (os.path.join(trial.scratch, f"{name}.{part}") for part in ("upper", "work"))
        mount_overlay(lower, upper, work, os.path.join(root, name))
    if trial.shares_system:
        for name in ("dev", "run", "sys"):
            mount(f"/{name}", os.path.join(root, name), None, MountFlag.BIND | MountFlag.RECURSIVE)
    else:
        mount_devices(os.path.join(root, "dev"))
    mount("proc", os.path.join(root, "proc"), "proc", _PLAIN | MountFlag.NO_EXECUTION)
    os.chdir(root)
    mount(".", "/", None, MountFlag.MOVE)
    os.chroot(".")


def _mount_without_overlay(trial: Trial, name: str, place: str) -> None:
    is_copy = name in trial.copies
    source = os.path.join(trial.scratch, name) if is_copy else os.path.join(trial.root, name)
    mount(source, place, None, MountFlag.BIND)
    kept = MountFlag.NO_EXECUTION if os.statvfs(place).f_flag & os.ST_NOEXEC else MountFlag(0)
    flags = _PLAIN | kept | (MountFlag(0) if is_copy else MountFlag.READ_ONLY)
    mount("none", place, None, MountFlag.BIND | MountFlag.REMOUNT | flags)
    if name == "var" and os.path.isdir(os.path.join(place, "tmp")):
        mount("moss", os.path.join(place, "tmp"), "tmpfs", _PLAIN, "mode=1777")
