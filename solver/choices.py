"""What the encoding is made of: variables of packages, names with their versions, choices.

A hole stands for what is unlikely and left out; `solver.encode` says how that keeps proofs true.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from solver.names import Name
from solver.pool import Pool
from solver.request import Request
from solver.rules import Kind

# A kind of rule and what it is about, as numbers of the pool and parts of the request.
Said = tuple[object, ...]
Why = Said | None
Emit = Callable[[list[int], Why], None]


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


class Choices:
    """Clauses about packages and names as far as they have joined, for one request."""

    def __init__(
        self, pool: Pool, request: Request, emit: Emit, *, lazy: bool, preferring: bool, explaining: bool
    ) -> None:
        self.pool, self.request, self.emit = pool, request, emit
        self.lazy, self.preferring, self.explaining = lazy, preferring, explaining
        self.top = 1  # the first variable is the first guard of `solver.ground`
        self.variable: dict[int, int] = {}
        self.package_of: dict[int, int] = {}
        self.states: dict[Name, NameState] = {}
        self.holes: dict[int, NameState | Choice] = {}
        self.closed: dict[int, None] = {}  # what to assume: no hole, but for those known to stay closed
        self.queue: list[int] = []
        # What the measures have not seen yet.
        self.met: list[NameState] = []
        self.widened: list[NameState] = []
        self.preferences: list[int] = []
        # What to say of packages that may join later; of names and capabilities nobody has met yet
        # it is not even known whom it is about.
        self.reached: set[int] = set()
        self.unmet: dict[int, list[tuple[int, Kind, int]]] = {}
        self.barring: dict[int, list[tuple[int, Kind, int]]] = {}
        self.watched: dict[int, list[int]] = {}
        # What is known to be in every solution worth looking at, and in none.
        self.certain: set[int] = set()
        self.impossible: set[int] = set()
        self._false = 0
        self.barred = self._find_barred()
        self.updated = self._find_updated()

    def new(self) -> int:
        """A fresh variable."""
        self.top += 1
        return self.top

    def false(self) -> int:
        """A variable that never holds."""
        if not self._false:
            self._false = self.new()
            self.emit([-self._false], None)
        return self._false

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
        if not self.updated:
            return False
        name = self.pool.name(package)
        is_updated = name in self.updated and bool(name.installed)
        return is_updated and not self.pool.is_multi_version(package)

    def is_best_update(self, package: int) -> bool:
        """Whether it is the update that is hoped for."""
        name = self.pool.name(package)
        return name in self.updated and bool(name.installed) and self.best(name) == package

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

    def bar(self, package: int, kind: Kind, other: int, relation: int) -> None:
        clause = [-self.variable[package], -self.variable[other]]
        self.emit(clause, (kind, package, other, relation))

    def bar_all(self, package: int, kind: Kind, relation: int) -> None:
        """A package and all that a relation of it matches."""
        for other in self.pool.matches(relation):
            if other == package:
                continue
            if other in self.variable:
                self.bar(package, kind, other, relation)
            else:
                self.barring.setdefault(other, []).append((package, kind, relation))

    def reach(self, place: int) -> None:
        """Packages of a name, or that provide a capability, are met."""
        if place not in self.reached:
            self.reached.add(place)
            if place in self.unmet:
                for package, kind, relation in self.unmet.pop(place):
                    self.bar_all(package, kind, relation)

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
        index, capability = name.where[0]
        self.reach(self.pool.place(index, capability) if index else capability)
        inside: Sequence[int]
        if len(versions) == 1:
            self._join(versions[0], state)
            self.met.append(state)
            return state
        if not self.lazy:
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
            self.dig(state.hole, state)
        for version in inside:
            self._join(version, state)
        self.met.append(state)
        return state

    def _join(self, package: int, state: NameState) -> None:
        """One version of a name is in, unless it is known to be impossible."""
        bars = self.barring.get(package)
        if bars is not None and any(other in self.certain for other, _, _ in bars):
            self.impossible.add(package)
        if package in self.impossible:
            self.variable[package] = self.false()
            return
        self.top += 1
        variable = self.variable[package] = self.top
        self.package_of[variable] = package
        self.queue.append(package)
        for other in state.inside:
            if not (self.pool.is_multi_version(package) and self.pool.is_multi_version(other)):
                self.emit([-self.variable[other], -variable], (Kind.ONE_VERSION, *sorted((other, package))))
        state.inside.append(package)
        if package in self.barred:
            for why in self.barred[package]:
                self.emit([-variable], why)
        if bars is not None:
            for other, kind, relation in self.barring.pop(package):
                self.bar(other, kind, package, relation)
        if package in self.watched:
            for matched in self.watched.pop(package):
                self.emit([-variable, matched], None)

    def states_of(self, literals: Iterable[int]) -> Iterator[NameState]:
        """The names of those literals that are packages' variables."""
        for literal in literals:
            package = self.package_of.get(literal)
            if package is not None:
                yield self.states[self.pool.name(package)]

    # Holes

    def dig(self, hole: int, hidden: NameState | Choice) -> None:
        """A new hole."""
        self.holes[hole] = hidden
        self.closed[-hole] = None

    def widen(self, hole: int) -> None:
        """What the hole stands for joins."""
        closed = self.holes.pop(hole)
        self.closed.pop(-hole, None)
        if isinstance(closed, Choice):
            closed.hole = 0
            self._again(closed)
            return
        state, joined = closed, closed.outside
        state.outside = []
        for version in joined:
            self._join(version, state)
        variables = [self.variable[version] for version in state.inside if version in joined]
        self.emit([-hole, *variables], None)
        for variable in variables:
            self.emit([-variable, hole], None)
        self.widened.append(state)
        waiting, state.waiting = state.waiting, []
        for choice in dict.fromkeys(waiting):
            self._again(choice)

    # Choices: clauses that end alike

    def choice(self, candidates: Sequence[int], gladly: int | None = None) -> Choice:
        """One of the candidates, the first few of them more gladly than the others. Where one is
        installed already, the others are as good as it, only unlikely, but for updates asked for."""
        installed = self.pool.installed_set
        choice = Choice(candidates, ())
        if not installed.isdisjoint(candidates):
            there = [p for p in candidates if p in installed or (self.updated and self.is_best_update(p))]
            choice.first, choice.rest = there, [package for package in candidates if package not in there]
        elif gladly is not None and gladly < len(candidates) and self.preferring:
            choice.first, choice.rest = candidates[:gladly], candidates[gladly:]
            choice.soft = self.new()
            self.preferences.append(choice.soft)
        if choice.rest and self.lazy:
            choice.hole = choice.soft or self.new()
            self.dig(choice.hole, choice)
        self._fill(choice)
        return choice

    def _fill(self, choice: Choice) -> None:
        """The literals of the clauses as things stand: those of the candidates that are in."""
        candidates = choice.first if choice.hole else (*choice.first, *choice.rest)
        literals = dict.fromkeys(map(self.literal, candidates))
        choice.loose = bool(choice.hole)
        if not self.holes.keys().isdisjoint(literals):
            closed = [literal for literal in literals if literal in self.holes]
            if len(closed) == len(literals):
                for hole in closed:
                    self.widen(hole)
                literals, closed = dict.fromkeys(map(self.literal, candidates)), []
            for hole in closed:
                state = self.holes[hole]
                assert isinstance(state, NameState)
                # Where all the hidden versions are candidates, the hole says it, closed or not.
                if not set(candidates).issuperset(state.outside):
                    state.waiting.append(choice)
                    choice.loose = True
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
