"""A sample of what `python -m tests.solver.mutate` does: a line left out of the encoding is missed."""

import pytest

from tests.solver.mutate import MODULES, NOT_MISSED, main, mutants


def test_every_module_has_lines_to_leave_out() -> None:
    found = list(mutants())
    assert {mutant.module for mutant in found} == set(MODULES) and len(found) > 60
    assert NOT_MISSED.keys() <= {mutant.text for mutant in found}


@pytest.mark.slow
def test_a_line_left_out_of_the_encoding_is_missed() -> None:
    assert main(["14", "5"]) == 0
