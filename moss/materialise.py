"""From a layout to a tree: directories, symlinks, and hard links out of the store."""

import os
import stat
from collections.abc import Iterable
from types import TracebackType

from moss.db.packages import asset_of
from moss.declared import Declared, declare
from moss.digest import EMPTY_CONTENT
from moss.effects import Effects, open_placed
from moss.layout import Entry, EntryKind
from moss.store import Store
from moss.xattrs import attributes_in

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def materialise(
    layout: Iterable[Entry], store: Store, usr: str, said: Declared, effects: Effects
) -> None:
    """Make the whole tree anew at `usr`, which must not exist; `layout` is merged, in the order of a tree.

    What a layout only implies is a directory 0755 root:root. Nothing here is durable until the caller
    syncs the file system. A tree that this leaves half made is thrown away, never repaired.
    """
    effects.mkdir(usr, 0o755)
    with _Descent(usr, effects) as descent:
        closed: list[Entry] = []
        for entry in layout:
            parent, _, name = entry.path.rpartition("/")
            directory = descent.into(parent)
            if entry.kind is not EntryKind.DIRECTORY:
                place(entry, name, directory, store, effects)
                continue
            mode = stat.S_IMODE(entry.mode)
            descent.make(entry.path, mode | 0o700)
            if entry.uid or entry.gid:
                effects.chown(name, entry.uid, entry.gid, dir_fd=directory)
            if mode & 0o700 != 0o700 or mode & 0o6000:
                closed.append(entry)
        top = descent.into("")
        # Directories that even their owner may not write to, or whose bits chown took, get their modes last.
        for entry in reversed(closed):
            effects.chmod(entry.path, stat.S_IMODE(entry.mode), dir_fd=top)
        declare(said, top, effects)


class _Descent:
    """The way from the top of a tree to the directory that is being filled, each one open."""

    def __init__(self, usr: str, effects: Effects) -> None:
        self._effects = effects
        self._open = [("", os.open(usr, _DIRECTORY))]

    def __enter__(self) -> "_Descent":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        for _, fd in self._open:
            os.close(fd)

    def into(self, directory: str) -> int:
        """A descriptor of the directory, which is made 0755 where it is missing; what is not above it is closed."""
        path, fd = self._open[-1]
        while path != directory and path and not directory.startswith(f"{path}/"):
            os.close(fd)
            self._open.pop()
            path, fd = self._open[-1]
        return fd if path == directory else self.make(directory, 0o755)

    def make(self, directory: str, mode: int) -> int:
        """Make a directory and go into it. In the order of a tree no directory is come back to."""
        parent, _, name = directory.rpartition("/")
        above = self.into(parent)
        self._effects.mkdir(name, mode, dir_fd=above)
        fd = open_placed(name, _DIRECTORY, dir_fd=above)
        self._open.append((directory, fd))
        return fd


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
