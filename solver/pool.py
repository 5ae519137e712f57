"""Several universes as one: packages of all of them numbered on, relations matched across.

Package, formula and relation numbers of the second universe go on where the first ends. A relation
is matched in its own universe by the table, in the others by the text of its capability, found by
its hash, once. Packages of one key are one: the first in the order of universes stands for all.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence, Set
from fnmatch import fnmatchcase
from itertools import accumulate
from typing import assert_never

from solver.compile import NO_TEXT, OPERATORS, any_arch, version_matches
from solver.model import All, AnyOf, Formula, If, Operator, Relation, Unless
from solver.rules import Candidate
from solver.universe import Universe
from solver.version import Scheme, VersionError, compare_keys, sort_key

_EVERYWHERE = ("", "all", "noarch")


class Name:
    """A package name: its versions, the best first (priority, architecture, newest), and which of
    them are installed."""

    __slots__ = ("installed", "text", "versions")

    def __init__(self, versions: tuple[int, ...], installed: tuple[int, ...]) -> None:
        self.versions, self.installed = versions, installed
        self.text: bytes | None = None


class UnknownPackageError(LookupError):
    """Installed keys that no universe has."""

    def __init__(self, keys: Sequence[str]) -> None:
        super().__init__(f"installed, but in no universe: {', '.join(keys[:10])}")
        self.keys = tuple(keys)


class Pool:
    """The packages of some universes, seen from one machine."""

    def __init__(
        self,
        universes: Sequence[Universe],
        installed: Iterable[str] = (),
        priorities: Mapping[str, int] | None = None,
        architectures: Sequence[str] = (),
    ) -> None:
        self.universes = tuple(universes)
        self.priorities, self.architectures = dict(priorities or {}), tuple(architectures)
        self.base = list(accumulate((len(u) for u in universes), initial=0))
        self.formula_base = list(accumulate((len(u.formula_text) for u in universes), initial=0))
        self.relation_base = list(accumulate((len(u.relation_arch) for u in universes), initial=0))
        self.plain = self._is_plain()
        self.has_supplements = any(len(universe.supplementer) for universe in self.universes)
        self._names: dict[int, Name] = {}
        self._names_by_text: dict[bytes, Name] = {}
        self._same: dict[int, int] = {}
        self.known_choices: dict[int, tuple[list[int], int]] = {}
        self._matches: dict[int, list[int]] = {}
        self._mentioned: dict[bytes, list[tuple[int, int]]] = {}
        self._alike: dict[tuple[object, ...], list[int]] = {}
        self.installed = self.numbers(installed)
        self.installed_set = frozenset(self.installed)

    def _is_plain(self) -> bool:
        """Whether the order within a table is the order of the pool: one universe, nothing in it of
        a higher priority or another architecture than the rest."""
        if len(self.universes) != 1:
            return False
        universe = self.universes[0]
        priorities = {self.priorities.get(universe.text(t), 0) for t in universe.repositories}
        arches = {universe.text(t) for t in universe.arches} - set(_EVERYWHERE)
        wanted = len(arches) < 2 and arches <= set(self.architectures)
        return len(priorities) < 2 and (wanted or not self.architectures)

    def numbers(self, keys: Iterable[str]) -> tuple[int, ...]:
        """The packages of these keys, sorted. Raises UnknownPackageError."""
        found, unknown = set(), []
        for key in keys:
            number = self.of_key(key)
            if number is None:
                unknown.append(key)
            else:
                found.add(number)
        if unknown:
            raise UnknownPackageError(sorted(unknown))
        return tuple(sorted(found))

    def without_installed(self, packages: Set[int]) -> Pool:
        """The same packages, some of those installed counted as not installed."""
        keys = [self.candidate(p).key for p in self.installed if p not in packages]
        return Pool(self.universes, keys, self.priorities, self.architectures)

    def __len__(self) -> int:
        return self.base[-1]

    def of_key(self, key: str) -> int | None:
        """The package with this key."""
        text = key.encode()
        for base, universe in zip(self.base, self.universes, strict=False):
            number = universe.package_of_key(text)
            if number >= 0:
                return base + number
        return None

    def at(self, package: int) -> tuple[Universe, int, int]:
        """Its universe, its number there, and the number of that universe."""
        if len(self.universes) == 1:
            return self.universes[0], package, 0
        index = bisect_right(self.base, package) - 1
        return self.universes[index], package - self.base[index], index

    def at_formula(self, formula: int) -> tuple[Universe, int, int]:
        """A formula's universe, its number there, and the number of that universe."""
        index = bisect_right(self.formula_base, formula) - 1 if len(self.universes) > 1 else 0
        return self.universes[index], formula - self.formula_base[index], index

    def named(self, name: str) -> tuple[int, ...]:
        """The packages of a name, the best first."""
        text = name.encode()
        for base, universe in zip(self.base, self.universes, strict=False):
            capability = universe.capability(text)
            if capability >= 0 and universe.named(capability):
                return self.name(base + universe.named(capability)[0]).versions
        return ()

    def name(self, package: int) -> Name:
        """The name a package has."""
        found = self._names.get(package)
        return found if found is not None else self._make_name(package)

    def _make_name(self, package: int) -> Name:
        universe, local, _ = self.at(package)
        capability = universe.name[local]
        if self.plain:
            return self._note_name(tuple(universe.named(capability)))
        text = universe.text_bytes(universe.capability_text[capability])
        name = self._names_by_text.get(text)
        if name is None:
            name = self._names_by_text[text] = self._note_name(self._join_name(text))
            name.text = text
        self._names[package] = name
        return name

    def _note_name(self, versions: tuple[int, ...]) -> Name:
        installed_set = self.installed_set
        name = Name(versions, tuple(v for v in versions if v in installed_set))
        for version in versions:
            self._names[version] = name
        return name

    def _join_name(self, name: bytes) -> tuple[int, ...]:
        """The versions of a name over all universes, each key once."""
        first_of_key: dict[bytes, int] = {}
        for index, capability in self._where(name):
            base, universe = self.base[index], self.universes[index]
            for local in universe.named(capability):
                if self._fits(universe, local) or base + local in self.installed_set:
                    key = universe.text_bytes(universe.key[local])
                    self._same[base + local] = first_of_key.setdefault(key, base + local)
        versions = list(first_of_key.values())
        if len(versions) > 1:
            versions.sort(key=self._place)
        return tuple(versions)

    def _fits(self, universe: Universe, local: int) -> bool:
        if not self.architectures:
            return True
        arch = universe.text(universe.arch[local])
        return arch in _EVERYWHERE or arch in self.architectures

    def _place(self, package: int) -> tuple[int, int, int, bytes, str, bytes]:
        """Sorts the versions of a name: priority, architecture, then the newest first."""
        universe, local, _ = self.at(package)
        arch = universe.text(universe.arch[local])
        repository = universe.text(universe.repository[local])
        # The highest key first: all bytes turned round, and an end above all of them.
        newest = universe.text_bytes(universe.version_key[local]).translate(_TURNED) + b"\xff"
        return (
            -self.priorities.get(repository, 0),
            self.architectures.index(arch) if arch in self.architectures else 0,
            universe.scheme[local],
            newest,
            repository,
            universe.text_bytes(universe.key[local]),
        )

    def canonical(self, package: int) -> int | None:
        """The package that stands for all of its key; None where its architecture is not wanted."""
        if self.plain:
            return package
        self.name(package)  # which finds out
        return self._same.get(package)

    def choices(self, formula: int) -> tuple[list[int], int]:
        """What can satisfy a plain formula, and how many of them the first alternative has. Nothing
        is said of other formulas."""
        found = self.known_choices.get(formula)
        if found is None:
            found = self.known_choices[formula] = self._find_choices(formula)
        return found

    def _find_choices(self, formula: int) -> tuple[list[int], int]:
        universe, local, index = self.at_formula(formula)
        if universe.formula_text[local] != NO_TEXT:
            return [], 0
        if self.plain:
            start, end = universe.choice_start[local], universe.choice_start[local + 1]
            return universe.choice[start:end].tolist(), universe.preferred[local]
        chosen: dict[int, None] = {}
        first = 0
        for part in universe.part[universe.part_start[local] : universe.part_start[local + 1]]:
            text = universe.capability_text[universe.relation_capability[part]]
            matches = self.matches(self.relation_base[index] + part)
            for group in self.grouped(matches, universe.text_bytes(text)):
                chosen.update(dict.fromkeys(group))
                first = first or len(chosen)
        return list(chosen), first

    def grouped(self, matches: Sequence[int], name: bytes) -> tuple[list[int], list[int]]:
        """The packages of the name itself, which are preferred, and the others that provide it."""
        named, others = list[int](), list[int]()
        for package in matches:
            (named if self._text_of(self.name(package)) == name else others).append(package)
        return named, others

    def _text_of(self, name: Name) -> bytes:
        if name.text is None:
            universe, local, _ = self.at(name.versions[0])
            name.text = universe.text_bytes(universe.capability_text[universe.name[local]])
        return name.text

    def users(self, formula: int) -> list[int]:
        """Every package that any relation of a formula matches."""
        universe, local, index = self.at_formula(formula)
        if universe.formula_text[local] == NO_TEXT:
            return self.choices(formula)[0]
        base = self.relation_base[index]
        parts = universe.part[universe.part_start[local] : universe.part_start[local + 1]]
        return list(dict.fromkeys(p for part in parts for p in self.matches(base + part)))

    def matches(self, relation: int) -> list[int]:
        """What matches a relation: packages of the name first, then those that provide it."""
        found = self._matches.get(relation)
        if found is None:
            found = self._matches[relation] = self._find_matches(relation)
        return found

    def _find_matches(self, relation: int) -> list[int]:
        index = bisect_right(self.relation_base, relation) - 1 if len(self.universes) > 1 else 0
        universe, local = self.universes[index], relation - self.relation_base[index]
        if self.plain:
            return universe.match[universe.match_start[local] : universe.match_start[local + 1]].tolist()
        name = universe.text_bytes(universe.capability_text[universe.relation_capability[local]])
        key, arch = universe.relation_key[local], universe.relation_arch[local]
        wanted = None if key == NO_TEXT else universe.text_bytes(key)
        arch_text = None if arch == NO_TEXT else universe.text(arch)
        scheme, operator = Scheme(universe.relation_scheme[local]), universe.relation_operator[local]
        # Revisions of one distribution say the same thousands of times.
        same = (name, operator, wanted, int(scheme), arch_text)
        known = self._alike.get(same)
        if known is None:
            found: list[int] = []
            for other, there in self._where(name):
                found += self._providers(other, there, OPERATORS[operator], {scheme: wanted}, arch_text)
            known = self._alike[same] = self._in_order(found, name)
        return known

    def _where(self, capability: bytes) -> list[tuple[int, int]]:
        """The universes that mention a capability, and its number in each."""
        known = self._mentioned.get(capability)
        if known is None:
            numbers = ((at, universe.capability(capability)) for at, universe in enumerate(self.universes))
            known = self._mentioned[capability] = [(at, there) for at, there in numbers if there >= 0]
        return known

    def _providers(
        self,
        index: int,
        capability: int,
        operator: Operator | None,
        wanted: Mapping[Scheme, bytes | None],
        arch: str | None,
    ) -> list[int]:
        """Providers of a capability in one universe, by their number in the pool."""
        universe, base = self.universes[index], self.base[index]
        start, end = universe.provider_start[capability], universe.provider_start[capability + 1]
        found = []
        for at in range(start, end):
            local = universe.provider[at]
            if operator is not None:
                scheme, key = Scheme(universe.scheme[local]), universe.provider_key[at]
                provided = None if key == NO_TEXT else universe.text_bytes(key)
                if not (scheme in wanted and version_matches(operator, scheme, provided, wanted[scheme])):
                    continue
            if any_arch(arch) or universe.text(universe.arch[local]) == arch:
                found.append(base + local)
        return found

    def _in_order(self, found: list[int], name: bytes) -> list[int]:
        """Each key once; the packages of the name first, each name's best first."""
        kept = {same for package in found if (same := self.canonical(package)) is not None}
        names = {self.name(package) for package in kept}
        if len(names) > 1:

            def place(of: Name) -> tuple[bool, bytes]:
                text = self._text_of(of)
                return text != name, text

            return [v for of in sorted(names, key=place) for v in of.versions if v in kept]
        return [version for of in names for version in of.versions if version in kept]

    def match(
        self,
        relation: Relation,
        repository: str | None = None,
        schemes: Sequence[Scheme] = tuple(Scheme),
    ) -> list[int]:
        """What matches a relation of a request, its version read in each provider's scheme."""
        name, wanted = relation.name.encode(), _wanted(relation, schemes)
        found: list[int] = []
        for index, capability in self._where(name):
            found += self._providers(index, capability, relation.operator, wanted, relation.arch)
        if repository is not None:
            found = [package for package in found if self.candidate(package).repository == repository]
        return self._in_order(found, name)

    def replacers(self, package: int) -> set[int]:
        """Packages of other names that replace a package and conflict with it: they take its place."""
        universe, local, _ = self.at(package)
        name = universe.text_bytes(universe.capability_text[universe.name[local]])
        found = set()
        for index, (base, other) in enumerate(zip(self.base, self.universes, strict=False)):
            capability = other.capability(name)
            if capability < 0:
                continue
            start, end = other.replacer_start[capability], other.replacer_start[capability + 1]
            for candidate in other.replacer[start:end]:
                if other.name[candidate] != capability and self._takes_place(other, index, candidate, package):
                    found.add(base + candidate)
        return {same for number in found if (same := self.canonical(number)) is not None}

    def _takes_place(self, universe: Universe, index: int, local: int, package: int) -> bool:
        base = self.relation_base[index]

        def matched(start: memoryview[int], flat: memoryview[int]) -> bool:
            relations = flat[start[local] : start[local + 1]]
            return any(package in self.matches(base + relation) for relation in relations)

        return matched(universe.replaces_start, universe.replaces) and matched(
            universe.conflicts_start, universe.conflicts
        )

    def mentions(self, facts: Sequence[str]) -> bool:
        """Whether any relation of any package may be about one of these facts."""
        for universe in self.universes if facts else ():
            patterns = [universe.text(universe.capability_text[c]) for c in universe.patterns]
            for fact in facts:
                if universe.capability(fact.encode()) >= 0:
                    return True
                if any(fnmatchcase(fact, pattern) for pattern in patterns):
                    return True
        return False

    def supplementers(self, capability: bytes) -> list[int]:
        """Packages whose supplements mention a capability."""
        found = []
        for base, universe in zip(self.base, self.universes, strict=False):
            number = universe.capability(capability)
            if number >= 0:
                start = universe.supplementer_start[number]
                end = universe.supplementer_start[number + 1]
                found += [base + package for package in universe.supplementer[start:end]]
        kept = {same for number in found if (same := self.canonical(number)) is not None}
        return sorted(kept)

    def supplemented(self) -> list[bytes]:
        """The capabilities that supplements mention."""
        return sorted(
            {
                universe.text_bytes(universe.capability_text[capability])
                for universe in self.universes
                if len(universe.supplementer)
                for capability in range(len(universe.capability_text))
                if universe.supplementer_start[capability] < universe.supplementer_start[capability + 1]
            }
        )

    def holds(self, formula: Formula, chosen: Set[int], schemes: Sequence[Scheme]) -> bool:
        """Whether a set of packages satisfies a formula."""

        def yes(part: Formula) -> bool:
            return self.holds(part, chosen, schemes)

        match formula:
            case Relation():
                return not chosen.isdisjoint(self.match(formula, schemes=schemes))
            case AnyOf(parts):
                return any(map(yes, parts))
            case All(parts):
                return all(map(yes, parts))
            case If(condition, then, otherwise):
                return yes(then) if yes(condition) else otherwise is None or yes(otherwise)
            case Unless(condition, then, otherwise):
                return yes(then) if not yes(condition) else otherwise is None or yes(otherwise)
            case _:
                assert_never(formula)

    def scheme(self, package: int) -> Scheme:
        """How the package's versions are ordered."""
        universe, local, _ = self.at(package)
        return Scheme(universe.scheme[local])

    def is_newer(self, package: int, than: int) -> bool | None:
        """Whether a package is newer than another; None where their schemes differ."""
        a, i, _ = self.at(package)
        b, j, _ = self.at(than)
        if a.scheme[i] != b.scheme[j]:
            return None
        ours, theirs = a.text_bytes(a.version_key[i]), b.text_bytes(b.version_key[j])
        return compare_keys(Scheme(a.scheme[i]), ours, theirs) > 0

    def newer_versions(self, package: int) -> list[int]:
        """The versions of a package's name that are newer than it."""
        return [version for version in self.name(package).versions if self.is_newer(version, package)]

    def is_multi_version(self, package: int) -> bool:
        """Whether other versions may be installed beside it."""
        universe, local, _ = self.at(package)
        return universe.is_multi_version(local)

    def candidate(self, package: int) -> Candidate:
        """A package as sentences need it."""
        universe, local, _ = self.at(package)
        return Candidate(
            universe.name_of(local),
            universe.text(universe.version[local]),
            universe.text(universe.repository[local]),
            universe.text(universe.key[local]),
        )

    def formula(self, number: int) -> Formula:
        """A numbered formula as a value."""
        universe, local, _ = self.at_formula(number)
        return universe.formula(local)

    def relation(self, number: int) -> Relation:
        """A numbered relation as a value."""
        index = bisect_right(self.relation_base, number) - 1
        return self.universes[index].relation(number - self.relation_base[index])


_TURNED = bytes(255 - byte for byte in range(256))


def _wanted(relation: Relation, schemes: Sequence[Scheme]) -> dict[Scheme, bytes | None]:
    """The sort key of a relation's version in each of the schemes that can read it."""
    keys: dict[Scheme, bytes | None] = {}
    for scheme in schemes:
        try:
            keys[scheme] = None if relation.version is None else sort_key(scheme, relation.version)
        except VersionError:
            continue
    return keys
