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

from collections.abc import Callable, Iterable, Sequence, Set
from fnmatch import fnmatchcase
from typing import assert_never

from solver.compile import NO_TEXT
from solver.model import All, AnyOf, Formula, If, Relation, Unless
from solver.pool import Name, Pool
from solver.request import Request
from solver.rules import Kind
from solver.version import Scheme

# A kind of rule and what it is about, as numbers of the pool and parts of the request.
Said = tuple[object, ...]
Why = Said | None
Emit = Callable[[list[int], Why], None]
# A package, one of its formulas, and whether it is only recommended.
Item = tuple[int, int, bool]


class NameState:
    """A name the encoding has met: which versions are in, and the hole for the others."""

    __slots__ = ("hole", "inside", "name", "outside", "waiting")

    def __init__(self, name: Name) -> None:
        self.name, self.hole = name, 0
        self.inside: list[int] = []
        self.outside: list[int] = []
        self.waiting: list[Choice] = []


class Choice:
    """Clauses that end alike: each head, then one of the candidates."""

    __slots__ = ("first", "heads", "hole", "literals", "loose", "rest", "soft")

    def __init__(self, first: Sequence[int], rest: Sequence[int]) -> None:
        self.first, self.rest = first, rest
        self.hole = self.soft = 0
        self.loose = False
        self.literals: list[int] = []
        self.heads: list[tuple[tuple[int, ...], Why]] = []


ALWAYS = Choice((), ())


