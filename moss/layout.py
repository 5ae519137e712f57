"""Layouts: which paths a package or a generation has below /usr, and what each one is.

An `Entry` is a plain tuple with names: a whole system has several hundred thousand of them.
"""

import stat
from enum import IntEnum
from typing import NamedTuple

from moss.digest import ContentDigest
from moss.xattrs import NO_XATTRS, Xattrs

MAX_PATH_BYTES = 4095
MAX_NAME_BYTES = 255


class EntryKind(IntEnum):
    """What a path is, by its number in the stone format."""

    REGULAR = 1
    SYMLINK = 2
    DIRECTORY = 3
    CHARACTER_DEVICE = 4
    BLOCK_DEVICE = 5
    FIFO = 6
    SOCKET = 7
    NOTHING = 8
    """No number of the stone format's: there is nothing at this path, whatever packages have there. A trigger
    removed it, and only what triggers wrote has such entries."""


INSTALLABLE_KINDS = frozenset({EntryKind.REGULAR, EntryKind.SYMLINK, EntryKind.DIRECTORY})


class Entry(NamedTuple):
    """One path below /usr. `mode` is a whole `st_mode`; `path` has no leading slash."""

    path: str
    kind: EntryKind
    mode: int
    uid: int = 0
    gid: int = 0
    digest: ContentDigest | None = None
    """Of a regular file's content; None for all else."""
    link_target: str | None = None
    """A symlink's text; None for all else."""
    xattrs: Xattrs = NO_XATTRS
    """A regular file's; none for all else."""


def tree_order(path: str) -> str:
    """Paths sorted by this come as one walks a tree: each directory right before all that is below it."""
    return path.replace("/", "\1")  # no path has a control character, so nothing sorts before the slash


def regular(
    path: str,
    digest: ContentDigest,
    permissions: int = 0o644,
    uid: int = 0,
    gid: int = 0,
    xattrs: Xattrs = NO_XATTRS,
) -> Entry:
    return Entry(path, EntryKind.REGULAR, stat.S_IFREG | permissions, uid, gid, digest, None, xattrs)


def symlink(path: str, link_target: str, uid: int = 0, gid: int = 0) -> Entry:
    return Entry(path, EntryKind.SYMLINK, stat.S_IFLNK | 0o777, uid, gid, None, link_target)


def directory(path: str, permissions: int = 0o755, uid: int = 0, gid: int = 0) -> Entry:
    return Entry(path, EntryKind.DIRECTORY, stat.S_IFDIR | permissions, uid, gid)


def nothing(path: str) -> Entry:
    return Entry(path, EntryKind.NOTHING, 0)


def path_fault(path: str) -> str | None:
    """Why this cannot be a path below /usr, in a few words; None when it can."""
    if not path:
        return "it is empty"
    if path.startswith("/"):
        return "it starts with a slash"
    if "\0" in path:
        return "it holds a NUL byte"
    if any(ord(character) < 32 or ord(character) == 127 for character in path):
        return "it holds a control character"
    try:
        encoded = path.encode()
    except UnicodeEncodeError:
        return "it is not UTF-8"
    if len(encoded) > MAX_PATH_BYTES:
        return f"it is longer than {MAX_PATH_BYTES} bytes"
    for part in path.split("/"):
        if part in ("", ".", ".."):
            return f"it has the part '{part}'"
        if len(part.encode()) > MAX_NAME_BYTES:
            return f"a part is longer than {MAX_NAME_BYTES} bytes"
    return None
