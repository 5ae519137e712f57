"""Examining a tree: every path that is not what its generation's layout says, content included.

The audit looks for what an ordinary day brings and trusts the store; this trusts nothing: every file is
read and its digest taken, once for each inode however many names it has.
"""

import os
import stat
from collections.abc import Iterator, Sequence
from enum import Enum

from moss.digest import EMPTY_CONTENT, ContentDigest, content_digest_of_file
from moss.layout import Entry, EntryKind, directory, path_fault, regular, symlink
from moss.reporter import Reporter
from moss.root import DECLARED_ENTRIES
from moss.xattrs import applied, found_on
from solver.values import value


class DamageKind(Enum):
    """What is wrong with a path; the words are those of `verify`'s answer."""

    CONTENT = "content"
    MISSING = "missing"
    FOREIGN = "foreign"
    PERMISSIONS = "permissions"
    OWNER = "owner"
    ATTRIBUTES = "attributes"
    TARGET = "target"
    TYPE = "type"


@value
class Damage:
    """A path that is not as recorded. `found` completes "PATH …" for the person."""

    path: str
    """Relative to /usr, or to the store."""
    kind: DamageKind
    found: str
    entry: Entry | None = None
    """What should be there; None for what is foreign."""


METADATA = frozenset({DamageKind.PERMISSIONS, DamageKind.OWNER, DamageKind.ATTRIBUTES})
"""What leaves a file's content as it should be."""


class Reading:
    """Reads files for their digests, each inode once, and tells how far it has come."""

    def __init__(self, reporter: Reporter, total: int) -> None:
        self.files = 0
        self.bytes = 0
        self._reporter = reporter
        self._total = total
        self._known: dict[tuple[int, int], ContentDigest | str | None] = {}

    def digest(self, path: str, status: os.stat_result) -> ContentDigest | str | None:
        """Of a regular file's content; a sentence where the disk does not give it, None where its mode does not."""
        inode = (status.st_dev, status.st_ino)
        if inode not in self._known:
            self._known[inode] = self._read(path)
            self.files += 1
            self.bytes += status.st_size
            self._reporter.progress(self.bytes, max(self._total, self.bytes), "bytes")
        return self._known[inode]

    def _read(self, path: str) -> ContentDigest | str | None:
        try:
            return content_digest_of_file(path)
        except PermissionError:  # only its owner is no root: it cannot be judged, and is not held against it
            return None
        except OSError as fault:
            return f"cannot be read: {fault.strerror}"


def examine_tree(layout: Sequence[Entry], usr: str, reading: Reading, *, owners: bool) -> Iterator[Damage]:
    """What is wrong with the tree at `usr`, by its merged layout. `owners`: whether they were applied (root only)."""
    expected = _with_implied(layout)
    seen: set[str] = set()
    for path, found in _walk(usr, expected):
        entry = expected.get(path)
        if entry is None:
            yield Damage(path, DamageKind.FOREIGN, "belongs to no package of this generation")
            continue
        seen.add(path)
        yield from examine(entry, path, found.path, found.stat(follow_symlinks=False), reading, owners=owners)
    for path in sorted(expected.keys() - seen):
        yield Damage(path, DamageKind.MISSING, "is missing", expected[path])


def examine(
    entry: Entry, path: str, place: str, status: os.stat_result, reading: Reading, *, owners: bool
) -> Iterator[Damage]:
    """What is wrong with what is at `place`, which `entry` describes; `path` is what to call it."""
    if stat.S_IFMT(status.st_mode) != stat.S_IFMT(entry.mode):
        yield Damage(path, DamageKind.TYPE, f"is {_kind_in_words(status.st_mode)}", entry)
        return
    fault = _content_fault(entry, place, status, reading)
    if fault is not None:
        yield Damage(path, *fault, entry)
    mode, permissions = stat.S_IMODE(status.st_mode), stat.S_IMODE(entry.mode)
    if mode != permissions and entry.kind is not EntryKind.SYMLINK:
        yield Damage(path, DamageKind.PERMISSIONS, f"has mode {mode:04o} and should have {permissions:04o}", entry)
    if owners and (status.st_uid, status.st_gid) != (entry.uid, entry.gid):
        found = f"belongs to {status.st_uid}:{status.st_gid} and should to {entry.uid}:{entry.gid}"
        yield Damage(path, DamageKind.OWNER, found, entry)
    if entry.kind is EntryKind.REGULAR and (
        found_on(place, all_of_them=owners) != applied(entry.xattrs, all_of_them=owners)
    ):
        yield Damage(path, DamageKind.ATTRIBUTES, "has other extended attributes than were installed", entry)


