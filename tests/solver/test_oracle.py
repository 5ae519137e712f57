"""The solver against trying every set, on small random problems with every feature."""

import os

import pytest

from solver import Conflict, Effort, Solution, solve
from tests.solver.oracle import Oracle
from tests.solver.random_problems import make_problem, make_puzzle

COUNT = 20_000 if os.environ.get("MOSS_SLOW") else 2_000
SLICES = 20


def check(seed: int) -> bool:
    """One problem: verdict, costs, the very set, and the conflict's minimality."""
    puzzle = make_puzzle(seed)
    oracle = Oracle(puzzle)
    expected = oracle.answer()
    effort = Effort(lazy=seed % 5 != 0, backend=("minisat22", "glucose3")[seed % 2])
    answer = solve(make_problem(puzzle, seed), effort=effort)
    if expected is None:
        assert isinstance(answer, Conflict), f"seed {seed}: nothing is valid, but {answer}"
        for rules in (answer.rules, *answer.others):
            assert oracle.cannot_all_hold(list(rules)), f"seed {seed}: {rules} can hold"
            for left_out in range(len(rules)):
                fewer = [*rules[:left_out], *rules[left_out + 1 :]]
                assert not oracle.cannot_all_hold(fewer), f"seed {seed}: {rules[left_out]} is superfluous"
        return False
    keys, costs = expected
    assert isinstance(answer, Solution), f"seed {seed}: {sorted(keys)} is valid, but {answer}"
    assert answer.proven
    got = tuple(level.cost for level in answer.levels)
    chosen = {candidate.key for candidate in answer.chosen}
    assert got == costs, f"seed {seed}: costs {got}, not {costs}; {sorted(chosen)}, not {sorted(keys)}"
    assert chosen == keys, f"seed {seed}: {sorted(chosen)}, not {sorted(keys)}"
    return True


@pytest.mark.parametrize("part", range(SLICES))
def test_the_answer_is_the_one_that_trying_every_set_finds(part: int) -> None:
    verdicts = [check(seed) for seed in range(part, COUNT, SLICES)]
    assert verdicts.count(True) > 10 and verdicts.count(False) > 10


def test_a_package_that_no_clause_speaks_of_is_left_out() -> None:
    assert check(16116)
