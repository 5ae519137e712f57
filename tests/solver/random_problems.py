"""Small random problems with every feature, from a seed."""

import random
from dataclasses import replace

from solver import (
    FEWEST_REMOVALS,
    NEWEST_FIRST,
    PARANOID,
    TRENDY,
    All,
    AnyOf,
    Forbid,
    Formula,
    Hold,
    If,
    Measure,
    Operator,
    Package,
    Pin,
    Problem,
    Provide,
    Relation,
    Removal,
    Request,
    Scheme,
    Subscription,
    SubscriptionRule,
    Universe,
    Unless,
    Wish,
)
from solver.merge import merge
from tests.solver.oracle import Puzzle

NAMES = "abcdef"
VIRTUAL = ("v", "w")
FACTS = ("cpu(x86-64-v3)", "modalias(pci:v00008086d1)")


class Maker:
    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        # Some have packages of a second architecture beside those of the first.
        self.second = seed % 7 == 4
        # Each problem has some of the features, so that each is also met alone.
        self.rich = self.random.random() < 0.6
        self.schemes = self.random.choice(
            [[Scheme.DEB], [Scheme.RPM], [Scheme.STONE], [Scheme.INTEGER], [Scheme.DEB, Scheme.RPM]]
        )

    def chance(self, of: float) -> bool:
        return self.random.random() < of

    def relation(self) -> Relation:
        name = self.random.choice(NAMES[: self.names] + "".join(VIRTUAL))
        if self.second and self.chance(0.3):
            return Relation(f"{name}:i386", *self.random.choice([(), (Operator.GE, "2"), (Operator.EQ, "1")]))
        arch = self.random.choice(["any", "x86_64", "i386"]) if self.chance(0.05) else None
        if self.chance(0.3):
            return Relation(name, self.random.choice(list(Operator)), str(self.random.randint(1, 3)), arch)
        return Relation(name, arch=arch)

    def formula(self, depth: int = 0) -> Formula:
        kind = self.random.random()
        if kind < 0.5 or depth == 2:
            if self.rich and self.chance(0.08):
                return Relation(self.random.choice([*FACTS, "modalias(pci:*)", "subscription(s)", "subscription(t)"]))
            return self.relation()
        if kind < 0.8 or not self.rich:
            count = self.random.randint(2, 3)
            if depth == 0 and self.chance(0.8):
                return AnyOf(tuple(self.relation() for _ in range(count)))
            return AnyOf(tuple(self.formula(depth + 1) for _ in range(self.random.randint(0, 3))))
        if kind < 0.87:
            return All(tuple(self.formula(depth + 1) for _ in range(self.random.randint(0, 2))))
        make = If if kind < 0.94 else Unless
        otherwise = self.formula(depth + 1) if self.chance(0.4) else None
        return make(self.formula(depth + 1), self.formula(depth + 1), otherwise)

    def some(self, chance: float, make) -> tuple:  # type: ignore[no-untyped-def,type-arg]
        found = []
        while self.chance(chance) and len(found) < 3:
            found.append(make())
        return tuple(found)

    def package(self, number: int) -> Package:
        rich = 1.0 if self.rich else 0.0
        return Package(
            key=f"k{number:02d}",
            name=self.name(),
            version=str(self.random.randint(1, 3)),
            scheme=self.random.choice(self.schemes),
            arch=self.random.choice(["", "noarch", "x86_64", "x86_64", "i386"]) if self.chance(0.2) else "",
            repository=self.random.choice(["main", "extra"]),
            provides=self.some(0.25, self.provide),
            depends=self.some(0.45, self.formula),
            conflicts=self.some(0.2, self.relation),
            breaks=self.some(0.1, self.relation),
            replaces=self.some(0.15, self.relation),
            recommends=self.some(0.2, self.formula),
            supplements=self.some(0.15 * rich, self.formula),
            multi_version=self.chance(0.15 * rich),
            every_arch=self.second and self.chance(0.4),
        )

    def name(self) -> str:
        name = self.random.choice(NAMES[: self.names])
        return f"{name}:i386" if self.second and self.chance(0.4) else name

    def provide(self) -> Provide:
        name = self.random.choice([*NAMES[: self.names], *VIRTUAL, *VIRTUAL])
        name += ":i386" if self.second and self.chance(0.3) else ""
        return Provide(name, str(self.random.randint(1, 3)) if self.chance(0.5) else None)

    def rule(self) -> SubscriptionRule:
        return SubscriptionRule(
            self.formula() if self.chance(0.6) else None,
            self.some(0.3, self.relation),
            self.some(0.4, self.relation),
            self.some(0.3, self.relation),
        )

    def wish(self) -> Wish:
        return Wish(self.formula(), repository="main" if self.chance(0.1) else None)

    def request(self) -> Request:
        names = NAMES[: self.names]
        some = self.some

        def name() -> str:
            return self.random.choice(names)

        def pin() -> Pin:
            relation = replace(self.relation(), name=name(), arch=None)
            return Pin(relation, repository="extra" if self.chance(0.3) else None)

        rich = 1.0 if self.rich else 0.0
        return Request(
            wishes=some(0.6, self.wish),
            removals=some(0.15, lambda: Removal(self.relation())),
            updates=some(0.2, name),
            update_all=self.chance(0.25),
            keeps=some(0.08, self.wish),
            pins=some(0.12, pin),
            holds=some(0.1, lambda: Hold(name())),
            forbids=some(0.1, lambda: Forbid(self.relation())),
            recommends=self.chance(0.9),
            facts=tuple(fact for fact in FACTS if rich and self.chance(0.5)),
            subscriptions=tuple(
                Subscription(
                    label,
                    some(0.6, self.rule),
                    on=self.chance(0.8),
                    when=self.formula() if self.chance(0.4) else None,
                )
                for label in ("s", "t")
                if self.chance(0.3 * rich)
            ),
        )

    def preferences(self) -> tuple[Measure, ...]:
        if self.chance(0.35):
            return FEWEST_REMOVALS
        if self.chance(0.3):
            return self.random.choice([NEWEST_FIRST, PARANOID, TRENDY])
        measures = list(Measure)
        self.random.shuffle(measures)
        if self.chance(0.5):  # those for which packages may be left out at first
            exhaustive = (Measure.NOT_UP_TO_DATE, Measure.ALTERED, Measure.UNSATISFIED)
            measures = [measure for measure in measures if measure not in exhaustive]
        return tuple(measures[: self.random.randint(0, len(measures))])

    def puzzle(self, most: int = 8) -> Puzzle:
        self.names = self.random.randint(2, len(NAMES))
        packages = [self.package(number) for number in range(self.random.randint(1, most))]
        installed = frozenset(p.key for p in packages if self.chance(0.35))
        return Puzzle(
            packages=tuple(packages),
            installed=installed,
            request=self.request(),
            preferences=self.preferences(),
            priorities={"extra": self.random.choice([-1, 1])} if self.chance(0.3) else {},
            architectures=("x86_64",) if self.chance(0.3) else (),
        )


def make_puzzle(seed: int, most: int = 8) -> Puzzle:
    return Maker(seed).puzzle(most)


def make_problem(puzzle: Puzzle, seed: int = 0) -> Problem:
    """The puzzle as a problem, its packages in one universe or spread over several, shuffled; of several half
    are merged, some of them for other priorities."""
    shuffle = random.Random(seed)
    packages = list(puzzle.packages)
    shuffle.shuffle(packages)
    parts = [packages]
    if seed % 3 == 1:
        parts = [[p for p in packages if p.repository == r] for r in ("main", "extra")]
    elif seed % 3 == 2:  # some packages in both
        parts = [[p for p in packages if shuffle.random() < 0.7], packages]
    universes = [Universe.of(part) for part in parts]
    if seed // 6 % 2 and len(universes) > 1:
        sorted_for = puzzle.priorities if seed // 12 % 2 else {}
        universes = [Universe.from_bytes(b"".join(merge(universes, sorted_for)))]
    return Problem(
        universes=tuple(universes),
        installed=tuple(shuffle.sample(sorted(puzzle.installed), len(puzzle.installed))),
        request=puzzle.request,
        preferences=puzzle.preferences,
        priorities=puzzle.priorities,
        architectures=puzzle.architectures,
    )