class Encoder:
    """Grows clauses from a request; `drain` takes in all that was reached."""

    def __init__(
        self, pool: Pool, request: Request, emit: Emit, *, lazy: bool, preferring: bool, explaining: bool
    ) -> None:
        self.pool, self.request, self.emit = pool, request, emit
        self.lazy, self.preferring, self.explaining = lazy, preferring, explaining
        self.top = 1  # the first variable is the optimiser's
        self.variable: dict[int, int] = {}
        self.package_of: dict[int, int] = {}
        self.states: dict[Name, NameState] = {}
        self.holes: dict[int, NameState | Choice] = {}
        self.queue: list[int] = []
        self.forced: set[int] = set()
        self.expected: set[int] = set()
        self.pending: list[Item] = []
        self.deferred: dict[int, list[Item]] = {}
        # What the measures have not seen yet.
        self.met: list[NameState] = []
        self.widened: list[NameState] = []
        self.added: list[int] = []
        self.preferences: list[int] = []
        self._choices: dict[int, Choice] = {}
        self._barring: dict[int, list[tuple[int, Kind, int]]] = {}
        self._watched: dict[int, list[int]] = {}
        self._true = 0
        self.facts = [*request.facts, *(f"subscription({s.name})" for s in request.subscriptions if s.on)]
        self.fact_set = frozenset(self.facts)
        self.facts_matter = pool.mentions(self.facts)
        self.barred = self._find_barred()
        self.updated = self._find_updated()

    def new(self) -> int:
        """A fresh variable."""
        self.top += 1
        return self.top

    def true(self) -> int:
        """A literal that nothing speaks against."""
        if not self._true:
            self._true = self.new()
        return self._true

    # What the request says of packages, before any clause

    def _find_barred(self) -> dict[int, list[Why]]:
        pool, barred = self.pool, dict[int, list[Why]]()
        for removal in self.request.removals:
            for package in pool.match(removal.relation):
                barred.setdefault(package, []).append((Kind.REMOVED, package, removal))
        for forbid in self.request.forbids:
            for package in pool.match(forbid.relation):
                if package not in pool.installed_set:
                    barred.setdefault(package, []).append((Kind.FORBIDDEN, package, forbid))
        for pin in self.request.pins:
            fitting = set(pool.match(pin.relation, pin.repository))
            for package in pool.named(pin.relation.name):
                if package not in fitting:
                    barred.setdefault(package, []).append((Kind.PINNED, package, pin))
        return barred

    def _find_updated(self) -> frozenset[Name]:
        pool, request = self.pool, self.request
        if request.update_all:
            return frozenset(pool.name(package) for package in pool.installed)
        named = (pool.named(name) for name in request.updates)
        return frozenset(pool.name(versions[0]) for versions in named if versions)

    def is_update(self, package: int) -> bool:
        """Whether the package would take the place of an installed one that is to be updated."""
        name = self.pool.name(package)
        is_updated = name in self.updated and bool(name.installed)
        return is_updated and not self.pool.is_multi_version(package)

    def is_updating(self, closed: NameState | Choice) -> bool:
        """Whether a hole hides versions of a name that is to be updated and may yet stay behind."""
        if not isinstance(closed, NameState) or not closed.name.installed:
            return False
        return closed.name in self.updated

    def best(self, name: Name) -> int:
        """The best version of a name that the request does not bar."""
        barred = self.barred
        if barred:
            for version in name.versions:
                if version not in barred:
                    return version
        return name.versions[0]

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
            for rule in subscription.rules if subscription.on else ():
                head = () if rule.condition is None else tuple(self.negative(rule.condition))
                for relation in rule.require:
                    self._require(relation, head, (Kind.SUBSCRIBED, subscription, relation))

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
        self.head(self.choice(first, others, preferring=True), (), why)

    def _require(self, relation: Relation, head: tuple[int, ...], why: Why) -> None:
        if not self.is_fact(relation):
            self.head(self.choice(self.pool.match(relation), (), preferring=False), head, why)

    def start_installed(self) -> None:
        """The installed packages, which are expected to stay or to be updated as asked."""
        for package in self.pool.installed:
            name = self.pool.name(package)
            self.meet(name)
            self.expected.add(self.best(name) if name in self.updated else package)

    def drain(self) -> None:
        """Takes in every package that was reached, and what it needs in turn."""
        while self.queue:
            package = self.queue.pop()
            self._needs(package)
            self._conflicts(package)
            self.added.append(package)

    def _needs(self, package: int) -> None:
        universe, local, index = self.pool.at(package)
        base = self.pool.formula_base[index]
        start, end = universe.depends_start[local], universe.depends_start[local + 1]
        if not self.lazy:
            for number in universe.depends[start:end]:
                self.need(package, base + number)
            return
        forced, expected = self.forced, self.expected
        is_forced, is_expected = package in forced, package in expected
        choices_of, known = self.pool.choices, self.pool.known_choices
        for number in universe.depends[start:end]:
            formula = base + number
            found = known.get(formula)
            candidates, _ = found if found is not None else choices_of(formula)
            if len(candidates) == 1 and not self.facts_matter:
                candidate = candidates[0]
                if candidate == package or candidate in forced:
                    continue
                if is_forced:
                    self.force(candidate)
                    continue
                if candidate in expected:
                    self.deferred.setdefault(candidate, []).append((package, formula, False))
                    continue
                if is_expected:
                    expected.add(candidate)
                self.need(package, formula)
            elif candidates and candidates[0] in forced:
                continue
            elif not self.defer((package, formula, False)):
                if self._expect_first(package, formula):
                    self.need(package, formula)
                else:
                    self.pending.append((package, formula, False))

    def force(self, package: int) -> None:
        """The package is in every solution."""
        if package not in self.forced:
            self.forced.add(package)
            self.expected.add(package)
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
            choice = self._choices[place] = self.dependency(formula, preferring=not installed)
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
            self._bar(numbers[0], kind, numbers[1], numbers[2])

    def defer(self, item: Item) -> bool:
        """Whether an expected package satisfies the formula, so that no clause is needed now."""
        package, formula, weak = item
        candidates, preferred = self.pool.choices(formula)
        support = next((c for c in candidates[:preferred] if c in self.expected), None)
        if support is None and (weak or not self._is_soft(package, candidates)):
            support = next((c for c in candidates[preferred:] if c in self.expected), None)
        if support is None:
            return False
        if support not in self.forced and package not in candidates:
            self.deferred.setdefault(support, []).append(item)
        return True

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

    def broken(self, chosen: Set[int], *, for_certain: bool = False) -> list[Item]:
        """The deferred items that a set of packages does not satisfy; they are no longer deferred.
        `for_certain`: all but those whose expected package is in the set."""
        broken: list[Item] = []
        for support in [support for support in self.deferred if support not in chosen]:
            kept: list[Item] = []
            for item in self.deferred.pop(support):
                stands = not for_certain and self._stands(item, chosen)
                (kept if stands else broken).append(item)
            if kept:
                self.deferred[support] = kept
        return broken

    def _stands(self, item: Item, chosen: Set[int]) -> bool:
        package, formula, weak = item
        if package not in chosen:
            return True
        candidates, preferred = self.pool.choices(formula)
        if not weak and self._is_soft(package, candidates):
            candidates = candidates[:preferred]
        return not chosen.isdisjoint(candidates)

    def _conflicts(self, package: int) -> None:
        pool = self.pool
        universe, local, index = pool.at(package)
        base = pool.relation_base[index]
        for kind, start, flat in (
            (Kind.CONFLICTS, universe.conflicts_start, universe.conflicts),
            (Kind.BREAKS, universe.breaks_start, universe.breaks),
        ):
            for relation in flat[start[local] : start[local + 1]]:
                for other in pool.matches(base + relation):
                    if other == package:
                        continue
                    if other in self.variable:
                        self._bar(package, kind, other, base + relation)
                    else:
                        bars = self._barring.setdefault(other, [])
                        bars.append((package, kind, base + relation))

    def _bar(self, package: int, kind: Kind, other: int, relation: int) -> None:
        clause = [-self.variable[package], -self.variable[other]]
        self.emit(clause, (kind, package, other, relation))

    # Packages and names

    def literal(self, package: int) -> int:
        """The package's variable, or the hole of its name where it is left out."""
        variable = self.variable.get(package)
        if variable is None:
            state = self.meet(self.pool.name(package))
            variable = self.variable.get(package, state.hole)
        return variable

    def meet(self, name: Name) -> NameState:
        """The state of a name, which joins with its likely versions."""
        state = self.states.get(name)
        if state is not None:
            return state
        state = self.states[name] = NameState(name)
        versions = name.versions
        inside: Sequence[int]
        if not self.lazy or len(versions) == 1:
            inside = versions
        elif name.installed:
            inside = name.installed
            if name in self.updated:
                inside = sorted({*inside, self.best(name)}, key=versions.index)
        else:
            inside = (self.best(name),)
        if len(inside) < len(versions):
            state.outside = [version for version in versions if version not in inside]
            state.hole = self.new()
            self.holes[state.hole] = state
        for version in inside:
            self._join(version, state)
        self.met.append(state)
        return state

    def _join(self, package: int, state: NameState) -> None:
        """One version of a name is in."""
        self.top += 1
        variable = self.variable[package] = self.top
        self.package_of[variable] = package
        self.queue.append(package)
        multi = self.pool.is_multi_version(package)
        for other in state.inside:
            if not (multi and self.pool.is_multi_version(other)):
                self.emit([-self.variable[other], -variable], (Kind.ONE_VERSION, *sorted((other, package))))
        state.inside.append(package)
        for why in self.barred.get(package, ()):
            self.emit([-variable], why)
        for other, kind, relation in self._barring.pop(package, ()):
            self._bar(other, kind, package, relation)
        for matched in self._watched.pop(package, ()):
            self.emit([-variable, matched], None)

    # Holes

    def widen(self, hole: int) -> None:
        """What the hole stands for joins."""
        closed = self.holes.pop(hole)
        if isinstance(closed, Choice):
            closed.hole = 0
            self._again(closed)
            return
        state, joined = closed, closed.outside
        state.outside = []
        for version in joined:
            self._join(version, state)
        variables = [self.variable[version] for version in joined]
        self.emit([-hole, *variables], None)
        for variable in variables:
            self.emit([-variable, hole], None)
        self.widened.append(state)
        waiting, state.waiting = state.waiting, []
        for choice in dict.fromkeys(waiting):
            self._again(choice)

    # Choices: clauses that end alike

    def choice(self, first: Sequence[int], rest: Sequence[int], *, preferring: bool) -> Choice:
        """One of `first`, or less gladly one of `rest`. Where one of them is installed already, the
        others are as good as it, only unlikely."""
        installed = self.pool.installed_set
        everything = (*first, *rest)
        there = [package for package in everything if package in installed]
        if there:
            first, rest = there, [package for package in everything if package not in installed]
        elif not (preferring and self.preferring):
            first, rest = everything, ()
        choice = Choice(first, rest)
        if rest and not there:
            choice.soft = self.new()
            self.preferences.append(choice.soft)
        if rest and self.lazy:
            choice.hole = choice.soft or self.new()
            self.holes[choice.hole] = choice
        self._fill(choice)
        return choice

    def _fill(self, choice: Choice) -> None:
        """The literals of the clauses as things stand: those of the candidates that are in."""
        candidates = choice.first if choice.hole else (*choice.first, *choice.rest)
        literals = dict.fromkeys(map(self.literal, candidates))
        closed = [literal for literal in literals if literal in self.holes]
        if closed and len(closed) == len(literals):
            for hole in closed:
                self.widen(hole)
            literals, closed = dict.fromkeys(map(self.literal, candidates)), []
        for hole in closed:
            state = self.holes[hole]
            assert isinstance(state, NameState)
            state.waiting.append(choice)
        choice.loose = bool(closed or choice.hole)
        choice.literals = [*literals, choice.hole] if choice.hole else list(literals)

    def _again(self, choice: Choice) -> None:
        """The clauses of a choice, after a hole was widened."""
        self._fill(choice)
        for head, why in choice.heads:
            self._emit_choice(choice, head, why)

    def head(self, choice: Choice, head: tuple[int, ...], why: Why) -> None:
        """One more clause that ends with the choice."""
        if choice.loose or choice.soft:
            choice.heads.append((head, why))
        self._emit_choice(choice, head, why)

    def _emit_choice(self, choice: Choice, head: tuple[int, ...], why: Why) -> None:
        self.emit([*head, *choice.literals], why)
        if choice.soft and not choice.hole:
            # Less glad: head ∨ first ∨ soft. With a closed hole the clause above says it.
            self.emit([*head, *dict.fromkeys(map(self.literal, choice.first)), choice.soft], None)

    def dependency(self, formula: int, *, preferring: bool, equal: bool = False) -> Choice:
        """The choice a numbered formula leaves; ALWAYS where a fact satisfies it. `equal`: no
        alternative before another."""
        pool = self.pool
        universe, local, index = pool.at_formula(formula)
        if universe.formula_text[local] != NO_TEXT:
            choice = Choice((), ())
            scheme = Scheme(universe.formula_scheme[local])
            choice.literals = self.positive(pool.formula(formula), (scheme,))
            return choice
        if self.facts_matter:
            parts = universe.part[universe.part_start[local] : universe.part_start[local + 1]]
            base = pool.relation_base[index]
            if any(self.is_fact(pool.relation(base + part)) for part in parts):
                return ALWAYS
        candidates, preferred = pool.choices(formula)
        if equal:
            preferred = len(candidates)
        return self.choice(candidates[:preferred], candidates[preferred:], preferring=preferring)

    # Formulas. Both directions give literals of which one must hold; auxiliary variables only imply.

    def is_fact(self, relation: Relation) -> bool:
        """Whether the machine itself provides it."""
        name = relation.name
        if not self.facts or relation.version is not None:
            return False
        if "*" in name or "?" in name:
            return any(fnmatchcase(fact, name) for fact in self.facts)
        return name in self.fact_set

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
                return self._one_of(self.choice(matches, (), preferring=False))
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
                self._watched.setdefault(package, []).append(matched)
        return matched


def _alternatives(formula: Formula) -> tuple[Relation, ...] | None:
    """The relations of a plain formula, None for others."""
    if isinstance(formula, Relation):
        return (formula,)
    if isinstance(formula, AnyOf):
        relations = tuple(part for part in formula.parts if isinstance(part, Relation))
        return relations if len(relations) == len(formula.parts) else None
    return None
