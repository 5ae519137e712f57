"""A private copy of a tree, where the kernel has no overlay: triggers write to it, and what they wrote is told apart.

Files are copied, never linked, so nothing that is done to the copy reaches the store. The copy is the tree again
after each trigger: what it wrote goes to a directory of its own that looks as an overlay's does, and what earlier ones
wrote is laid over the copy before one that waits for them. What was removed is a symlink there to a word that no
trigger knows: the device 0:0 of overlays cannot be made everywhere, not on an overlay.
"""

import fcntl
import os
import secrets
import shutil
import stat
import time
from collections.abc import Iterator, Sequence

_FICLONE = 0x40049409
_PIECE = 1 << 26
_TICK_SECONDS = 0.02
"""Longer than the kernel's clock for files takes from one time to the next."""

_Known = dict[str, tuple[int, ...]]


class PrivateCopy:
    """Of `tree`, at `place`, which is made: its files, directories and symlinks. OSError as the disk has it."""

    def __init__(self, tree: str, place: str) -> None:
        self._tree, self.place = tree, place
        self.gone = f"gone-{secrets.token_hex(16)}"
        """What a symlink leads to that stands for what was removed."""
        self._laid: list[str] = []
        self._before: _Known = {}
        _copy(tree, place)

    def begin(self, laid: Sequence[str]) -> None:
        """Let it be the tree with what is in these directories laid over it, the first one first."""
        for upper in laid:
            self._laid.append(upper)
            for path, status in _walk(upper):
                self._lay(upper, path, status)
        self._before = _known(self.place)
        time.sleep(_TICK_SECONDS)  # so that whatever is written now has another time

    def end(self, upper: str) -> None:
        """Move what was written since into an empty directory, and let the copy be the tree again."""
        now = _known(self.place)
        gone = sorted(self._before.keys() - now.keys())
        for path in sorted(path for path, known in now.items() if self._before.get(path) != known):
            self._move(path, upper)
        for path in gone:
            if not any(os.path.lexists(os.path.join(upper, above)) for above in _leaves_above(path, upper)):
                self._above_in(upper, path)
                os.symlink(self.gone, os.path.join(upper, path))
        touched = {path for one in (*self._laid, upper) for path, _ in _walk(one)}
        for path in sorted({*touched, *gone}):
            self._reset(path)
        self._laid = []

    def _lay(self, upper: str, path: str, status: os.stat_result) -> None:
        source, target = os.path.join(upper, path), os.path.join(self.place, path)
        if stat.S_ISDIR(status.st_mode):
            if not _is_directory(target):
                _remove(target)
                os.mkdir(target)
            _copy_metadata(source, target)
            return
        _remove(target)
        if not stands_for_nothing(source, status, self.gone):
            _copy(source, target)

    def _move(self, path: str, upper: str) -> None:
        source, target = os.path.join(self.place, path), os.path.join(upper, path)
        self._above_in(upper, path)
        if not _is_directory(source):
            os.rename(source, target)
        elif not _is_directory(target):
            os.mkdir(target)
            _copy_metadata(source, target)

    def _above_in(self, upper: str, path: str) -> None:
        """Make the directories above a path as they are in the copy."""
        above = path.rpartition("/")[0]
        if above and not _is_directory(os.path.join(upper, above)):
            self._above_in(upper, above)
            os.mkdir(os.path.join(upper, above))
            _copy_metadata(os.path.join(self.place, above), os.path.join(upper, above))

    def _reset(self, path: str) -> None:
        source, target = os.path.join(self._tree, path), os.path.join(self.place, path)
        if not os.path.lexists(source):
            _remove(target)
        elif _is_directory(source) and _is_directory(target):
            # Of a directory that an earlier one took away nothing was there when this one began.
            for name in set(os.listdir(source)) - set(os.listdir(target)):
                _copy(os.path.join(source, name), os.path.join(target, name))
            _copy_metadata(source, target)
        else:
            _remove(target)
            _copy(source, target)


def stands_for_nothing(path: str, status: os.stat_result, gone: str | None) -> bool:
    """Whether what is there says that something was removed: as overlays say it, or copies with their own word."""
    if gone is None:
        return stat.S_ISCHR(status.st_mode) and status.st_rdev == 0
    return stat.S_ISLNK(status.st_mode) and os.readlink(path) == gone


def _known(top: str) -> _Known:
    """What tells that something was changed: of each path what no program can set as it likes."""
    return {
        path: (status.st_mode, status.st_uid, status.st_gid)
        if stat.S_ISDIR(status.st_mode)
        else (status.st_ino, status.st_ctime_ns, status.st_size, status.st_mode)
        for path, status in _walk(top)
    }


def _walk(top: str, below: str = "") -> Iterator[tuple[str, os.stat_result]]:
    """Everything below a directory, each directory before what is in it."""
    with os.scandir(os.path.join(top, below)) as listing:
        found = sorted(listing, key=lambda one: one.name)
    for one in found:
        path = f"{below}/{one.name}" if below else one.name
        status = one.stat(follow_symlinks=False)
        yield path, status
        if stat.S_ISDIR(status.st_mode):
            yield from _walk(top, path)


def _leaves_above(path: str, upper: str) -> Iterator[str]:
    """What stands in `upper` where the path has a directory, and is none."""
    while path := path.rpartition("/")[0]:
        if os.path.lexists(os.path.join(upper, path)) and not _is_directory(os.path.join(upper, path)):
            yield path


def _is_directory(path: str) -> bool:
    return os.path.isdir(path) and not os.path.islink(path)


def _remove(path: str) -> None:
    if _is_directory(path):
        shutil.rmtree(path)
    elif os.path.lexists(path):
        os.unlink(path)


def _copy(source: str, target: str) -> None:
    status = os.lstat(source)
    if stat.S_ISLNK(status.st_mode):
        os.symlink(os.readlink(source), target)
    elif stat.S_ISDIR(status.st_mode):
        os.mkdir(target)
        for name in sorted(os.listdir(source)):
            _copy(os.path.join(source, name), os.path.join(target, name))
    elif stat.S_ISREG(status.st_mode):
        _copy_content(source, target)
    else:  # a pipe, a socket or a device: no tree of moss's has any, /etc may
        return
    _copy_metadata(source, target)


def _copy_content(source: str, target: str) -> None:
    with open(source, "rb", buffering=0) as old, open(target, "xb", buffering=0) as new:
        try:
            fcntl.ioctl(new, _FICLONE, old.fileno())  # shares what is on the disk until somebody writes
            return
        except OSError:
            pass
        try:
            while os.copy_file_range(old.fileno(), new.fileno(), _PIECE):
                pass
        except OSError:
            old.seek(0)
            new.seek(0)
            shutil.copyfileobj(old, new)
            new.truncate()


def _copy_metadata(source: str, target: str) -> None:
    status = os.lstat(source)
    if os.geteuid() == 0:
        os.chown(target, status.st_uid, status.st_gid, follow_symlinks=False)
    if stat.S_ISLNK(status.st_mode):
        return
    os.chmod(target, stat.S_IMODE(status.st_mode))
    if stat.S_ISREG(status.st_mode):
        for name in os.listxattr(source):
            os.setxattr(target, name, os.getxattr(source, name))
    os.utime(target, ns=(status.st_atime_ns, status.st_mtime_ns))
