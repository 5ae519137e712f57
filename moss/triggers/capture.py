"""What triggers wrote: from the directory that an overlay wrote to, to entries of a layout.

What is equal to the tree below it is no change: programs often write what was there.
"""

import filecmp
import os
import stat
from collections.abc import Iterable, Iterator, Sequence

from moss.digest import ContentDigest, content_digest_of_file
from moss.errors import TriggerFailed
from moss.layout import Entry, EntryKind, nothing, path_fault
from moss.root import DECLARED_ENTRIES
from moss.triggers.private_copy import stands_for_nothing
from moss.xattrs import found_on, names_on
from solver.values import value

_OPAQUE = ("trusted.overlay.opaque", "user.overlay.opaque")


@value
class Captured:
    """What is new below /usr, and what is gone."""

    entries: tuple[Entry, ...]
    """By path."""
    removed: tuple[str, ...]
    """Paths of files, symlinks and directories; what was below a directory that is gone, too. By path."""
    contents: tuple[tuple[ContentDigest, str], ...]
    """Of each new file's content one file that has it."""

    @property
    def layout(self) -> tuple[Entry, ...]:
        """All of it as entries, by path."""
        return tuple(sorted((*self.entries, *map(nothing, self.removed))))


def capture(
    upper: str, below: Sequence[str], trigger: str, *, owner: int | None = None, gone: str | None = None
) -> Captured:
    """`below` are the trees under the overlay, the uppermost first. `owner`: the user whose files count
    as root's, where an ordinary user ran it. `gone`: of a private copy, its word for what was removed.
    TriggerFailed for what no generation can have."""
    found = _Found(below, trigger, owner, gone)
    found.walk(upper, "", is_alone=False)
    contents = {entry.digest: path for entry, path in found.files if entry.digest is not None}
    entries = [entry for entry, _ in found.files] + found.others
    return Captured(tuple(sorted(entries)), tuple(sorted(set(found.removed))), tuple(contents.items()))


