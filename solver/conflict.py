"""Why a request cannot be met: minimal sets of rules, found by deletion and checked again."""

from __future__ import annotations

from collections.abc import Callable, Set
from typing import TypedDict, cast

from solver.encode import Encoder, Said, Why
from solver.model import Formula, Relation, relations_of
from solver.pool import Pool
from solver.request import Request, Subscription, Wish
from solver.rotation import Rotation
from solver.rules import Asked, Candidate, Kind, Rule
from solver.sat import Sat
from solver.solution import Conflict
from solver.values import value

_MOST_CONFLICTS = 5
FROM_REQUEST = {
    *(Kind.WISHED, Kind.KEPT, Kind.REMOVED, Kind.FORBIDDEN, Kind.PINNED, Kind.HELD),
    *(Kind.SUBSCRIBED, Kind.NO_OLDER),
}


def find_conflict(
    pool: Pool,
    request: Request,
    backend: str = "minisat22",
    start: Callable[[Encoder], None] = Encoder.start,
    budget: Callable[[], bool] | None = None,
) -> Conflict:
    """A minimal conflict of a request that cannot be met, and further ones that share no rule of
    the request with it. `start` emits what is asked for. Raises OutOfBudgetError."""
    search = Search(pool, request, backend, start, budget=budget)
    cores: list[list[Said]] = []
    dropped: set[int] = set()
    while len(cores) < _MOST_CONFLICTS and (core := search.core(dropped)) is not None:
        cores.append(_minimal(pool, request, [search.said[at] for at in core], backend, start, budget))
        asked = {search.selector[said] for said in cores[-1] if said[0] in FROM_REQUEST}
        if not asked:
            break
        dropped |= asked
    assert cores, "only an unsatisfiable request has a conflict"
    found = [tuple(_rule(pool, said) for said in core) for core in cores]
    return Conflict(found[0], tuple(found[1:]))


class Search:
    """Rules of a request that cannot hold together, each clause behind a selector of its rule.

    `asked_only`: only what is asked for can be dropped and is told of, packages are as they are.
    """

    def __init__(
        self,
        pool: Pool,
        request: Request,
        backend: str = "minisat22",
        start: Callable[[Encoder], None] = Encoder.start,
        *,
        asked_only: bool = False,
        budget: Callable[[], bool] | None = None,
    ) -> None:
        self.sat = Sat(backend, budget)
        self.selector: dict[Said, int] = {}
        self.said: dict[int, Said] = {}
        self.chosen: set[int] = set()
        self.asked_only = asked_only
        self.encoder = Encoder(pool, request, self.emit, lazy=True, preferring=False, explaining=True)
        start(self.encoder)

    def emit(self, clause: list[int], why: Why) -> None:
        if why is None or (self.asked_only and why[0] not in FROM_REQUEST):
            self.sat.add(clause)
            return
        selector = self.selector.get(why)
        if selector is None:
            selector = self.selector[why] = self.encoder.new()
            self.said[selector] = why
        self.sat.add([-selector, *clause])

    def grow(self) -> None:
        """Takes in what was reached."""
        encoder = self.encoder
        encoder.drain()
        while encoder.pending or encoder.queue:
            encoder.settle()
            encoder.drain()

    def core(self, dropped: Set[int]) -> list[int] | None:
        """The selectors of rules that cannot hold together, none of them dropped; None where all can,
        as `chosen` shows."""
        encoder = self.encoder
        while True:
            self.grow()
            selectors = [at for at in self.said if at not in dropped]
            if self.sat.solve([*selectors, *encoder.closed]):
                self.chosen = {encoder.package_of[v] for v in self.sat.model() if v in encoder.package_of}
                broken = encoder.deferred.broken(self.chosen)
                if not broken:
                    return None
                for package, formula, _ in broken:
                    encoder.need(package, formula)
                continue
            core = self.sat.core()
            closed = [-literal for literal in core if -literal in encoder.holes]
            if not closed:
                return sorted(core)
            for hole in closed:
                if hole in encoder.holes:
                    encoder.widen(hole)


def _minimal(
    pool: Pool,
    request: Request,
    core: list[Said],
    backend: str,
    start: Callable[[Encoder], None],
    budget: Callable[[], bool] | None,
) -> list[Said]:
    """The core without what it does not need, each rule left out once, in order. The rules are
    encoded again, in full and alone, so this also checks the core independently."""
    exactly = _exactly(pool, request, core, start)
    assert isinstance(_smaller(exactly, core, backend, budget), _Smaller), "a core is a core"
    rotation = Rotation(exactly.clauses, exactly.definitions)
    # What was found necessary once stays necessary in every smaller core.
    necessary = set[Said]()
    at = 0
    while at < len(core):
        if core[at] not in necessary:
            without = _smaller(exactly, core[:at] + core[at + 1 :], backend, budget)
            if isinstance(without, _Smaller):
                core = without.rules
                continue
            rotation.necessary(core[at], without, set(core), necessary)
        at += 1
    return core


@value
class _Exactly:
    """The clauses of some rules, nothing left out, the definitions they use, and the last variable."""

    clauses: dict[Said, list[list[int]]]
    definitions: list[list[int]]
    top: int


def _exactly(pool: Pool, request: Request, core: list[Said], start: Callable[[Encoder], None]) -> _Exactly:
    clauses: dict[Said, list[list[int]]] = {said: [] for said in core}
    definitions: list[list[int]] = []

    def emit(clause: list[int], why: Why) -> None:
        if why is None:
            definitions.append(clause)
        elif why in clauses:
            clauses[why].append(clause)

    encoder = Encoder(pool, request, emit, lazy=False, preferring=False, explaining=True)
    start(encoder)
    for said in core:
        if said[0] not in (Kind.WISHED, Kind.KEPT, Kind.SUBSCRIBED, Kind.NO_OLDER):
            encoder.restate(said)
    return _Exactly(clauses, definitions, encoder.top)


@value
class _Smaller:
    """Rules that cannot hold together."""

    rules: list[Said]


def _smaller(
    exactly: _Exactly,
    rules: list[Said],
    backend: str,
    budget: Callable[[], bool] | None,
) -> _Smaller | list[int]:
    """Some of the rules that cannot hold together; a model where all can."""
    sat, top = Sat(backend, budget), exactly.top
    clauses, definitions = exactly.clauses, exactly.definitions
    for clause in definitions:
        sat.add(clause)
    for number, said in enumerate(rules, top + 1):
        for clause in clauses[said]:
            sat.add([-number, *clause])
    if sat.solve(range(top + 1, top + 1 + len(rules))):
        model = sat.model()[:top]
        return model + [-variable for variable in range(len(model) + 1, top + 1)]
    return _Smaller([rules[number - top - 1] for number in sorted(sat.core())])


def _rule(pool: Pool, why: Said) -> Rule:
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
    if kind is Kind.NO_OLDER:
        versions = (package, *pool.newer_versions(package))
        return Rule(kind, pool.candidate(package), candidates=tuple(map(pool.candidate, versions)))
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
