"""Space, counted before any work: what a transaction takes at its peak, in bytes and in inodes.

    store     the blocks of each new asset, its name, its directory
    tree      directories, symlinks and empty files; links into the store cost their names
    record    rows and their indexes, twice: they go to the write-ahead log, then into the database

What a transaction gives back later (a spare tree's old files, an old generation) is not counted on. What
is counted is enough, and at most half as much again as what is taken, and 1 MiB: a test compares the two
on a small file system.
"""

import os
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from moss.db.connection import Database
from moss.db.cuts import lacking
from moss.db.packages import Asset
from moss.difference import TreeDifference
from moss.digest import EMPTY_CONTENT
from moss.errors import NoSpace
from moss.layout import Entry, EntryKind
from moss.operations.trees import NextTree
from moss.store import asset_name
from moss.unpack import Incoming, Rows

if TYPE_CHECKING:
    from moss.bundle.arrival import Arrival

_NAME_BYTES = 40
"""Of a directory entry beyond the name itself: header, padding, and blocks that are not filled."""
_ROW_BYTES = 130
"""Of a path in the record beyond the path itself, which its table and its index both hold."""
_ASSET_ROW_BYTES = 160
_ALWAYS = 768 << 10
"""Journal, generation, the shared-memory file beside the database, blocks that are begun anew."""
_ALWAYS_INODES = 16
_INLINE_LINK_BYTES = 59
"""A symlink's text up to this length lies in its inode (ext4)."""


class Needs(NamedTuple):
    """What is taken at the most."""

    size: int
    """Bytes."""
    inodes: int


def check_space(
    state_directory: str,
    store: str,
    record: Database,
    incoming: Sequence[Incoming],
    tree: NextTree,
    arrivals: "Sequence[Arrival]" = (),
) -> None:
    """NoSpace when the file system that moss's own directory is on has less free than this takes.

    LayoutCollision where a tree that is made in full has one: all of its layout is read.
    """
    status = os.statvfs(state_directory)
    needs = needed(record, incoming, tree, store, status.f_frsize, arrivals)
    free = status.f_bavail * status.f_frsize
    if status.f_blocks and needs.size > free:  # some file systems have no size, and say 0
        raise NoSpace(
            f"this needs up to {needs.size:,} bytes on the file system of {state_directory}, and {free:,} are free",
            remedies=["moss state prune", "make room, or remove packages you do not need: moss remove"],
        )
    if status.f_files and needs.inodes > status.f_favail:
        raise NoSpace(
            f"this needs up to {needs.inodes:,} inodes on the file system of {state_directory}, "
            f"and {status.f_favail:,} are free",
            remedies=["moss state prune", "remove files you do not need"],
        )


def needed(
    record: Database,
    incoming: Sequence[Incoming],
    tree: NextTree,
    store: str,
    block: int,
    arrivals: "Sequence[Arrival]" = (),
) -> Needs:
    """What unpacking these and making the tree takes; `block` is the file system's, in bytes."""
    counted = [
        _of_assets(lacking(record), store, block),
        *(_of_rows(one.rows) for one in incoming),
        *(_of_rows(arrival.rows) for arrival in arrivals),
        _of_difference(tree, block) if isinstance(tree, TreeDifference) else _of_whole_tree(tree.layout, block),
        Needs(_ALWAYS, _ALWAYS_INODES),
    ]
    return Needs(sum(one.size for one in counted), sum(one.inodes for one in counted))


def _of_assets(assets: Iterable[tuple[Asset, int]], store: str, block: int) -> Needs:
    """Of each asset, beside the bytes of its content."""
    size = inodes = 0
    prefixes: set[str] = set()
    for asset, length in assets:
        if asset.digest == EMPTY_CONTENT:
            continue
        name = asset_name(asset)
        prefixes.add(name[:2])
        size += _blocks(length, block) + 2 * len(name) + _NAME_BYTES + len(asset.xattrs)  # arriving says it too
        inodes += 1
    made = prefixes - set(os.listdir(store))
    return Needs(size + len(made) * block, inodes + len(made))


def _of_rows(rows: Rows) -> Needs:
    return Needs(2 * (rows.text_bytes + _ROW_BYTES * rows.paths + _ASSET_ROW_BYTES * rows.contents), 0)


def _of_whole_tree(layout: Iterable[Entry], block: int) -> Needs:
    names: dict[str, int] = {"": 0}
    size = inodes = 0
    for entry in layout:
        path = entry.path
        if entry.kind is not EntryKind.DIRECTORY:
            made = _of_leaf(entry, block)
            size, inodes = size + made.size, inodes + made.inodes
        elif path in names:
            continue
        else:
            names[path] = 0
        _count_name(path, names)
    return Needs(size + sum(_blocks(length, block) for length in names.values()), inodes + len(names))


def _count_name(path: str, names: dict[str, int]) -> None:
    """Add a name to the directory that it is in, which is made where it is new."""
    parent, _, name = path.rpartition("/")
    if parent not in names:
        names[parent] = 0
        _count_name(parent, names)
    names[parent] += len(name) + _NAME_BYTES


def _of_difference(difference: TreeDifference, block: int) -> Needs:
    leaves = [_of_leaf(entry, block) for entry in difference.place]
    names = sum(len(entry.path.rpartition("/")[2]) + _NAME_BYTES for entry in (*difference.place, *difference.mkdir))
    directories = len(difference.mkdir)
    return Needs(
        sum(leaf.size for leaf in leaves) + _blocks(names, block) + directories * block,
        sum(leaf.inodes for leaf in leaves) + directories,
    )


def _of_leaf(entry: Entry, block: int) -> Needs:
    """What a file or symlink takes besides its name; a link into the store takes nothing."""
    if entry.kind is EntryKind.SYMLINK:
        assert entry.link_target is not None
        return Needs(block if len(entry.link_target.encode()) > _INLINE_LINK_BYTES else 0, 1)
    if entry.digest == EMPTY_CONTENT:
        return Needs(block if entry.xattrs else 0, 1)
    return Needs(0, 0)


def _blocks(size: int, block: int) -> int:
    """Whole blocks; a directory has at least one."""
    return max(1, -(-size // block)) * block
