"""What another path filter comes to, looked up in the layouts of packages: bytes, and symlinks that lead nowhere.

Pure: works on tuples, since a whole system has several hundred thousand of them.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from moss.merge import Resolver, target_below_usr
from moss.path_filter import PathFilter, left_out, matcher
from moss.plan import BrokenLink, Saving
from solver.values import value


class Row(NamedTuple):
    """A path of a package, as far as it matters here."""

    path: str
    is_directory: bool
    asset: int | None
    """A number that paths with one file object share; None for what is no regular file."""
    size: int
    """Bytes."""
    link_target: str | None


@value
class Survey:
    savings: tuple[Saving, ...]
    """By the subscriptions' names."""
    broken: tuple[BrokenLink, ...]
    """Links that stay and led somewhere before; by path."""


def survey(layouts: Iterable[tuple[str, Sequence[Row]]], before: PathFilter, after: PathFilter) -> Survey:
    """What `after` comes to where `before` was the filter, for packages by name with all their paths."""
    old, new = _Side(before), _Side(after)
    for name, rows in layouts:
        entries = [(row.path, row.is_directory) for row in rows]
        for side in (old, new):
            side.add(name, rows, entries)
    sizes_before, sizes_after = old.sizes(), new.sizes()
    names = sorted(sizes_before.keys() | sizes_after.keys())
    told = {link.path for link in old.broken()}
    return Survey(
        tuple(Saving(name, sizes_before.get(name, 0), sizes_after.get(name, 0)) for name in names),
        tuple(link for link in new.broken() if link.path not in told),
    )


class _Side:
    """Packages under one filter."""

    def __init__(self, path_filter: PathFilter) -> None:
        self._names = [one.subscription for one in path_filter]
        self._omits = matcher(path_filter)
        self._here: set[int] = set()
        self._gone: dict[int, tuple[int, int]] = {}
        """Assets at omitted paths, with the omission and their bytes."""
        self._omitted: dict[str, int] = {}
        self._directories: set[str] = set()
        self._links: dict[str, tuple[str, str]] = {}
        """With target and package."""

    def add(self, name: str, rows: Sequence[Row], entries: Sequence[tuple[str, bool]]) -> None:
        if not self._names:
            return
        going = dict(left_out(entries, self._omits))
        self._omitted.update(going)
        for row in rows:
            omission = going.get(row.path)
            if omission is not None:
                if row.asset is not None:
                    self._gone.setdefault(row.asset, (omission, row.size))
                continue
            if row.asset is not None:
                self._here.add(row.asset)
            elif row.link_target is not None:
                self._links[row.path] = (row.link_target, name)
            else:
                self._directories.add(row.path)
            directory = row.path.rpartition("/")[0]
            while directory and directory not in self._directories:
                self._directories.add(directory)
                directory = directory.rpartition("/")[0]

    def sizes(self) -> dict[str, int]:
        """Bytes that each subscription leaves out; what has another path that stays is not among them."""
        found = dict.fromkeys(self._names, 0)
        for asset, (omission, size) in self._gone.items():
            if asset not in self._here:
                found[self._names[omission]] += size
        return found

    def broken(self) -> Iterator[BrokenLink]:
        """Links that stay and whose target does not."""
        if not self._omitted:
            return
        follow = Resolver({path: target for path, (target, _) in self._links.items()})
        omitted = {follow.real_path(path): omission for path, omission in self._omitted.items()}
        for path, omission in list(omitted.items()):  # what a package only implies goes too
            directory = path.rpartition("/")[0]
            while directory and directory not in omitted:
                omitted[directory] = omission
                directory = directory.rpartition("/")[0]
        staying = {follow.real_path(path) for path in self._directories}
        for path, (target, package) in sorted(self._links.items()):
            found = target_below_usr(follow.real_path(path), target)
            real = None if found is None else follow.real_path(found)
            if real in omitted and real not in staying:
                yield BrokenLink(path, target, package, self._names[omitted[real]])
