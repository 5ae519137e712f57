"""What an update holds back and what would free it, against trying every set."""

import os
from dataclasses import replace

from solver import (
    FEWEST_REMOVALS,
    NEWEST_FIRST,
    Held,
    HeldBack,
    Package,
    Request,
    Rule,
    Solution,
    Wish,
    solve,
    why_held,
)
from tests.solver.oracle import Oracle, Puzzle
from tests.solver.random_problems import make_problem, make_puzzle

COUNT = 8_000 if os.environ.get("MOSS_SLOW") else 800


def updating(seed: int) -> Puzzle:
    """A random puzzle in which much is installed and all is to be updated."""
    puzzle = make_puzzle(seed, 9)
    keys = [package.key for package in puzzle.packages]
    return replace(
        puzzle,
        request=replace(puzzle.request, update_all=True, wishes=puzzle.request.wishes[:1]),
        installed=puzzle.installed | frozenset(keys[::2]),
        preferences=(FEWEST_REMOVALS, NEWEST_FIRST)[seed % 2],
    )


class Ground:
    """The valid sets of a puzzle, and what each keeps of a solution."""

    def __init__(self, puzzle: Puzzle, solution: Solution) -> None:
        self.puzzle, self.oracle = puzzle, Oracle(puzzle)
        self.chosen = [p for p in puzzle.packages if p.key in {one.key for one in solution.chosen}]
        self.valid = self.all_valid(self.oracle)

    @staticmethod
    def all_valid(oracle: Oracle) -> list[int]:
        return [chosen for chosen in range(1 << len(oracle.packages)) if oracle.is_valid(chosen)]

    def no_older(self, package: Package, among: int) -> bool:
        """Whether a set has a version of the package's name that is no older."""
        return any(
            one.key == package.key or (one.scheme is package.scheme and int(one.version) > int(package.version))
            for one in self.oracle.members(among)
            if one.name == package.name
        )

    def can_be_had(self, held: Held, but_for: frozenset[str] = frozenset()) -> bool:
        newest = self.oracle.bit[held.newest.key]
        kept = [p for p in self.chosen if p.key not in but_for and p.name != held.newest.name]
        return any(chosen & newest and all(self.no_older(p, chosen) for p in kept) for chosen in self.valid)


def is_right(ground: Ground, back: HeldBack) -> str:
    """How the package is held back, once that has been checked."""
    held, oracle = back.held, ground.oracle
    gone, behind = (frozenset(one.key for one in part) for part in (back.gone, back.behind))
    if not back.rules:
        assert ground.can_be_had(held)
        return "another preference"
    assert not ground.can_be_had(held)
    are_a_smallest_conflict(oracle, held, back.rules)
    if not gone | behind:
        assert not any(chosen & oracle.bit[held.newest.key] for chosen in ground.valid)
        for asked in back.asked:
            less = replace(ground.puzzle, request=without(ground.puzzle.request, asked))
            assert any(chosen & oracle.bit[held.newest.key] for chosen in ground.all_valid(Oracle(less)))
        return "asked" if back.asked else "never"
    assert ground.can_be_had(held, gone | behind)
    assert not any(ground.can_be_had(held, (gone | behind) - {one}) for one in gone | behind)
    return "giving way"


def are_a_smallest_conflict(oracle: Oracle, held: Held, rules: tuple[Rule, ...]) -> None:
    """The wish among them is for one very package."""

    def cannot_all_hold(some: list[Rule]) -> bool:
        wanted = any(is_the_wish(rule) for rule in some)
        every = range(1 << len(oracle.packages))
        with_it = [chosen for chosen in every if not wanted or chosen & oracle.bit[held.newest.key]]
        others = [rule for rule in some if not is_the_wish(rule)]
        return not any(all(oracle.rule_holds(rule, chosen) for rule in others) for chosen in with_it)

    def is_the_wish(rule: Rule) -> bool:
        return isinstance(rule.asked, Wish) and rule.asked.origin == held.newest.key

    assert any(map(is_the_wish, rules)) and cannot_all_hold(list(rules))
    for at, rule in enumerate(rules):
        assert not cannot_all_hold([*rules[:at], *rules[at + 1 :]]), f"{rule} is superfluous"


def without(request: Request, asked: object) -> Request:
    kinds = ("wishes", "removals", "keeps", "pins", "holds", "forbids")
    return replace(
        request,
        **{kind: tuple(one for one in getattr(request, kind) if one != asked) for kind in kinds},
        subscriptions=tuple(replace(one, on=one.on and one != asked) for one in request.subscriptions),
    )


def test_what_would_free_a_package_is_the_least_that_does() -> None:
    ways: list[str] = []
    for seed in range(COUNT):
        puzzle = updating(seed)
        solution = solve(make_problem(puzzle, seed))
        if isinstance(solution, Solution) and solution.held:
            ground = Ground(puzzle, solution)
            ways += [is_right(ground, back) for back in why_held(make_problem(puzzle, seed), solution, solution.held)]
    assert {way: ways.count(way) > COUNT // 400 for way in ways} == dict.fromkeys(
        ("giving way", "asked", "never"), True
    ) | {way: False for way in ways if way == "another preference"}
