"""Whether each package of a universe can be installed alone, and why not.

One encoding of everything serves all questions. The first answers are greedy: a model that holds as
many packages as possible shows all of them installable at once. What is left is asked for one by
one, and every model again shows more than it was asked for.
"""

from __future__ import annotations

from collections.abc import Callable

from solver.conflict import find_conflict
from solver.encode import Encoder, Why
from solver.model import Operator, Relation
from solver.pool import Pool
from solver.problem import Problem
from solver.request import Request, Wish
from solver.rules import Candidate, Kind
from solver.sat import Sat
from solver.solution import Conflict
from solver.uncollected import uncollected
from solver.values import value

_GREEDY_SHARE = 200  # greedy models go on while each shows half a percent of all


@value
class Broken:
    """A package that cannot be installed, whatever else is."""

    package: Candidate
    conflict: Conflict


@uncollected()
def check(problem: Problem, budget: Callable[[], bool] | None = None) -> tuple[Broken, ...]:
    """The packages of the universes that cannot be installed alone, sorted, each with the reason.

    Of the request only the facts count. Raises OutOfBudgetError when the budget ends.
    """
    pool = Pool(problem.universes, (), problem.priorities, problem.architectures)
    facts = Request(facts=problem.request.facts)
    broken = sorted(_broken(pool, facts, budget), key=lambda package: pool.candidate(package))
    return tuple(_explained(pool, facts, package, budget) for package in broken)


def _explained(pool: Pool, facts: Request, package: int, budget: Callable[[], bool] | None) -> Broken:
    candidate = pool.candidate(package)
    wish = Wish(Relation(candidate.name, Operator.EQ, candidate.version))

    def start(encoder: Encoder) -> None:
        encoder.want(package, (Kind.WISHED, wish))

    return Broken(candidate, find_conflict(pool, facts, start=start, budget=budget))


def _broken(pool: Pool, facts: Request, budget: Callable[[], bool] | None) -> list[int]:
    """The packages that cannot be installed."""
    every = {same for package in range(len(pool)) if (same := pool.canonical(package)) is not None}
    unknown = dict.fromkeys(sorted(every))
    models = _Models(pool, facts, unknown, budget)
    while models.show() > len(every) // _GREEDY_SHARE:
        pass
    # What is left reaches a small part of the packages, where a model costs less.
    models = _Models(pool, facts, unknown, budget)
    broken = []
    while unknown:
        package = next(iter(unknown))
        if not models.show(package):
            broken.append(package)
            del unknown[package]
    return broken


class _Models:
    """Models of everything that the unknown packages reach. Each is made to hold as many of them as
    it will, and takes those it holds out of the unknown."""

    def __init__(
        self,
        pool: Pool,
        facts: Request,
        unknown: dict[int, None],
        budget: Callable[[], bool] | None,
    ) -> None:
        self.sat, self.unknown = Sat(may_go_on=budget), unknown

        def emit(clause: list[int], _: Why) -> None:
            self.sat.add(clause)

        encoder = Encoder(pool, facts, emit, lazy=False, preferring=False, explaining=True)
        for package in unknown:
            encoder.meet(pool.name(package))
        encoder.drain()
        self.variable = encoder.variable
        wanted = {self.variable[package] for package in unknown}
        self.sat.phases([v if v in wanted else -v for v in range(1, encoder.top + 1)])

    def show(self, package: int | None = None) -> int:
        """How many more one more model shows installable, one with the package where one is named."""
        variable = self.variable
        if not self.sat.solve(() if package is None else (variable[package],)):
            return 0
        model = self.sat.model()
        shown = [p for p in self.unknown if model[variable[p] - 1] > 0]
        for installable in shown:
            del self.unknown[installable]
        self.sat.phases([-variable[p] for p in shown])
        return len(shown)
