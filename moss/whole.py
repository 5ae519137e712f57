"""The whole layout of a generation, read in the order of a tree as often as it is wanted.

What is merged is never all in memory: a system has several hundred thousand paths. The few paths that
lead through another package's symlink are, since they move.
"""

import heapq
from collections.abc import Iterable, Iterator, Sequence

from moss.db import layouts
from moss.db.connection import Database
from moss.generation import NO_FILTER, FilterId, PackageId
from moss.layout import Entry, tree_order
from moss.merge import Replaces, Resolver, unite


class WholeLayout(Iterable[Entry]):
    """Iterating raises LayoutCollision at its end with every collision there is."""

    def __init__(
        self,
        database: Database,
        packages: Sequence[PackageId],
        replaces: Replaces,
        path_filter: FilterId = NO_FILTER,
    ) -> None:
        self._database = database
        self._packages = packages
        self._replaces = replaces
        self._filter = path_filter
        links = layouts.links_of(database, packages, path_filter)
        self._leading = layouts.has_below(database, packages, list(links), path_filter)
        self._follow = Resolver(links)
        self._moved = self._read_moved()

    @property
    def directory_links(self) -> dict[str, str]:
        """Symlinks that stand where a package has a directory: path to target."""
        return self._follow.followed

    def __iter__(self) -> Iterator[Entry]:
        rows = layouts.rows_of(self._database, self._packages, self._filter)
        if self._moved:
            there = (row for row in rows if self._follow.real_path(row[1].path) == row[1].path)
            rows = heapq.merge(there, self._moved, key=lambda row: (tree_order(row[1].path), row[0]))
        return unite(rows, self._replaces)

    def _read_moved(self) -> list[tuple[str, Entry]]:
        moved: dict[tuple[str, str], tuple[str, Entry]] = {}
        for link in self._leading:
            for name, entry in layouts.rows_below(self._database, self._packages, link, self._filter):
                real = self._follow.moved(entry)
                if real is not entry:
                    moved[name, entry.path] = (name, real)
        return sorted(moved.values(), key=lambda row: (tree_order(row[1].path), row[0]))
