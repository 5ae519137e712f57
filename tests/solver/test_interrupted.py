"""Hard problems: a budget ends them, and so does Ctrl-C, whatever is being asked."""

import signal
import subprocess
import sys
import time
from itertools import count

import pytest

from solver import (
    AnyOf,
    Conflict,
    NoAnswerError,
    Package,
    Problem,
    Provide,
    Relation,
    Request,
    Solution,
    Universe,
    Wish,
    solve,
    with_repairs,
)
from tests.solver.random_problems import make_problem, make_puzzle


def crowded(pigeons: int) -> Problem:
    """More packages than places for them, which takes a SAT solver longer than anybody waits."""
    packages = []
    holes = range(pigeons - 1)
    for pigeon in range(pigeons):
        places = tuple(Relation(f"place{pigeon}-{hole}") for hole in holes)
        packages.append(Package(f"{pigeon}", f"pigeon{pigeon}", "1", depends=(AnyOf(places),)))
        for hole in holes:
            name = f"place{pigeon}-{hole}"
            taken = Relation(f"hole{hole}")
            packages.append(Package(name, name, "1", provides=(Provide(taken.name),), conflicts=(taken,)))
    wishes = tuple(Wish(Relation(f"pigeon{pigeon}")) for pigeon in range(pigeons))
    return Problem((Universe.of(packages),), (), Request(wishes=wishes))


def looks(most: int):  # type: ignore[no-untyped-def]
    """A budget that says yes so many times."""
    asked = count()
    return lambda: next(asked) < most


def test_a_small_one_is_a_conflict_that_takes_all_of_them() -> None:
    answer = solve(crowded(4))
    assert isinstance(answer, Conflict)
    assert sum(rule.asked is not None for rule in answer.rules) == 4
    assert len(with_repairs(crowded(4), answer).repairs) == 4


def test_the_budget_ends_a_hard_problem_with_a_word() -> None:
    with pytest.raises(NoAnswerError, match="time ended"):
        solve(crowded(12), looks(3))


def test_repairs_that_the_budget_does_not_reach_are_left_out() -> None:
    answer = solve(crowded(4))
    assert isinstance(answer, Conflict)
    assert with_repairs(crowded(4), answer, looks(0)).repairs == ()


def test_what_a_budget_leaves_is_valid_and_says_that_it_is_not_proven() -> None:
    from tests.solver.oracle import Oracle

    unproven = 0
    for seed in range(200):
        puzzle = make_puzzle(seed)
        for most in (1, 2, 4, 8):
            try:
                answer = solve(make_problem(puzzle, seed), looks(most))
            except NoAnswerError:
                continue
            if isinstance(answer, Solution) and not answer.proven:
                unproven += 1
                oracle = Oracle(puzzle)
                mask = sum(oracle.bit[one.key] for one in answer.chosen)
                assert oracle.is_valid(mask)
    assert unproven > 50


HARD = """
from solver import solve
from tests.solver.test_interrupted import crowded
problem = crowded(12)
print("begun", flush=True)
solve(problem)
"""


def test_ctrl_c_is_heard_while_a_hard_problem_is_solved() -> None:
    with subprocess.Popen([sys.executable, "-c", HARD], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None and process.stdout.readline() == b"begun\n"
        time.sleep(0.3)
        process.send_signal(signal.SIGINT)
        try:
            _, error = process.communicate(timeout=20)
        finally:
            process.kill()
    assert error.rstrip().endswith(b"KeyboardInterrupt")


def test_a_long_chain_whose_end_is_missing_is_explained_with_a_few_questions() -> None:
    links = 3000
    chain = [Package(f"{at}", f"link{at}", "1", depends=(Relation(f"link{at + 1}"),)) for at in range(links)]
    problem = Problem((Universe.of(chain),), (), Request(wishes=(Wish(Relation("link0")),)))
    asked = count()
    answer = solve(problem, lambda: next(asked) >= 0)
    assert isinstance(answer, Conflict)
    assert len(answer.rules) == links + 1
    assert next(asked) < 20