def entries_of(usr: str, reading: Reading, *, owners: bool) -> list[Entry]:
    """What a tree holds, as a layout would say it; what no layout can say is left out."""
    found: list[Entry] = []
    pending = [""]
    while pending:
        where = pending.pop()
        with os.scandir(os.path.join(usr, where)) as there:
            names = sorted(there, key=lambda one: one.name)
        for one in names:
            path = f"{where}/{one.name}" if where else one.name
            if path in DECLARED_ENTRIES or path_fault(path):
                continue
            status = one.stat(follow_symlinks=False)
            uid, gid = (status.st_uid, status.st_gid) if owners else (0, 0)
            permissions = stat.S_IMODE(status.st_mode)
            if one.is_dir(follow_symlinks=False):
                found.append(directory(path, permissions, uid, gid))
                pending.append(path)
            elif one.is_symlink():
                found.append(symlink(path, os.readlink(one.path), uid, gid))
            elif one.is_file(follow_symlinks=False):
                digest = reading.digest(one.path, status)
                if isinstance(digest, bytes):
                    attributes = found_on(one.path, all_of_them=owners)
                    found.append(regular(path, digest, permissions, uid, gid, attributes))
    return sorted(found)


def _content_fault(
    entry: Entry, place: str, status: os.stat_result, reading: Reading
) -> tuple[DamageKind, str] | None:
    if entry.kind is EntryKind.SYMLINK:
        target = os.readlink(place)
        return None if target == entry.link_target else (DamageKind.TARGET, f"points to {target!r}")
    if entry.kind is not EntryKind.REGULAR:
        return None
    if entry.digest == EMPTY_CONTENT:
        return (DamageKind.CONTENT, "should be empty") if status.st_size else None
    digest = reading.digest(place, status)
    if digest == entry.digest or digest is None:
        return None
    return DamageKind.CONTENT, digest if isinstance(digest, str) else "has other content than was installed"


def _with_implied(layout: Sequence[Entry]) -> dict[str, Entry]:
    """By path, with the directories that a layout only implies."""
    expected: dict[str, Entry] = {}
    for entry in layout:
        expected[entry.path] = entry
        parent = entry.path.rpartition("/")[0]
        while parent and parent not in expected:
            expected[parent] = directory(parent)
            parent = parent.rpartition("/")[0]
    return expected


def _walk(usr: str, expected: dict[str, Entry]) -> "Iterator[tuple[str, os.DirEntry[str]]]":
    """Every path of a tree, but nothing below a directory that should not be there."""
    pending = [""]
    while pending:
        where = pending.pop()
        with os.scandir(os.path.join(usr, where)) as entries:
            found = sorted(entries, key=lambda one: one.name)
        for one in found:
            path = f"{where}/{one.name}" if where else one.name
            if path in DECLARED_ENTRIES:
                continue
            yield path, one
            if path in expected and expected[path].kind is EntryKind.DIRECTORY and one.is_dir(follow_symlinks=False):
                pending.append(path)


_KINDS_IN_WORDS = {
    stat.S_IFREG: "a file", stat.S_IFDIR: "a directory", stat.S_IFLNK: "a symlink", stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket", stat.S_IFCHR: "a device", stat.S_IFBLK: "a device",
}  # fmt: skip


def _kind_in_words(mode: int) -> str:
    return f"{_KINDS_IN_WORDS.get(stat.S_IFMT(mode), 'something else')}, which it should not be"
