"""CUDF in and out, and aspcud as an oracle: equal cost vectors on larger random problems."""

import os
import random
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from solver import PARANOID, TRENDY, Conflict, Measure, PreferenceError, Problem, Solution, solve
from solver.cudf import CudfError, parse_criteria, parse_problem, print_solution

COUNT = 300 if os.environ.get("MOSS_SLOW") else 30

PROBLEM = """\
preamble:
property: suite: enum[stable,unstable] = "stable"

# a comment
package: car
version: 1
depends: engine, wheel > 2,
  door | window != 3
recommends: radio
installed: true
keep: package

package: engine
version: 1
provides: motor = 5, thing
conflicts: engine

package: engine
version: 2
conflicts: engine, false-friend

package: wheel
version: 3
conflicts: wheel

package: window
version: 3

package: window
version: 4

package: radio
version: 7
conflicts: motor

request: x
install: wheel >= 3
remove: window = 3
"""


def answer(text: str, criteria: str = "trendy") -> str:
    return print_solution(solve(parse_problem(text, parse_criteria(criteria))))


def test_a_document_is_solved_by_its_criteria() -> None:
    chosen = ["car 1", "engine 2", "radio 7", "wheel 3", "window 4"]
    assert packages(answer(PROBLEM)) == chosen
    fewest = [name for name in chosen if name != "radio 7"]
    assert packages(answer(PROBLEM, "-removed,-notuptodate,-new")) == fewest


def test_what_cannot_be_done_fails() -> None:
    assert answer(PROBLEM.replace("window = 3", "window")) == "FAIL\n"
    assert answer(PROBLEM.replace("wheel >= 3", "motor, engine > 1, radio")) == "FAIL\n"
    assert answer(PROBLEM.replace("wheel >= 3", "false!")) == "FAIL\n"
    assert packages(answer(PROBLEM.replace("wheel >= 3", "true!")))


def test_a_feature_provided_without_a_version_has_them_all() -> None:
    assert "engine 1" in packages(answer(PROBLEM.replace("wheel >= 3", "thing = 9")))
    assert answer(PROBLEM.replace("wheel >= 3", "thing < 1")) == "FAIL\n", "versions begin with 1"
    assert answer(PROBLEM.replace("wheel >= 3", "motor = 9")) == "FAIL\n"


def test_several_versions_stand_together_unless_they_conflict() -> None:
    text = "package: a\nversion: 1\n\npackage: a\nversion: 2\n\nrequest: x\ninstall: a = 1, a = 2\n"
    assert packages(answer(text)) == ["a 1", "a 2"]
    assert answer(text.replace("version: 2", "version: 2\nconflicts: a")) == "FAIL\n"


def test_an_upgrade_ends_with_one_version_that_is_no_older() -> None:
    text = (
        "package: a\nversion: 1\ninstalled: true\n\npackage: a\nversion: 2\ninstalled: true\n\n"
        "package: a\nversion: 3\ndepends: false!\n\nrequest: x\nupgrade: a\n"
    )
    assert packages(answer(text)) == ["a 2"]
    assert packages(answer(text.replace("depends: false!\n", ""))) == ["a 3"]
    assert answer(text.replace("upgrade: a", "upgrade: a < 2")) == "FAIL\n"


@pytest.mark.parametrize(
    ("keep", "kept"),
    [("version", ["a 1"]), ("package", ["a 2"]), ("feature", ["b 1"]), ("none", [])],
)
def test_keep_says_what_must_stay(keep: str, kept: list[str]) -> None:
    text = (
        f"package: a\nversion: 1\ninstalled: true\nprovides: f\nkeep: {keep}\nREASON\n\n"
        "package: a\nversion: 2\n\npackage: b\nversion: 1\nprovides: f\n\nrequest: x\nREMOVE\n"
    )
    remove = {"version": "", "package": "remove: a < 2", "feature": "remove: a", "none": "remove: a"}
    text = text.replace("REASON\n", "").replace("REMOVE", remove[keep])
    assert packages(answer(text, "paranoid")) == kept


@pytest.mark.parametrize(
    ("line", "text"),
    [
        (1, "package a\n"),
        (1, " continued\n"),
        (2, "package: a\nversion: x\n\nrequest: y\n"),
        (2, "package: a\nversion: 0\n\nrequest: y\n"),
        (3, "package: a\nversion: 1\ndepends: a ~ 2\n\nrequest: y\n"),
        (3, "package: a\nversion: 1\ninstalled: yes\n\nrequest: y\n"),
        (3, "package: a\nversion: 1\nprovides: b > 2\n\nrequest: y\n"),
        (4, "package: a\nversion: 1\ninstalled: true\nkeep: it\n\nrequest: y\n"),
        (3, "package: a\nversion: 1\nversion: 2\n\nrequest: y\n"),
        (3, "request: y\n\npackage: a\nversion: 1\n"),
        (1, "universe: a\n"),
        (4, "package: a\nversion: 1\n\npackage: a\nversion: 1\n\nrequest: y\n"),
        (2, "package: a\nversion: 1\0\n\nrequest: y\n"),
        (5, "package: a\nversion: 1\n\nrequest: y\ninstall: a b\n"),
        (3, "package: a\nversion: 1\nconflicts: a ==\n\nrequest: y\n"),
        (3, "package: a\nversion: 1\n"),
    ],
)
def test_a_malformed_document_is_refused_with_its_line(line: int, text: str) -> None:
    with pytest.raises(CudfError) as caught:
        parse_problem(text)
    assert caught.value.line == line


