"""From a layout to a tree: directories, symlinks, and hard links out of the store."""

import os
import stat
from collections.abc import Iterator, Sequence

from moss.db.packages import asset_of
from moss.digest import EMPTY_CONTENT
from moss.effects import Effects
from moss.layout import Entry, EntryKind
from moss.root import STATE_FILE, GenerationId
from moss.store import Store
from moss.xattrs import attributes_in

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def materialise(
    layout: Sequence[Entry], store: Store, usr: str, generation: GenerationId, effects: Effects
) -> None:
    """Make the whole tree anew at `usr`, which must not exist; `layout` is merged and sorted by path.

    What a layout only implies is a directory 0755 root:root. Nothing here is durable until the caller
    syncs the file system. A tree that this leaves half made is thrown away, never repaired.
    """
    effects.mkdir(usr, 0o755)
    top = os.open(usr, _DIRECTORY)
    try:
        said = {entry.path: entry for entry in layout if entry.kind is EntryKind.DIRECTORY}
        for directory, entries in _by_directory(layout):
            _make_directory(directory, said, effects, top)
            if entries:
                _fill(directory, entries, store, effects, top)
        _close_directories(said, effects, top)
        effects.write_new(STATE_FILE, f"{generation}\n".encode(), mode=0o644, dir_fd=top)
    finally:
        os.close(top)


def _by_directory(layout: Sequence[Entry]) -> Iterator[tuple[str, list[Entry]]]:
    """Every directory, parents first, with what it holds besides directories."""
    children: dict[str, list[Entry]] = {"": []}
    for entry in layout:
        if entry.kind is EntryKind.DIRECTORY:
            _imply(children, entry.path)
            continue
        parent = entry.path.rpartition("/")[0]
        _imply(children, parent)
        children[parent].append(entry)
    yield from sorted(children.items())


def _imply(children: dict[str, list[Entry]], directory: str) -> None:
    while directory not in children:
        children[directory] = []
        directory = directory.rpartition("/")[0]


def _make_directory(path: str, said: dict[str, Entry], effects: Effects, top: int) -> None:
    """Make a directory that we can write to; `_close_directories` gives it the mode it should have."""
    if not path:
        return
    entry = said.get(path)
    mode = 0o755 if entry is None else stat.S_IMODE(entry.mode)
    effects.mkdir(path, mode | 0o700, dir_fd=top)
    if entry is not None and (entry.uid or entry.gid):
        effects.chown(path, entry.uid, entry.gid, dir_fd=top)


def _fill(directory: str, entries: list[Entry], store: Store, effects: Effects, top: int) -> None:
    fd = os.open(directory or ".", _DIRECTORY, dir_fd=top)
    try:
        skip = len(directory) + 1 if directory else 0
        for entry in entries:
            place(entry, entry.path[skip:], fd, store, effects)
    finally:
        os.close(fd)


def place(entry: Entry, name: str, directory: int, store: Store, effects: Effects) -> None:
    """Make one file or symlink under this name in an open directory."""
    if entry.kind is EntryKind.SYMLINK:
        assert entry.link_target is not None
        effects.symlink(entry.link_target, name, dir_fd=directory)
        if entry.uid or entry.gid:
            effects.chown(name, entry.uid, entry.gid, dir_fd=directory)
    elif entry.digest == EMPTY_CONTENT:
        effects.write_new(
            name,
            b"",
            mode=stat.S_IMODE(entry.mode),
            uid=entry.uid,
            gid=entry.gid,
            xattrs=attributes_in(entry.xattrs),
            dir_fd=directory,
        )
    else:
        store.link(asset_of(entry), name, directory)


def _close_directories(said: dict[str, Entry], effects: Effects, top: int) -> None:
    """Give the directories that even their owner may not write to (or that chown changed) their modes."""
    for path in sorted(said, reverse=True):
        mode = stat.S_IMODE(said[path].mode)
        if mode & 0o700 != 0o700 or mode & 0o6000:
            effects.chmod(path, mode, dir_fd=top)
