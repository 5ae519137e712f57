"""Why a request cannot be met: minimal sets of rules, found by deletion and checked again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypedDict, cast

from solver.encode import Encoder, Why
from solver.model import Formula, Relation, relations_of
from solver.pool import Pool
from solver.request import Request, Subscription, Wish
from solver.rules import Asked, Candidate, Kind, Rule
from solver.sat import Sat
from solver.solution import Conflict

_MOST_CONFLICTS = 5
_FROM_REQUEST = (
    Kind.WISHED,
    Kind.KEPT,
    Kind.REMOVED,
    Kind.FORBIDDEN,
    Kind.PINNED,
    Kind.HELD,
    Kind.SUBSCRIBED,
)


@dataclass(slots=True)
class _Rules:
    """Clauses by the rule they come from; those of none only define variables."""

    clauses: dict[tuple[object, ...], list[list[int]]]
    definitions: list[list[int]]
    top: int


def find_conflict(pool: Pool, request: Request, backend: str = "minisat22") -> Conflict:
    """A minimal conflict of a request that cannot be met, and further ones that share no rule of
    the request with it."""
    rules = _rules(pool, request)
    cores: list[list[tuple[object, ...]]] = []
    dropped: set[tuple[object, ...]] = set()
    while len(cores) < _MOST_CONFLICTS:
        allowed = [why for why in rules.clauses if why not in dropped]
        core = _core(rules, allowed, backend)
        if core is None:
            break
        cores.append(_minimal(rules, core, backend))
        asked = [why for why in cores[-1] if why[0] in _FROM_REQUEST]
        if not asked:
            break
        dropped.update(asked)
    assert cores, "only an unsatisfiable request has a conflict"
    found = [tuple(_rule(pool, why) for why in core) for core in cores]
    return Conflict(found[0], tuple(found[1:]))


def _rules(pool: Pool, request: Request) -> _Rules:
    """All rules the request reaches, nothing left out."""
    rules = _Rules({}, [], 0)

    def emit(clause: list[int], why: Why) -> None:
        if why is None:
            rules.definitions.append(clause)
        else:
            rules.clauses.setdefault(why, []).append(clause)

    encoder = Encoder(pool, request, emit, lazy=False, preferring=False)
    encoder.start()
    encoder.drain()
    rules.top = encoder.top
    return rules


def _core(rules: _Rules, allowed: list[tuple[object, ...]], backend: str) -> list[tuple[object, ...]] | None:
    """Some of the allowed rules that cannot hold together; None where all can."""
    sat = Sat(backend)
    selector = {}
    for clause in rules.definitions:
        sat.add(clause)
    for number, why in enumerate(allowed, rules.top + 1):
        selector[number] = why
        for clause in rules.clauses[why]:
            sat.add([-number, *clause])
    sat.phases([-variable for variable in range(1, rules.top + 1)])
    if sat.solve(list(selector)):
        return None
    return [selector[number] for number in sorted(sat.core())]


def _minimal(rules: _Rules, core: list[tuple[object, ...]], backend: str) -> list[tuple[object, ...]]:
    """The core without what it does not need: each rule left out once, in order."""
    at = 0
    while at < len(core):
        smaller = _core(rules, core[:at] + core[at + 1 :], backend)
        if smaller is None:
            at += 1
        else:
            # What was tried before `at` is needed in every smaller core, so it is in this one.
            core = smaller
    return core


def _rule(pool: Pool, why: tuple[object, ...]) -> Rule:
    """A rule as a value."""
    kind = cast(Kind, why[0])
    if kind in (Kind.WISHED, Kind.KEPT):
        wish = cast(Wish, why[1])
        matches = _matching(pool, wish.formula, wish.repository)
        return Rule(kind, formula=wish.formula, asked=wish, **_candidates(pool, wish.formula, matches))
    if kind is Kind.SUBSCRIBED:
        subscription, relation = cast(Subscription, why[1]), cast(Relation, why[2])
        found = _candidates(pool, relation, pool.match(relation))
        return Rule(kind, formula=relation, asked=subscription, **found)
    package = cast(int, why[1])
    if kind is Kind.NEEDS:
        number = cast(int, why[2])
        formula = pool.formula(number)
        found = _candidates(pool, formula, pool.users(number))
        return Rule(kind, pool.candidate(package), formula=formula, **found)
    if kind in (Kind.CONFLICTS, Kind.BREAKS):
        other, relation = cast(int, why[2]), pool.relation(cast(int, why[3]))
        return Rule(kind, pool.candidate(package), pool.candidate(other), relation)
    if kind is Kind.ONE_VERSION:
        return Rule(kind, pool.candidate(package), pool.candidate(cast(int, why[2])))
    return Rule(kind, pool.candidate(package), asked=cast(Asked, why[2]))


def _matching(pool: Pool, formula: Formula, repository: str | None) -> list[int]:
    matches = (p for relation in relations_of(formula) for p in pool.match(relation, repository))
    return list(dict.fromkeys(matches))


class _Found(TypedDict):
    candidates: tuple[Candidate, ...]
    near: tuple[Candidate, ...]


def _candidates(pool: Pool, formula: Formula, matches: list[int]) -> _Found:
    """What can satisfy a formula; where nothing can, what has the right name."""
    near = {} if matches else {p: 0 for r in relations_of(formula) for p in pool.named(r.name)}
    return {
        "candidates": tuple(pool.candidate(package) for package in matches),
        "near": tuple(pool.candidate(package) for package in near),
    }
