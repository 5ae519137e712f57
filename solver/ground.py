"""What holds whatever is chosen, as far as propagation sees.

A solver tells what follows from an assumption, not what holds without any. So what would hold by
itself is made to follow from a guard, a variable assumed in every question. Once it has been asked
what that is, the guard becomes a fact and another takes its place: what is known is never propagated
twice, and clauses are shortened by it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from solver.sat import Sat


class Ground:
    """The clauses of a solver, and the literals known to hold."""

    def __init__(self, sat: Sat) -> None:
        self.sat, self.guard = sat, 1
        self.fixed: set[int] = set()

    def add(self, clause: Sequence[int], _: object = None) -> None:
        """One more clause, without what is known to fail; why it is there does not matter here."""
        fixed = self.fixed
        if fixed:
            clause = [literal for literal in clause if -literal not in fixed]
            if not fixed.isdisjoint(clause):
                return
        if len(clause) > 1:
            self.sat.add(clause)
        else:
            self.sat.add([-self.guard, *clause])

    def harden(self, literals: Iterable[int]) -> None:
        """These hold from now on."""
        fixed, add, guard = self.fixed, self.sat.add, -self.guard
        for literal in literals:
            if literal not in fixed:
                add([guard, literal])

    def settle(self, new: Callable[[], int]) -> list[int]:
        """What has come to hold since this was asked last. `new` makes a fresh variable."""
        found = self.sat.implied([self.guard])
        if len(found) > 1:
            self.fixed.update(found)
            self.sat.add([self.guard])
            self.guard = new()
        return found
