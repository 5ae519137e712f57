"""libsolv's own cases: its verdict, valid answers, and no higher cost than its transaction's.

Equality of transactions is no goal: policies differ, and an optimum is not always what libsolv takes.
"""

import pytest

from solver import Conflict, Solution, solve
from tests.solver.libsolv_cases import DATA, PAGE, Case, Judge, page, problem_of, read, theirs, why_not_ours

CASES = [case for case in read() if not why_not_ours(case)]
pytestmark = pytest.mark.skipif(not DATA.exists(), reason="libsolv's cases are not beside the checkout")


def test_most_of_the_cases_are_ours() -> None:
    assert len(CASES) >= 128


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["id"])
def test_the_verdict_is_libsolvs_and_the_cost_no_higher(case: Case) -> None:
    problem = problem_of(case)
    answer = solve(problem)
    assert isinstance(answer, Conflict) == bool(case["expect"]["problems"])
    if isinstance(answer, Solution):
        judge = Judge(problem)
        costs = judge.costs({one.key for one in answer.chosen})
        assert costs is not None, "the answer is valid"
        assert costs == tuple(level.cost for level in answer.levels)
        libsolvs = judge.costs(theirs(case))
        assert libsolvs is not None, "libsolv's transaction is valid in our model"
        assert costs <= libsolvs


def test_the_page_lists_what_is_not_asked() -> None:
    """`python -m tests.solver.libsolv_cases > docs/libsolv-cases.md` makes it anew."""
    assert PAGE.read_text(encoding="utf-8") == page()
