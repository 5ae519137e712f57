"""Ways out of a conflict: changes of the request that were tried and work."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from itertools import islice, product
from typing import assert_never

from solver.model import Relation
from solver.problem import Problem
from solver.request import Forbid, Hold, Pin, Removal, Request, Subscription, Wish
from solver.rules import Asked, Rule
from solver.solution import Conflict, Repair, RepairKind, Solution, Step
from solver.solve import NoAnswerError, solve
from solver.values import replace

_MOST_TRIED = 16
_MOST_STEPS = 4


def with_repairs(problem: Problem, conflict: Conflict, budget: Callable[[], bool] | None = None) -> Conflict:
    """The conflict with the repairs that work, the best first by the problem's own preferences.

    Each takes one step for each conflict, and further ones where conflicts remain. When the budget
    ends, those found so far.
    """
    try:
        found = tuple(_found(problem, conflict, budget))
    except NoAnswerError:
        return conflict
    return replace(conflict, repairs=tuple(sorted(found, key=_rank)))


def _found(problem: Problem, conflict: Conflict, budget: Callable[[], bool] | None) -> list[Repair]:
    """The fewest steps first."""
    found: list[Repair] = []
    choices = [tuple(_steps(rules)) for rules in (conflict.rules, *conflict.others)]
    todo = deque(islice(product(*choices), _MOST_TRIED))
    tried = set[frozenset[Step]]()
    while todo and len(tried) < _MOST_TRIED:
        steps = todo.popleft()
        if frozenset(steps) in tried or any(set(repair.steps) <= set(steps) for repair in found):
            continue
        tried.add(frozenset(steps))
        request = problem.request
        for step in steps:
            request = _apply(request, step)
        answer = solve(replace(problem, request=request), budget)
        if isinstance(answer, Solution):
            found.append(Repair(steps, request, answer))
        elif len(steps) < _MOST_STEPS:
            todo += [(*steps, step) for step in _steps(answer.rules) if step not in steps]
    return found


def _rank(repair: Repair) -> tuple[object, ...]:
    """What keeps every wish first, then by the levels of preference, then as little as may be."""
    drops = sum(step.kind in (RepairKind.DROP_WISH, RepairKind.UNSUBSCRIBE) for step in repair.steps)
    costs = tuple(level.cost for level in repair.solution.levels)
    texts = tuple((step.kind.value, step.subject) for step in repair.steps)
    return drops, costs, len(repair.solution.changes), texts


def _steps(rules: tuple[Rule, ...]) -> Iterator[Step]:
    """What could be given up, once each."""
    seen = set()
    for rule in rules:
        if rule.asked is not None:
            for step in _ways(rule.asked):
                if step not in seen:
                    seen.add(step)
                    yield step


def _ways(asked: Asked) -> Iterator[Step]:
    match asked:
        case Wish(formula):
            if isinstance(formula, Relation) and (formula.version or asked.repository) is not None:
                yield Step(RepairKind.OTHER_VERSION, formula.name, asked)
            yield Step(RepairKind.DROP_WISH, str(formula), asked)
        case Pin(relation):
            yield Step(RepairKind.UNPIN, relation.name, asked)
        case Hold(name):
            yield Step(RepairKind.UNHOLD, name, asked)
        case Forbid(relation):
            yield Step(RepairKind.ALLOW, str(relation), asked)
        case Removal(relation):
            yield Step(RepairKind.KEEP, str(relation), asked)
        case Subscription(name):
            yield Step(RepairKind.UNSUBSCRIBE, name, asked)
        case _:
            assert_never(asked)


def _apply(request: Request, step: Step) -> Request:
    """The request after a step."""
    asked = step.asked
    match asked:
        case Wish():
            other: tuple[Wish, ...] = ()
            if step.kind is RepairKind.OTHER_VERSION:
                other = (replace(asked, formula=Relation(step.subject), repository=None),)
            wishes = tuple(w for wish in request.wishes for w in (other if wish == asked else (wish,)))
            keeps = tuple(w for wish in request.keeps for w in (other if wish == asked else (wish,)))
            return replace(request, wishes=wishes, keeps=keeps)
        case Pin():
            return replace(request, pins=tuple(pin for pin in request.pins if pin != asked))
        case Hold():
            return replace(request, holds=tuple(hold for hold in request.holds if hold != asked))
        case Forbid():
            return replace(request, forbids=tuple(f for f in request.forbids if f != asked))
        case Removal():
            return replace(request, removals=tuple(r for r in request.removals if r != asked))
        case Subscription():
            subscriptions = (replace(s, on=s.on and s != asked) for s in request.subscriptions)
            return replace(request, subscriptions=tuple(subscriptions))
        case _:
            assert_never(asked)
