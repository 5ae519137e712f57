"""The least cost of each level, proven, one after the other.

Core-guided (OLL, Morgado, Dodaro, Marques-Silva 2014): all soft literals of a level are assumed; an
unsatisfiable core says that one of its literals must be given up, which costs one, and a counter
over the core replaces them. When the assumptions hold, the cost is the least there is, and what is
left of the level becomes hard before the next one begins.

A core that needs a hole of the encoding is no proof: the hole is widened and the level goes on.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import count, takewhile

from solver.deferred import Item
from solver.encode import Encoder
from solver.ground import Ground
from solver.measures import Measures
from solver.preferences import Measure
from solver.sat import Counter, OutOfBudgetError
from solver.values import value

_SETTLED_AFTER = 30  # questions, so that what they decided is not propagated for ever
_KEEPING = (Measure.REMOVED, Measure.DOWNGRADED)


@value
class Optimum:
    """The packages of the best model found, what each level costs, and whether that is proven."""

    chosen: tuple[int, ...]
    costs: tuple[tuple[Measure, int], ...]
    proven: bool


class Optimiser:
    """Takes the levels one by one."""

    def __init__(self, ground: Ground, encoder: Encoder, measures: Measures) -> None:
        self.ground, self.sat = ground, ground.sat
        self.encoder, self.measures = encoder, measures
        self.model: list[int] = []
        self.is_current = False  # whether the model is one of all that the encoding has grown to
        self.finished: list[Measure] = []
        self.taken: dict[Measure, int] = {}
        self.soft: dict[int, None] = {}
        self.counters: dict[int, Counter] = {}
        self._following: set[int] = set()  # what has been seen to follow from keeping what is installed
        self.known_cost: list[tuple[Measure, int]] = []

    def run(self) -> Optimum | None:
        """The optimum; None where there is no model at all. Raises OutOfBudgetError only before a
        first model."""
        if not self._satisfiable():
            return None
        try:
            for measure in self.measures.soft:
                self.known_cost.append((measure, self._level(measure)))
            self._break_ties()
        except OutOfBudgetError:
            return self._optimum(proven=False)
        return self._optimum(proven=True)

    def prefer_phases(self) -> None:
        """Tries first what the measures want, and leaves out all else."""
        wanted = {literal for literals in self.measures.soft.values() for literal in literals}
        top = self.encoder.top
        self.sat.phases([v if v in wanted else -v for v in range(1, top + 1)])

    def _satisfiable(self) -> bool:
        """Whether there is a model. What is installed is kept as far as it can be, since models that
        drop it at will are many and far from any optimum."""
        kept = {literal: None for measure in _KEEPING for literal in self.measures.soft.get(measure, ())}
        self._widen_forced(kept)
        while not self._solve(kept):
            core = self.sat.core()
            if self._widen(core):
                self._widen_forced(kept)
            else:
                dropped = kept.keys() & core
                if not dropped:
                    return False
                for literal in dropped:
                    del kept[literal]
        return True

    def _solve(self, assumptions: Iterable[int]) -> bool:
        """Whether there is a model, kept in `model`, in which everything deferred stands."""
        encoder = self.encoder
        while True:
            if not self.sat.solve([self.ground.guard, *assumptions, *encoder.closed]):
                return False
            self.model = model = self.sat.model()
            # A variable that no clause mentions yet is in no model.
            model += range(-len(model) - 1, -encoder.top - 1, -1)
            # No clause speaks of the last variables.
            model += [-variable for variable in range(len(model) + 1, encoder.top + 1)]
            if not encoder.deferred:
                self.is_current = True
                return True
            chosen = {p for p, variable in encoder.variable.items() if model[variable - 1] > 0}
            self.is_current = True
            while broken := encoder.deferred.broken(chosen):
                self._revive(broken)
                # The next model will break what these need in turn.
                encoder.complete(chosen, broken)
            if self.is_current:
                return True

    def _widen_forced(self, kept: Iterable[int]) -> None:
        """Widens the holes that cannot stay closed where all that is installed stays, as far as propagation
        sees: a question and its core would find them one by one."""
        encoder, known = self.encoder, self._following
        while True:
            follows = set(self.sat.implied([self.ground.guard, *kept]))
            fresh = follows - known
            known |= fresh
            found = [-literal for literal in fresh if literal in encoder.holes]
            for state in encoder.states_of(-literal for literal in fresh):
                if state.outside and all(-encoder.variable[p] in follows for p in state.inside):
                    found.append(-state.hole)
            if not self._widen(sorted(found)):
                return

    def _widen(self, core: Sequence[int]) -> bool:
        """Widens the holes of a core; whether there were any."""
        holes = self.encoder.holes
        closed = [-literal for literal in core if -literal in holes]
        for hole in closed:
            if hole in holes:  # widening one may widen another
                self.encoder.widen(hole)
        if closed:
            self._revive(())
        return bool(closed)

    def _revive(self, items: Iterable[Item]) -> None:
        """Takes in what is new. New soft literals of finished levels become hard: they cost nothing
        in the model that proved the level."""
        self.is_current = False
        self.measures.revive(items)
        for done in self.finished:
            self.ground.harden(self._fresh(done))

    def _settle(self) -> None:
        """Finds out what holds whatever is chosen."""
        self.encoder.learn(self.ground.settle(self.encoder.new))

    # One level

    def _level(self, measure: Measure) -> int:
        """Proves the least cost of a measure and makes it hard."""
        self.soft, self.counters = {}, {}
        cost = self._take(measure)
        while True:
            if self._is_met() or self._solve(self.soft):
                if self.taken[measure] == len(self.measures.soft[measure]):
                    break
            else:
                core = self.sat.core()
                holes = [literal for literal in core if -literal in self.encoder.holes]
                if all(literal in self.soft for literal in holes):
                    cost += self._relax(core)
                self._widen(holes)
            cost += self._take(measure)
        self.ground.harden(self.soft)
        self.finished.append(measure)
        return cost

    def _is_met(self) -> bool:
        """Whether the last model is as good as this level can be."""
        model = self.model
        return self.is_current and all(model[abs(literal) - 1] == literal for literal in self.soft)

    def _take(self, measure: Measure) -> int:
        """New soft literals of the level join. Returns the cost of those lost for certain."""
        fresh = self._fresh(measure)
        if not fresh:
            return 0
        self._settle()
        fixed = self.ground.fixed
        self.soft.update(dict.fromkeys(literal for literal in fresh if -literal not in fixed))
        return sum(-literal in fixed for literal in fresh)

    def _fresh(self, measure: Measure) -> list[int]:
        literals = self.measures.soft[measure]
        fresh = literals[self.taken.get(measure, 0) :]
        self.taken[measure] = len(literals)
        return fresh

    def _relax(self, core: list[int]) -> int:
        """Gives up one literal of a core, at a cost of one."""
        core = self._trimmed([literal for literal in core if literal in self.soft])
        for literal in core:
            del self.soft[literal]
            counter = self.counters.pop(literal, None)
            if counter is not None and counter.raise_bound(self.encoder.top):
                self._count(counter)
        if len(core) > 1:
            self._count(Counter([-literal for literal in core], self.encoder.top))
        else:
            self.ground.harden([-core[0]])
        return 1

    def _count(self, counter: Counter) -> None:
        self.encoder.top = max(self.encoder.top, counter.top)
        for clause in counter.clauses:
            self.sat.add(clause)
        self.is_current = False
        output = -counter.output()
        self.soft[output] = None
        self.counters[output] = counter

    def _trimmed(self, core: list[int]) -> list[int]:
        """A smaller core, while asking again makes it smaller. Holes are not assumed here, so what
        remains is a core of the full problem."""
        while len(core) > 1:
            if self.sat.solve([self.ground.guard, *core]):
                return core
            smaller = [literal for literal in self.sat.core() if literal != self.ground.guard]
            if len(smaller) >= len(core):
                break
            core = smaller
        return core

    # The last level: of all that is equally good, the first in a fixed order

    def _break_ties(self) -> None:
        """What was installed stays or is brought to its best version, then better versions and earlier
        names come first."""
        encoder = self.encoder
        if updating := [hole for hole, of in encoder.holes.items() if encoder.is_updating(of)]:
            for hole in updating:
                encoder.widen(hole)
            self._revive(())
        self._settle()
        if items := encoder.undecided():
            self._revive(items)
        while not self.is_current and not self._solve(()):
            self._widen(self.sat.core())
        self._settle()
        fixed = self.ground.fixed
        decided = set[int]()
        while True:
            open_packages = [
                package
                for package, variable in encoder.variable.items()
                if package not in decided and variable not in fixed and -variable not in fixed
            ]
            if not open_packages:
                return
            decided.update(open_packages)
            open_packages.sort(key=self._place)
            if len(open_packages) > 1:
                self._guess(open_packages)
            self._decide([encoder.variable[package] for package in open_packages])

    def _guess(self, packages: Sequence[int]) -> None:
        """A model with the best versions where it can be, which leaves less to decide."""
        pool, variable = self.encoder.pool, self.encoder.variable
        first = {pool.name(package): package for package in reversed(packages)}
        self.sat.phases([variable[p] if first[pool.name(p)] == p else -variable[p] for p in packages])
        self._solve(())

    def _place(self, package: int) -> tuple[bool, str, int]:
        pool = self.encoder.pool
        name = pool.name(package)
        installed = package in pool.installed_set or self.encoder.is_update(package)
        return not installed, pool.candidate(package).name, name.versions.index(package)

    def _decide(self, variables: list[int]) -> None:
        """Chooses each that may be chosen as well as left out, in order.

        Most may not, so all that the model leaves out are asked for at once: whether one of them
        may. The answer's first is chosen, unless one of those before it may be, which is asked next."""
        most = len(variables)
        for asked_before in count():
            if asked_before % _SETTLED_AFTER == 0:
                self._settle()
                fixed = self.ground.fixed
                variables = [v for v in variables if v not in fixed and -v not in fixed]
            if not variables:
                return
            there = list(takewhile(self._holds, variables))
            self.ground.harden(there)
            variables = variables[len(there) :]
            asked = [variable for variable in variables if not self._holds(variable)][:most]
            if not asked:
                continue
            if self._solve_any(asked):
                first = next(at for at, variable in enumerate(asked) if self._holds(variable))
                most = max(1, min(first, len(asked) // 2))
            else:
                self.ground.harden([-variable for variable in asked])
                left_out, most = set(asked), 4 * len(asked)
                variables = [variable for variable in variables if variable not in left_out]

    def _holds(self, variable: int) -> bool:
        return variable <= len(self.model) and self.model[variable - 1] > 0

    def _solve_any(self, variables: Sequence[int]) -> bool:
        """Whether there is a model in which one of these holds."""
        one = variables[0]
        if len(variables) > 1:
            one = self.encoder.new()
            self.ground.add([-one, *variables])
        while not self._solve([one]):
            if not self._widen(self.sat.core()):
                return False
        return True

    def _optimum(self, *, proven: bool) -> Optimum:
        chosen = sorted(p for variable, p in self.encoder.package_of.items() if self._holds(variable))
        costs = dict(self.known_cost)
        for measure, literals in self.measures.soft.items():
            if measure not in costs:
                costs[measure] = sum(self._holds(abs(literal)) != (literal > 0) for literal in literals)
        return Optimum(tuple(chosen), tuple(costs.items()), proven)
