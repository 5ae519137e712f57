"""Whether anything that runs uses a tree: such a tree must not change.

Seen: a sandbox that had bind-mounted an old /usr saw it change under its feet.
"""

import os
import re

from solver.values import value

_OCTAL = re.compile(r"\\([0-7]{3})")
"""How the kernel writes blanks and the like in mountinfo."""


@value
class User:
    """A process that uses a tree, and how."""

    pid: int
    name: str
    how: str
    """`root`, `working directory`, `open directory`, `mount`."""

    def __str__(self) -> str:
        return f"process {self.pid} ({self.name}): {self.how}"


def user_of(tree: str) -> User | None:
    """The first process found with its root, working directory, an open directory or a mount in a tree.

    Processes of other users cannot be looked into by an ordinary one; they cannot be inside a root
    that only its owner may enter either.
    """
    tree = os.path.realpath(tree)
    if not os.path.isdir(tree):
        return None
    place = _place_on_filesystem(tree)
    seen: set[str] = set()
    for pid in sorted(int(name) for name in os.listdir("/proc") if name.isdecimal()):
        how = _how(pid, tree, place, seen)
        if how is not None:
            return User(pid, _name(pid), how)
    return None


def _how(pid: int, tree: str, place: "_Place | None", seen: set[str]) -> str | None:
    process = f"/proc/{pid}"
    for link, how in (("root", "root"), ("cwd", "working directory")):
        if _leads_into(f"{process}/{link}", tree):
            return how
    try:
        for fd in os.listdir(f"{process}/fd"):
            path = f"{process}/fd/{fd}"
            if _leads_into(path, tree) and os.path.isdir(path):
                return "open directory"
        namespace = os.readlink(f"{process}/ns/mnt")
        if namespace not in seen and place is not None:
            seen.add(namespace)
            if any(mount.place.is_within(place) for mount in _mounts(pid)):
                return "mount"
    except OSError:  # the process has ended, or is another user's
        return None
    return None


@value
class _Place:
    """A directory by its device and its path from that file system's own root."""

    device: str
    path: str

    def is_within(self, other: "_Place") -> bool:
        return self.device == other.device and (self.path == other.path or self.path.startswith(f"{other.path}/"))


@value
class _Mount:
    place: _Place
    point: str


def _mounts(pid: int | str) -> list[_Mount]:
    """The kernel tells where a bind mount's directory is *now*, also after that was renamed."""
    found: list[_Mount] = []
    with open(f"/proc/{pid}/mountinfo", encoding="utf-8", errors="surrogateescape") as mounts:
        for line in mounts:
            _, _, device, path, point, *_ = line.split(" ")
            found.append(_Mount(_Place(device, _unescaped(path)), _unescaped(point)))
    return found


def _place_on_filesystem(tree: str) -> _Place | None:
    holding = [
        mount for mount in _mounts("self") if tree == mount.point or tree.startswith(mount.point.rstrip("/") + "/")
    ]
    if not holding:
        return None
    mount = max(holding, key=lambda one: len(one.point))
    below = tree[len(mount.point.rstrip("/")) :]
    return _Place(mount.place.device, mount.place.path.rstrip("/") + below)


def _unescaped(text: str) -> str:
    return _OCTAL.sub(lambda match: chr(int(match[1], 8)), text)


def _leads_into(link: str, tree: str) -> bool:
    try:
        target = os.readlink(link)
    except OSError:  # ended, or another user's
        return False
    return target == tree or target.startswith(f"{tree}/")


def _name(pid: int) -> str:
    try:
        with open(f"/proc/{pid}/comm", encoding="utf-8", errors="replace") as name:
            return name.read().strip()
    except OSError:
        return "ended"
