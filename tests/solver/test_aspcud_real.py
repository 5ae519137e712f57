"""aspcud on problems cut from the machine's own Debian index: closures of real packages, some of them installed."""

import random
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from solver import Conflict, Measure, Problem, Request, Solution, Universe, Wish, parse_formula, solve
from solver.cudf import parse_criteria, parse_problem, print_solution
from solver.pool import Pool
from tests.bench.debian_suites import universe_of
from tests.bench.solver_aspcud import Document, costs
from tests.bench.solver_aspcud import read_packages as read_solution
from tests.cli.extracts import LISTS, debian_index

COUNT = 40
LARGEST = 500  # packages of a document: aspcud's grounder takes its time
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("aspcud") is None, reason="aspcud is not installed"),
    pytest.mark.skipif(debian_index() is None, reason="the debian index is not here"),
]


@pytest.fixture(scope="module")
def universes() -> list[Universe]:
    """What the release has, and what came since then."""
    found = []
    for suite in ("bookworm", "bookworm-security", "bookworm-updates"):
        for index in sorted(LISTS.glob(f"*_dists_{suite}_main_binary-amd64_Packages*")):
            found.append(Universe.from_bytes(universe_of(index, suite)))
    return found


def documents(universes: list[Universe]) -> Iterator[str]:
    """Installing real packages beside others, and upgrading them, from fixed seeds."""
    main = universes[0]
    names = sorted({main.name_of(package) for package in range(len(main))})
    source, found = random.Random(5), 0
    while found < COUNT:
        there, wished = source.sample(names, 4), source.sample(names, 2)
        before = solve(Problem((main,), (), Request(wishes=tuple(Wish(parse_formula(name)) for name in there))))
        if isinstance(before, Conflict) or len(before.chosen) > LARGEST:
            continue
        pool = Pool(universes, [one.key for one in before.chosen])
        request = f"install: {', '.join(wished)}" if found % 2 else f"upgrade: {', '.join(there)}"
        text = Document(pool, request, wished if found % 2 else there).text()
        if text.count("package: ") <= LARGEST:
            found += 1
            yield text


def test_aspcud_finds_nothing_better_among_real_packages(universes: list[Universe], tmp_path: Path) -> None:
    solved = refused = 0
    source, target = tmp_path / "in", tmp_path / "out"
    for number, text in enumerate(documents(universes)):
        source.write_text(text)
        for criteria in ("paranoid", "trendy"):
            answer = solve(parse_problem(text, parse_criteria(criteria)))
            subprocess.run(["aspcud", source, target, criteria], check=True, capture_output=True)
            told = target.read_text()
            assert isinstance(answer, Conflict) == told.startswith("FAIL"), number
            if isinstance(answer, Solution):
                solved += 1
                theirs = costs(text, read_solution(told)[0])
                ours = costs(text, read_solution(print_solution(answer))[0])
                levels = [level for level in answer.levels if level.measure is not Measure.UNSATISFIED]
                assert [level.cost for level in levels] == [ours[level.measure] for level in levels], number
                assert [level.cost for level in levels] == [theirs[level.measure] for level in levels], number
            else:
                refused += 1
    assert solved >= COUNT and solved + refused == 2 * COUNT
