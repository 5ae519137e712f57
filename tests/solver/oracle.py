"""What the solver should answer, found by trying every set of packages.

Written from the meaning, in its own words, and sharing no code with the solver but the values a
problem is made of. A set is an integer, one bit a package. Versions are small whole numbers.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from functools import cache, cmp_to_key
from itertools import combinations

from solver import (
    All,
    AnyOf,
    Formula,
    If,
    Kind,
    Measure,
    Package,
    Relation,
    Request,
    Rule,
    Scheme,
    Subscription,
    Unless,
)

COMPARES: dict[str, Callable[[int, int], bool]] = {
    "<": int.__lt__,
    "<=": int.__le__,
    "=": int.__eq__,
    ">=": int.__ge__,
    ">": int.__gt__,
}
WITHOUT_VERSION_FITS = {Scheme.RPM, Scheme.INTEGER}


@dataclass(frozen=True)
class Puzzle:
    """A problem as the oracle sees it: all packages, each key once."""

    packages: tuple[Package, ...]
    installed: frozenset[str]
    request: Request
    preferences: tuple[Measure, ...]
    priorities: dict[str, int]
    architectures: tuple[str, ...]


class Oracle:
    def __init__(self, puzzle: Puzzle) -> None:
        self.puzzle, self.request = puzzle, puzzle.request
        self.packages = [
            p
            for p in puzzle.packages
            if not puzzle.architectures
            or p.arch in ("", "all", "noarch", *puzzle.architectures)
            or p.key in puzzle.installed
        ]
        self.bit = {p.key: 1 << at for at, p in enumerate(self.packages)}
        self.start = sum(self.bit[key] for key in puzzle.installed)
        self.facts = list(self.request.facts)
        self.facts += [f"subscription({s.name})" for s in self.request.subscriptions if s.on and s.when is None]
        self.names = sorted({p.name for p in self.packages})
        self.of_name = {n: self.mask(p for p in self.packages if p.name == n) for n in self.names}
        self.matching, self.meeting = cache(self._matching), cache(self._meeting)
        self.barred = self.mask(p for p in self.packages if self.is_barred(p))

    def mask(self, packages: Iterator[Package]) -> int:
        return sum(self.bit[p.key] for p in packages)

    def members(self, mask: int) -> list[Package]:
        return [p for p in self.packages if self.bit[p.key] & mask]

    # What relations and formulas mean

    def meets(self, package: Package, relation: Relation, scheme: Scheme | None) -> bool:
        """Of a need that a package has: whoever serves every architecture meets x:i386 as it would meet x."""
        if self.fits(package, relation, scheme):
            return True
        name, colon, _ = relation.name.rpartition(":")
        return bool(colon) and package.every_arch and self.fits(package, replace(relation, name=name), scheme)

    def fits(self, package: Package, relation: Relation, scheme: Scheme | None) -> bool:
        if relation.arch not in (None, "any", "native") and relation.arch != package.arch:
            return False
        offers = [(package.name, package.version)] + [(p.name, p.version) for p in package.provides]
        for name, version in offers:
            if name != relation.name:
                continue
            if relation.version is None or relation.operator is None:
                return True
            if scheme is not None and scheme is not package.scheme:
                continue
            if version is None:
                if package.scheme in WITHOUT_VERSION_FITS:
                    return True
            elif COMPARES[relation.operator.value](self.order(version, relation.version), 0):
                return True
        return False

    def order(self, version: str, other: str) -> int:
        """Below, at or above 0 as a version is older than, equal to or newer than another."""
        return int(version) - int(other)

    def _matching(self, relation: Relation, scheme: Scheme | None) -> int:
        return self.mask(p for p in self.packages if self.fits(p, relation, scheme))

    def _meeting(self, relation: Relation, scheme: Scheme | None) -> int:
        return self.mask(p for p in self.packages if self.meets(p, relation, scheme))

    def is_fact(self, relation: Relation) -> bool:
        return relation.version is None and any(fnmatchcase(f, relation.name) for f in self.facts)

    def holds(self, formula: Formula, chosen: int, scheme: Scheme | None = None, among: int = -1) -> bool:
        match formula:
            case Relation():
                matching = self.matching if scheme is None else self.meeting
                return self.is_fact(formula) or bool(matching(formula, scheme) & chosen & among)
            case All(parts):
                return all(self.holds(p, chosen, scheme, among) for p in parts)
            case AnyOf(parts):
                return any(self.holds(p, chosen, scheme, among) for p in parts)
            case If(condition, then, otherwise):
                if self.holds(condition, chosen, scheme, among):
                    return self.holds(then, chosen, scheme, among)
                return otherwise is None or self.holds(otherwise, chosen, scheme, among)
            case Unless(condition, then, otherwise):
                if not self.holds(condition, chosen, scheme, among):
                    return self.holds(then, chosen, scheme, among)
                return otherwise is None or self.holds(otherwise, chosen, scheme, among)

    # The five conditions

    def is_valid(self, chosen: int) -> bool:
        return (
            self.asked_for_is_there(chosen)
            and not chosen & self.barred
            and self.needs_are_met(chosen)
            and self.nothing_conflicts(chosen)
            and self.names_are_single(chosen)
        )

    def asked_for_is_there(self, chosen: int) -> bool:
        for wish in (*self.request.wishes, *self.request.keeps):
            among = -1
            if wish.repository is not None:
                among = self.mask(p for p in self.packages if p.repository == wish.repository)
            if not self.holds(wish.formula, chosen, None, among):
                return False
        for hold in self.request.holds:
            held = self.of_name.get(hold.name, 0) & self.start
            if held & ~chosen:
                return False
        for subscription in self.request.subscriptions:
            for rule in subscription.rules if self.is_on(subscription, chosen) else ():
                applies = rule.condition is None or self.holds(rule.condition, chosen)
                if applies and not all(self.holds(relation, chosen) for relation in rule.require):
                    return False
        return True

    def is_on(self, subscription: Subscription, chosen: int) -> bool:
        return subscription.on and (subscription.when is None or self.holds(subscription.when, chosen))

    def is_barred(self, package: Package) -> bool:
        request, bit = self.request, self.bit[package.key]
        if any(self.fits(package, removal.relation, None) for removal in request.removals):
            return True
        new = not bit & self.start
        if new and any(self.fits(package, forbid.relation, None) for forbid in request.forbids):
            return True
        return any(
            package.name == pin.relation.name
            and not (self.fits(package, pin.relation, None) and pin.repository in (None, package.repository))
            for pin in request.pins
        )

    def need_is_met(self, package: Package, formula: Formula, chosen: int) -> bool:
        return self.holds(formula, chosen, package.scheme)

    def needs_are_met(self, chosen: int) -> bool:
        return all(self.need_is_met(p, formula, chosen) for p in self.members(chosen) for formula in p.depends)

    def nothing_conflicts(self, chosen: int) -> bool:
        return not any(
            self.matching(relation, p.scheme) & chosen & ~self.bit[p.key]
            for p in self.members(chosen)
            for relation in (*p.conflicts, *p.breaks)
        )

    def names_are_single(self, chosen: int) -> bool:
        return not any(
            p.name == q.name and not (p.multi_version and q.multi_version)
            for p, q in combinations(self.members(chosen), 2)
        )

    # The measures

    def versions(self, name: str) -> list[Package]:
        def place(p: Package) -> tuple[object, ...]:
            arches = self.puzzle.architectures
            return (
                -self.puzzle.priorities.get(p.repository, 0),
                arches.index(p.arch) if p.arch in arches else 0,
                p.scheme,
                newest(p.version),
                p.repository,
                p.key,
            )

        newest = cmp_to_key(lambda a, b: self.order(b, a))
        return sorted(self.members(self.of_name[name]), key=place)

    def best(self, name: str) -> int:
        versions = self.versions(name)
        allowed = [p for p in versions if not self.bit[p.key] & self.barred]
        return self.bit[(allowed or versions)[0].key]

    def is_updated(self, name: str) -> bool:
        return self.request.update_all or name in self.request.updates

    def removed(self, chosen: int) -> int:
        def counts(name: str) -> bool:
            before = self.of_name[name] & self.start
            if not before or self.of_name[name] & chosen:
                return False
            for package in self.members(before):
                for other in self.members(chosen & ~self.start):
                    if other.name != name and self.takes_place(other, package):
                        return False
            return True

        return sum(map(counts, self.names))

    def takes_place(self, other: Package, package: Package) -> bool:
        def says(relations: tuple[Relation, ...]) -> bool:
            return any(self.fits(package, relation, other.scheme) for relation in relations)

        by_name = any(relation.name == package.name for relation in other.replaces)
        return by_name and says(other.replaces) and says(other.conflicts)

    def downgraded(self, chosen: int) -> int:
        def counts(name: str) -> bool:
            before = self.members(self.of_name[name] & self.start)
            return any(
                all(p.scheme is b.scheme and self.order(p.version, b.version) < 0 for b in before)
                for p in self.members(self.of_name[name] & chosen & ~self.start)
                if before
            )

        return sum(map(counts, self.names))

    def not_best(self, name: str, chosen: int, best: int) -> bool:
        there = self.of_name[name] & chosen
        if any(p.multi_version for p in self.members(best)):
            return bool(there) and not there & best
        return bool(there & ~best)

    def not_updated(self, chosen: int) -> int:
        return sum(
            bool(self.of_name[name] & self.start)
            and self.is_updated(name)
            and self.not_best(name, chosen, self.best(name))
            for name in self.names
        )

    def outdated(self, chosen: int) -> int:
        return sum(
            not self.of_name[name] & self.start and self.not_best(name, chosen, self.best(name)) for name in self.names
        )

    def changed(self, chosen: int) -> int:
        return sum(
            bool(before := self.of_name[name] & self.start)
            and bool(after := self.of_name[name] & chosen)
            and not self.is_updated(name)
            and before != after
            for name in self.names
        )

    def alternatives(self, formula: Formula, scheme: Scheme | None, among: int) -> list[int]:
        """Who may satisfy a plain formula, the most preferred first; nothing where a fact does."""
        parts = formula.parts if isinstance(formula, AnyOf) else (formula,)
        relations = [part for part in parts if isinstance(part, Relation)]
        if len(relations) < len(parts) or any(self.is_fact(part) for part in relations):
            return []
        masks = []
        for relation in relations:
            matching = self.matching(relation, scheme) & among
            named = matching & self.of_name.get(relation.name, 0)
            serving = 0 if scheme is None else self.meeting(relation, scheme) & ~matching & among
            plain = serving & self.of_name.get(relation.name.rpartition(":")[0], 0)
            masks += [plain, named, matching & ~named, serving & ~plain]
        return [mask for mask in masks if mask]

    def unpreferred(self, chosen: int) -> int:
        cost, counted = 0, set()
        for package in self.members(chosen & ~self.start):
            for formula in package.depends:
                masks = self.alternatives(formula, package.scheme, -1)
                if isinstance(formula, AnyOf) and len(formula.parts) < 2:
                    continue
                own = any(mask & self.bit[package.key] for mask in masks)
                if not masks or own or any(mask & self.start for mask in masks):
                    continue
                if not masks[0] & chosen:
                    counted.add((formula, package.scheme))
        cost += len(counted)
        for wish in (*self.request.wishes, *self.request.keeps):
            among = -1
            if wish.repository is not None:
                among = self.mask(p for p in self.packages if p.repository == wish.repository)
            masks = self.alternatives(wish.formula, None, among)
            if masks and not any(mask & self.start for mask in masks):
                cost += not masks[0] & chosen
        return cost + self.unfollowed(chosen, "prefer")

    def unfollowed(self, chosen: int, what: str) -> int:
        return sum(
            not self.is_fact(relation) and bool(self.matching(relation, None)) and not self.holds(relation, chosen)
            for subscription in self.request.subscriptions
            if self.is_on(subscription, chosen)
            for rule in subscription.rules
            if rule.condition is None or self.holds(rule.condition, chosen)
            for relation in getattr(rule, what)
        )

    def unmet(self, chosen: int) -> int:
        if not self.request.recommends:
            return self.unfollowed(chosen, "want")
        cost = sum(
            not self.holds(formula, chosen, p.scheme) and self.could_hold(formula, p.scheme)
            for p in self.members(chosen & ~self.start)
            for formula in set(p.recommends)
        )
        for name in self.names:
            if self.of_name[name] & self.start or self.of_name[name] & chosen:
                continue
            for p in self.members(self.best(name)):
                cost += sum(
                    self.holds(formula, chosen, p.scheme) and not self.held_before(formula, p.scheme)
                    for formula in p.supplements
                )
        return cost + self.unfollowed(chosen, "want")

    def held_before(self, formula: Formula, scheme: Scheme) -> bool:
        facts, self.facts = self.facts, []
        try:
            return self.holds(formula, self.start, scheme)
        finally:
            self.facts = facts

    def could_hold(self, formula: Formula, scheme: Scheme) -> bool:
        """A recommendation of something nobody provides does not count."""
        match formula:
            case Relation():
                return bool(self.meeting(formula, scheme))
            case AnyOf(parts):
                return any(self.could_hold(part, scheme) for part in parts)
        return True

    def new(self, chosen: int) -> int:
        return sum(bool(self.of_name[name] & chosen) and not self.of_name[name] & self.start for name in self.names)

    def added(self, chosen: int) -> int:
        return sum(not self.is_update(p) for p in self.members(chosen & ~self.start))

    def is_update(self, package: Package) -> bool:
        before = self.of_name[package.name] & self.start
        return bool(before) and self.is_updated(package.name) and not package.multi_version

    def not_up_to_date(self, chosen: int) -> int:
        return sum(self.not_best(name, chosen, self.bit[self.versions(name)[0].key]) for name in self.names)

    def altered(self, chosen: int) -> int:
        return (chosen ^ self.start).bit_count()

    def unsatisfied(self, chosen: int) -> int:
        return self.request.recommends and sum(
            not self.holds(formula, chosen, p.scheme) for p in self.members(chosen) for formula in set(p.recommends)
        )

    def measure(self, measure: Measure, chosen: int) -> int:
        counts = {
            Measure.REMOVED: self.removed,
            Measure.DOWNGRADED: self.downgraded,
            Measure.NOT_UPDATED: self.not_updated,
            Measure.OUTDATED: self.outdated,
            Measure.CHANGED: self.changed,
            Measure.UNPREFERRED: self.unpreferred,
            Measure.UNMET: self.unmet,
            Measure.NEW: self.new,
            Measure.ADDED: self.added,
            Measure.NOT_UP_TO_DATE: self.not_up_to_date,
            Measure.ALTERED: self.altered,
            Measure.UNSATISFIED: self.unsatisfied,
        }
        return counts[measure](chosen)

    # The answer

    def answer(self) -> tuple[frozenset[str], tuple[int, ...]] | None:
        """The keys of the one right set and its costs; None where no set is valid."""
        valid = [chosen for chosen in range(1 << len(self.packages)) if self.is_valid(chosen)]
        if not valid:
            return None
        asked = self.puzzle.preferences
        levels = [*asked]
        # Nothing comes or goes for no reason.
        levels += [m for m in (Measure.REMOVED, Measure.ADDED) if m not in asked]
        for measure in levels:
            costs = [self.measure(measure, chosen) for chosen in valid]
            least = min(costs)
            valid = [chosen for chosen, cost in zip(valid, costs, strict=True) if cost == least]
        order = sorted(self.packages, key=self.place)
        bits = [self.bit[p.key] for p in order]
        best = max(valid, key=lambda chosen: [bool(chosen & bit) for bit in bits])
        costs_of_best = tuple(self.measure(measure, best) for measure in asked)
        return frozenset(p.key for p in self.members(best)), costs_of_best

    def place(self, package: Package) -> tuple[bool, str, int]:
        installed = bool(self.bit[package.key] & self.start) or self.is_update(package)
        return not installed, package.name, self.versions(package.name).index(package)

    # Rules of a conflict, as conditions on sets

    def rule_holds(self, rule: Rule, chosen: int) -> bool:
        by_key = {p.key: p for p in self.packages}
        package = by_key[rule.package.key] if rule.package else None
        there = bool(package and self.bit[package.key] & chosen)
        match rule.kind:
            case Kind.WISHED | Kind.KEPT:
                wish = rule.asked
                only = Request(wishes=(wish,), facts=tuple(self.facts))
                oracle = Oracle(_with(self.puzzle, only))
                return oracle.asked_for_is_there(chosen)
            case Kind.SUBSCRIBED:
                assert rule.asked is not None
                oracle = Oracle(_with(self.puzzle, Request(facts=tuple(self.facts))))
                return not oracle.is_on(rule.asked, chosen) or all(
                    oracle.holds(relation, chosen)
                    for part in rule.asked.rules
                    for relation in part.require
                    if relation == rule.formula and (part.condition is None or oracle.holds(part.condition, chosen))
                )
            case Kind.NEEDS:
                assert package is not None
                return not there or self.need_is_met(package, rule.formula, chosen)
            case Kind.CONFLICTS | Kind.BREAKS:
                assert package is not None and rule.other is not None
                said = package.conflicts if rule.kind is Kind.CONFLICTS else package.breaks
                assert rule.formula in said
                assert self.fits(by_key[rule.other.key], rule.formula, package.scheme)
                return not (there and chosen & self.bit[rule.other.key])
            case Kind.ONE_VERSION:
                assert package is not None and rule.other is not None
                assert package.name == rule.other.name
                return not (there and chosen & self.bit[rule.other.key])
            case Kind.REMOVED | Kind.FORBIDDEN | Kind.PINNED:
                assert package is not None and self.is_barred(package)
                return not there
            case Kind.HELD:
                return there
            case Kind.NO_OLDER:
                assert package is not None and rule.package in rule.candidates
                return any(self.bit[one.key] & chosen for one in rule.candidates)

    def cannot_all_hold(self, rules: list[Rule]) -> bool:
        every = range(1 << len(self.packages))
        return not any(all(self.rule_holds(rule, chosen) for rule in rules) for chosen in every)


def _with(puzzle: Puzzle, request: Request) -> Puzzle:
    return Puzzle(
        puzzle.packages,
        puzzle.installed,
        request,
        puzzle.preferences,
        puzzle.priorities,
        puzzle.architectures,
    )
