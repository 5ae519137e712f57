"""What matches a relation, over several universes.

A capability is known by its text: who provides it is found once for all the relations about it, and
what reads the same is matched once, for the suites of one distribution say the same thousands of
times.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from typing import Any

from solver.compile import NO_TEXT, OPERATORS, any_arch, version_matches, without_arch
from solver.joined import Joined
from solver.model import Operator
from solver.names import BYTEWISE, Name, Names, Offer
from solver.universe import Universe
from solver.version import Scheme

# Packages, and how many of them come before the others.
Matches = tuple[list[int], int]

_COMPARE: dict[Operator, Callable[[Any, bytes], bool]] = {
    Operator.LT: operator.lt,
    Operator.LE: operator.le,
    Operator.EQ: operator.eq,
    Operator.GE: operator.ge,
    Operator.GT: operator.gt,
}
_COMPARE_NUMBERED: list[Callable[[Any, bytes], bool]] = [_COMPARE[sign or Operator.EQ] for sign in OPERATORS]


class Capability:
    """Who offers it: first the packages of that very name (`own`; None where there are no others),
    then the others, by name; of each name the best version first. `plain` is the name in `name:ARCH`."""

    __slots__ = ("everything", "known", "offers", "own", "plain", "scheme")

    def __init__(self, offers: list[Offer], own: frozenset[int] | None, plain: bytes) -> None:
        self.offers, self.own, self.plain = offers, own, plain
        # The only scheme, where versions can be compared as bytes.
        self.scheme = offers[0][1] if offers and offers[0][1] in BYTEWISE else -1
        every = []
        for package, scheme, version in offers:
            every.append(package)
            if scheme != self.scheme or version is None:
                self.scheme = -1
        self.everything = self.preferring(every)
        self.known: dict[tuple[int, int, bytes | None, str | None], Matches] = {}

    def preferring(self, found: list[int]) -> Matches:
        """Each package once, and how many come first: those of the name, or all where there are none."""
        if self.own is None:
            return found, len(found)
        found = list(dict.fromkeys(found))
        return found, sum(package in self.own for package in found) or len(found)

    def satisfying(self, sign: Operator, wanted: Mapping[int, bytes | None]) -> list[int]:
        """The packages whose version stands to the wanted one, read in each scheme, as the sign says."""
        limit = wanted.get(self.scheme)
        if limit is not None:
            compare = _COMPARE[sign]
            return [package for package, _, version in self.offers if compare(version, limit)]
        return [
            package
            for package, scheme, version in self.offers
            if scheme in wanted and version_matches(sign, Scheme(scheme), version, wanted[scheme])
        ]


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
            found = self._of_number[base[index] + number] = self._gather(own)
            for other, there in own.where:
                self._of_number[base[other] + there] = found
        return found

    def named(self, text: bytes) -> Capability | None:
        """The capability with a text; None where nothing mentions it."""
        for index, number in self._joined.where(text):
            return self.of(index, number)
        return None

    def need(self, universe: Universe, local: int, index: int) -> Matches:
        """What meets a relation of a universe, the `index`-th, that a package needs: what matches it, and, of
        `name:ARCH`, what provides the name for every architecture; first the package of the plain name."""
        matches = self.relation_of(universe, local, index)
        number = self._joined.capability_base[index] + universe.relation_capability[local]
        if not (plain := self._of_number[number].plain):
            return matches
        found, first = matches
        key, arch = universe.relation_key[local], universe.relation_arch[local]
        wanted = {universe.relation_scheme[local]: None if key == NO_TEXT else universe.text_bytes(key)}
        limit = None if arch == NO_TEXT else universe.text(arch)
        named, others = self.serving(plain, OPERATORS[universe.relation_operator[local]], wanted, limit)
        return list(dict.fromkeys([*named, *found, *others])), len(named) or first or len(others)

    def serving(
        self, plain: bytes, sign: Operator | None, wanted: Mapping[int, bytes | None], arch: str | None
    ) -> tuple[list[int], list[int]]:
        """The packages of a name that serve every architecture, and the others that provide it and do."""
        capability = self.named(plain)
        if capability is None:
            return [], []
        found = [one for one in self.matching(capability, sign, wanted, arch)[0] if self._is_for_every_arch(one)]
        named = [one for one in found if self._names.text(self._names.of(one)) == plain]
        return named, [one for one in found if one not in named]

    def _is_for_every_arch(self, package: int) -> bool:
        universe, local, _ = self._joined.at(package)
        return universe.is_for_every_arch(local)

    def relation_of(self, universe: Universe, local: int, index: int) -> Matches:
        """What matches a relation of a universe, the `index`-th."""
        number = universe.relation_capability[local]
        capability = self._of_number.get(self._joined.capability_base[index] + number) or self.of(index, number)
        sign, arch = universe.relation_operator[local], universe.relation_arch[local]
        if not capability.offers or (not sign and arch == NO_TEXT):
            return capability.everything
        limit = None if arch == NO_TEXT else self._arch_text(index, arch)
        key, scheme = universe.relation_key[local], universe.relation_scheme[local]
        wanted = universe.text_bytes(key) if sign and key != NO_TEXT else None
        same = sign, scheme, wanted, limit
        found = capability.known.get(same)
        if found is None:
            if limit is None and wanted is not None and scheme == capability.scheme:  # nearly always
                compare = _COMPARE_NUMBERED[sign]
                offers = capability.offers
                found = capability.preferring([package for package, _, version in offers if compare(version, wanted)])
            else:
                found = self.matching(capability, OPERATORS[sign], {scheme: wanted}, limit)
            capability.known[same] = found
        return found

    def matching(
        self, capability: Capability, sign: Operator | None, wanted: Mapping[int, bytes | None], arch: str | None
    ) -> Matches:
        """What satisfies a relation about a capability, its version read in each scheme."""
        found = capability.everything[0] if sign is None else capability.satisfying(sign, wanted)
        if not any_arch(arch):
            found = [package for package in found if self._arch(package) == arch]
        return capability.preferring(found)

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
        """Who provides, in any universe, what is the name of `own` (or of nothing)."""
        index, number = own.where[0]
        universe = self._joined.universes[index]
        plain = without_arch(universe.text_bytes(universe.capability_text[number]))
        if own.alone:
            return Capability(own.offers, None, plain)
        names, base = self._names, self._joined.base
        offers: dict[int, list[Offer]] = {}
        for index, number in own.where:
            universe = self._joined.universes[index]
            for at in range(universe.provider_start[number], universe.provider_start[number + 1]):
                local, key = universe.provider[at], universe.provider_key[at]
                package = names.canonical(base[index] + local)
                if package is not None:
                    version = None if key == NO_TEXT else universe.text_bytes(key)
                    offers.setdefault(package, []).append((package, universe.scheme[local], version))
        others = {names.of(package) for package in offers} - {own}
        in_order = [own, *sorted(others, key=names.text)]
        every = [offer for name in in_order for version in name.versions for offer in offers.get(version, ())]
        return Capability(every, frozenset(own.versions), plain)
