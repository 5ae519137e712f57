"""Several universes as one, seen from one machine.

Names are joined in `solver.names`, what matches a relation is found in `solver.capabilities`; where
one table is all there is, both read it off.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from typing import assert_never

from solver.capabilities import Capabilities
from solver.compile import NO_TEXT, without_arch
from solver.facts import NO_FACTS, Facts
from solver.joined import Joined
from solver.lookup import Lookup
from solver.model import All, AnyOf, Formula, If, Relation, Unless
from solver.names import Names
from solver.rules import Candidate
from solver.solution import Details
from solver.universe import Universe
from solver.version import Scheme, VersionError, compare_keys, sort_key

_SCHEMES = tuple(Scheme)


class UnknownPackageError(LookupError):
    """Installed keys that no universe has."""

    def __init__(self, keys: Sequence[str]) -> None:
        super().__init__(f"installed, but in no universe: {', '.join(keys[:10])}")
        self.keys = tuple(keys)


class Pool(Joined):
    """The packages of some universes, seen from one machine."""

    def __init__(
        self,
        universes: Sequence[Universe],
        installed: Iterable[str] = (),
        priorities: Mapping[str, int] | None = None,
        architectures: Sequence[str] = (),
    ) -> None:
        super().__init__(universes)
        self.priorities, self.architectures = dict(priorities or {}), tuple(architectures)
        self.has_supplements = any(len(universe.supplementer) for universe in self.universes)
        self._of_key: dict[str, int | None] = {}
        self.installed = self.numbers(installed)
        self.installed_set = frozenset(self.installed)
        self._names = Names(self, self.priorities, self.architectures, self.installed_set)
        self._capabilities = Capabilities(self, self._names)
        self.plain, self._mixed = self._names.plain, self._names.mixed
        self.name, self.canonical = self._names.of, self._names.canonical
        # Asked over and over. `choices`: what can satisfy a plain formula, and how many of them the first
        # alternative has; nothing is said of other formulas. `matches`: what matches a relation, packages
        # of the name first, then those that provide it. `candidate`: a package as sentences need it.
        self.choices: Callable[[int], tuple[list[int], int]] = Lookup(
            self._plain_choices if self.plain else self._find_choices
        ).__getitem__
        self.matches: Callable[[int], list[int]] = Lookup(self._find_matches).__getitem__
        self.candidate: Callable[[int], Candidate] = Lookup(self._find_candidate).__getitem__
        self._place: Callable[[tuple[int, int]], int] = Lookup(self._find_place).__getitem__

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
        if key not in self._of_key:
            self._of_key[key] = self._find_key(key.encode())
        return self._of_key[key]

    def _find_key(self, text: bytes) -> int | None:
        for base, universe in zip(self.base, self.universes, strict=False):
            number = universe.package_of_key(text)
            if number >= 0:
                return base + number
        return None

    def named(self, name: str) -> tuple[int, ...]:
        """The packages of a name, the best first."""
        for index, number in self.where(name.encode()):
            return self._names.of_capability(index, number).versions
        return ()

    def _plain_choices(self, formula: int) -> tuple[list[int], int]:
        universe = self.universes[0]
        if universe.formula_text[formula] != NO_TEXT:
            return [], 0
        start, end = universe.choice_start[formula], universe.choice_start[formula + 1]
        if end - start == 1:
            return [universe.choice[start]], 1
        return universe.choice[start:end].tolist(), universe.preferred[formula]

    def _find_choices(self, formula: int) -> tuple[list[int], int]:
        universe, local, index = self.at_formula(formula)
        if universe.formula_text[local] != NO_TEXT:
            return [], 0
        relation = self._capabilities.need
        start, end = universe.part_start[local], universe.part_start[local + 1]
        if not index and self._mixed is not None:
            mentioned = universe.relation_capability
            if self._mixed.isdisjoint([mentioned[part] for part in universe.part[start:end]]):
                return self._plain_choices(local)
        if end - start == 1:
            return relation(universe, universe.part[start], index)
        chosen: dict[int, None] = {}
        first = 0
        for part in universe.part[start:end]:
            matches, preferred = relation(universe, part, index)
            chosen.update(dict.fromkeys(matches))
            first = first or preferred
        return list(chosen), first

    def grouped(self, matches: Sequence[int], name: bytes) -> tuple[list[int], list[int]]:
        """The packages of the name itself, which are preferred, and the others that provide it."""
        named, others = list[int](), list[int]()
        for package in matches:
            (named if self._names.text(self.name(package)) == name else others).append(package)
        return named, others

    def users(self, formula: int) -> list[int]:
        """Every package that any relation of a formula matches."""
        universe, local, index = self.at_formula(formula)
        if universe.formula_text[local] == NO_TEXT:
            return self.choices(formula)[0]
        base = self.relation_base[index]
        parts = universe.part[universe.part_start[local] : universe.part_start[local + 1]]
        return list(dict.fromkeys(p for part in parts for p in self.matches(base + part)))

    def _find_matches(self, relation: int) -> list[int]:
        universe, local, index = self.at_relation(relation)
        if not index and self._mixed is not None and universe.relation_capability[local] not in self._mixed:
            return universe.match[universe.match_start[local] : universe.match_start[local + 1]].tolist()
        return self._capabilities.relation_of(universe, local, index)[0]

    def match(
        self,
        relation: Relation,
        repository: str | None = None,
        schemes: Sequence[Scheme] = tuple(Scheme),
    ) -> list[int]:
        """What matches a relation of a request, its version read in each provider's scheme; of one scheme: what meets
        a need that a package of it has."""
        wanted = _wanted(relation, schemes)
        name = relation.name.encode()
        capability = self._capabilities.named(name)
        found = list[int]()
        if capability is not None:
            found, _ = self._capabilities.matching(capability, relation.operator, wanted, relation.arch)
        if len(schemes) == 1 and (plain := without_arch(name)):
            named, others = self._capabilities.serving(plain, relation.operator, wanted, relation.arch)
            found = list(dict.fromkeys([*named, *found, *others]))
        return [p for p in found if repository is None or self.candidate(p).repository == repository]

    def place(self, index: int, capability: int) -> int:
        """What stands for a capability of a universe in all of them: its number in the first that mentions it."""
        return self._place((index, capability)) if index else capability

    def _find_place(self, of: tuple[int, int]) -> int:
        index, capability = of
        universe = self.universes[index]
        text = universe.text_bytes(universe.capability_text[capability])
        first, number = self.where(text, of)[0]
        return self.capability_base[first] + number

    def replacers(self, package: int) -> set[int]:
        """Packages of other names that replace a package and conflict with it: they take its place."""
        found = set()
        for index, capability in self.name(package).where:
            universe = self.universes[index]
            start, end = universe.replacer_start[capability], universe.replacer_start[capability + 1]
            for candidate in universe.replacer[start:end]:
                if universe.name[candidate] != capability and self._takes_place(index, candidate, package):
                    found.add(self.base[index] + candidate)
        return {same for number in found if (same := self.canonical(number)) is not None}

    def _takes_place(self, index: int, local: int, package: int) -> bool:
        universe, base = self.universes[index], self.relation_base[index]

        def matched(start: memoryview[int], flat: memoryview[int]) -> bool:
            first, end = start[local], start[local + 1]
            return first < end and any(package in self.matches(base + relation) for relation in flat[first:end])

        return matched(universe.conflicts_start, universe.conflicts) and matched(
            universe.replaces_start, universe.replaces
        )

    def mentions(self, facts: Facts) -> bool:
        """Whether any relation of any package may be about one of these facts: each pattern is looked up among the
        facts that begin as it does, since there may be thousands of patterns and of devices."""
        for universe in self.universes if facts.texts else ():
            if any(universe.capability(fact.encode()) >= 0 for fact in facts.texts):
                return True
            if any(facts.matching(text) for text in universe.open_texts() if "*" in text or "?" in text):
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

    def holds(
        self, formula: Formula, chosen: Set[int], schemes: Sequence[Scheme], facts: Facts = NO_FACTS
    ) -> bool:
        """Whether a set of packages, with these facts, satisfies a formula."""

        def yes(part: Formula) -> bool:
            return self.holds(part, chosen, schemes, facts)

        match formula:
            case Relation():
                return facts.has(formula) or not chosen.isdisjoint(self.match(formula, schemes=schemes))
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
        name = self.name(package)
        if name.descending and than in name.versions:
            return name.versions.index(package) < name.versions.index(than)
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

    def key(self, package: int) -> str:
        """The caller's identity of a package."""
        universe, local, _ = self.at(package)
        return universe.text(universe.key[local])

    def _find_candidate(self, package: int) -> Candidate:
        universe, local, _ = self.at(package)
        return Candidate(*universe.told(local))

    def details(self, package: int) -> Details:
        """What a package says of itself beside that."""
        universe, local, _ = self.at(package)
        scheme, arch, size, installed_size = universe.details(local)
        return Details(_SCHEMES[scheme], arch, size, installed_size)

    def formula(self, number: int) -> Formula:
        """A numbered formula as a value."""
        universe, local, _ = self.at_formula(number)
        return universe.formula(local)

    def relation(self, number: int) -> Relation:
        """A numbered relation as a value."""
        universe, local, _ = self.at_relation(number)
        return universe.relation(local)


def _wanted(relation: Relation, schemes: Sequence[Scheme]) -> dict[int, bytes | None]:
    """The sort key of a relation's version in each of the schemes that can read it."""
    keys: dict[int, bytes | None] = {}
    for scheme in schemes:
        try:
            keys[scheme] = None if relation.version is None else sort_key(scheme, relation.version)
        except VersionError:
            continue
    return keys
