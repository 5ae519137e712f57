"""Questions about packages: why one is there, why one is not, who needs it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from solver.facts import Facts
from solver.model import Formula, Relation
from solver.pool import Pool
from solver.problem import Problem
from solver.reasons import reasons_of
from solver.request import Wish
from solver.rules import Candidate
from solver.solution import Conflict, Needed, Reason, Recommended, Solution
from solver.solve import make_pool, solve
from solver.values import replace, value
from solver.version import Scheme


@value
class Link:
    """A package and the nearest reason why it is there."""

    package: Candidate
    reason: Reason


def why(reasons: Mapping[str, tuple[Reason, ...]], package: Candidate) -> tuple[Link, ...]:
    """The chain from a package up to the request; empty where it is not there."""
    chain: list[Link] = []
    while package.key in reasons and package not in [link.package for link in chain]:
        reason = reasons[package.key][0]
        chain.append(Link(package, reason))
        if not isinstance(reason, Needed | Recommended):
            break
        package = reason.by
    return tuple(chain)


def installed_reasons(problem: Problem) -> Mapping[str, tuple[Reason, ...]]:
    """Why each installed package is there, by the request as it is, without solving anything."""
    pool = Pool(problem.universes, problem.installed, problem.priorities, problem.architectures)
    return reasons_of(pool, problem.request, pool.installed_set, pool.installed_set)


def why_not(problem: Problem, formula: Formula, budget: Callable[[], bool] | None = None) -> Solution | Conflict:
    """What it would take to have something: the solution with it, or the conflict that forbids it."""
    wishes = (*problem.request.wishes, Wish(formula))
    return solve(replace(problem, request=replace(problem.request, wishes=wishes)), budget)


def holding(problem: Problem, keys: Iterable[str]) -> Callable[[Formula], bool]:
    """Tells of formulas whether they hold with these packages, with the problem's facts and subscriptions."""
    pool = Pool(problem.universes, problem.installed, problem.priorities, problem.architectures)
    there, facts = frozenset(pool.numbers(keys)), Facts(problem.request.known)
    return lambda formula: pool.holds(formula, there, tuple(Scheme), facts)


@value
class Dependent:
    """A package and a formula of its that the one asked about can satisfy."""

    package: Candidate
    formula: Formula
    recommends: bool


def rdepends(problem: Problem, relation: Relation, *, installed_only: bool = False) -> tuple[Dependent, ...]:
    """Who needs or recommends something that matches the relation, sorted."""
    pool = make_pool(problem)
    targets = set(pool.match(relation))
    formulas = {f for f in range(pool.formula_base[-1]) if not targets.isdisjoint(pool.users(f))}
    found = []
    for index, universe in enumerate(pool.universes):
        for weak, start, flat in (
            (False, universe.depends_start, universe.depends),
            (True, universe.recommends_start, universe.recommends),
        ):
            base = pool.formula_base[index]
            for local in range(len(universe)):
                package = pool.canonical(pool.base[index] + local)
                if package is None or (installed_only and package not in pool.installed_set):
                    continue
                for number in flat[start[local] : start[local + 1]]:
                    if base + number in formulas and package not in targets:
                        value = Dependent(pool.candidate(package), pool.formula(base + number), weak)
                        found.append(value)
    unique = dict.fromkeys(found)
    return tuple(sorted(unique, key=lambda d: (d.recommends, d.package, str(d.formula))))
