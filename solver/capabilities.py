"""What matches a relation, over several universes.

A capability is known by its text: who provides it is found once for all the relations about it, and
what reads the same is matched once, for the suites of one distribution say the same thousands of
times.
"""

from __future__ import annotations

import operator
from collections.abc import Mapping, Sequence

from solver.compile import NO_TEXT, OPERATORS, any_arch, version_matches
from solver.joined import Joined
from solver.model import Operator
from solver.names import Name, Names
from solver.version import Scheme

# Packages, and how many of them come before the others.
Matches = tuple[list[int], int]
# A package, the scheme and the sort key of the version it offers.
Offer = tuple[int, int, bytes | None]

# Schemes whose sort keys are compared as they are: elsewhere a missing release equals every release.
_BYTEWISE = (Scheme.DEB, Scheme.INTEGER)
_COMPARE = {
    Operator.LT: operator.lt,
    Operator.LE: operator.le,
    Operator.EQ: operator.eq,
    Operator.GE: operator.ge,
    Operator.GT: operator.gt,
}


class Capability:
    """Who offers it: the packages of that very name, and the others, by name; of each name the best
    version first."""

    __slots__ = ("everything", "known", "others", "own")

    def __init__(self, own: list[Offer], others: list[Offer]) -> None:
        self.own, self.others = own, others
        self.everything = _preferring([p for p, _, _ in own], [p for p, _, _ in others])
        self.known: dict[tuple[int, int, bytes | None, str | None], Matches] = {}


def _preferring(own: list[int], others: list[int]) -> Matches:
    """Each once; those of the name before the others, all alike where there are none."""
    if not others and len(own) < 2:
        return own, len(own)
    first = dict.fromkeys(own)
    found = list(dict.fromkeys([*first, *others]))
    return found, len(first) or len(found)


class Capabilities:
    """Capabilities by their numbers, gathered when they are first asked for."""

    def __init__(self, joined: Joined, names: Names) -> None:
        self._joined, self._names = joined, names
        self._of_number: dict[int, Capability] = {}
        self._arch_texts: dict[tuple[int, int], str | None] = {}

    def of(self, index: int, number: int) -> Capability:
        """A capability of a universe, as all universes offer it."""
        base = self._joined.capability_base
        found = self._of_number.get(base[index] + number)
        if found is None:
            own = self._names.of_capability(index, number)
            found = self._gather(own)
            for other, there in own.where:
                self._of_number[base[other] + there] = found
        return found

    def named(self, text: bytes) -> Capability | None:
        """The capability with a text; None where nothing mentions it."""
        for index, number in self._joined.where(text):
            return self.of(index, number)
        return None

    def relation(self, relation: int) -> Matches:
        """What matches a numbered relation."""
        universe, local, index = self._joined.at_relation(relation)
        capability = self.of(index, universe.relation_capability[local])
        sign, arch = universe.relation_operator[local], universe.relation_arch[local]
        if not sign and arch == NO_TEXT:
            return capability.everything
        limit = None if arch == NO_TEXT else self._arch_text(index, arch)
        key, scheme = universe.relation_key[local], universe.relation_scheme[local]
        wanted = universe.text_bytes(key) if sign and key != NO_TEXT else None
        same = sign, scheme, wanted, limit
        found = capability.known.get(same)
        if found is None:
            found = capability.known[same] = self.matching(capability, OPERATORS[sign], {scheme: wanted}, limit)
        return found

    def matching(
        self,
        capability: Capability,
        sign: Operator | None,
        wanted: Mapping[int, bytes | None],
        arch: str | None,
    ) -> Matches:
        """What of a capability's offers satisfies a relation, its version read in each scheme."""

        def fitting(offers: Sequence[Offer]) -> list[int]:
            found = [package for package, _, _ in offers] if sign is None else _satisfying(offers, sign, wanted)
            return found if any_arch(arch) else [package for package in found if self._arch(package) == arch]

        return _preferring(fitting(capability.own), fitting(capability.others))

    def _arch_text(self, index: int, number: int) -> str | None:
        """An architecture that limits a relation; None where it limits nothing."""
        if (index, number) not in self._arch_texts:
            text = self._joined.universes[index].text(number)
            self._arch_texts[index, number] = None if any_arch(text) else text
        return self._arch_texts[index, number]

    def _arch(self, package: int) -> str:
        universe, local, _ = self._joined.at(package)
        return universe.text(universe.arch[local])

    def _gather(self, own: Name) -> Capability:
        """Looks through the providers in every universe, of what is the name of `own` or of nothing."""
        names, base = self._names, self._joined.base
        offers: dict[int, list[Offer]] = {}
        for index, number in own.where:
            universe = self._joined.universes[index]
            start, end = universe.provider_start[number], universe.provider_start[number + 1]
            if end - start == len(universe.named(number)) and own.keys:
                continue  # nobody else, and their versions are known
            for at in range(start, end):
                local, key = universe.provider[at], universe.provider_key[at]
                package = names.canonical(base[index] + local)
                if package is not None:
                    version = None if key == NO_TEXT else universe.text_bytes(key)
                    offers.setdefault(package, []).append((package, universe.scheme[local], version))
        if own.keys:
            for package, (scheme, version) in zip(own.versions, own.keys, strict=True):
                offers.setdefault(package, []).append((package, scheme, version))
        if not offers:
            return Capability([], [])
        by_name = {names.of(package) for package in offers}
        by_name.discard(own)
        others = sorted(by_name, key=names.text)
        return Capability(_in_order(offers, [own]), _in_order(offers, others))


def _in_order(offers: Mapping[int, list[Offer]], names: Sequence[Name]) -> list[Offer]:
    return [offer for name in names for version in name.versions for offer in offers.get(version, ())]


def _satisfying(offers: Sequence[Offer], sign: Operator, wanted: Mapping[int, bytes | None]) -> list[int]:
    """The packages whose offered version stands to the wanted one as the sign says."""
    found = []
    compare = _COMPARE[sign]
    for package, number, version in offers:
        if number in wanted:
            scheme, limit = Scheme(number), wanted[number]
            if scheme in _BYTEWISE and version is not None and limit is not None:
                if compare(version, limit):
                    found.append(package)
            elif version_matches(sign, scheme, version, limit):
                found.append(package)
    return found
