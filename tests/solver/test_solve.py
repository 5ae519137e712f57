"""What holds of every answer: sameness, budgets, reasons, questions."""

import random
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from solver import (
    Conflict,
    Effort,
    InTheWay,
    Lost,
    Measure,
    Needed,
    NoAnswerError,
    Package,
    PreferenceError,
    Problem,
    Recommended,
    Relation,
    Removal,
    Request,
    Scheme,
    Solution,
    Stayed,
    Subscribed,
    Subscription,
    SubscriptionRule,
    ToldToGo,
    Universe,
    UnknownPackageError,
    Unneeded,
    Updated,
    Wish,
    Wished,
    check,
    describe_held,
    explain,
    installed_reasons,
    parse_formula,
    parse_preferences,
    parse_relation,
    rdepends,
    relations_of,
    solve,
    why,
    why_held,
    why_not,
)
from solver.reasons import one_by_one
from solver.sat import BACKENDS
from solver.solution import Details
from tests.solver.random_problems import make_problem, make_puzzle


def package(text: str, *needs: str, **more: object) -> Package:
    name, version = text.split()
    depends = tuple(parse_formula(need) for need in needs)
    return Package(text, name, version, Scheme.DEB, depends=depends, **more)  # type: ignore[arg-type]


def wishes(*texts: str) -> tuple[Wish, ...]:
    return tuple(Wish(parse_formula(text)) for text in texts)


def solved(problem: Problem) -> Solution:
    answer = solve(problem)
    assert isinstance(answer, Solution)
    return answer


def test_order_of_input_and_back_end_do_not_change_the_answer() -> None:
    for seed in range(60):
        puzzle = make_puzzle(seed, 16)
        first = solve(make_problem(puzzle, 0))
        for other, backend in enumerate(BACKENDS, 1):
            again = solve(make_problem(puzzle, other), effort=Effort(backend, lazy=other % 2 == 0))
            if isinstance(first, Solution):
                assert again == first, (seed, backend)
            else:
                assert isinstance(again, Conflict), (seed, backend)


def test_a_budget_that_is_never_spent_changes_nothing() -> None:
    for seed in range(20):
        problem = make_problem(make_puzzle(seed, 14))
        assert solve(problem, budget=lambda: True) == solve(problem)


def test_when_the_time_ends_the_best_so_far_is_returned_unproven() -> None:
    unproven = 0
    for seed in range(40):
        problem = make_problem(make_puzzle(seed, 14), 0)
        problem = replace(problem, request=Request(wishes=problem.request.wishes))
        proven = solve(problem)
        if isinstance(proven, Conflict):
            continue
        for calls in range(1, 12):
            left = iter(range(calls))
            try:
                answer = solve(problem, budget=lambda left=left: next(left, None) is not None)
            except NoAnswerError:
                continue
            assert isinstance(answer, Solution)
            if not answer.proven:
                unproven += 1
                assert [level.measure for level in answer.levels] == list(problem.preferences)
                assert [level.cost for level in answer.levels] >= [level.cost for level in proven.levels]
        with pytest.raises(NoAnswerError):
            solve(problem, budget=lambda: False)
    assert unproven > 10


@pytest.mark.parametrize(
    ("needs", "others", "expected"),
    [
        # r 1 conflicts with c, which is no more certain than d
        ("d | c", [package("c 1", conflicts=(parse_relation("r (= 1)"),)), package("d 1"), package("r 1")], {"d 1"}),
        # r 1 needs another version of m than a, and they stand beside each other
        (
            "m (>= 2)",
            [package("m 1", multi_version=True), package("m 2", multi_version=True), package("r 1", "m (= 1)")],
            {"m 1", "m 2"},
        ),
        # r 1 needs a version that a rules out, or what the machine provides
        ("x (>= 2)", [package("x 1"), package("x 2"), package("r 1", "x (= 1) | machine")], {"x 2"}),
    ],
)
def test_what_is_certain_rules_out_no_more_than_it_must(needs: str, others: list[Package], expected: set[str]) -> None:
    asking = package("a 1", needs, recommends=(Relation("r"),))
    newest = package("r 2", conflicts=(Relation("a"),))
    request = Request(wishes=wishes("a"), facts=("machine",))
    order = (Measure.REMOVED, Measure.UNMET, Measure.NEW)  # old versions are tried when a is certain
    answer = solved(Problem((Universe.of([asking, newest, *others]),), (), request, order))
    assert {candidate.key for candidate in answer.chosen} == {"a 1", "r 1"} | expected
    assert [level.cost for level in answer.levels][:2] == [0, 0]


