"""The tables of several universes, numbered on.

Package, formula, relation and capability numbers of the second universe go on where those of the
first end.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from itertools import accumulate
from zlib import crc32

from solver.universe import Universe


class Joined:
    """Where each universe begins, and where a capability is mentioned."""

    def __init__(self, universes: Iterable[Universe]) -> None:
        self.universes = tuple(universes)
        self.base = _starts(len(u) for u in self.universes)
        self.formula_base = _starts(len(u.formula_text) for u in self.universes)
        self.relation_base = _starts(len(u.relation_arch) for u in self.universes)
        self.capability_base = _starts(len(u.capability_text) for u in self.universes)

    def at(self, package: int) -> tuple[Universe, int, int]:
        """A package's universe, its number there, and the number of that universe."""
        if len(self.universes) == 1:
            return self.universes[0], package, 0
        index = bisect_right(self.base, package) - 1
        return self.universes[index], package - self.base[index], index

    def at_formula(self, formula: int) -> tuple[Universe, int, int]:
        """A formula's universe, its number there, and the number of that universe."""
        index = bisect_right(self.formula_base, formula) - 1 if len(self.universes) > 1 else 0
        return self.universes[index], formula - self.formula_base[index], index

    def at_relation(self, relation: int) -> tuple[Universe, int, int]:
        """A relation's universe, its number there, and the number of that universe."""
        index = bisect_right(self.relation_base, relation) - 1 if len(self.universes) > 1 else 0
        return self.universes[index], relation - self.relation_base[index], index

    def where(self, capability: bytes, known: tuple[int, int] | None = None) -> list[tuple[int, int]]:
        """The universes that mention a capability, and its number in each. `known` is one of them."""
        value = crc32(capability)
        found = []
        for index, universe in enumerate(self.universes):
            if known is not None and index == known[0]:
                found.append(known)
                continue
            number = universe.capability_hashed(capability, value)
            if number >= 0:
                found.append((index, number))
        return found


def _starts(lengths: Iterable[int]) -> list[int]:
    return list(accumulate(lengths, initial=0))
