"""Leaves out each line of the encoding in turn: a test must miss it.

    python -m tests.solver.mutate [EVERY [FIRST]]

The lines are the statements that emit a clause, count something, or say what is barred, in the
modules that encode. Each mutant is a copy of `solver/` with one of them left out, judged by the quick
tests of the solver; what survives is printed, but for a few with a reason. EVERY 8 looks at one in
eight, beginning with FIRST.
"""

import ast
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

PROJECT = Path(__file__).parents[2]
MODULES = ("choices.py", "encode.py", "logic.py", "measures.py")
EMITTING = re.compile(
    r"emit\(|\bhead\(|\bbar\(|\.soft\b|(?:clauses|either|barred\w*|bars|preferences|heads|watched|loose)\S*\.append\("
    r"|setdefault\(|\bforce\(|\bneed\(|_require\(|_wish\(|want\w*\(|_needs\(|_conflicts\(|_supplement\w*\(|_recommends?\("
    r"|_soft_relation\(|_removed\(|_downgraded\(|_changed\(|_not_best\(|_one_gone\(|_met\("
)
JUDGES = ("test_cases.py", "test_oracle.py", "test_held.py", "test_solve.py", "test_cudf.py")

NOT_MISSED = {
    "self.force(first[0])": "only quicker: the clause that follows says it too",
    "self.emit([-self._false], None)": "guards packages that join once they are known to be impossible; no case found",
    "self.emit([-self.variable[package]], None)": "as above",
}


class Mutant(NamedTuple):
    """A module without one statement."""

    module: str
    line: int
    text: str
    source: str

    def __str__(self) -> str:
        return f"solver/{self.module}:{self.line}: {self.text}"


def mutants() -> Iterator[Mutant]:
    """Every one there is, in the order of the lines."""
    for module in MODULES:
        source = (PROJECT / "solver" / module).read_text(encoding="utf-8")
        lines = source.splitlines(keepends=True)
        for statement in statements(ast.parse(source)):
            first, last = statement.lineno, statement.end_lineno or statement.lineno
            text = " ".join("".join(lines[first - 1 : last]).split())
            if EMITTING.search(text):
                gap = " " * statement.col_offset + "pass\n"
                yield Mutant(module, first, text, "".join([*lines[: first - 1], gap, *lines[last:]]))


def statements(tree: ast.Module) -> Iterator[ast.stmt]:
    """The statements of functions that only do something, whole calls and sums."""
    found = [
        inner
        for function in ast.walk(tree)
        if isinstance(function, ast.FunctionDef)
        for inner in ast.walk(function)
        if isinstance(inner, ast.AugAssign) or (isinstance(inner, ast.Expr) and isinstance(inner.value, ast.Call))
    ]
    unique = {(one.lineno, one.col_offset): one for one in found}
    yield from (unique[place] for place in sorted(unique))


def survives(mutant: Mutant) -> bool:
    """Whether no test misses the line."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        shutil.copytree(PROJECT / "solver", folder / "solver", ignore=shutil.ignore_patterns("__pycache__"))
        for beside in ("moss", "schema", "fixtures", "tests", "pyproject.toml"):
            (folder / beside).symlink_to(PROJECT / beside)
        (folder / "solver" / mutant.module).write_text(mutant.source, encoding="utf-8")
        judges = [f"tests/solver/{judge}" for judge in JUDGES]
        run = [sys.executable, "-c", _RUN, str(PROJECT), *judges]
        try:
            return subprocess.run(run, cwd=folder, capture_output=True, check=False, timeout=300).returncode == 0
        except subprocess.TimeoutExpired:
            return False  # it never ends, which somebody would notice


_RUN = """
import sys
sys.path.insert(0, ".")
import pytest, solver
assert not solver.__file__.startswith(sys.argv.pop(1)), "the mutant is what is judged"
sys.exit(pytest.main(["-q", "-x", "-p", "no:cacheprovider", "-k", "not aspcud", *sys.argv[1:]]))
"""


def main(arguments: list[str]) -> int:
    every, first = [int(argument) for argument in (*arguments, *("1", "0")[len(arguments) :])]
    every_mutant = list(mutants())
    chosen = every_mutant[first::every]
    alive = []
    for mutant in chosen:
        if survives(mutant) and mutant.text not in NOT_MISSED:
            alive.append(mutant)
            print(f"survives  {mutant}", flush=True)
    print(f"{len(chosen)} of {len(every_mutant)} lines left out in turn, {len(alive)} not missed by any test")
    return 1 if alive else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