def test_criteria_have_names_and_unknown_ones_are_refused() -> None:
    assert parse_criteria("paranoid") == PARANOID and parse_criteria("trendy") == TRENDY
    assert parse_criteria("-removed,-changed") == PARANOID
    for wrong in ("", "+new", "-sum(installedsize)", "-new,"):
        with pytest.raises(PreferenceError):
            parse_criteria(wrong)


def test_the_command_reads_and_writes_files(tmp_path: Path) -> None:
    source, target = tmp_path / "in", tmp_path / "out"
    source.write_text(PROBLEM)
    run = [sys.executable, "-m", "solver", "-criteria", "paranoid", str(source), str(target)]
    assert subprocess.run(run, check=False).returncode == 0
    assert "car 1" in packages(target.read_text())
    source.write_text("package: a\n")
    failed = subprocess.run(run, check=False, capture_output=True, text=True)
    assert failed.returncode == 2 and "line 1" in failed.stderr


def packages(text: str) -> list[str]:
    fields = [line.split(": ")[1] for line in text.splitlines() if line.startswith(("package", "version"))]
    return sorted(f"{name} {version}" for name, version in zip(fields[::2], fields[1::2], strict=True))


# aspcud


def random_document(seed: int) -> str:
    """A universe of a hundred packages or so, in the manner of a distribution."""
    source = random.Random(seed)
    names = [f"p{n}" for n in range(source.randint(10, 45))]
    versions = {name: source.randint(1, 4) for name in names}

    def relation() -> str:
        name = source.choice([*names, *names, "f1", "f2"])
        if source.random() < 0.4:
            return f"{name} {source.choice(['=', '>=', '<', '>', '<=', '!='])} {source.randint(1, 4)}"
        return name

    def formula() -> str:
        return " | ".join(relation() for _ in range(source.choice([1, 1, 1, 2, 3])))

    stanzas = []
    for name in names:
        newest = source.randint(0, versions[name]) if source.random() < 0.5 else 0
        for version in range(1, versions[name] + 1):
            lines = [f"package: {name}", f"version: {version}"]
            if source.random() < 0.6:
                lines.append("depends: " + ", ".join(formula() for _ in range(source.randint(1, 3))))
            conflicts = [relation() for _ in range(source.randint(0, 1))]
            conflicts += [name] if source.random() < 0.8 else []
            if conflicts:
                lines.append("conflicts: " + ", ".join(conflicts))
            if source.random() < 0.15:
                lines.append("provides: " + source.choice(["f1", "f2", "f1 = 2", "f2 = 1"]))
            if source.random() < 0.3:
                lines.append("recommends: " + ", ".join(formula() for _ in range(source.randint(1, 2))))
            if version == newest:
                lines.append("installed: true")
            stanzas.append("\n".join(lines))
    verbs = source.choice([["install"], ["install", "remove"], ["upgrade"], ["install", "upgrade"]])
    request = ["request: x"] + [
        f"{verb}: " + ", ".join(source.choice(names) for _ in range(source.randint(1, 2))) for verb in verbs
    ]
    return "\n\n".join(["preamble: \nproperty: recommends: vpkgformula = [true!]", *stanzas, "\n".join(request)]) + "\n"


def costs(problem: Problem, chosen: set[str]) -> dict[Measure, int]:
    """What a solution costs, counted here from its packages alone."""
    universe = problem.universes[0]
    all_packages = [universe.package(number) for number in range(len(universe))]
    before, names = set(problem.installed), {p.name for p in all_packages}
    of = {name: {p.key for p in all_packages if p.name == name} for name in names}
    newest = {
        name: max((p for p in all_packages if p.name == name), key=lambda p: int(p.version)).key for name in names
    }
    from tests.solver.oracle import Oracle, Puzzle

    oracle = Oracle(Puzzle(tuple(all_packages), frozenset(), problem.request, (), {}, ()))
    mask = sum(oracle.bit[key] for key in chosen)
    assert oracle.is_valid(mask)
    return {
        Measure.REMOVED: sum(bool(of[n] & before) and not of[n] & chosen for n in names),
        Measure.NEW: sum(bool(of[n] & chosen) and not of[n] & before for n in names),
        Measure.ALTERED: len(before ^ chosen),
        Measure.NOT_UP_TO_DATE: sum(bool(of[n] & chosen) and newest[n] not in chosen for n in names),
        Measure.UNSATISFIED: oracle.unsatisfied(mask),
    }


@pytest.mark.skipif(shutil.which("aspcud") is None, reason="aspcud is not installed")
@pytest.mark.parametrize("criteria", ["paranoid", "trendy"])
def test_aspcud_finds_nothing_better(criteria: str, tmp_path: Path) -> None:
    solved = differing = 0
    for seed in range(COUNT):
        text = random_document(seed)
        problem = parse_problem(text, parse_criteria(criteria))
        ours = solve(problem)
        source, target = tmp_path / "in", tmp_path / "out"
        source.write_text(text)
        subprocess.run(["aspcud", source, target, criteria], check=True, capture_output=True)
        theirs = target.read_text()
        assert isinstance(ours, Conflict) == theirs.startswith("FAIL"), f"seed {seed}"
        if isinstance(ours, Solution):
            solved += 1
            chosen = {line.replace(" ", "=") for line in packages(theirs)}
            expected = costs(problem, chosen)
            counted = costs(problem, {candidate.key for candidate in ours.chosen})
            got = [level.cost for level in ours.levels]
            assert got == [counted[measure] for measure in problem.preferences], f"seed {seed}"
            theirs_cost = [expected[measure] for measure in problem.preferences]
            assert got <= theirs_cost, f"seed {seed}"
            differing += got != theirs_cost
    # Where a name stands in several versions, aspcud may miss an optimum (seed 95, trendy).
    assert differing <= COUNT // 100
    assert solved > COUNT // 4
