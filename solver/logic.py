"""Formulas as literals, of which one must hold; auxiliary variables only imply."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import assert_never

from solver.choices import Choice, Choices, Emit
from solver.facts import Facts
from solver.model import All, AnyOf, Formula, If, Relation, Unless
from solver.pool import Pool
from solver.request import Request
from solver.version import Scheme


class Formulas(Choices):
    """Clauses of formulas, with the facts of the machine."""

    def __init__(
        self, pool: Pool, request: Request, emit: Emit, *, lazy: bool, preferring: bool, explaining: bool
    ) -> None:
        super().__init__(pool, request, emit, lazy=lazy, preferring=preferring, explaining=explaining)
        self._true = 0
        self._known = Facts(request.known)
        self.facts = self._known.texts
        self.facts_matter = pool.mentions(self._known)

    def true(self) -> int:
        """A literal that nothing speaks against."""
        if not self._true:
            self._true = self.new()
        return self._true

    def is_fact(self, relation: Relation) -> bool:
        """Whether the machine itself provides it."""
        return self._known.has(relation)

    def positive(
        self,
        formula: Formula,
        schemes: Sequence[Scheme] = tuple(Scheme),
        repository: str | None = None,
    ) -> list[int]:
        """Literals of which one must hold for the formula to hold."""

        def yes(part: Formula) -> list[int]:
            return self.positive(part, schemes, repository)

        def no(part: Formula) -> list[int]:
            return self.negative(part, schemes, repository)

        match formula:
            case Relation():
                if self.is_fact(formula):
                    return [self.true()]
                matches = self.pool.match(formula, repository, schemes)
                return self._one_of(self.choice(matches))
            case AnyOf(parts):
                return [literal for part in parts for literal in yes(part)]
            case All(parts):
                return [self._implies([yes(part) for part in parts])]
            case If(condition, then, otherwise):
                clauses = [[*no(condition), *yes(then)]]
                if otherwise is not None:
                    clauses.append([*yes(condition), *yes(otherwise)])
                return [self._implies(clauses)]
            case Unless(condition, then, otherwise):
                clauses = [[*yes(condition), *yes(then)]]
                if otherwise is not None:
                    clauses.append([*no(condition), *yes(otherwise)])
                return [self._implies(clauses)]
            case _:
                assert_never(formula)

    def negative(
        self,
        formula: Formula,
        schemes: Sequence[Scheme] = tuple(Scheme),
        repository: str | None = None,
    ) -> list[int]:
        """Literals of which one must hold for the formula not to hold."""

        def yes(part: Formula) -> list[int]:
            return self.positive(part, schemes, repository)

        def no(part: Formula) -> list[int]:
            return self.negative(part, schemes, repository)

        match formula:
            case Relation():
                return [] if self.is_fact(formula) else [-self._matched(self.pool.match(formula, repository, schemes))]
            case AnyOf(parts):
                return [self._implies([no(part) for part in parts])]
            case All(parts):
                return [literal for part in parts for literal in no(part)]
            case If(condition, then, otherwise):
                either = [self._implies([yes(condition), no(then)])]
                if otherwise is not None:
                    either.append(self._implies([no(condition), no(otherwise)]))
                return either
            case Unless(condition, then, otherwise):
                either = [self._implies([no(condition), no(then)])]
                if otherwise is not None:
                    either.append(self._implies([yes(condition), no(otherwise)]))
                return either
            case _:
                assert_never(formula)

    def _one_of(self, choice: Choice) -> list[int]:
        """The literals of a choice, behind a variable where they may still grow."""
        if not choice.loose:
            return choice.literals
        behind = self.new()
        self.head(choice, (-behind,), None)
        return [behind]

    def _implies(self, clauses: Iterable[Sequence[int]]) -> int:
        """A variable that implies all of some clauses: ¬variable ∨ clause, each."""
        variable = self.new()
        for clause in clauses:
            self.emit([-variable, *clause], None)
        return variable

    def _matched(self, packages: Iterable[int]) -> int:
        """A variable that holds where one of the packages is chosen: ¬q ∨ variable, also for those
        that may join later."""
        matched = self.new()
        for package in packages:
            if package in self.variable:
                self.emit([-self.variable[package], matched], None)
            else:
                self.watched.setdefault(package, []).append(matched)
        return matched
