"""What processes have mounted, and where a directory lies, in terms that hold in every mount namespace.

A path means something else in each namespace. A `Place` does not: a file system and the path from its own
top. The kernel tells both as they are now, also after a mounted directory was renamed or exchanged.
"""

import os
import re
from collections.abc import Iterator
from typing import NamedTuple

_OCTAL = re.compile(r"\\([0-7]{3})")
"""How the kernel writes blanks and the like in mountinfo."""


class Place(NamedTuple):
    """A directory by its file system's device number and its path from that file system's top."""

    device: str
    path: str

    def is_within(self, other: "Place") -> bool:
        return self.device == other.device and _is_below(self.path, other.path)


class Mount(NamedTuple):
    place: Place
    """What is mounted."""
    point: str
    """Where, as the process sees it."""
    on: Place | None
    """What it is mounted on; None where that is out of the process's sight."""
    lower: tuple[str, ...]
    """The directories that an overlay is made of, as whoever mounted it named them."""


def mounts_of(pid: int | str) -> list[Mount]:
    """What a process sees mounted. OSError where the process is gone, or is another user's."""
    # Bytes: nothing may be imported when this runs after an exchange of /usr.
    with open(f"/proc/{pid}/mountinfo", "rb") as mounts:
        lines = [line.decode("utf-8", "surrogateescape").rstrip("\n").split(" ") for line in mounts]
    known = {fields[0]: fields for fields in lines}
    return [_mount(fields, known.get(fields[1])) for fields in lines]


def place_of(path: str) -> Place | None:
    """Where an absolute path lies, as this process sees it."""
    holding = [mount for mount in mounts_of("self") if _is_below(path, mount.point)]
    if not holding:
        return None
    # Of several at one point the last is the one on top.
    _, mount = max(enumerate(holding), key=lambda one: (len(one[1].point), one[0]))
    return _below(mount.place, mount.point, path)


def namespaces() -> Iterator[tuple[int, list[Mount]]]:
    """Every different view of mounts that a process of this machine has, with the first process that has it."""
    seen: set[tuple[str, int, int]] = set()
    for pid in process_ids():
        try:
            top = os.stat(f"/proc/{pid}/root")
            # A process sees only what is mounted below its root.
            view = (os.readlink(f"/proc/{pid}/ns/mnt"), top.st_dev, top.st_ino)
            if view not in seen:
                seen.add(view)
                yield pid, mounts_of(pid)
        except OSError:  # the process has ended, or is another user's
            continue


def process_ids() -> list[int]:
    return sorted(int(name) for name in os.listdir("/proc") if name.isdecimal())


def process_name(pid: int) -> str:
    try:
        with open(f"/proc/{pid}/comm", "rb") as name:
            return name.read().strip().decode("utf-8", "replace")
    except OSError:
        return "ended"


def _mount(fields: list[str], parent: list[str] | None) -> Mount:
    place, point = Place(fields[2], _plain(fields[3])), _plain(fields[4])
    on = None
    if parent is not None and parent is not fields and _is_below(point, _plain(parent[4])):
        on = _below(Place(parent[2], _plain(parent[3])), _plain(parent[4]), point)
    kind, _, options = fields[fields.index("-") + 1 :][:3]
    return Mount(place, point, on, _lower(options) if kind == "overlay" else ())


def _lower(options: str) -> tuple[str, ...]:
    found: list[str] = []
    for option in options.split(","):
        name, _, text = option.partition("=")
        if name in ("lowerdir", "lowerdir+", "datadir+", "upperdir"):
            found += filter(None, _plain(text).split(":"))
    return tuple(found)


def _is_below(path: str, point: str) -> bool:
    return path == point or path.startswith(point.rstrip("/") + "/")


def _below(place: Place, point: str, path: str) -> Place:
    below = path[len(point.rstrip("/")) :].rstrip("/")
    return Place(place.device, (place.path.rstrip("/") + below) or "/")


def _plain(text: str) -> str:
    return _OCTAL.sub(lambda match: chr(int(match[1], 8)), text)
