"""Doing what a boot plan says, durably, on a file system that may be FAT.

    delete entries  →  delete what only they named  →  write kernels and initrds  →  write entries

A crash between any two steps leaves every entry with all that it names. Files are written aside, synced and
renamed; modes and owners are left alone, since FAT has none.
"""

import os
from collections.abc import Callable, Iterable

from moss.boot.place import ENTRIES, BootPlace
from moss.boot.plan import ASIDE, BootPlan
from moss.effects import Effects

Content = Callable[[str], Iterable[bytes]]
"""The content of a file that a plan names, by its path on $BOOT."""


def carry_out(plan: BootPlan, place: BootPlace, content: Content, effects: Effects) -> None:
    """Do it all. OSError where $BOOT does not let itself be written; what was begun is done by the next plan."""
    boot = os.open(place.boot, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for path in plan.leftovers:
            effects.unlink(path, dir_fd=boot)
        _delete([f"{ENTRIES}/{name}" for name in plan.delete_entries], boot, effects)
        _delete(plan.delete_files, boot, effects)
        _remove_empty({os.path.dirname(path) for path in plan.delete_files}, boot, effects)
        for path in plan.write_files:
            write_file(path, content(path), boot, effects)
        for name, text in plan.write_entries:
            write_file(f"{ENTRIES}/{name}", (text.encode(),), boot, effects)
    finally:
        os.close(boot)


def write_file(path: str, content: Iterable[bytes], boot: int, effects: Effects) -> None:
    """Give a path below an open directory new content: a reader sees the old file or the new one."""
    directory, _, name = path.rpartition("/")
    make_directories(directory, boot, effects)
    aside = f"{directory}/.{name}{ASIDE}"
    effects.write_new(aside, content, mode=None, dir_fd=boot, sync=True)
    effects.rename(aside, path, src_dir_fd=boot, dst_dir_fd=boot)
    _sync_renamed(path, boot, effects)
    effects.fsync(directory, dir_fd=boot)


def _sync_renamed(path: str, boot: int, effects: Effects) -> None:
    """FAT keeps a file's size and place beside its name, and Linux writes them to the new name with the file, not with
    the directory: without this a power cut left an entry of no bytes (seen by tests/boot/power_cuts.py)."""
    effects.fsync(path, dir_fd=boot)


def make_directories(directory: str, boot: int, effects: Effects) -> None:
    """Make a directory below an open one, and those above it, where they are missing."""
    made = ""
    for part in directory.split("/"):
        parent, made = made, f"{made}/{part}" if made else part
        if not os.access(made, os.F_OK, dir_fd=boot):
            effects.mkdir(made, 0o755, dir_fd=boot, exact=False)
            effects.fsync(parent or ".", dir_fd=boot)


def _delete(paths: Iterable[str], boot: int, effects: Effects) -> None:
    directories = set()
    for path in paths:
        effects.unlink(path, dir_fd=boot)
        directories.add(os.path.dirname(path))
    for directory in sorted(directories):
        effects.fsync(directory, dir_fd=boot)


def _remove_empty(directories: Iterable[str], boot: int, effects: Effects) -> None:
    for directory in sorted(directories):
        opened = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=boot)
        try:
            is_empty = not os.listdir(opened)
        finally:
            os.close(opened)
        if is_empty:
            effects.rmdir(directory, dir_fd=boot)
