"""A file system that has lost what was not synced: what may be on the disk after a power cut.

The rules are the weakest that POSIX promises, and no file system breaks:

    what a directory holds is safe after fsync of that directory; a file's content, mode, owner and
    attributes after fsync of the file; everything after syncfs
    whatever is not safe may be there or not, each for itself and in any order; a write also in part
    one call is there whole or not at all, a rename or exchange too, and one that touches two
    directories is safe when both are synced
    what builds on something that was lost is lost with it

A tree of `Node`s is read from a real root; `lose` gives the one that a crash might leave, and `write_out`
makes it real.
"""

import os
import random
import stat
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from tests.crash.recording import Done
from tests.crash.world import BOOT


@dataclass
class Node:
    """A file, directory or symlink."""

    mode: int
    """The whole st_mode."""
    uid: int = 0
    gid: int = 0
    content: bytes | str = b""
    xattrs: dict[str, bytes] = field(default_factory=dict)
    entries: dict[str, int] = field(default_factory=dict)
    """A directory's names, with numbers of nodes."""


@dataclass(frozen=True)
class Change:
    """One name in one directory, from one node to another; None is nothing."""

    directory: int
    name: str
    old: int | None
    new: int | None


@dataclass(frozen=True)
class Event:
    """An effect, by nodes instead of paths."""

    done: Done
    changes: tuple[Change, ...] = ()
    node: int | None = None
    """Whose content or attributes it changes, or syncs."""
    made: Node | None = None
    """What a node is as it comes to be."""
    is_on_boot: bool = False
    """It touches $BOOT, a file system of its own: no syncfs of another reaches it."""

    @property
    def is_sync(self) -> bool:
        return self.done.kind in ("fsync", "syncfs")

    @property
    def touches(self) -> frozenset[int]:
        """What must be synced for it to be safe."""
        directories = frozenset(change.directory for change in self.changes)
        return directories or frozenset(() if self.node is None or self.is_sync else (self.node,))


class Disk:
    """All nodes by number; 0 is the root's parent directory."""

    def __init__(self, nodes: dict[int, Node]) -> None:
        self.nodes = nodes

    def copy(self) -> "Disk":
        return Disk(
            {number: Node(one.mode, one.uid, one.gid, one.content, dict(one.xattrs), dict(one.entries))
             for number, one in self.nodes.items()}
        )  # fmt: skip

    def find(self, path: str) -> int | None:
        """The node at a path, relative to the top; it follows no symlink."""
        number: int | None = 0
        for part in path.split("/") if path != "." and path else ():
            assert number is not None
            number = self.nodes[number].entries.get(part)
            if number is None:
                return None
        return number

    def apply(self, event: Event) -> bool:
        """Let it happen; False when what it builds on is not so."""
        if any(self.nodes[change.directory].entries.get(change.name) != change.old for change in event.changes):
            return False
        for change in event.changes:
            if change.new is None:
                del self.nodes[change.directory].entries[change.name]
            else:
                self.nodes[change.directory].entries[change.name] = change.new
        if event.node is not None:
            _alter(self.nodes[event.node], event.done)
        return True


def read_disk(top: Path, *, without: Collection[str]) -> Disk:
    """The tree below a directory; what is in `without` (relative) is left out."""
    disk = Disk({})
    known: dict[int, int] = {}

    def read(path: str) -> int:
        status = os.lstat(path)
        if status.st_ino in known:
            return known[status.st_ino]
        number = known[status.st_ino] = len(disk.nodes)
        node = disk.nodes[number] = Node(status.st_mode, status.st_uid, status.st_gid)
        if stat.S_ISDIR(status.st_mode):
            if os.path.relpath(path, top) not in without:
                for name in sorted(os.listdir(path)):
                    node.entries[name] = read(os.path.join(path, name))
            return number
        names = os.listxattr(path, follow_symlinks=False)
        node.xattrs = {name: os.getxattr(path, name, follow_symlinks=False) for name in names}
        node.content = os.readlink(path) if stat.S_ISLNK(status.st_mode) else Path(path).read_bytes()
        return number

    read(str(top))
    return disk


def write_out(disk: Disk, top: Path) -> None:
    """Make it real; `top` is empty."""
    places: dict[int, str] = {}
    closing: list[tuple[str, Node]] = []

    def write(number: int, path: str) -> None:
        node = disk.nodes[number]
        if stat.S_ISDIR(node.mode):
            if path != str(top):
                os.mkdir(path, 0o700)
            closing.append((path, node))
            for name, below in node.entries.items():
                write(below, os.path.join(path, name))
            return
        if number in places:
            os.link(places[number], path, follow_symlinks=False)
            return
        places[number] = path
        if stat.S_ISLNK(node.mode):
            assert isinstance(node.content, str)
            os.symlink(node.content, path)
            os.lchown(path, node.uid, node.gid)
            return
        assert isinstance(node.content, bytes)
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
        os.write(fd, node.content)
        _dress(fd, node)
        os.close(fd)

    write(0, str(top))
    for path, node in reversed(closing):
        if path != str(top):
            _dress(path, node)


