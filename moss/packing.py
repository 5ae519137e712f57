"""A directory tree with `usr/` in it becomes a stone.

What a stone says of the tree: every file and symlink, directories only where they are empty or are not
0755; modes as they are, set-id bits included; owner root:root, because a maker packs as an ordinary
user and means files of the system, unless owners are to be kept. Hard links become one content.
"""

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field

from moss.capability import Capability
from moss.digest import ContentDigest, PackageDigest
from moss.effects import as_moss_error
from moss.errors import UsageError
from moss.layout import Entry, EntryKind, path_fault
from moss.package import Metadata, Relations
from moss.scan import Scanned, scan
from moss.stone import ContentSpool, write_stone_file
from moss.xattrs import attributes_in, found_on, is_kept, names_on, xattrs_fault
from solver.model import Provide, Relation
from solver.values import replace, value

PACK_LEVEL = 9
"""Packed once, downloaded often: docs/stone-format.md has the figures."""

_IMPLIED_DIRECTORY = stat.S_IFDIR | 0o755
_REFUSED = {
    stat.S_IFCHR: "a character device",
    stat.S_IFBLK: "a block device",
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
}


@value
class Packed:
    """A stone that was made, and what may surprise its maker."""

    path: str
    digest: PackageDigest
    metadata: Metadata
    """As written: what was given, and what scanning found."""
    entries: int
    content_size: int
    """Bytes of all distinct contents, unpacked."""
    notes: tuple[str, ...]


def pack(
    tree: str, metadata: Metadata, directory: str, *, keep_owners: bool = False, level: int = PACK_LEVEL
) -> Packed:
    """Write the stone of `tree` into `directory` under the name that belongs to it.

    Capabilities found by scanning join those of `metadata`. UsageError names everything in the tree
    that a stone cannot hold; nothing is written then.
    """
    with as_moss_error(f"pack {tree}"):
        os.makedirs(directory, exist_ok=True)
        with ContentSpool(directory) as spool:
            gathered = _gather(tree, spool, keep_owners)
            scanned = scan(gathered.entries, spool.open)
            whole = _joined(metadata, scanned)
            path = os.path.join(directory, whole.file_name)
            digest = write_stone_file(path, whole, gathered.entries, spool, level=level)
            notes = (*gathered.notes, *scanned.notes)
            return Packed(path, digest, whole, len(gathered.entries), spool.content_size, notes)


def _joined(metadata: Metadata, scanned: Scanned) -> Metadata:
    provides = {*metadata.provides, *scanned.provides}
    needs = {need for need in scanned.depends if need not in provides}
    rich = metadata.rich_relations
    return replace(
        metadata,
        provides=tuple(sorted(provides, key=_full_text)),
        depends=tuple(sorted({*metadata.depends, *needs}, key=_full_text)),
        rich_relations=None if rich is None else _with_found(rich, provides - {*metadata.provides}, needs),
    )


def _with_found(said: Relations, provides: set[Capability], needs: set[Capability]) -> Relations:
    """What was said, and what scanning found behind it."""
    found = (Relation(str(need)) for need in sorted(needs, key=_full_text))
    return replace(
        said,
        depends=(*said.depends, *(one for one in found if one not in said.depends)),
        provides=(*said.provides, *(Provide(str(one), None) for one in sorted(provides, key=_full_text))),
    )


def _full_text(capability: Capability) -> str:
    return capability.full_text


@dataclass(slots=True)
class _Gathered:
    entries: list[Entry] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)


def _gather(tree: str, spool: ContentSpool, keep_owners: bool) -> _Gathered:
    gathered = _Gathered()
    _judge_top(tree, gathered)
    linked: dict[tuple[int, int], ContentDigest] = {}
    for path, found in _walk(os.path.join(tree, "usr"), ""):
        if fault := path_fault(path):
            gathered.faults.append(f"usr/{path!r} cannot be in a stone: {fault}")
            continue
        status = found.stat(follow_symlinks=False)
        owner = (status.st_uid, status.st_gid) if keep_owners else (0, 0)
        if word := _REFUSED.get(stat.S_IFMT(status.st_mode)):
            gathered.faults.append(f"usr/{path} is {word}: have it made at boot, by tmpfiles.d")
        elif stat.S_ISLNK(status.st_mode):
            mode = stat.S_IFLNK | 0o777
            gathered.entries.append(
                Entry(path, EntryKind.SYMLINK, mode, *owner, None, os.readlink(found.path))
            )
        elif stat.S_ISDIR(status.st_mode):
            if status.st_mode != _IMPLIED_DIRECTORY or owner != (0, 0) or not os.listdir(found.path):
                gathered.entries.append(Entry(path, EntryKind.DIRECTORY, status.st_mode, *owner))
        else:
            digest = _content(found.path, status, spool, linked)
            xattrs = found_on(found.path)
            gathered.entries.append(Entry(path, EntryKind.REGULAR, status.st_mode, *owner, digest, None, xattrs))
            if fault := xattrs_fault(attributes_in(xattrs)):
                gathered.faults.append(f"usr/{path}: {fault}")
        _note_lost_attributes(found.path, path, stat.S_ISREG(status.st_mode), gathered)
    if gathered.faults:
        raise UsageError(
            f"{tree} cannot be packed",
            because=gathered.faults,
            remedies=[
                "move or remove what is named above: a stone holds files, symlinks and directories below usr/"
            ],
        )
    gathered.entries.sort(key=lambda entry: entry.path)
    return gathered


def _judge_top(tree: str, gathered: _Gathered) -> None:
    names = sorted(os.listdir(tree))
    usr = os.path.join(tree, "usr")
    if os.path.islink(usr) or not os.path.isdir(usr):
        raise UsageError(
            f"{tree} has no directory 'usr', which is what a stone is made of",
            remedies=["give the directory that contains usr/, as 'make install DESTDIR=…' fills it"],
        )
    gathered.faults += [f"{name} is outside usr/" for name in names if name != "usr"]


def _walk(directory: str, below: str) -> Iterator[tuple[str, "os.DirEntry[str]"]]:
    """Everything below a directory, sorted by name, a directory before what it holds."""
    with os.scandir(directory) as listing:
        found = sorted(listing, key=lambda entry: entry.name)
    for entry in found:
        path = f"{below}{entry.name}"
        yield path, entry
        if entry.is_dir(follow_symlinks=False):
            yield from _walk(entry.path, f"{path}/")


def _content(
    path: str, status: os.stat_result, spool: ContentSpool, linked: dict[tuple[int, int], ContentDigest]
) -> ContentDigest:
    inode = (status.st_dev, status.st_ino)
    if status.st_nlink > 1 and inode in linked:
        return linked[inode]
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    with open(descriptor, "rb", buffering=0) as file:
        digest, _ = spool.add(file)
    if status.st_nlink > 1:
        linked[inode] = digest
    return digest


def _note_lost_attributes(file: str, path: str, is_regular: bool, gathered: _Gathered) -> None:
    """Access lists and the like, and whatever directories and symlinks have: a stone cannot say them."""
    lost = [name for name in names_on(file) if name != "security.selinux" and not (is_regular and is_kept(name))]
    if lost:
        gathered.notes.append(f"usr/{path} loses its extended attributes: {', '.join(sorted(lost))}")
