"""Making the next generation's tree out of a spare one, by difference."""

import os
import stat

from moss.declared import Declared, declare, withdraw
from moss.difference import TreeDifference
from moss.effects import Effects
from moss.materialise import place
from moss.store import Store


def apply_difference(
    difference: TreeDifference, store: Store, usr: str, said: Declared, effects: Effects
) -> None:
    """Do the steps in the tree at `usr`, which must be exactly what the difference started from.

    The tree says no generation while it is worked on. Nothing here is durable until the caller syncs
    the file system; a tree in which this was interrupted is thrown away, never repaired.
    """
    top = os.open(usr, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        withdraw(top, effects)
        closed = {} if os.geteuid() == 0 else _open_directories(difference, top, effects)
        for path in difference.unlink:
            effects.unlink(path, dir_fd=top)
        for path in difference.rmdir:
            effects.rmdir(path, dir_fd=top)
            closed.pop(path, None)
        for entry in difference.mkdir:
            effects.mkdir(entry.path, stat.S_IMODE(entry.mode) | 0o700, dir_fd=top)
            if entry.uid or entry.gid:
                effects.chown(entry.path, entry.uid, entry.gid, dir_fd=top)
        for entry in difference.place:
            place(entry, entry.path, top, store, effects)
        _set_modes(difference, closed, top, effects)
        declare(said, top, effects)
    finally:
        os.close(top)


def _set_modes(difference: TreeDifference, closed: dict[str, int], top: int, effects: Effects) -> None:
    for entry in difference.adjust:
        effects.chown(entry.path, entry.uid, entry.gid, dir_fd=top)
        effects.chmod(entry.path, stat.S_IMODE(entry.mode), dir_fd=top)
        closed.pop(entry.path, None)
    for entry in reversed(difference.mkdir):
        mode = stat.S_IMODE(entry.mode)
        if mode & 0o700 != 0o700 or mode & 0o6000:
            effects.chmod(entry.path, mode, dir_fd=top)
    for path, mode in closed.items():
        effects.chmod(path, mode, dir_fd=top)


def _open_directories(difference: TreeDifference, top: int, effects: Effects) -> dict[str, int]:
    """Let an ordinary user write to the directories that steps happen in; what their modes were."""
    parents = {os.path.dirname(path) for path in (*difference.unlink, *difference.rmdir)}
    parents |= {os.path.dirname(entry.path) for entry in (*difference.place, *difference.mkdir)}
    closed: dict[str, int] = {}
    for path in sorted(parents - {""}):
        mode = _mode_of(path, top)
        if mode is not None and mode & 0o300 != 0o300:
            effects.chmod(path, mode | 0o700, dir_fd=top)
            closed[path] = mode
    return closed


def _mode_of(path: str, top: int) -> int | None:
    """The permissions of a directory; None where there is none yet."""
    try:
        mode = os.stat(path, dir_fd=top, follow_symlinks=False).st_mode
    except (FileNotFoundError, NotADirectoryError):
        return None
    return stat.S_IMODE(mode) if stat.S_ISDIR(mode) else None
