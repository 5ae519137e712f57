"""Seals: whether a tree is still as moss left it, found out without looking at its files.

Whatever is added to a directory, taken out of it, renamed in it or changed about it sets that
directory's change time, which no program can set back. So a tree whose directories were all last
changed before moss was done with it holds the names it was given. Only directories are looked at,
those without subdirectories not even listed; besides them, files that are nobody's hard links
(the empty ones), and the names at the top, whose own change time every switch sets.

What this cannot see, and what then does, is in docs/decisions/0010-seals.md.
"""

import os
import stat
import time
from collections.abc import Iterable

from moss.root import STATE_FILE
from solver.values import value

_MARGIN = 1_000_000_000
"""File times are taken from a clock that may be some milliseconds behind."""


@value
class Seal:
    """What moss knew of a tree when it was done with it."""

    at: int
    """Nothing in the tree was changed by moss after this: nanoseconds by the file system's clock."""
    top: tuple[str, ...]
    """The names in its top directory, sorted."""


def seal(usr: str) -> Seal:
    """Of a tree in which everything but `.stateID` was made before that was."""
    return Seal(os.lstat(os.path.join(usr, STATE_FILE)).st_ctime_ns, tuple(sorted(os.listdir(usr))))


def is_intact(usr: str, found: Seal, empty_files: Iterable[str]) -> bool:
    """Whether a sealed tree is certainly as it was. False says only that it must be audited.

    `empty_files` are those that its layout has, relative to `usr`.
    """
    if time.time_ns() < found.at:
        return False  # the clock was set back: times say nothing
    try:
        return _top_is_same(usr, found) and _no_directory_changed(usr, found.at) and all(
            _is_empty_since(os.path.join(usr, path), found.at) for path in empty_files
        )  # fmt: skip
    except OSError:
        return False


def seal_again(usr: str, empty_files: Iterable[str], looked_at: int) -> Seal | None:
    """A new seal for a tree that was audited in full, beginning at `looked_at` (nanoseconds), and was clean.

    None where something changed so near to that moment that the audit may not have seen it.
    """
    newest = 0
    for directory, _, _ in os.walk(usr):
        if directory != usr:
            newest = max(newest, os.lstat(directory).st_ctime_ns)
    for path in empty_files:
        newest = max(newest, os.lstat(os.path.join(usr, path)).st_ctime_ns)
    return Seal(newest, tuple(sorted(os.listdir(usr)))) if newest < looked_at - _MARGIN else None


def _top_is_same(usr: str, found: Seal) -> bool:
    if tuple(sorted(os.listdir(usr))) != found.top:
        return False
    for name in found.top:
        status = os.lstat(os.path.join(usr, name))
        is_link_into_store = stat.S_ISREG(status.st_mode) and status.st_nlink > 1
        # A file's change time is set wherever it gets one more link; here nothing else vouches for it.
        if is_link_into_store or (status.st_ctime_ns > found.at and name != STATE_FILE):
            return False
    return True


def _no_directory_changed(usr: str, at: int) -> bool:
    pending = [usr]
    tells_leaves = True
    while pending:
        directory = pending.pop()
        status = os.lstat(directory)
        if status.st_ctime_ns > at and directory != usr:
            return False
        if status.st_nlink == 2 and tells_leaves and directory != usr:
            continue  # its name and its own `.`: no directory in it links to it as `..`
        with os.scandir(directory) as entries:
            below = [entry.path for entry in entries if entry.is_dir(follow_symlinks=False)]
        if directory == usr:
            # Some file systems (btrfs, overlayfs) do not count subdirectories as links.
            tells_leaves = status.st_nlink == 2 + len(below)
        pending += below
    return True


def _is_empty_since(path: str, at: int) -> bool:
    status = os.lstat(path)
    return stat.S_ISREG(status.st_mode) and status.st_size == 0 and status.st_ctime_ns <= at
