"""Audit: whether a tree that was live is still exactly its generation's layout.

Names and inode numbers are compared with the layout and the store: no file is read that is a link into
the store, and only directories, symlinks and empty files are looked at one by one. Inode numbers are
read, never stored: a copied or restored root has others, and is read.
"""

import os
import stat
from collections.abc import Iterable, Iterator

from moss.db.packages import Asset, asset_of
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


def audit(layout: Iterable[Entry], usr: str, store: Store, *, owners: bool) -> Audit:
    """Compare a tree with its merged layout, which comes in the order of a tree.

    `owners`: whether they were applied (root only).
    """
    stray: list[str] = []
    missing: list[str] = []
    changed: list[str] = []
    walk = _walk(usr, "")
    found = next(walk, None)
    for path, entry in _with_implied(layout):
        while found is not None and found[0] != path and found[0].split("/") < path.split("/"):
            stray.append(found[0])
            found = next(walk, None)
        if found is None or found[0] != path:
            missing.append(path)
            continue
        if not _is_as_said(entry, found[1], store, owners):
            changed.append(path)
        found = next(walk, None)
    if found is not None:
        stray += [found[0], *(path for path, _ in walk)]
    return Audit(tuple(sorted(stray)), tuple(sorted(missing)), tuple(sorted(changed)))


def _with_implied(layout: Iterable[Entry]) -> Iterator[tuple[str, Entry | None]]:
    """Every path of a layout; None for a directory that is only implied."""
    last = ""
    for entry in layout:
        implied: list[str] = []
        parent = entry.path.rpartition("/")[0]
        while parent and parent != last and not last.startswith(f"{parent}/"):
            implied.append(parent)
            parent = parent.rpartition("/")[0]
        for directory in reversed(implied):
            yield directory, None
        yield entry.path, entry
        last = entry.path


def _walk(usr: str, directory: str) -> "Iterator[tuple[str, os.DirEntry[str]]]":
    """Everything below a directory in the order of a tree."""
    with os.scandir(os.path.join(usr, directory)) as entries:
        listed = sorted(entries, key=lambda entry: entry.name)
    for entry in listed:
        path = f"{directory}/{entry.name}" if directory else entry.name
        if path in DECLARED_ENTRIES:
            continue
        yield path, entry
        if entry.is_dir(follow_symlinks=False):
            yield from _walk(usr, path)


def _is_as_said(
    entry: Entry | None, found: "os.DirEntry[str]", store: Store, owners: bool
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
            if _inode(store, asset_of(entry)) == found.inode():
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


def _inode(store: Store, asset: Asset) -> int | None:
    try:
        return os.stat(asset_name(asset), dir_fd=store.fd, follow_symlinks=False).st_ino
    except FileNotFoundError:
        return None
