"""From what a tree holds to what it shall hold: the steps, found without reading whole systems.

Only the paths of packages that come or go are looked at, those that the filter left out and does not any
more or the other way round, and the directories above them. What decides at each path is the same as when
layouts are merged in full (`moss.merge.better`), so both ways lead to the same tree; a test compares them.
Where the set of directory links changes, or anything looks like a collision, there is no difference: the
tree is made in full, and the merge says what is wrong.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from operator import itemgetter

from moss.db.connection import Database
from moss.db.paths import (
    ASSET,
    KIND,
    NAME,
    NEW,
    OLD,
    PATH,
    SIDES,
    WHAT,
    Holding,
    Row,
    compare,
    entry_of,
    paths_by_filter,
    removed_paths,
    replaced_names,
    rows_below,
    rows_of_both,
    rows_of_one,
    sides_below,
)
from moss.layout import Entry, EntryKind, directory
from moss.merge import Resolver, better
from solver.values import value

_DIRECTORY = int(EntryKind.DIRECTORY)
"""To compare tens of thousands of plain numbers with."""


@value
class TreeDifference:
    """Steps in the order in which they can be done."""

    unlink: tuple[str, ...]
    rmdir: tuple[str, ...]
    """Deepest first."""
    mkdir: tuple[Entry, ...]
    """Parents first."""
    adjust: tuple[Entry, ...]
    """Directories that stay and get another mode or owner."""
    place: tuple[Entry, ...]

    @property
    def step_count(self) -> int:
        return sum(map(len, (self.unlink, self.rmdir, self.mkdir, self.adjust, self.place)))


def tree_difference(
    database: Database, old: Holding, new: Holding, directory_links: Mapping[str, str]
) -> TreeDifference | None:
    """What must be done to a tree that holds `old` so that it holds `new`.

    `directory_links` are those of the old tree (`moss.merge.Merged`). None: make the tree in full.
    """
    compare(database, old, new)
    look = _Look(database, directory_links)
    if look.is_unclear or look.links_change():
        return None
    return look.difference()


def _ancestors(paths: Iterable[str]) -> set[str]:
    found: set[str] = set()
    for parent in {path.rpartition("/")[0] for path in paths}:
        while parent and parent not in found:
            found.add(parent)
            parent = parent.rpartition("/")[0]
    return found


class _Look:
    """The paths that may change, each with what the old and the new selection have there."""

    def __init__(self, database: Database, directory_links: Mapping[str, str]) -> None:
        self._database = database
        self._resolver = Resolver(dict(directory_links))
        self._links = {link: self._resolver.real_path(f"{link}/x")[:-2] for link in directory_links}
        self._old: dict[str, Row] = {}
        self._new: dict[str, Row] = {}
        # A link to /usr itself, one below another, or one below where another leads gives paths more names than are
        # handled here.
        self.is_unclear = any(
            not target or self._resolver.real_path(link) != link or self._is_below_a_target(link)
            for link, target in self._links.items()
        )
        if self.is_unclear:
            return
        rows = rows_of_one(database, whole=False)
        more = paths_by_filter(database)
        # Dictionaries keep the order that the rows came in: what is sorted later is nearly so.
        self._stated = dict.fromkeys([row[PATH] for row in rows] + more)
        self._above_stated = _ancestors(self._stated)
        self._real, self._above = self._stated, self._above_stated
        asked = {*more, *self._above}
        if self._links:
            self._real = dict.fromkeys(map(self._resolver.real_path, self._stated))
            self._above = _ancestors(self._real)
            asked.update(name for path in (*self._real, *self._above) for name in self._names(path))
        self._shared = rows_of_both(database, asked)
        self._rows = [*rows, *self._shared]
        self._removed = removed_paths(database)
        self._above_removed = _ancestors(self._removed)
        self._find_winners()

    def _is_below_a_target(self, path: str) -> bool:
        return any(path.startswith(f"{target}/") for target in self._links.values())

    def links_change(self) -> bool:
        """Whether another set of symlinks stands for directories than before, or may."""
        links = {row[PATH] for row in self._rows if row[KIND] == EntryKind.SYMLINK}
        if any(path in self._above_stated and path not in self._links for path in links):
            return True
        targets: dict[str, dict[int, set[str | None]]] = {}
        for row in self._rows if links else ():
            if row[PATH] in links and row[PATH] in self._stated:
                for side in (OLD, NEW):
                    if row[SIDES] & side:
                        target = entry_of(row, row[PATH]).link_target
                        targets.setdefault(row[PATH], {}).setdefault(side, set()).add(target)
        return any(
            sides.get(OLD) != sides.get(NEW) and (path in self._links or sides_below(self._database, path))
            for path, sides in targets.items()
        )

    def _find_winners(self) -> None:
        """What each side has at each path; it is unclear where that looks like a collision."""
        if not self._links and not self._removed and all(map(self._agree, (OLD, NEW), (self._old, self._new))):
            return
        self._rows = [*rows_of_one(self._database), *self._shared]
        winners = self._winners_of(self._rows)
        self.is_unclear = winners is None
        self._old, self._new = winners or ({}, {})

    def _winners_of(self, rows: Sequence[Row]) -> tuple[dict[str, Row], dict[str, Row]] | None:
        """What each side has at each path; None where that looks like a collision."""
        old: dict[str, Row] = {}
        new: dict[str, Row] = {}
        real_path = self._resolver.real_path if self._links else str
        for row in sorted(rows, key=itemgetter(NAME)):
            path = real_path(row[PATH])
            for side, winners in ((OLD, old), (NEW, new)):
                if row[SIDES] & side:
                    first = winners.setdefault(path, row)
                    if first is not row:
                        winner = self._better(path, first, row, side)
                        if winner is None:
                            return None
                        winners[path] = winner
        for path in map(real_path, self._removed):
            for winners in (old, new):
                if path in winners and winners[path][KIND] == EntryKind.NOTHING:
                    del winners[path]
        return old, new

    def _agree(self, side: int, winners: dict[str, Row]) -> bool:
        """Whether, as nearly always, packages of a side that meet say the same; then what is at each path is found."""
        rows = [row for row in self._rows if row[SIDES] & side]
        winners.update({row[PATH]: row for row in rows})
        return len(winners) == len(rows) or all(winners[row[PATH]][WHAT] == row[WHAT] for row in rows)

    def _better(self, path: str, first: Row, second: Row, side: int) -> Row | None:
        one, other = (first[NAME], entry_of(first, path)), (second[NAME], entry_of(second, path))
        winner = better(one, other, frozenset())
        if winner is None:
            names = (first[NAME], second[NAME])
            pairs = {(name, known) for name in names for known in replaced_names(self._database, name, side)}
            winner = better(one, other, frozenset(pairs))
        return None if winner is None else first if winner is one else second

    def _names(self, path: str) -> list[str]:
        """A path, and what else it can be called through directory links."""
        return [path] + [
            link + path[len(target) :] for link, target in self._links.items() if path.startswith(f"{target}/")
        ]

    def difference(self) -> TreeDifference | None:
        unlink: list[str] = []
        place: list[Entry] = []
        old, new = self._old.get, self._new.get
        for path in self._real:
            before, after = old(path), new(path)
            if before is after or (
                before and after and before[ASSET] == after[ASSET] and before[WHAT] == after[WHAT]
            ):
                continue
            if before and before[KIND] != _DIRECTORY:
                unlink.append(path)
            if after and after[KIND] != _DIRECTORY:
                place.append(entry_of(after, path))
        surely_old, surely_new = _ancestors(self._old), _ancestors(self._new)
        if any(_is_leaf(self._new.get(path)) for path in surely_new):
            return None
        if any(not _is_leaf(self._old.get(entry.path)) and self._below(entry.path) & NEW for entry in place):
            return None
        rmdir, mkdir, adjust = self._directories(surely_old, surely_new)
        return TreeDifference(
            tuple(sorted(unlink, reverse=True)),
            tuple(sorted(rmdir, key=lambda path: (-path.count("/"), path))),
            tuple(sorted(mkdir)),
            tuple(sorted(adjust)),
            tuple(sorted(place)),
        )

    def _directories(
        self, surely_old: Collection[str], surely_new: Collection[str]
    ) -> tuple[list[str], list[Entry], list[Entry]]:
        rmdir: list[str] = []
        mkdir: list[Entry] = []
        adjust: list[Entry] = []
        stated = {
            path for side in (self._old, self._new) for path, row in side.items()
            if row[KIND] == _DIRECTORY
        } & self._real.keys()  # fmt: skip
        for path in (self._above | stated) - self._links.keys():
            before, after = self._directory_at(path, self._old), self._directory_at(path, self._new)
            was = before is not None or path in surely_old
            will_be = after is not None or path in surely_new
            if not (was and will_be):
                below = self._below(path)
                was, will_be = was or bool(below & OLD), will_be or bool(below & NEW)
            wanted = after or directory(path)
            if was and not will_be:
                rmdir.append(path)
            elif will_be and not was:
                mkdir.append(wanted)
            elif was and will_be and wanted != (before or directory(path)):
                adjust.append(wanted)
        return rmdir, mkdir, adjust

    @staticmethod
    def _directory_at(path: str, winners: Mapping[str, Row]) -> Entry | None:
        row = winners.get(path)
        return None if row is None or _is_leaf(row) else entry_of(row, path)

    def _below(self, path: str) -> int:
        sides = 0
        for name in [*self._names(path), *(link for link, target in self._links.items() if target == path)]:
            sides |= sides_below(self._database, name) if name not in self._above_removed else self._left_below(name)
        for link in self._links:  # a link's own target may be below this directory
            if link.startswith(f"{path}/"):
                sides |= OLD | NEW
        return sides

    def _left_below(self, directory: str) -> int:
        """As `sides_below` says it, where triggers removed something there: of what is left."""
        winners = self._winners_of(rows_below(self._database, directory))
        if winners is None:
            return OLD | NEW
        old, new = winners
        return (OLD if old else 0) | (NEW if new else 0)


def _is_leaf(row: Row | None) -> bool:
    return row is not None and row[KIND] != _DIRECTORY
