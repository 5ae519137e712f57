"""Who was left behind by a live switch: what runs goes on, and some of it still looks at the old /usr.

A service that has /usr bound over itself, as `ProtectSystem=` makes it, loses that mount: it is on the old
tree, which was exchanged away from under the name, so the service sees the new /usr and may write to it.
One that has /usr mounted somewhere else, or its root or working directory in it, goes on seeing the old one.
Both are right again once they are restarted.
"""

import os
import re

from moss.busy import Directories
from moss.mounts import Mount, Place, mounts_of, place_of, process_ids, process_name
from solver.values import value

_UNIT = re.compile(r"[^/]+\.service")
_USER_MANAGER = re.compile(r"/user@(\d+)\.service/")


@value
class LeftBehind:
    """A service, or processes that belong to none, and what is wrong with their view of /usr."""

    unit: str | None
    """systemd's name for the service."""
    user: int | None
    """Whose service manager it belongs to; None for the system's."""
    name: str
    """Of the first process."""
    pids: tuple[int, ...]
    because: str
    """Completes "it …"."""

    @property
    def restart(self) -> str | None:
        """The command that mends it; None where moss knows none."""
        if self.unit is None:
            return None
        manager = "" if self.user is None else f"--user -M {self.user}@ "
        return f"systemctl {manager}restart {self.unit}"


def left_behind(old_usr: str) -> tuple[LeftBehind, ...]:
    """Who is left behind now that another tree is /usr and the old one lies at `old_usr`.

    Of other users' processes an ordinary user learns nothing. Never fails: what cannot be read is passed over.
    """
    try:
        return _grouped(_found(old_usr))
    except OSError:
        return ()


def _found(old_usr: str) -> list[tuple[int, str]]:
    """Processes, each with the first thing that is wrong with it."""
    directories, place = Directories(old_usr), place_of(old_usr)
    wrong: dict[tuple[str, int, int], str | None] = {}
    found: list[tuple[int, str]] = []
    own = _view(os.getpid())
    for pid in process_ids():
        try:
            because = _where(pid, directories)
            view = _view(pid)
            if because is None and view != own and place is not None:
                if view not in wrong:
                    wrong[view] = _wrong_mount(mounts_of(pid), place)
                because = wrong[view]
        except OSError:  # ended, or another user's
            continue
        if because is not None:
            found.append((pid, because))
    return found


def _where(pid: int, directories: Directories) -> str | None:
    if directories.have(f"/proc/{pid}/root"):
        return "has its root in the old /usr"
    if directories.have(f"/proc/{pid}/cwd"):
        return "has its working directory in the old /usr"
    return None


def _view(pid: int) -> tuple[str, int, int]:
    """What decides which mounts a process sees."""
    top = os.stat(f"/proc/{pid}/root")
    return os.readlink(f"/proc/{pid}/ns/mnt"), top.st_dev, top.st_ino


def _wrong_mount(mounts: list[Mount], old: Place) -> str | None:
    """What the switch did to somebody's mounts, the worst first."""
    for mount in mounts:
        if mount.place.is_within(old) and not _is_on(mount, old):
            return f"still has the old /usr at {mount.point}"
    for mount in mounts:
        if _is_on(mount, old):
            below = "" if mount.on is None else mount.on.path[len(old.path) :]
            return f"has lost its mount on /usr{below}"
    return None


def _is_on(mount: Mount, old: Place) -> bool:
    """Whether it is mounted on the old tree, and so went away with it."""
    if mount.on is not None:
        return mount.on.is_within(old)
    # Out of sight: the mount point's name, which the kernel tells as it is now, has to do.
    return mount.place.is_within(old) and "/.moss/root/" in mount.point


def _grouped(found: list[tuple[int, str]]) -> tuple[LeftBehind, ...]:
    groups: dict[tuple[str, int, str], list[tuple[int, str]]] = {}
    for pid, because in found:
        unit, user = unit_of(_control_groups(pid))
        name = process_name(pid)
        key = (unit or "", -1 if user is None else user, "" if unit else f"{name} {because}")
        groups.setdefault(key, []).append((pid, because))
    return tuple(
        LeftBehind(
            unit or None,
            None if user < 0 else user,
            process_name(processes[0][0]),
            tuple(pid for pid, _ in processes),
            processes[0][1],
        )
        for (unit, user, _), processes in sorted(groups.items())
    )


def _control_groups(pid: int) -> str:
    try:
        with open(f"/proc/{pid}/cgroup", "rb") as groups:
            return groups.read().decode("utf-8", "surrogateescape")
    except OSError:
        return ""


def unit_of(control_groups: str) -> tuple[str | None, int | None]:
    """The service that a process belongs to, and whose manager runs it, from /proc/PID/cgroup.

        0::/system.slice/ssh.service                                                 ssh.service
        0::/user.slice/user-7.slice/user@7.service/app.slice/pipewire.service        pipewire.service, 7
        0::/user.slice/user-7.slice/session-3.scope                                  a login: none
    """
    for line in control_groups.splitlines():
        _, controllers, path = [*line.split(":", 2), "", ""][:3]
        if controllers not in ("", "name=systemd"):
            continue
        manager = _USER_MANAGER.search(path)
        units = [part for part in path.split("/") if _UNIT.fullmatch(part)]
        if manager is not None:
            own = [unit for unit in units if unit != f"user@{manager[1]}.service"]
            return (own[-1], int(manager[1])) if own else (None, None)
        if units:
            return units[-1], None
    return None, None
