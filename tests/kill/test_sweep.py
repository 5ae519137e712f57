"""A sample of tests/kill/sweep.py: whole processes killed, and failing system calls, by strace."""

import shutil
from pathlib import Path

import pytest

from tests.kill.sweep import OPERATIONS, sweep


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not there")
@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_process_that_is_stopped_anywhere_leaves_the_old_or_the_new(operation: str, tmp_path: Path) -> None:
    verdicts = sweep(operation, 45, tmp_path)
    assert len(verdicts) >= 5
    assert [verdict for verdict in verdicts if verdict.faults] == []