def _dress(place: str | int, node: Node) -> None:
    if os.geteuid() == 0:
        os.chown(place, node.uid, node.gid)
    os.chmod(place, stat.S_IMODE(node.mode))
    for name, value in node.xattrs.items():
        os.setxattr(place, name, value)


def events_of(disk: Disk, top: Path, done: Iterable[Done]) -> Iterator[Event]:
    """By nodes what the effects were by paths; `disk` ends as they left it."""
    for one in done:
        paths = [os.path.relpath(path, top) for path in one.paths]
        assert not any(path.startswith("..") for path in paths), one
        on_boot = any(path.split("/")[0] == BOOT for path in paths)
        event = replace(_event(disk, one, paths), is_on_boot=on_boot)
        assert disk.apply(event), one
        yield event


def _event(disk: Disk, done: Done, paths: list[str]) -> Event:
    match done.kind:
        case "commit" | "syncfs":
            return Event(done)
        case "mkdir":
            return _making(disk, done, paths[0], Node(stat.S_IFDIR | done.value))
        case "create":
            return _making(disk, done, paths[0], Node(stat.S_IFREG | done.value))
        case "symlink":
            return _making(disk, done, paths[0], Node(stat.S_IFLNK | 0o777, content=done.value))
        case "link":
            return Event(done, (_change(disk, paths[1], disk.find(paths[0])),))
        case "unlink" | "rmdir":
            return Event(done, (_change(disk, paths[0], None),))
        case "rename":
            moved = disk.find(paths[0])
            return Event(done, (_change(disk, paths[0], None), _change(disk, paths[1], moved)))
        case "exchange":
            one, other = disk.find(paths[0]), disk.find(paths[1])
            return Event(done, (_change(disk, paths[0], other), _change(disk, paths[1], one)))
        case _:
            node = disk.find(paths[0])
            assert node is not None, done
            return Event(done, node=node)


def _making(disk: Disk, done: Done, path: str, node: Node) -> Event:
    number = len(disk.nodes)
    disk.nodes[number] = node
    made = Node(node.mode, content=node.content)
    return Event(done, (_change(disk, path, number),), made=made)


def _change(disk: Disk, path: str, new: int | None) -> Change:
    parent, _, name = path.rpartition("/")
    directory = disk.find(parent)
    assert directory is not None, path
    return Change(directory, name, disk.nodes[directory].entries.get(name), new)


def _alter(node: Node, done: Done) -> None:
    match done.kind:
        case "write":
            assert isinstance(node.content, bytes)
            node.content += done.value
        case "chmod":
            node.mode = stat.S_IFMT(node.mode) | done.value
        case "chown":
            uid, gid = done.value
            node.uid, node.gid = (node.uid if uid < 0 else uid), (node.gid if gid < 0 else gid)
            node.mode &= ~0o6000 if stat.S_ISREG(node.mode) else ~0
        case "setxattr":
            node.xattrs[done.value[0]] = done.value[1]


def unsafe(events: Sequence[Event]) -> list[int]:
    """Which of these, all of which happened, a power cut now may take away."""
    later: set[int] = set()
    settled: set[tuple[int, str]] = set()  # names of which something later is safe
    everything = False
    found: list[int] = []
    for number in range(len(events) - 1, -1, -1):
        event = events[number]
        if event.done.kind == "syncfs":
            everything = True
            continue
        if event.done.kind == "fsync":
            assert event.node is not None
            later.add(event.node)
            continue
        names = {(change.directory, change.name) for change in event.changes}
        if (everything and not event.is_on_boot) or event.touches <= later or names & settled:
            settled |= names
        else:
            found.append(number)
    return found[::-1]


def lose(start: Disk, events: Sequence[Event], lost: Callable[[int], bool], chance: random.Random) -> Disk:
    """What is left of `start` and the events when these are lost (asked only of what is not safe)."""
    at_risk = set(unsafe(events))
    disk = start.copy()
    for event in events:
        for change in event.changes:
            if event.made is not None and change.new is not None:
                made = event.made
                disk.nodes[change.new] = Node(made.mode, content=made.content)
    for number, event in enumerate(events):
        if number not in at_risk:
            applied = disk.apply(event)
            assert applied or event.is_sync, f"{event} is safe, and what it builds on is not"
        elif not lost(number):
            disk.apply(event)
        elif event.done.kind == "write" and chance.random() < 0.7:
            _write_partly(disk, event, chance)
    return disk


def _write_partly(disk: Disk, event: Event, chance: random.Random) -> None:
    """A part of it, or its length without its content."""
    assert event.node is not None
    node, data = disk.nodes[event.node], event.done.value
    assert isinstance(node.content, bytes)
    node.content += bytes(len(data)) if chance.random() < 0.5 else data[: chance.randrange(len(data) + 1)]
