"""Audit: whether a tree that was live is still exactly its generation's layout.

Names and inode numbers are compared with the layout and the store: no file is read that is a link into
the store, and only directories, symlinks and empty files are looked at one by one. Inode numbers are
read, never stored: a copied or restored root has others, and is read.
"""

import os
import stat
from collections.abc import Mapping, Sequence

from moss.db.packages import asset_of
from moss.digest import EMPTY_CONTENT, content_digest_of_file
from moss.layout import Entry, EntryKind
from moss.root import DECLARED_ENTRIES
from moss.store import Store, asset_name
from moss.xattrs import Xattrs, applied, found_on
from solver.values import value


@value
class Audit:
    """What differs; paths relative to /usr, sorted."""

    stray: tuple[str, ...]
    missing: tuple[str, ...]
    changed: tuple[str, ...]

    @property
    def is_clean(self) -> bool:
        return not (self.stray or self.missing or self.changed)


def audit(layout: Sequence[Entry], usr: str, store: Store, *, owners: bool) -> Audit:
    """Compare a tree with its merged layout. `owners`: whether they were applied (root only)."""
    inodes = _store_inodes(store)
    expected: dict[str, Entry | None] = {}
    for entry in layout:
        expected[entry.path] = entry
        parent = entry.path.rpartition("/")[0]
        while parent and parent not in expected:
            expected[parent] = None  # a directory that is only implied
            parent = parent.rpartition("/")[0]
    stray: list[str] = []
    changed: list[str] = []
    seen = 0
    for path, found in _walk(usr):
        if path not in expected:
            if path not in DECLARED_ENTRIES:
                stray.append(path)
            continue
        seen += 1
        if not _is_as_said(expected[path], found, inodes, owners):
            changed.append(path)
    missing: list[str] = []
    if seen < len(expected):
        missing = [path for path in expected if not os.path.lexists(os.path.join(usr, path))]
    return Audit(tuple(sorted(stray)), tuple(sorted(missing)), tuple(sorted(changed)))


def _walk(usr: str) -> "list[tuple[str, os.DirEntry[str]]]":
    found: list[tuple[str, os.DirEntry[str]]] = []
    pending = [""]
    while pending:
        directory = pending.pop()
        with os.scandir(os.path.join(usr, directory)) as entries:
            for entry in entries:
                path = f"{directory}/{entry.name}" if directory else entry.name
                found.append((path, entry))
                if entry.is_dir(follow_symlinks=False):
                    pending.append(path)
    return found


def _is_as_said(
    entry: Entry | None, found: "os.DirEntry[str]", inodes: Mapping[str, int], owners: bool
) -> bool:
    if entry is None:
        return found.is_dir(follow_symlinks=False) and _metadata_is(found, 0o755, 0, 0, owners)
    match entry.kind:
        case EntryKind.DIRECTORY:
            return found.is_dir(follow_symlinks=False) and _metadata_is(
                found, stat.S_IMODE(entry.mode), entry.uid, entry.gid, owners
            )
        case EntryKind.SYMLINK:
            return found.is_symlink() and os.readlink(found.path) == entry.link_target
        case _ if entry.digest == EMPTY_CONTENT:
            is_empty = found.is_file(follow_symlinks=False) and found.stat(follow_symlinks=False).st_size == 0
            return (
                is_empty
                and _metadata_is(found, stat.S_IMODE(entry.mode), entry.uid, entry.gid, owners)
                and _xattrs_are(found, entry.xattrs, owners)
            )
        case _:
            if inodes.get(asset_name(asset_of(entry))) == found.inode():
                return True
            # Not the store's inode: a restored root has copies, and ext4 links a file 65,000 times only.
            return (
                found.is_file(follow_symlinks=False)
                and _metadata_is(found, stat.S_IMODE(entry.mode), entry.uid, entry.gid, owners)
                and _xattrs_are(found, entry.xattrs, owners)
                and content_digest_of_file(found.path) == entry.digest
            )


def _metadata_is(found: "os.DirEntry[str]", mode: int, uid: int, gid: int, owners: bool) -> bool:
    status = found.stat(follow_symlinks=False)
    if stat.S_IMODE(status.st_mode) != mode:
        return False
    return not owners or (status.st_uid, status.st_gid) == (uid, gid)


def _xattrs_are(found: "os.DirEntry[str]", xattrs: Xattrs, owners: bool) -> bool:
    return found_on(found.path, all_of_them=owners) == applied(xattrs, all_of_them=owners)


def _store_inodes(store: Store) -> dict[str, int]:
    """Every file in the store by its name there."""
    inodes: dict[str, int] = {}
    for prefix in os.listdir(store.fd):
        with os.scandir(os.path.join(store.path, prefix)) as files:
            for file in files:
                inodes[f"{prefix}/{file.name}"] = file.inode()
    return inodes
