"""Measures as soft literals: each stands for one thing that a measure would count.

The encoder tells what was met, widened and added; `follow` turns that into literals which the
optimiser tries to keep true, by measure. A name with one version and no hole needs no variable of
its own, so most names cost one literal.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from solver.deferred import Item
from solver.encode import ALWAYS, Choice, Encoder, NameState
from solver.model import Relation
from solver.names import Name
from solver.preferences import Measure

# Measures that look at every name and every version, for which nothing may be left out.
_EXHAUSTIVE = {Measure.NOT_UP_TO_DATE, Measure.ALTERED, Measure.UNSATISFIED}


def may_be_lazy(preferences: Iterable[Measure]) -> bool:
    """Whether holes keep the meaning of these measures."""
    return _EXHAUSTIVE.isdisjoint(preferences)


class Measures:
    """The soft literals of each measure, as far as the encoding has grown."""

    def __init__(self, encoder: Encoder, preferences: Iterable[Measure]) -> None:
        self.encoder, self.pool, self.emit = encoder, encoder.pool, encoder.emit
        self.soft: dict[Measure, list[int]] = {measure: [] for measure in preferences}
        # Asked for every package; looking a measure up costs more than all else.
        self._new, self._added = self.soft.get(Measure.NEW), self.soft.get(Measure.ADDED)
        self._unmet, self._unsatisfied = Measure.UNMET in self.soft, Measure.UNSATISFIED in self.soft
        self._recommended: dict[int, Choice] = {}
        self._older: dict[NameState, int] = {}
        self._seen_older: set[int] = set()
        self._supplemented: set[Name] = set()

    def start(self) -> None:
        """What the request itself wants and prefers, and what supplements the machine's facts."""
        for subscription in self.encoder.request.subscriptions:
            for rule, conditions in subscription.binding:
                soft = rule.want or rule.prefer
                head = [literal for one in conditions for literal in self.encoder.negative(one)] if soft else []
                for relation in rule.want:
                    self._soft_relation(Measure.UNMET, head, relation)
                for relation in rule.prefer:
                    self._soft_relation(Measure.UNPREFERRED, head, relation)
        if Measure.UNMET in self.soft and self.encoder.request.recommends:
            self._supplement_facts()

    def _soft_relation(self, measure: Measure, head: Sequence[int], relation: Relation) -> None:
        """head ∨ one of the providers ∨ the cost"""
        if measure not in self.soft or self.encoder.is_fact(relation):
            return
        matches = self.pool.match(relation)
        if matches:
            cost = self._cost(measure)
            choice = self.encoder.choice(matches)
            self.encoder.head(choice, (*head, cost), None)

    def _cost(self, measure: Measure) -> int:
        """A variable that counts where it holds."""
        cost = self.encoder.new()
        self.soft[measure].append(-cost)
        return cost

    def follow(self) -> None:
        """Drains the encoder and takes in what it has met, until nothing is new."""
        encoder = self.encoder
        while True:
            encoder.drain()
            if encoder.met or encoder.widened or encoder.added:
                self._take_in()
            elif encoder.pending:
                for package, formula, _ in encoder.settle():
                    self._recommend(package, formula)
            else:
                break
        if Measure.UNPREFERRED in self.soft:
            self.soft[Measure.UNPREFERRED] += [-soft for soft in encoder.preferences]
        encoder.preferences.clear()

    def _take_in(self) -> None:
        encoder, installed = self.encoder, self.pool.installed_set
        met, encoder.met = encoder.met, []
        widened, encoder.widened = encoder.widened, []
        added, encoder.added = encoder.added, []
        for state in met:
            self._met(state)
        for state in widened:
            self._downgraded(state)
        if self._added is not None:
            variable, updated = encoder.variable, encoder.updated
            new = [p for p in added if p not in installed]
            self._added += [-variable[p] for p in new if not updated or not encoder.is_update(p)]
        if Measure.ALTERED in self.soft:
            variable = encoder.variable
            literals = (variable[p] if p in installed else -variable[p] for p in added)
            self.soft[Measure.ALTERED] += literals
        if (self._unmet or self._unsatisfied) and encoder.request.recommends:
            for package in added:
                self._recommends(package)

    def revive(self, items: Iterable[Item]) -> None:
        """Makes the clauses of items that were deferred and do not stand."""
        for package, formula, weak in items:
            if weak:
                self._recommend(package, formula)
            else:
                self.encoder.need(package, formula)
        self.follow()

    # Names

    def _met(self, state: NameState) -> None:
        name = state.name
        if len(name.versions) == 1 and not name.installed:  # most of them
            if self._new is not None:
                self._new.append(-self.encoder.variable[name.versions[0]])
            return
        if name.installed:
            self._removed(state)
            self._downgraded(state)
            if name in self.encoder.updated:
                self._not_best(Measure.NOT_UPDATED, state, self.encoder.best(name))
            else:
                self._changed(state)
        else:
            self._not_best(Measure.OUTDATED, state, self.encoder.best(name))
            if self._new is not None:
                self._new.append(-self._any(self._versions(state)))
        self._not_best(Measure.NOT_UP_TO_DATE, state, name.versions[0])

    def _versions(self, state: NameState) -> list[int]:
        """Literals of which one holds where some version of the name is chosen."""
        variables = [self.encoder.variable[package] for package in state.inside]
        return [*variables, state.hole] if state.outside else variables

    def _any(self, literals: Sequence[int]) -> int:
        """A literal that holds where one of these does: ¬literal ∨ it, each."""
        if len(literals) == 1:
            return literals[0]
        one = self.encoder.new()
        for literal in literals:
            self.emit([-literal, one], None)
        return one

    def _removed(self, state: NameState) -> None:
        """kept ∨ cost, where kept is: a version of the name ∨ a package that takes its place"""
        if Measure.REMOVED not in self.soft:
            return
        versions = self._versions(state)
        replacers = self._replacers(state.name)
        if len(versions) == 1 and not replacers:
            self.soft[Measure.REMOVED].append(versions[0])
            return
        cost = self._cost(Measure.REMOVED)
        if replacers:
            choice = self.encoder.choice(replacers)
            self.encoder.head(choice, (*versions, cost), None)
        else:
            self.emit([*versions, cost], None)

    def _replacers(self, name: Name) -> list[int]:
        """Packages of other names that may take the place of an installed one."""
        found = {
            replacer
            for package in name.installed
            for replacer in self.pool.replacers(package)
            if replacer not in self.pool.installed_set
        }
        return sorted(found)

    def _downgraded(self, state: NameState) -> None:
        """¬p ∨ cost, for versions p older than the installed ones, as they join"""
        installed = state.name.installed
        if Measure.DOWNGRADED not in self.soft or not installed:
            return
        for package in state.inside:
            if package in installed or package in self._seen_older:
                continue
            self._seen_older.add(package)
            if all(self.pool.is_newer(other, package) for other in installed):
                cost = self._older.get(state)
                if cost is None:
                    cost = self._older[state] = self._cost(Measure.DOWNGRADED)
                self.emit([-self.encoder.variable[package], cost], None)

    def _not_best(self, measure: Measure, state: NameState, best: int) -> None:
        """¬p ∨ best ∨ cost, for every other version p (best can only stand beside p where a name may
        be there in several versions)"""
        if measure not in self.soft:
            return
        variable = self.encoder.variable
        others = [variable[package] for package in state.inside if package != best]
        if state.outside:
            others.append(state.hole)
        if not others:
            return
        if best in variable and self.pool.is_multi_version(best):
            cost = self._cost(measure)
            for other in others:
                self.emit([-other, variable[best], cost], None)
        else:
            self.soft[measure].append(-self._any(others))

    def _changed(self, state: NameState) -> None:
        """¬p ∨ cost for versions p that were not installed; where several were, also
        ¬p ∨ q ∨ cost: one of them left and another gone"""
        if Measure.CHANGED not in self.soft:
            return
        variable, installed = self.encoder.variable, state.name.installed
        others = [variable[package] for package in state.inside if package not in installed]
        if state.outside:
            others.append(state.hole)
        several = len(installed) > 1
        if others or several:
            cost = self.encoder.new() if several else self._any(others)
            self.soft[Measure.CHANGED].append(-cost)
            if several:
                self._one_gone(installed, others, cost)

    def _one_gone(self, installed: Sequence[int], others: Sequence[int], cost: int) -> None:
        variables = [self.encoder.variable[package] for package in installed]
        for other in others:
            self.emit([-other, cost], None)
        for variable in variables:
            for gone in variables:
                if gone != variable:
                    self.emit([-variable, gone, cost], None)

    # Recommendations

    def _recommends(self, package: int) -> None:
        """Every recommendation of a package; for Measure.UNMET alone only of a new one."""
        if self.pool.has_supplements:
            self._supplemented_by(package)
        if package in self.pool.installed_set and not self._unsatisfied:
            return
        universe, local, index = self.pool.at(package)
        start, end = universe.recommends_start[local], universe.recommends_start[local + 1]
        if start == end:
            return
        base, encoder = self.pool.formula_base[index], self.encoder
        for number in dict.fromkeys(universe.recommends[start:end]):
            item = package, base + number, True
            if not encoder.lazy:
                self._recommend(package, base + number)
            elif not encoder.defer(item):
                encoder.pending.append(item)

    def _recommend(self, package: int, formula: int) -> None:
        """¬p ∨ one of the recommended ∨ cost; for Measure.UNMET only where p is new and something
        could meet it"""
        choice = self._recommended.get(formula)
        if choice is None:
            choice = self.encoder.dependency(formula, gladly=False)
            self._recommended[formula] = choice
        if choice is ALWAYS or package in choice.first or package in choice.rest:
            return
        head = -self.encoder.variable[package]
        new = package not in self.pool.installed_set
        for measure in (Measure.UNMET, Measure.UNSATISFIED):
            counts = measure is Measure.UNSATISFIED or (new and choice.literals)
            if measure in self.soft and counts:
                self.encoder.head(choice, (head, self._cost(measure)), None)

    # Supplements: ¬formula ∨ the name of p is there ∨ cost, where the formula did not hold before

    def _supplemented_by(self, package: int) -> None:
        """What supplements a package that may be chosen."""
        universe, local, _ = self.pool.at(package)
        if Measure.UNMET in self.soft and self.pool.has_supplements:
            capabilities = {universe.name[local]}
            start, end = universe.provides_start[local], universe.provides_start[local + 1]
            capabilities.update(universe.provides_capability[start:end])
            for capability in sorted(capabilities):
                text = universe.text_bytes(universe.capability_text[capability])
                self._supplement(self.pool.supplementers(text))

    def _supplement_facts(self) -> None:
        for text in self.pool.supplemented() if self.encoder.facts else ():
            if self.encoder.is_fact(Relation(text.decode())):
                self._supplement(self.pool.supplementers(text))

    def _supplement(self, packages: Iterable[int]) -> None:
        for package in packages:
            name = self.pool.name(package)
            if name in self._supplemented or name.installed or package != self.encoder.best(name):
                continue
            self._supplemented.add(name)
            universe, local, _ = self.pool.at(package)
            for formula in universe.package(local).supplements:
                schemes = (self.pool.scheme(package),)
                if self.pool.holds(formula, self.pool.installed_set, schemes):
                    continue
                head = self.encoder.negative(formula, schemes)
                choice = self.encoder.choice(name.versions)
                self.encoder.head(choice, (*head, self._cost(Measure.UNMET)), None)
