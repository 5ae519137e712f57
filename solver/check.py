"""Whether each package of a universe can be installed alone, and why not.

One encoding of everything serves all questions. The first answers are greedy: a model that holds as
many packages as possible shows all of them installable at once. What is left is asked for one by
one, and every model again shows more than it was asked for.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from solver.conflict import find_conflict
from solver.encode import Encoder, Why
from solver.model import Operator, Relation
from solver.pool import Pool
from solver.problem import Problem
from solver.request import Request, Wish
from solver.rules import Candidate, Kind
from solver.sat import Sat
from solver.solution import Conflict

_GREEDY_SHARE = 200  # greedy models go on while each shows half a percent of all


@dataclass(frozen=True, slots=True)
class Broken:
    """A package that cannot be installed, whatever else is."""

    package: Candidate
    conflict: Conflict


def check(problem: Problem, budget: Callable[[], bool] | None = None) -> tuple[Broken, ...]:
    """The packages of the universes that cannot be installed alone, sorted, each with the reason.

    Of the request only the facts count. Raises OutOfBudgetError when the budget ends.
    """
    collecting = gc.isenabled()
    gc.disable()
    try:
        pool = Pool(problem.universes, (), problem.priorities, problem.architectures)
        facts = Request(facts=problem.request.facts)
        broken = sorted(_broken(pool, facts, budget), key=lambda package: pool.candidate(package))
        return tuple(_explained(pool, facts, package) for package in broken)
    finally:
        if collecting:
            gc.enable()


def _explained(pool: Pool, facts: Request, package: int) -> Broken:
    candidate = pool.candidate(package)
    wish = Wish(Relation(candidate.name, Operator.EQ, candidate.version))

    def start(encoder: Encoder) -> None:
        encoder.want(package, (Kind.WISHED, wish))

    return Broken(candidate, find_conflict(pool, facts, start=start))


def _broken(pool: Pool, facts: Request, budget: Callable[[], bool] | None) -> list[int]:
    """The packages that cannot be installed."""
    sat = Sat(may_go_on=budget)

    def emit(clause: list[int], _: Why) -> None:
        sat.add(clause)

    encoder = Encoder(pool, facts, emit, lazy=False, preferring=False, explaining=True)
    for package in range(len(pool)):
        same = pool.canonical(package)
        if same is not None:
            encoder.meet(pool.name(same))
    encoder.drain()
    unknown = dict.fromkeys(encoder.variable)
    _prefer(sat, encoder, unknown)
    while _shown(sat, encoder, unknown, ()) > len(encoder.variable) // _GREEDY_SHARE:
        _prefer(sat, encoder, unknown)
    broken = []
    for package in list(unknown):
        if package in unknown and not _shown(sat, encoder, unknown, (encoder.variable[package],)):
            broken.append(package)
            del unknown[package]
    return broken


def _prefer(sat: Sat, encoder: Encoder, packages: Collection[int]) -> None:
    """Tries first to have these packages and no others."""
    wanted = {encoder.variable[package] for package in packages}
    sat.phases([v if v in wanted else -v for v in range(1, encoder.top + 1)])


def _shown(sat: Sat, encoder: Encoder, unknown: dict[int, None], assumptions: Sequence[int]) -> int:
    """How many packages one more model shows installable; they are no longer unknown."""
    if not sat.solve(assumptions):
        return 0
    shown = [package for v in sat.model() if (package := encoder.package_of.get(v)) in unknown]
    for package in shown:
        del unknown[package]
    return len(shown)
