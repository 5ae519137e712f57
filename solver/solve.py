"""A problem in, a solution or a conflict out."""

from __future__ import annotations

from collections.abc import Callable

from solver.encode import Encoder
from solver.ground import Ground
from solver.measures import Measures, may_be_lazy
from solver.objective import Optimiser, Optimum
from solver.pool import Pool
from solver.preferences import Measure
from solver.problem import Problem
from solver.reasons import describe, needed
from solver.sat import OutOfBudgetError, Sat
from solver.solution import Conflict, Solution
from solver.uncollected import uncollected
from solver.values import replace, value

# What every order ends with, so that nothing comes or goes for no reason.
_AT_LAST = (Measure.REMOVED, Measure.ADDED)


class NoAnswerError(Exception):
    """The budget ended before any solution or conflict was found."""


@value
class Effort:
    """How to solve, which never changes a proven answer: the back-end of `solver.sat`, and whether
    unlikely packages are left out at first."""

    backend: str = "minisat22"
    lazy: bool = True


_USUAL = Effort()


@uncollected()
def solve(
    problem: Problem,
    budget: Callable[[], bool] | None = None,
    effort: Effort = _USUAL,
) -> Solution | Conflict:
    """The best solution, or why there is none.

    `budget` is asked now and then whether to go on. When it says no, the best solution so far is
    returned with `proven=False`; NoAnswerError where there is none yet. Raises UnknownPackageError
    for installed keys that no universe has.
    """
    try:
        pool = make_pool(problem)
        optimum = optimise(pool, problem, budget, effort)
        if optimum is None:
            from solver.conflict import find_conflict  # most requests can be met

            return find_conflict(pool, problem.request, effort.backend, budget=budget)
        return describe(pool, problem, optimum)
    except OutOfBudgetError as error:
        raise NoAnswerError("the time ended before an answer was found") from error


def make_pool(problem: Problem) -> Pool:
    """The packages of a problem; automatic ones that nothing needs do not count as installed."""
    pool = Pool(problem.universes, problem.installed, problem.priorities, problem.architectures)
    if not problem.automatic:
        return pool
    automatic = {number for key in problem.automatic if (number := pool.of_key(key)) is not None}
    keep = needed(pool, problem.request, pool.installed_set, automatic)
    unneeded = pool.installed_set - keep
    return pool.without_installed(unneeded) if unneeded else pool


def optimise(pool: Pool, problem: Problem, budget: Callable[[], bool] | None, effort: Effort) -> Optimum | None:
    """The optimum over a pool; None where the request cannot be met."""
    asked = problem.preferences
    preferences = tuple(dict.fromkeys(asked + _AT_LAST))
    ground = Ground(Sat(effort.backend, budget))
    encoder = Encoder(
        pool,
        problem.request,
        ground.add,
        lazy=effort.lazy and may_be_lazy(preferences),
        preferring=Measure.UNPREFERRED in preferences,
        explaining=False,
    )
    optimiser = Optimiser(ground, encoder, Measures(encoder, preferences))
    encoder.start()
    encoder.start_installed()
    optimiser.measures.start()
    optimiser.measures.follow()
    optimiser.prefer_phases()
    optimum = optimiser.run()
    if optimum is None:
        return None
    return replace(optimum, costs=tuple((m, cost) for m, cost in optimum.costs if m in asked))
