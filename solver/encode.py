"""Rules into clauses, for as much of the pool as the request can reach.

Every kind of rule is emitted in one place here, and every clause of a rule carries why it is there;
clauses that only define an auxiliary variable carry None. Optimising and explaining use the same
code, so they cannot disagree about the meaning.

What is unlikely to be chosen is left out at first behind *holes*, variables that are assumed false:

    a name      ¬p ∨ newest ∨ hole         the hole stands for all other versions of the name
    a choice    ¬p ∨ preferred ∨ hole      the hole stands for the other alternatives

A hole that takes part in an unsatisfiable core is *widened*: what it stands for joins, and the
clauses that used it are made again. A core without holes holds for the full problem, so nothing is
lost.

What will most likely hold is *deferred*: a dependency that an expected package satisfies (one that
is forced, installed, or the only or first provider of what an expected package needs) makes no
clause until a model breaks it. Fewer clauses keep every core true, and every model is checked.

`lazy=False` leaves nothing out and defers nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from solver.choices import ALWAYS, Choice, Emit, NameState, Said, Why
from solver.compile import NO_TEXT
from solver.deferred import Deferred, Item
from solver.logic import Formulas
from solver.model import AnyOf, Formula, Relation
from solver.pool import Pool
from solver.request import Request
from solver.rules import Kind
from solver.universe import Universe
from solver.version import Scheme

__all__ = ["ALWAYS", "Choice", "Encoder", "Item", "NameState", "Said", "Why"]


class Encoder(Formulas):
    """Grows clauses from a request; `drain` takes in all that was reached."""

    def __init__(
        self, pool: Pool, request: Request, emit: Emit, *, lazy: bool, preferring: bool, explaining: bool
    ) -> None:
        super().__init__(pool, request, emit, lazy=lazy, preferring=preferring, explaining=explaining)
        self.forced: set[int] = set()
        self.expected: set[int] = set()
        self.pending: list[Item] = []
        self.deferred = Deferred(self._satisfying)
        # The expected package that satisfies a formula as well as any.
        self._supports: dict[int, int] = {}
        self.added: list[int] = []  # what the measures have not seen yet
        self._choices: dict[int, Choice] = {}

    # Rules

    def start(self) -> None:
        """The rules of the request itself."""
        pool, request = self.pool, self.request
        for wish in request.wishes:
            self._wish(wish.formula, wish.repository, (Kind.WISHED, wish))
        for keep in request.keeps:
            self._wish(keep.formula, keep.repository, (Kind.KEPT, keep))
        for hold in request.holds:
            versions = pool.named(hold.name)
            for package in pool.name(versions[0]).installed if versions else ():
                self.meet(pool.name(package))
                self.emit([self.variable[package]], (Kind.HELD, package, hold))
        for subscription in request.subscriptions:
            for rule, conditions in subscription.binding:
                head = tuple(literal for one in conditions for literal in self.negative(one)) if rule.require else ()
                for relation in rule.require:
                    self._require(relation, head, (Kind.SUBSCRIBED, subscription, relation))

    def want_one_of(self, packages: Sequence[int], why: Why) -> None:
        """The rule that one of these very packages is there."""
        self.head(self.choice(packages), (), why)

    def want(self, package: int, why: Why) -> None:
        """The rule that one very package is there."""
        closed = self.literal(package)
        if closed in self.holes:
            self.widen(closed)
        self.emit([self.variable[package]], why)

    def _wish(self, formula: Formula, repository: str | None, why: Why) -> None:
        relations = _alternatives(formula)
        if relations is None or any(self.is_fact(relation) for relation in relations):
            self.emit(self.positive(formula, repository=repository), why)
            return
        first, rest = list[int](), dict[int, None]()
        for relation in relations:
            matches = self.pool.match(relation, repository)
            for group in self.pool.grouped(matches, relation.name.encode()):
                rest.update(dict.fromkeys(group if first else ()))
                first = first or group
        others = [package for package in rest if package not in first]
        if self.lazy and len({self.pool.name(package) for package in first}) == 1:
            self.expected.add(first[0])
            if len(first) == 1 and not others and not self.explaining:
                self.force(first[0])
        self.head(self.choice([*first, *others], len(first)), (), why)

    def _require(self, relation: Relation, head: tuple[int, ...], why: Why) -> None:
        if not self.is_fact(relation):
            self.head(self.choice(self.pool.match(relation)), head, why)

    def start_installed(self) -> None:
        """The installed packages, which are expected to stay or to be updated as asked."""
        for package in self.pool.installed:
            name = self.pool.name(package)
            self.meet(name)
            self.expected.add(self.best(name) if name in self.updated else package)

    def drain(self) -> None:
        """Takes in every package that was reached, and what it needs in turn."""
        queue, added, certain, at = self.queue, self.added, self.certain, self.pool.at
        while queue:
            package = queue.pop()
            universe, local, index = at(package)
            start, end = universe.depends_start[local], universe.depends_start[local + 1]
            if start < end:
                formulas = universe.depends[start:end].tolist()
                if index:
                    base = self.pool.formula_base[index]
                    formulas = [base + number for number in formulas]
                if certain and self._is_impossible(formulas):
                    self.impossible.add(package)
                    self.emit([-self.variable[package]], None)
                    continue
                self._needs(package, formulas)
            self._conflicts(package, universe, local, index)
            added.append(package)

    def _is_impossible(self, formulas: Iterable[int]) -> bool:
        """Whether what is known leaves nothing that a package needs, so that nobody looks at the rest."""
        choices, impossible = self.pool.choices, self.impossible
        for formula in formulas:
            candidates, _ = choices(formula)
            if candidates and impossible.issuperset(candidates) and not self.facts_matter:
                return True
        return False

    def _needs(self, package: int, formulas: Iterable[int]) -> None:
        if not self.lazy:
            for formula in formulas:
                self.need(package, formula)
            return
        forced, supports = self.forced, self._supports
        choices, deferred = self.pool.choices, self.deferred.by_support
        is_forced = package in forced
        is_forcing = is_forced and not self.facts_matter
        for formula in formulas:
            support = supports.get(formula)
            if support is not None and (support in forced or not is_forced):
                if support not in forced:
                    deferred[support].append((package, formula, False))
                continue
            candidates, _ = choices(formula)
            if is_forcing and len(candidates) == 1:
                # The only package that satisfies it is in every solution because this one is.
                only = supports[formula] = candidates[0]
                if only not in forced:
                    self.force(only)
            elif not self.defer((package, formula, False)):
                if self._expect_first(package, formula) or len(candidates) == 1:
                    self.need(package, formula)
                else:
                    self.pending.append((package, formula, False))

    def force(self, package: int) -> None:
        """The package is in every solution."""
        if package not in self.forced:
            self.forced.add(package)
            self.expected.add(package)
            if package not in self.variable:
                closed = self.literal(package)
                if closed in self.holes:
                    self.widen(closed)
            self.emit([self.variable[package]], None)

    def need(self, package: int, formula: int) -> None:
        """¬p ∨ q ∨ q' ∨ …, the clause of one dependency"""
        installed = package in self.pool.installed_set
        place = ~formula if installed else formula
        choice = self._choices.get(place)
        if choice is None:
            choice = self._choices[place] = self.dependency(formula, gladly=not installed)
        if choice is not ALWAYS and package not in choice.first and package not in choice.rest:
            self.head(choice, (-self.variable[package],), (Kind.NEEDS, package, formula))

    def restate(self, said: Said) -> None:
        """Emits one rule about packages by itself."""
        kind, numbers = said[0], [number for number in said[1:] if isinstance(number, int)]
        for package in numbers[:1] if kind is Kind.NEEDS else numbers[:2]:
            self.literal(package)
        if kind is Kind.NEEDS:
            self.need(numbers[0], numbers[1])
        elif kind in (Kind.CONFLICTS, Kind.BREAKS):
            self.bar(numbers[0], kind, numbers[1], numbers[2])

    def defer(self, item: Item) -> bool:
        """Whether an expected package satisfies the formula, so that no clause is needed now."""
        package, formula, weak = item
        support = self._supports.get(formula)
        if support is None:
            candidates, preferred = self.pool.choices(formula)
            support = self._first_expected(candidates[:preferred])
            if support is not None:
                self._supports[formula] = support
            elif weak or not self._is_soft(package, candidates):
                support = self._first_expected(candidates[preferred:])
            if support is None:
                return False
        if support not in self.forced:
            self.deferred.add(item, support)
        return True

    def _first_expected(self, candidates: Sequence[int]) -> int | None:
        for candidate in candidates:
            if candidate in self.expected:
                return candidate
        return None

    def _is_soft(self, package: int, candidates: Sequence[int]) -> bool:
        """Whether it matters for the measures which alternative satisfies a dependency."""
        installed = self.pool.installed_set
        return self.preferring and package not in installed and installed.isdisjoint(candidates)

    def _expect_first(self, package: int, formula: int) -> bool:
        """What an expected package needs is expected, where only one name comes first."""
        candidates, preferred = self.pool.choices(formula)
        if not preferred or package not in self.expected:
            return False
        name = self.pool.name(candidates[0])
        if not all(self.pool.name(candidate) is name for candidate in candidates[1:preferred]):
            return False
        self.expected.add(candidates[0])
        return True

    def settle(self) -> list[Item]:
        """Decides what was pending, now that more is expected. Makes the clauses of dependencies,
        returns the recommendations."""
        pending, self.pending = self.pending, []
        weak = []
        for item in pending:
            if self.defer(item):
                continue
            package, formula, is_weak = item
            if is_weak:
                self._expect_first(package, formula)
                weak.append(item)
            else:
                self.need(package, formula)
        return weak

    def _satisfying(self, item: Item) -> Sequence[int]:
        """The packages that satisfy a deferred item, as well as it was expected."""
        package, formula, weak = item
        candidates, preferred = self.pool.choices(formula)
        return candidates[:preferred] if not weak and self._is_soft(package, candidates) else candidates

    def complete(self, chosen: set[int], broken: Iterable[Item]) -> None:
        """Adds to a set of packages what it most likely takes to mend what is broken in it."""
        for item in broken:
            candidates = self._satisfying(item)
            if chosen.isdisjoint(candidates):
                likely = next((c for c in candidates if c not in self.impossible), None)
                if likely is not None and chosen.isdisjoint(self.pool.name(likely).versions):
                    chosen.add(likely)

    def learn(self, literals: Sequence[int]) -> None:
        """What is known of packages: those of these literals are certain or impossible."""
        pool, package_of = self.pool, self.package_of
        certain = set()
        for literal in literals:
            if literal in package_of:
                package = package_of[literal]
                certain.add(package)
                versions = pool.name(package).versions
                if len(versions) > 1 and not pool.is_multi_version(package):
                    self.impossible.update(other for other in versions if other != package)
            elif -literal in package_of:
                self.impossible.add(package_of[-literal])
            else:
                self.closed.pop(literal, None)
        for known in (self.certain, self.forced, self.expected):
            known |= certain

    def undecided(self) -> list[Item]:
        """What was deferred and may yet be broken; nothing is deferred any more."""
        return self.deferred.decide(self.certain, self.impossible, all_others=True)

    def _conflicts(self, package: int, universe: Universe, local: int, index: int) -> None:
        """What it conflicts with, now or when somebody meets a name or a capability."""
        start, end = universe.conflicts_start[local], universe.conflicts_start[local + 1]
        if start < end:
            self._speak_against(package, Kind.CONFLICTS, universe.conflicts[start:end], universe, index)
        start, end = universe.breaks_start[local], universe.breaks_start[local + 1]
        if start < end:
            self._speak_against(package, Kind.BREAKS, universe.breaks[start:end], universe, index)
        start, end = universe.provides_start[local], universe.provides_start[local + 1]
        if start < end:
            place = self.pool.place
            for capability in universe.provides_capability[start:end]:
                self.reach(place(index, capability) if index else capability)

    def _speak_against(
        self, package: int, kind: Kind, relations: Iterable[int], universe: Universe, index: int
    ) -> None:
        place_of, base, reached = self.pool.place, self.pool.relation_base[index], self.reached
        for relation in relations:
            place = universe.relation_capability[relation]
            if index:
                place = place_of(index, place)
            if place in reached:
                self.bar_all(package, kind, base + relation)
            else:
                self.unmet.setdefault(place, []).append((package, kind, base + relation))

    def dependency(self, formula: int, *, gladly: bool) -> Choice:
        """The choice a numbered formula leaves; ALWAYS where a fact satisfies it. `gladly`: some
        alternatives more than others."""
        pool = self.pool
        candidates, preferred = pool.choices(formula)
        if self.facts_matter or not candidates:
            universe, local, index = pool.at_formula(formula)
            if universe.formula_text[local] != NO_TEXT:
                choice = Choice((), ())
                scheme = Scheme(universe.formula_scheme[local])
                choice.literals = self.positive(pool.formula(formula), (scheme,))
                return choice
            parts = universe.part[universe.part_start[local] : universe.part_start[local + 1]]
            base = pool.relation_base[index]
            if self.facts_matter and any(self.is_fact(pool.relation(base + part)) for part in parts):
                return ALWAYS
        return self.choice(candidates, preferred if gladly else None)


def _alternatives(formula: Formula) -> tuple[Relation, ...] | None:
    """The relations of a plain formula, None for others."""
    if isinstance(formula, Relation):
        return (formula,)
    if isinstance(formula, AnyOf):
        relations = tuple(part for part in formula.parts if isinstance(part, Relation))
        return relations if len(relations) == len(formula.parts) else None
    return None
