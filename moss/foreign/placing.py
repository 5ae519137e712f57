"""From the paths of a .deb to the layout of a stone, and to what must be brought out of it.

bin/mount                usr/bin/mount
etc/bash.bashrc          usr/share/factory/etc/bash.bashrc    C /etc/bash.bashrc
etc/os-release -> …                                           L /etc/os-release … ../usr/lib/os-release
var/mail (2775, mail)                                         d /var/mail 2775 0 8
"""

import posixpath
import stat
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from moss.errors import CorruptData
from moss.foreign import tmpfiles
from moss.foreign.files import Shipped
from moss.foreign.mapping import Place, at_runtime, place_of, points_at_itself, relinked
from moss.foreign.notices import damaged
from moss.layout import Entry, EntryKind, directory, regular, symlink

FACTORY = "share/factory"


@dataclass(slots=True)
class Placed:
    """A layout being made, by path below /usr, and lines for tmpfiles.d."""

    entries: dict[str, Entry] = field(default_factory=dict)
    lines: set[tmpfiles.Line] = field(default_factory=set)

    def layout(self) -> list[Entry]:
        """Sorted; of directories only those that a layout must name: empty ones and unusual ones."""
        parents = {posixpath.dirname(path) for path in self.entries}
        return [
            entry
            for path, entry in sorted(self.entries.items())
            if entry.kind is not EntryKind.DIRECTORY or path not in parents or not _is_usual(entry)
        ]


def place(shipped: Mapping[str, Shipped], file: str) -> Placed:
    """Give each path its place. CorruptData where two paths of the package meet and differ."""
    placed = Placed()
    origins: dict[str, str] = {}
    for one in shipped.values():
        if place_of(one.path, one.kind) is Place.FACTORY:
            _place_in_factory(one, placed)
            continue
        entry = _entry(one)
        if entry is None:
            continue
        known = placed.entries.setdefault(entry.path, entry)
        origin = origins.setdefault(entry.path, one.path)
        if known != entry:
            placed.entries[entry.path] = _one_of(known, entry, origin, one.path, file)
    _name_directories(shipped.values(), placed)
    _expect_directories_above(placed.entries, origins, file)
    return placed


def _entry(one: Shipped) -> Entry | None:
    """The entry in /usr; None for a link that merging /usr has made its own target."""
    path = at_runtime(one.path).removeprefix("usr/")
    if one.link is not None:
        if points_at_itself(one.path, one.link):
            return None
        return symlink(path, relinked(one.path, one.link), one.uid, one.gid)
    return _same_as(one, path)


def _same_as(one: Shipped, path: str) -> Entry:
    if one.digest is not None:
        return regular(path, one.digest, one.permissions, one.uid, one.gid, one.xattrs)
    return directory(path, one.permissions, one.uid, one.gid)


def _one_of(known: Entry, entry: Entry, first: str, second: str, file: str) -> Entry:
    """Of two directories that became one, the one that says more; two other things cannot be one."""
    if known.kind is entry.kind is EntryKind.DIRECTORY:
        return entry if _is_usual(known) else known
    raise _collision(first, second, file)


def _collision(first: str, second: str, file: str) -> CorruptData:
    return damaged(file, f"'/{first}' and '/{second}' become one path in a merged /usr, and differ")


def _is_usual(entry: Entry) -> bool:
    return entry.mode == stat.S_IFDIR | 0o755 and entry.uid == entry.gid == 0


def _place_in_factory(one: Shipped, placed: Placed) -> None:
    """A file or link of /etc or /var; directories are `_name_directories`' matter."""
    outside = f"/{at_runtime(one.path)}"
    if one.link is not None:
        if not points_at_itself(one.path, one.link):
            placed.lines.add(tmpfiles.link(outside, relinked(one.path, one.link)))
    elif one.digest is not None:
        inside = f"{FACTORY}/{one.path}"
        placed.entries[inside] = _same_as(one, inside)
        source = f"/usr/{inside}" if outside != f"/{one.path}" else ""
        placed.lines.add(tmpfiles.copy(outside, source))


def _name_directories(shipped: Iterable[Shipped], placed: Placed) -> None:
    """Lines for directories of /etc and /var that no file brings with it, or that are unusual."""
    outside = [one for one in shipped if place_of(one.path, one.kind) is Place.FACTORY]
    parents = {posixpath.dirname(one.path) for one in outside}
    for one in outside:
        if one.kind is not EntryKind.DIRECTORY:
            continue
        line = tmpfiles.directory(f"/{at_runtime(one.path)}", one.permissions, one.uid, one.gid)
        if one.path not in parents or line.mode != "-":
            placed.lines.add(line)


def _expect_directories_above(entries: Mapping[str, Entry], origins: Mapping[str, str], file: str) -> None:
    """A path below a file or a symlink of the same package would be written through it."""
    checked: set[str] = set()
    for path in entries:
        parent = posixpath.dirname(path)
        while parent and parent not in checked:
            checked.add(parent)
            above = entries.get(parent)
            if above is not None and above.kind is not EntryKind.DIRECTORY:
                raise damaged(
                    file,
                    f"'/{origins.get(path, path)}' lies below '/{origins.get(parent, parent)}', "
                    "which is no directory",
                )
            parent = posixpath.dirname(parent)