class _Found:
    def __init__(self, below: Sequence[str], trigger: str, owner: int | None, gone: str | None) -> None:
        self._below, self._trigger, self._owner, self._word = below, trigger, owner, gone
        self.files: list[tuple[Entry, str]] = []
        self.others: list[Entry] = []
        self.removed: list[str] = []
        self._seen: dict[str, Sequence[str]] = {"": below}

    def walk(self, directory: str, prefix: str, *, is_alone: bool) -> None:
        """`is_alone`: the overlay showed nothing of what is under it."""
        with os.scandir(directory) as listing:
            inside = sorted(listing, key=lambda one: one.name)
        for one in inside:
            self._look(one, prefix + one.name, is_alone)

    def _look(self, one: os.DirEntry[str], path: str, is_alone: bool) -> None:
        status = one.stat(follow_symlinks=False)
        under = self._under(path)
        if stands_for_nothing(one.path, status, self._word):
            if under is not None:
                self._gone(path)
            return
        self._check(path, status)
        if not stat.S_ISDIR(status.st_mode):
            self._all_gone_below(path)
        if stat.S_ISDIR(status.st_mode):
            self._directory(one, path, status, under, is_alone or is_opaque(one.path))
        elif stat.S_ISLNK(status.st_mode):
            text = os.readlink(one.path)
            if under is None or not os.path.islink(under) or os.readlink(under) != text:
                uid, gid = self._owners(status)
                self.others.append(Entry(path, EntryKind.SYMLINK, status.st_mode, uid, gid, None, text))
        elif under is None or not _same_file(one.path, under):
            self.files.append((self._file(one, path, status), one.path))

    def _directory(
        self, one: os.DirEntry[str], path: str, status: os.stat_result, under: str | None, is_alone: bool
    ) -> None:
        was = os.lstat(under) if under is not None else None
        if was is not None and not stat.S_ISDIR(was.st_mode):
            was = None
        elif was is not None and is_alone:
            for name in set(self._names_under(path)) - set(os.listdir(one.path)):
                self._gone(f"{path}/{name}")
        uid, gid = self._owners(status)
        if was is None or (was.st_mode, was.st_uid, was.st_gid) != (status.st_mode, status.st_uid, status.st_gid):
            self.others.append(Entry(path, EntryKind.DIRECTORY, status.st_mode, uid, gid))
        self.walk(one.path, f"{path}/", is_alone=is_alone)

    def _gone(self, path: str) -> None:
        if path in DECLARED_ENTRIES:
            raise self._refused(path, "removed", "it is moss's own")
        self.removed.append(path)
        self._all_gone_below(path)

    def _all_gone_below(self, path: str) -> None:
        """What was in a directory; nothing where it is none."""
        for name in self._names_under(path):
            self._gone(f"{path}/{name}")

    def _file(self, one: os.DirEntry[str], path: str, status: os.stat_result) -> Entry:
        digest = content_digest_of_file(one.path)
        uid, gid = self._owners(status)
        xattrs = found_on(one.path, all_of_them=self._owner is None)
        return Entry(path, EntryKind.REGULAR, status.st_mode, uid, gid, digest, None, xattrs)

    def _owners(self, status: os.stat_result) -> tuple[int, int]:
        if self._owner is not None and status.st_uid == self._owner:
            return 0, 0
        return status.st_uid, status.st_gid

    def _under(self, path: str) -> str | None:
        """What the overlay showed at a path before."""
        above, _, name = path.rpartition("/")
        for found, status in _there(self._directories(above), name):
            return None if stands_for_nothing(found, status, self._word) else found
        return None

    def _directories(self, path: str) -> Sequence[str]:
        """What the overlay showed as one directory before, the uppermost first; nothing where that was none."""
        found = self._seen.get(path)
        if found is None:
            above, _, name = path.rpartition("/")
            found = self._seen[path] = list(_merged(_there(self._directories(above), name)))
        return found

    def _names_under(self, path: str) -> Iterator[str]:
        names = {name for one in self._directories(path) for name in os.listdir(one)}
        return (name for name in sorted(names) if self._under(f"{path}/{name}") is not None)

    def _check(self, path: str, status: os.stat_result) -> None:
        fault = path_fault(path)
        if path in DECLARED_ENTRIES:
            fault = "it is moss's own"
        elif stat.S_IFMT(status.st_mode) not in (stat.S_IFREG, stat.S_IFDIR, stat.S_IFLNK):
            fault = "it is a device, a pipe or a socket"
        if fault is not None:
            raise self._refused(path, "wrote", fault)

    def _refused(self, path: str, did: str, fault: str) -> TriggerFailed:
        return TriggerFailed(
            f"the trigger {self._trigger} {did} /usr/{path!r}, which no generation can have: {fault}",
            remedies=[f"moss … --ignore-trigger {self._trigger}", "ask who made the trigger"],
        )


def _there(directories: Sequence[str], name: str) -> Iterator[tuple[str, os.stat_result]]:
    """Where one of that name is in these directories."""
    for one in directories:
        place = os.path.join(one, name)
        try:
            yield place, os.lstat(place)
        except FileNotFoundError:
            continue


def _merged(places: Iterable[tuple[str, os.stat_result]]) -> Iterator[str]:
    """Those that an overlay shows as one directory: whatever is none hides all that is under it."""
    for place, status in places:
        if not stat.S_ISDIR(status.st_mode):
            return
        yield place
        if is_opaque(place):
            return


def is_opaque(directory: str) -> bool:
    """Whether an overlay shows nothing of what is under it."""
    return any(name in _OPAQUE for name in names_on(directory))


def _same_file(path: str, under: str) -> bool:
    one, other = os.lstat(path), os.lstat(under)
    facts = [(status.st_mode, status.st_uid, status.st_gid, status.st_size) for status in (one, other)]
    return facts[0] == facts[1] and found_on(path) == found_on(under) and filecmp.cmp(path, under, shallow=False)
