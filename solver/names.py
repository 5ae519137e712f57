"""Package names over several universes: the versions of each, the best first.

Packages of one key are one: the first in the order of universes stands for all. Where the order
within the first table is the order of all, a name that no other table has is a range of it and nothing
is compared: those of the others are often only the packages that are installed and on offer no more.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence, Set
from operator import itemgetter

from solver.compile import EVERY_ARCH, without_arch
from solver.joined import Joined
from solver.lookup import Lookup
from solver.version import Scheme

# A package, the scheme and the sort key of the version it offers.
Offer = tuple[int, int, bytes | None]

# Schemes whose sort keys are compared as they are: elsewhere a missing release equals every release.
BYTEWISE = {int(Scheme.DEB), int(Scheme.INTEGER)}
EVERYWHERE = ("", "all", "noarch")


# So many providers in other universes than the first are told apart from what only the first has; it takes 1 µs each.
_FEW = 5000

# Where a version stands (priority, architecture, scheme), its sort key, and the package.
_Place = tuple[tuple[int, int, int], bytes, int]
_PLACE, _SORT_KEY = itemgetter(0), itemgetter(1)


class Name:
    """A package name: its versions, the best first (priority, architecture, newest), which of them
    are installed, and where it is found as a capability: in which universe under which number.

    Where several universes are joined, `offers` are the versions with their schemes and sort keys,
    `alone` says that nothing but these packages provides the name, and `descending` that each
    version is newer than the next, as nothing else tells them apart."""

    __slots__ = ("alone", "descending", "installed", "offers", "text", "versions", "where")

    def __init__(self, versions: tuple[int, ...], installed: tuple[int, ...], where: Sequence[tuple[int, int]]) -> None:
        self.versions, self.installed, self.where = versions, installed, where
        self.offers: list[Offer] = []
        self.alone = self.descending = False
        self.text: bytes | None = None


class Names:
    """The names of packages, joined when they are first asked for."""

    def __init__(
        self,
        joined: Joined,
        priorities: Mapping[str, int],
        architectures: Sequence[str],
        installed: Set[int],
    ) -> None:
        self._joined, self._installed = joined, installed
        self._priorities, self._architectures = priorities, architectures
        # The capabilities of the first universe that cannot be read off it; None where nothing can.
        self.mixed = self._find_mixed() if self._is_in_order() else None
        self.plain = self.mixed is not None and len(joined.universes) == 1
        self._of_package = Lookup(self._plain_of_package if self.plain else self._find_of_package)
        # The name a package has.
        self.of: Callable[[int], Name] = self._of_package.__getitem__
        self._of_capability: dict[int, Name] = {}
        self._same: dict[int, int] = {}
        self._unwanted: set[int] = set()
        self._ranks = [{arch: self._rank(u.text(arch)) for arch in u.arches} for u in joined.universes]
        self._urgency = [{repo: -priorities.get(u.text(repo), 0) for repo in u.repositories} for u in joined.universes]

    def _is_in_order(self) -> bool:
        """Whether the first universe is sorted for these priorities (for as many more of each is the same), and
        nothing in it is of another architecture than the rest."""
        if not self._joined.universes:
            return False
        universe = self._joined.universes[0]
        repositories = zip(universe.repositories, universe.priorities, strict=True)
        others = {self._priorities.get(universe.text(text), 0) - sorted_for for text, sorted_for in repositories}
        arches = {universe.text(t) for t in universe.arches} - set(EVERYWHERE)
        wanted = len(arches) < 2 and arches <= set(self._architectures)
        return len(others) < 2 and (wanted or not self._architectures)

    def _find_mixed(self) -> Set[int] | None:
        """The capabilities of the first universe that others provide or replace, where that is little."""
        first, *others = self._joined.universes
        if sum(len(other.provider) for other in others) > _FEW:
            return None
        mixed = {
            first.capability(other.text_bytes(other.capability_text[number]))
            for other in others
            for number in range(len(other.capability_text))
            if other.provider_start[number] < other.provider_start[number + 1]
            or other.replacer_start[number] < other.replacer_start[number + 1]
        }
        # What is provided for every architecture meets needs of `name:ARCH` too.
        for number in first.qualified if any(flags & EVERY_ARCH for other in others for flags in other.flags) else ():
            plain = without_arch(first.text_bytes(first.capability_text[number]))
            if any(other.capability(plain) >= 0 for other in others):
                mixed.add(number)
        return mixed

    def _rank(self, arch: str) -> int | None:
        """How good an architecture is, the best 0; None where it is not wanted."""
        if arch in self._architectures:
            return self._architectures.index(arch)
        return 0 if not self._architectures or arch in EVERYWHERE else None

    def _plain_of_package(self, package: int) -> Name:
        universe = self._joined.universes[0]
        number = universe.name[package]
        first, end = universe.capability_first[number], universe.capability_end[number]
        if end - first > 1:
            return self._made(tuple(range(first, end)), ((0, number),))
        versions = (package,)
        return Name(versions, versions if package in self._installed else (), ((0, number),))

    def _find_of_package(self, package: int) -> Name:
        universe, local, index = self._joined.at(package)
        number = universe.name[local]
        if not index and self.mixed is not None and number not in self.mixed:
            return self._plain_of_package(package)
        return self.of_capability(index, number)

    def of_capability(self, index: int, number: int) -> Name:
        """The packages whose name is a capability of a universe; there may be none."""
        place = self._joined.capability_base[index] + number
        found = self._of_capability.get(place)
        if found is None:
            universe = self._joined.universes[index]
            if not index and self.mixed is not None and number not in self.mixed:
                versions = universe.named(number)
                found = self.of(versions[0]) if versions else Name((), (), ((index, number),))
                self._of_capability[place] = found
                return found
            text = universe.text_bytes(universe.capability_text[number])
            where = self._joined.where(text, (index, number))
            first, there = where[0]
            if not first and self.mixed is not None and there not in self.mixed:
                found = self._of_capability[place] = self.of_capability(first, there)
                return found
            found = self._join(where)
            found.text = text
            for other, there in where:
                self._of_capability[self._joined.capability_base[other] + there] = found
        return found

    def text(self, name: Name) -> bytes:
        """A name as text; it must have a version."""
        if name.text is None:
            universe, local, _ = self._joined.at(name.versions[0])
            name.text = universe.text_bytes(universe.capability_text[universe.name[local]])
        return name.text

    def canonical(self, package: int) -> int | None:
        """The package that stands for all of its key; None where its architecture is not wanted."""
        if self.plain:
            return package
        self.of(package)  # which finds out
        return None if package in self._unwanted else self._same.get(package, package)

    def _made(self, versions: tuple[int, ...], where: Sequence[tuple[int, int]]) -> Name:
        installed = self._installed
        there = () if installed.isdisjoint(versions) else tuple([v for v in versions if v in installed])
        name = Name(versions, there, where)
        self._of_package.update(dict.fromkeys(versions, name))
        return name

    def _join(self, where: Sequence[tuple[int, int]]) -> Name:
        """One name over all universes, each key once."""
        placed: list[_Place] = []
        of_version: dict[bytes, list[int]] = {}
        providers = 0
        for index, capability in where:
            universe, base = self._joined.universes[index], self._joined.base[index]
            ranks, urgency = self._ranks[index], self._urgency[index]
            first, end = universe.capability_first[capability], universe.capability_end[capability]
            providers += universe.provider_start[capability + 1] - universe.provider_start[capability] - (end - first)
            for local in range(first, end):
                package, rank = base + local, ranks[universe.arch[local]]
                if rank is None:
                    if package not in self._installed:
                        self._unwanted.add(package)
                        continue
                    rank = 0
                key = universe.text_bytes(universe.version_key[local])
                alike = of_version.get(key)
                if alike is None:
                    of_version[key] = [package]
                elif (same := self._first_of_key(package, alike)) != package:
                    self._same[package] = same
                    continue
                else:
                    alike.append(package)
                placed.append(((urgency[universe.repository[local]], rank, universe.scheme[local]), key, package))
        is_alike = True
        if len(placed) == 2 and placed[0][0] == placed[1][0] and len(of_version) == 2:  # as in two suites
            if placed[0][1] < placed[1][1]:
                placed.reverse()
        elif len(placed) > 1:
            if len(of_version) < len(placed):
                placed.sort(key=lambda one: self._origin(one[2]))
            placed.sort(key=_SORT_KEY, reverse=True)  # which keeps the order of equal ones
            best = placed[0][0]
            is_alike = all(place == best for place, _, _ in placed)
            if not is_alike:
                placed.sort(key=_PLACE)
        name = self._made(tuple([package for _, _, package in placed]), where)
        name.offers = [(package, place[2], key) for place, key, package in placed]
        name.alone = not providers
        name.descending = (
            is_alike and len(of_version) == len(placed) and bool(placed) and placed[0][0][2] in BYTEWISE
        )
        return name

    def _first_of_key(self, package: int, alike: Sequence[int]) -> int:
        """The first of some packages of one version that has the package's key; itself where none has."""
        for other in alike:
            if self._key(other) == self._key(package):
                return other
        return package

    def _key(self, package: int) -> bytes:
        universe, local, _ = self._joined.at(package)
        return universe.text_bytes(universe.key[local])

    def _origin(self, package: int) -> tuple[str, bytes]:
        """Tells apart packages of one version."""
        universe, local, _ = self._joined.at(package)
        return universe.text(universe.repository[local]), self._key(package)
