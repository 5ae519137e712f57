"""Which rules of a core it cannot do without, found from one model by turning single variables round.

Recursive model rotation (Belov, Marques-Silva 2011): a model of all rules but one shows that this one is
necessary. Where turning a variable of it round breaks exactly one other rule instead, that one is
necessary too, and so on from there. Along a chain of dependencies one model shows it of every link, where
a question each would take the square of its length.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

from solver.choices import Said


class Rotation:
    """The clauses of some rules, and the definitions they use, which always hold."""

    def __init__(self, clauses: Mapping[Said, Sequence[list[int]]], definitions: Sequence[list[int]]) -> None:
        self._literals: list[list[int]] = []
        self._owner: list[Said | None] = []
        self._of: dict[Said, list[int]] = {}
        self._containing = defaultdict[int, list[int]](list)
        for clause in definitions:
            self._add(None, clause)
        for said, several in clauses.items():
            self._of[said] = [self._add(said, clause) for clause in several]

    def _add(self, owner: Said | None, clause: list[int]) -> int:
        number = len(self._literals)
        self._literals.append(clause)
        self._owner.append(owner)
        for literal in set(clause):
            self._containing[literal].append(number)
        return number

    def necessary(self, missing: Said, model: Sequence[int], core: set[Said], known: set[Said]) -> None:
        """Adds to `known` the rule that a model breaks as the only one of a core, and all that rotating
        finds from there."""
        true = set(model)
        known.add(missing)
        start = [clause for clause in self._of[missing] if true.isdisjoint(self._literals[clause])]
        # The clauses that are broken, what may be turned round, and what was turned round to come here.
        path: list[tuple[list[int], Iterator[int], int]] = [(start, self._turnable(start), 0)]
        while path:
            broken, turnable, came_by = path[-1]
            for literal in turnable:  # false so far
                true.discard(-literal)
                true.add(literal)
                left = self._broken_by(literal, broken, true, core)
                owners = {self._owner[clause] for clause in left}
                other = owners.pop() if len(owners) == 1 else None
                if other is not None and other not in known:
                    known.add(other)
                    path.append((left, self._turnable(left), literal))
                    break
                true.discard(literal)
                true.add(-literal)
            else:
                path.pop()
                true.discard(came_by)
                true.add(-came_by)

    def _turnable(self, clauses: Sequence[int]) -> Iterator[int]:
        return iter(list(dict.fromkeys(literal for clause in clauses for literal in self._literals[clause])))

    def _broken_by(self, literal: int, broken: Sequence[int], true: set[int], core: set[Said]) -> list[int]:
        """The clauses that are broken once a literal has become true."""
        literals, owner = self._literals, self._owner
        left = [clause for clause in broken if literal not in literals[clause]]
        for clause in self._containing.get(-literal, ()):
            of = owner[clause]
            if true.isdisjoint(literals[clause]) and (of is None or of in core):
                left.append(clause)
        return left
