"""The public names of the solver are what they say they are, and cost nothing until they are used."""

import subprocess
import sys

import pytest

import solver


@pytest.mark.parametrize("name", solver.__all__)
def test_every_public_name_is_there(name: str) -> None:
    assert getattr(solver, name) is not None


def test_other_names_are_not() -> None:
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = solver.no_such_name  # type: ignore[attr-defined]


def test_reading_a_formula_imports_no_engine() -> None:
    code = "import sys, solver.formula; print(*sorted(name for name in sys.modules if name.startswith('solver')))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert found == ["solver", "solver.formula", "solver.model", "solver.values", "solver.version"]


def test_a_function_is_not_hidden_by_the_module_of_its_name() -> None:
    code = "import solver.solve, solver.check, solver.explain; from solver import check, explain, solve; "
    code += "print(all(map(callable, (check, explain, solve))))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert found == "True\n"
