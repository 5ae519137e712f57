"""Why each package of a solution is there, and why those that go do."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Set
from functools import partial
from operator import attrgetter
from typing import TypeVar

from solver.facts import Facts
from solver.model import All, AnyOf, Formula, Relation, relations_of
from solver.objective import Optimum
from solver.pool import Pool
from solver.problem import Problem
from solver.request import Request, SubscriptionRule
from solver.rules import Candidate
from solver.solution import (
    Change,
    Held,
    InTheWay,
    Level,
    Lost,
    Needed,
    Reason,
    Recommended,
    RemovalReason,
    Replaced,
    Solution,
    Stayed,
    Subscribed,
    Supplements,
    ToldToGo,
    Unneeded,
    Updated,
    Wished,
)
from solver.values import promise
from solver.version import Scheme

Found = TypeVar("Found")


def needed(pool: Pool, request: Request, chosen: Set[int], automatic: Set[int]) -> set[int]:
    """The chosen packages that are there for themselves (not automatic), for a wish, or because
    one that is needed depends on them, recommends them or is supplemented by them."""
    reached = {package for package in chosen if package not in automatic}
    for relation in _relations_asked(request):
        reached |= chosen & set(pool.match(relation))
    rules = [(rule, conditions) for one in request.subscriptions for rule, conditions in one.binding]
    facts = Facts(request.known)
    left, looked_at, todo = set(chosen) - reached, set[int](), sorted(reached)
    while True:
        if not todo:
            rules, todo = _wanted_now(pool, rules, facts, reached, left)
            left.difference_update(todo)
            reached.update(todo)
            if not todo:
                return reached
        for _, formula in _uses(pool, todo.pop(), recommends=request.recommends):
            if formula not in looked_at:  # the same formula reaches the same packages
                looked_at.add(formula)
                found = left.intersection(pool.users(formula))
                left -= found
                reached |= found
                todo += found
        if not todo and pool.has_supplements and request.recommends:
            todo = [p for p in sorted(left) if _supplements(pool, p, reached)]
            reached.update(todo)
            left -= set(todo)


_Rules = list[tuple[SubscriptionRule, tuple[Formula, ...]]]


def _wanted_now(
    pool: Pool, rules: _Rules, facts: Facts, reached: Set[int], left: Set[int]
) -> tuple[_Rules, list[int]]:
    """What the rules want whose conditions hold by now; and the other rules."""
    waiting, found = _Rules(), set[int]()
    for rule, conditions in rules:
        if all(pool.holds(one, reached, tuple(Scheme), facts) for one in conditions):
            for relation in (*rule.require, *rule.want):
                found |= left & set(pool.match(relation))
        else:
            waiting.append((rule, conditions))
    return waiting, sorted(found)


def _relations_asked(request: Request) -> Iterator[Relation]:
    for formula in request.formulas():
        yield from relations_of(formula)
    for hold in request.holds:
        yield Relation(hold.name)
    for subscription in request.subscriptions:
        for _, conditions in subscription.binding:
            # What a condition needs absent would begin to hold when that goes: it stays, as for dependencies.
            yield from (relation for one in conditions if not _only_grows(one) for relation in relations_of(one))


def _only_grows(formula: Formula) -> bool:
    """Whether what satisfies it still does with more beside it."""
    return isinstance(formula, Relation) or (isinstance(formula, All | AnyOf) and all(map(_only_grows, formula.parts)))


def _uses(pool: Pool, package: int, *, recommends: bool = True) -> Iterator[tuple[bool, int]]:
    """The formulas a package needs (True) and, with `recommends`, those it recommends (False)."""
    universe, local, index = pool.at(package)
    base = pool.formula_base[index]
    for formula in universe.depends[universe.depends_start[local] : universe.depends_start[local + 1]]:
        yield True, base + formula
    start, end = universe.recommends_start[local], universe.recommends_start[local + 1]
    for formula in universe.recommends[start:end] if recommends else ():
        yield False, base + formula


def _supplements(pool: Pool, package: int, there: Set[int]) -> bool:
    universe, local, _ = pool.at(package)
    if universe.supplements_start[local] == universe.supplements_start[local + 1]:
        return False
    schemes = (pool.scheme(package),)
    formulas = universe.package(local).supplements
    return any(pool.holds(formula, there, schemes) for formula in formulas)


def describe(pool: Pool, problem: Problem, optimum: Optimum) -> Solution:
    """The optimum as a solution, compared with what was installed."""
    before = frozenset(pool.numbers(problem.installed))
    chosen = _without_unneeded(pool, problem, frozenset(optimum.chosen))
    gone, come = before - chosen, chosen - before
    value = _sorted(pool, chosen | gone)
    changes = _pair(pool, gone, come)
    paired = {package for pair in changes for package in pair}
    return Solution(
        chosen=tuple([one for package, one in value.items() if package in chosen]),
        installs=tuple([one for package, one in value.items() if package in come and package not in paired]),
        changes=tuple(sorted((Change(value[a], value[b]) for a, b in changes), key=attrgetter("before", "after"))),
        removals=tuple([one for package, one in value.items() if package in gone and package not in paired]),
        levels=tuple(Level(measure, cost) for measure, cost in optimum.costs),
        proven=optimum.proven,
        held=_held(pool, problem.request, chosen),
        reasons=reasons_of(pool, problem.request, chosen, before),
        removal_reasons=WhenAsked(
            lambda: {value[package].key: _why_gone(pool, problem, package, chosen) for package in sorted(gone - paired)}
        ),
        details=WhenAsked(lambda: {one.key: pool.details(package) for package, one in value.items()}),
    )


def _sorted(pool: Pool, packages: Iterable[int]) -> dict[int, Candidate]:
    """Packages as values, in their order."""
    # In the order of the tables, which is nearly that of the names.
    value = [(pool.candidate(package), package) for package in sorted(packages)]
    key = attrgetter("name", "version", "repository", "key")  # quicker than comparing the values
    value.sort(key=lambda one: key(one[0]))
    return {package: one for one, package in value}


def _without_unneeded(pool: Pool, problem: Problem, chosen: frozenset[int]) -> frozenset[int]:
    """What is left when automatic packages go that nothing needs any more. What stays is complete:
    whatever any relation of its formulas matches counts as needed."""
    if not problem.automatic:
        return chosen
    automatic = {number for key in problem.automatic if (number := pool.of_key(key)) is not None}
    automatic &= pool.installed_set
    return frozenset(needed(pool, problem.request, chosen, automatic)) if automatic else chosen


def _pair(pool: Pool, gone: Set[int], come: Set[int]) -> list[tuple[int, int]]:
    """(before, after) where a name comes in another version."""
    pairs = []
    for package in sorted(come) if gone else ():
        previous = [other for other in pool.name(package).versions if other in gone]
        if previous:
            pairs.append((previous[0], package))
    return pairs


def _held(pool: Pool, request: Request, chosen: Set[int]) -> tuple[Held, ...]:
    """Names that were there and were asked to be updated, though not to their best version."""
    wanted = set(request.updates)
    held = list[Held]()
    if not request.update_all and not wanted:
        return ()
    for package in sorted(chosen):
        name = pool.name(package)
        newest = name.versions[0]
        if not name.installed or newest in chosen or pool.is_newer(package, newest):
            continue
        candidate = pool.candidate(package)
        if request.update_all or candidate.name in wanted:
            held.append(Held(candidate, pool.candidate(newest)))
    return tuple(sorted(held, key=lambda one: one.installed))


class WhenAsked(Mapping[str, Found]):
    """A mapping that is made when it is first looked at: most of most solutions never are."""

    def __init__(self, make: Callable[[], dict[str, Found]]) -> None:
        self._make = make
        self._made: dict[str, Found] | None = None

    def _all(self) -> dict[str, Found]:
        if self._made is None:
            self._made = self._make()
        return self._made

    def __getitem__(self, key: str) -> Found:
        return self._all()[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._all())

    def __len__(self) -> int:
        return len(self._all())


def reasons_of(pool: Pool, request: Request, chosen: Set[int], before: Set[int]) -> Mapping[str, tuple[Reason, ...]]:
    """Why each chosen package is there, by its key."""
    return Reasons(pool, request, chosen, before)


def one_by_one(reasons: Mapping[str, tuple[Reason, ...]], key: str) -> Iterator[Reason]:
    """The reasons of one package, the nearest first, each made when it is asked for."""
    return reasons.told(key) if isinstance(reasons, Reasons) else iter(reasons.get(key, ()))


_Use = tuple[bool, int, int]
"""Whether it needs or recommends, the package that does, the number of the formula."""


class Reasons(Mapping[str, tuple[Reason, ...]]):
    """Why each package is there, by its key. Found when first asked, and told for the packages asked about;
    the nearest reasons first, which is all that most ask for."""

    def __init__(self, pool: Pool, request: Request, chosen: Set[int], before: Set[int]) -> None:
        self._paths = partial(_Paths, pool, request, chosen, before)
        self._pool = pool
        self._needed: Callable[..., Reason] = promise(Needed, "by")
        self._recommended: Callable[..., Reason] = promise(Recommended, "by")
        self._nearest: dict[int, list[Reason | _Use]] | None = None
        self._found: dict[int, list[Reason | _Use]] | None = None
        self._package: dict[str, int] = {}

    def told(self, key: str) -> Iterator[Reason]:
        """One by one, the nearest first."""
        if self._nearest is None:
            self._nearest = self._named(self._paths(nearest=True).all())
        package = self._package.get(key)
        if package is not None:
            yield self._told(self._nearest[package][0])
            yield from map(self._told, self._all()[package][1:])

    def _all(self) -> dict[int, list[Reason | _Use]]:
        if self._found is None:
            self._found = self._named(self._paths(nearest=False).all())
        return self._found

    def _named(self, found: dict[int, list[Reason | _Use]]) -> dict[int, list[Reason | _Use]]:
        candidate = self._pool.candidate
        self._package = {candidate(package).key: package for package in found}
        return found

    def _told(self, found: Reason | _Use) -> Reason:
        if not isinstance(found, tuple):
            return found
        promised = self._needed if found[0] else self._recommended
        return promised(partial(self._whole, found), self._pool.candidate(found[1]))

    def _whole(self, found: Reason | _Use) -> Reason:
        if not isinstance(found, tuple):
            return found
        needs, by, formula = found
        return (Needed if needs else Recommended)(self._pool.candidate(by), self._pool.formula(formula))

    def __getitem__(self, key: str) -> tuple[Reason, ...]:
        found = self._all()
        return tuple(map(self._whole, found[self._package[key]]))

    def __iter__(self) -> Iterator[str]:
        self._all()
        return iter(self._package)

    def __len__(self) -> int:
        return len(self._all())


class _Paths:
    """Walks from the request down to every package, the nearest reasons first; with `nearest` no others are looked
    for, which is a third of the work."""

    def __init__(self, pool: Pool, request: Request, chosen: Set[int], before: Set[int], *, nearest: bool) -> None:
        self.pool, self.request, self.chosen, self.before = pool, request, chosen, before
        self.found: dict[int, list[Reason | _Use]] = {}
        self.todo: list[int] = []
        self.users: dict[int, list[int]] = {}
        self.walk = self._walk_nearest if nearest else self._walk
        self._walked: set[int] = set()

    def all(self) -> dict[int, list[Reason | _Use]]:
        """The reasons of every chosen package."""
        facts = Facts(self.request.known)
        for wish in (*self.request.wishes, *self.request.keeps):
            for relation in relations_of(wish.formula):
                for package in self.pool.match(relation, wish.repository):
                    self.note(package, Wished(wish))
        for subscription in self.request.subscriptions:
            for rule, conditions in subscription.binding:
                if all(self.pool.holds(one, self.chosen, tuple(Scheme), facts) for one in conditions):
                    for relation in (*rule.require, *rule.want):
                        for package in self.pool.match(relation):
                            self.note(package, Subscribed(subscription, relation))
        self.walk()
        for package in sorted(self.before & self.chosen - self.found.keys()):
            self.note(package, Stayed())
        self.walk()
        for package in sorted(self.chosen - self.before):
            self.alone(package)
        self.walk()
        return self.found

    def note(self, package: int, reason: Reason | _Use) -> None:
        if package in self.chosen:
            if package not in self.found:
                self.found[package] = []
                self.todo.append(package)
            self.found[package].append(reason)

    def _walk(self) -> None:
        """Breadth first, so that the first reason is the nearest to the request."""
        users, chosen, found, todo = self.users, self.chosen, self.found, self.todo
        for package in todo:
            for needs, number in _uses(self.pool, package, recommends=self.request.recommends):
                known = users.get(number)
                if known is None:
                    known = users[number] = sorted({other for other in self.pool.users(number) if other in chosen})
                for other in known:
                    if other in found:
                        if other != package:
                            found[other].append((needs, package, number))
                    else:
                        found[other] = [(needs, package, number)]
                        todo.append(other)
        self.todo = []

    def _walk_nearest(self) -> None:
        """In the same order; who first says a formula has found all that the others would."""
        pool, todo, left = self.pool, self.todo, self.chosen - self.found.keys()
        for package in todo:
            universe, local, index = pool.at(package)
            base = pool.formula_base[index]
            start, end = universe.depends_start[local], universe.depends_start[local + 1]
            self._find_nearest(package, True, base, universe.depends[start:end], left)
            start, end = universe.recommends_start[local], universe.recommends_start[local + 1]
            if start < end and self.request.recommends:
                self._find_nearest(package, False, base, universe.recommends[start:end], left)
        self.todo = []

    def _find_nearest(self, package: int, needs: bool, base: int, numbers: Iterable[int], left: set[int]) -> None:
        walked, choices, found, todo = self._walked, self.pool.choices, self.found, self.todo
        for number in numbers:
            number += base
            if number in walked:
                continue
            walked.add(number)
            users = choices(number)[0] or self.pool.users(number)
            others = users if len(users) == 1 else sorted(left.intersection(users))
            for other in others:
                if other in left:
                    left.remove(other)
                    found[other] = [(needs, package, number)]
                    todo.append(other)

    def alone(self, package: int) -> None:
        """A new version that nobody asks for by name: an update, or a supplement."""
        if any(other in self.before for other in self.pool.name(package).versions):
            wanted = self.request.update_all or self.pool.candidate(package).name in self.request.updates
            self.note(package, Updated() if wanted else Stayed())
        elif package not in self.found:
            universe, local, _ = self.pool.at(package)
            for formula in universe.package(local).supplements[:1]:
                self.note(package, Supplements(formula))


def _why_gone(pool: Pool, problem: Problem, package: int, chosen: Set[int]) -> tuple[RemovalReason, ...]:
    """Why a package goes; nothing stands in its way and nothing needs it: unneeded."""
    found: list[RemovalReason] = []
    for removal in problem.request.removals:
        if package in pool.match(removal.relation):
            found.append(ToldToGo(removal))
    for replacer in sorted(pool.replacers(package) & chosen):
        found.append(Replaced(pool.candidate(replacer)))
    found += _in_the_way(pool, package, chosen)
    for needs, number in _uses(pool, package):
        formula = pool.formula(number)
        if needs and not pool.holds(formula, chosen, (pool.scheme(package),)):
            found.append(Lost(formula))
    return tuple(found) or (Unneeded(),)


def _in_the_way(pool: Pool, package: int, chosen: Set[int]) -> list[RemovalReason]:
    found: list[RemovalReason] = []
    for relation, matched in _bars(pool, package):
        found += [InTheWay(pool.candidate(p), relation) for p in sorted(matched & chosen)]
    for other in sorted(chosen):
        for relation, matched in _bars(pool, other):
            if package in matched:
                found.append(InTheWay(pool.candidate(other), relation))
    return found


def _bars(pool: Pool, package: int) -> Iterator[tuple[Relation, set[int]]]:
    """The conflicts and breaks of a package, and what they match."""
    universe, local, index = pool.at(package)
    base = pool.relation_base[index]
    for start, flat in (
        (universe.conflicts_start, universe.conflicts),
        (universe.breaks_start, universe.breaks),
    ):
        for relation in flat[start[local] : start[local + 1]]:
            matched = set(pool.matches(base + relation)) - {package}
            yield pool.relation(base + relation), matched