@pytest.mark.slow
def test_a_universe_of_200_000_packages_is_one_like_any_other() -> None:
    def versions(number: int) -> list[Package]:
        needs = [f"p{number // 2} (>= 2)", f"p{number // 3} | p0"] if number else []
        conflict = {"conflicts": (Relation("p7"),)} if number == 99_998 else {}
        return [package(f"p{number} 1"), package(f"p{number} 2", *needs, **conflict)]

    universe = Universe.of(one for number in range(100_000) for one in versions(number))
    assert len(universe) == 200_000
    wanted, todo = {0}, [99_999]
    while todo:
        number = todo.pop()
        if number not in wanted:
            wanted.add(number)
            todo += [number // 2, number // 3]
    answer = solved(Problem((universe,), request=Request(wishes=wishes("p99999"))))
    assert {candidate.key for candidate in answer.chosen} == {f"p{number} 2" for number in wanted}
    refused = solve(Problem((universe,), request=Request(wishes=wishes("p99998 (>= 2)", "p7 (= 2)"))))
    assert isinstance(refused, Conflict)
    told = [explanation.headline for explanation in explain(refused)]
    assert told == ["p99998 (>= 2) and p7 (= 2) cannot be installed together"]


def test_an_installed_key_that_no_universe_has_is_an_error() -> None:
    with pytest.raises(UnknownPackageError, match="nowhere 1"):
        solve(Problem((Universe.of([package("a 1")]),), ("nowhere 1",)))


def test_one_key_in_two_universes_is_one_package() -> None:
    ours, theirs = Universe.of([package("a 1")]), Universe.of([package("a 1"), package("a 2")])
    answer = solved(Problem((ours, theirs), ("a 1",), Request(wishes=wishes("a"))))
    assert [str(candidate) for candidate in answer.chosen] == ["a 1"]


def keeps_absent(request: Request) -> list[Relation]:
    conditions = [one for s in request.subscriptions for _, found in s.binding for one in found]
    shrinking = [one for one in conditions if "if" in str(one) or "unless" in str(one)]
    return [relation for one in shrinking for relation in relations_of(one)]


def test_automatic_packages_stay_only_where_they_are_needed() -> None:
    for seed in range(150):
        puzzle = make_puzzle(seed, 10)
        problem = make_problem(puzzle, seed)
        automatic = frozenset(random.Random(seed).sample(sorted(puzzle.installed), len(puzzle.installed) // 2))
        answer = solve(replace(problem, automatic=automatic))
        if isinstance(answer, Solution):
            from tests.solver.oracle import Oracle

            oracle = Oracle(puzzle)
            assert oracle.is_valid(sum(oracle.bit[c.key] for c in answer.chosen)), seed
            for candidate in answer.chosen:
                supplements = next(p for p in puzzle.packages if p.key == candidate.key).supplements
                twice = sum(p.name == candidate.name for p in puzzle.packages if p.key in puzzle.installed) > 1
                watched = keeps_absent(puzzle.request)  # what an `unless` of a subscription names stays
                watched_here = any(oracle.matching(one, None) & oracle.bit[candidate.key] for one in watched)
                if candidate.key in automatic and not supplements and not twice and not watched_here:
                    reasons = answer.reasons[candidate.key]
                    assert not all(isinstance(reason, Stayed) for reason in reasons), seed


LIBRARY = [
    package("app 1", "lib"),
    package("app 2", "lib (>= 2)"),
    package("lib 1"),
    package("lib 2", recommends=(parse_formula("docs"),)),
    package("docs 1"),
    package("old 1", "lib (<< 2)".replace("<<", "<")),
    package("rival 1", conflicts=(Relation("docs"),)),
]


def library(*installed: str, **more: object) -> Problem:
    return Problem((Universe.of(LIBRARY),), installed, Request(**more))  # type: ignore[arg-type]


def test_every_chosen_package_has_its_reasons_the_nearest_first() -> None:
    answer = solved(library(wishes=wishes("app")))
    kinds = {key: type(reasons[0]) for key, reasons in answer.reasons.items()}
    assert kinds == {"app 2": Wished, "lib 2": Needed, "docs 1": Recommended}
    chain = why(answer.reasons, answer.chosen[1])
    assert [str(link.package) for link in chain] == ["docs 1", "lib 2", "app 2"]
    assert isinstance(chain[-1].reason, Wished)


def test_the_nearest_reason_is_the_same_whether_all_are_asked_for() -> None:
    several = 0
    for seed in range(300):
        problem = make_problem(make_puzzle(seed, most=12), seed)
        answer, again = solve(problem), solve(problem)
        if isinstance(answer, Solution) and isinstance(again, Solution):
            for key, reasons in again.reasons.items():
                nearest = one_by_one(answer.reasons, key)
                assert next(nearest, None) == reasons[0], seed
                assert tuple(nearest) == reasons[1:], seed
                several += len(reasons) > 1
    assert several > 50


def test_what_is_recommended_is_no_reason_where_nobody_asks_for_that() -> None:
    for recommends, kind in ((True, Recommended), (False, Stayed)):
        answer = solved(library("lib 2", "docs 1", wishes=wishes("lib"), recommends=recommends))
        (nearest,) = one_by_one(answer.reasons, "docs 1")
        assert isinstance(nearest, kind)


def test_a_solution_tells_what_packages_say_for_the_caller() -> None:
    app = Package("a", "app", "1", Scheme.DEB, "x86_64", size=7 << 40, installed_size=9 << 40)
    lib = Package("l", "lib", "1", size=3, installed_size=0)
    answer = solved(Problem((Universe.of([app, lib]),), (), Request(wishes=wishes("app", "lib"))))
    assert dict(answer.details) == {
        "a": Details(Scheme.DEB, "x86_64", 7 << 40, 9 << 40),
        "l": Details(Scheme.STONE, "", 3, 0),
    }


def test_every_removal_has_its_reasons() -> None:
    answer = solved(library("docs 1", "lib 1", "old 1", wishes=wishes("rival"), removals=(Removal(Relation("lib")),)))
    kinds = {key: [type(reason) for reason in reasons] for key, reasons in answer.removal_reasons.items()}
    assert kinds == {"docs 1": [InTheWay], "lib 1": [ToldToGo], "old 1": [Lost]}


def subscribed(condition: str | None, want: str, *, when: str | None = None) -> Subscription:
    rule = SubscriptionRule(None if condition is None else parse_formula(condition), want=(Relation(want),))
    return Subscription("s", (rule,), when=None if when is None else parse_formula(when))


def test_a_subscription_keeps_what_it_wants_only_while_its_conditions_hold() -> None:
    for one in (subscribed("app", "old"), subscribed(None, "old", when="app")):
        for wish, left in (("app", ["app 1", "lib 1", "old 1"]), ("lib", ["lib 1"])):
            problem = library("lib 1", "old 1", "app 1", wishes=wishes(wish), subscriptions=(one,))
            answer = solved(replace(problem, automatic=frozenset(["lib 1", "old 1", "app 1"])))
            assert [str(candidate) for candidate in answer.chosen] == left, (one, wish)


def test_what_would_begin_to_be_wanted_if_something_went_keeps_that() -> None:
    barring = subscribed("(none) if old", "app")
    problem = library("lib 1", "old 1", wishes=wishes("lib"), subscriptions=(barring,))
    answer = solved(replace(problem, automatic=frozenset(["lib 1", "old 1"])))
    assert [str(candidate) for candidate in answer.chosen] == ["lib 1", "old 1"]


def test_a_subscription_whose_condition_does_not_hold_is_no_reason() -> None:
    answer = solved(library("lib 1", wishes=wishes("lib"), subscriptions=(subscribed("app", "lib"),)))
    assert [type(reason) for reason in answer.reasons["lib 1"]] == [Wished]
    answer = solved(library("lib 1", "app 1", wishes=wishes("app"), subscriptions=(subscribed("app", "lib"),)))
    assert Subscribed in [type(reason) for reason in answer.reasons["lib 1"]]


def test_what_nothing_needs_is_removed_as_unneeded() -> None:
    problem = replace(library("lib 1", "old 1", removals=(Removal(Relation("old")),)), automatic=frozenset(["lib 1"]))
    answer = solved(problem)
    assert [type(reason) for reason in answer.removal_reasons["lib 1"]] == [Unneeded]


def test_an_update_is_a_reason() -> None:
    answer = solved(library("lib 1", update_all=True))
    assert [type(reason) for reason in answer.reasons["lib 2"]] == [Updated]


def test_installed_packages_have_reasons_without_solving() -> None:
    reasons = installed_reasons(library("lib 1", "old 1", "docs 1", wishes=wishes("old")))
    assert isinstance(reasons["old 1"][0], Wished)
    assert isinstance(reasons["lib 1"][0], Needed)
    assert isinstance(reasons["docs 1"][0], Stayed)


def test_why_not_is_a_solution_or_a_conflict() -> None:
    free = why_not(library("docs 1"), parse_formula("rival"))
    assert isinstance(free, Solution) and [str(c) for c in free.removals] == ["docs 1"]
    barred = why_not(library("docs 1", wishes=wishes("docs")), parse_formula("rival"))
    assert isinstance(barred, Conflict)
    assert "rival 1 conflicts with docs" in explain(barred)[0].because[0].text


def test_what_is_held_back_says_what_would_free_it() -> None:
    problem = library("lib 1", "old 1", "app 1", update_all=True)
    answer = solved(problem)
    assert [str(held.newest) for held in answer.held] == ["app 2", "lib 2"]
    for back in why_held(problem, answer, answer.held):
        assert [str(gone) for gone in back.gone] == ["old 1"] and not back.behind and not back.asked
        assert "old 1 needs lib (< 2)" in describe_held(back)


def test_rdepends_finds_needs_and_recommendations() -> None:
    found = [(str(d.package), str(d.formula), d.recommends) for d in rdepends(library(), Relation("lib"))]
    assert found == [("app 1", "lib", False), ("app 2", "lib (>= 2)", False), ("old 1", "lib (< 2)", False)]
    (only,) = rdepends(library("lib 2"), Relation("docs"), installed_only=True)
    assert str(only.package) == "lib 2" and only.recommends


def test_check_finds_exactly_what_cannot_be_installed() -> None:
    from tests.solver.oracle import Oracle

    for seed in range(80):
        puzzle = make_puzzle(seed, 10)
        puzzle = replace(puzzle, installed=frozenset(), request=Request(facts=puzzle.request.facts))
        oracle = Oracle(puzzle)
        valid = [chosen for chosen in range(1 << len(oracle.packages)) if oracle.is_valid(chosen)]
        expected = {p.key for p in oracle.packages if not any(oracle.bit[p.key] & chosen for chosen in valid)}
        assert {broken.package.key for broken in check(make_problem(puzzle, seed))} == expected, seed


def test_preferences_have_names() -> None:
    assert parse_preferences("-removed,-new") == (Measure.REMOVED, Measure.NEW)
    assert parse_preferences("newest")[1] is Measure.NOT_UPDATED
    for wrong in ("", "+new", "fastest"):
        with pytest.raises(PreferenceError):
            parse_preferences(wrong)


def test_the_package_is_pure() -> None:
    """Loading it touches neither pysat nor sqlite nor the network, and only the front-end reads files."""
    code = "import sys, solver; print(*sorted({m.split('.')[0] for m in sys.modules}))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"moss", "pysat", "pysolvers", "pycard", "apsw", "sqlite3", "socket", "ssl"} & set(loaded)
    folder = Path(__file__).parents[2] / "solver"
    for path in folder.glob("*.py"):
        text = path.read_text(encoding="utf-8")
        for word in ("import time", "import os", "open(", "pathlib", "datetime"):
            assert not re.search(rf"(?<!\w){re.escape(word)}", text) or path.name == "__main__.py", (path.name, word)
        for word in ("pysolvers", "pycard"):
            assert f"import {word}" not in text or path.name == "sat.py", (path.name, word)


def test_larger_puzzles_have_the_same_answer_whatever_is_left_out_at_first() -> None:
    """Seed 578 once met a package before any clause did."""
    for size, seed in ((12, 578), (16, 578), *((size, seed) for size in (12, 16, 24) for seed in range(40))):
        problem = make_problem(make_puzzle(seed, size), seed)
        whole, lazy = solve(problem, effort=Effort(lazy=False)), solve(problem)
        assert type(whole) is type(lazy), (size, seed)
        if isinstance(whole, Solution) and isinstance(lazy, Solution):
            assert (whole.chosen, whole.levels) == (lazy.chosen, lazy.levels), (size, seed)
