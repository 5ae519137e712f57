"""The cases under fixtures/solver, each also answered by trying every set."""

from pathlib import Path

import pytest

from solver import Conflict, Effort, Solution, solve
from tests.solver.cases import print_answer, read
from tests.solver.oracle import Oracle

CASES = sorted((Path(__file__).parents[2] / "fixtures" / "solver").glob("*.case"))


def test_there_are_a_hundred_cases() -> None:
    assert len(CASES) >= 100


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_the_case_has_its_answer(path: Path) -> None:
    case, expected = read(path)
    assert print_answer(case) == expected


def is_for_the_oracle(path: Path) -> bool:
    """It knows whole numbers as versions, and no automatic packages."""
    case, _ = read(path)
    return not case.automatic and all(package.version.isdecimal() for package in case.packages)


@pytest.mark.parametrize("path", [path for path in CASES if is_for_the_oracle(path)], ids=lambda path: path.stem)
def test_trying_every_set_agrees_with_the_case(path: Path) -> None:
    case, _ = read(path)
    oracle = Oracle(case.puzzle())
    expected = oracle.answer()
    for effort in (Effort(), Effort(lazy=False), Effort("glucose3")):
        answer = solve(case.problem(), effort=effort)
        if expected is None:
            assert isinstance(answer, Conflict)
            assert oracle.cannot_all_hold(list(answer.rules))
        else:
            assert isinstance(answer, Solution)
            assert {candidate.key for candidate in answer.chosen} == expected[0]
