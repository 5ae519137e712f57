"""A sample of `python -m tests.kill.sweep`: whole processes, signals and failing system calls, by strace."""

import shutil

import pytest

from tests.crash.sweep import scratch
from tests.kill.sweep import ERRORS, OPERATIONS, SIGNALS, sweep

pytestmark = pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not there")


@pytest.mark.slow
@pytest.mark.parametrize("operation", OPERATIONS)
def test_whatever_happens_to_a_process_leaves_the_old_or_the_new(operation: str) -> None:
    with scratch() as folder:
        verdicts = sweep(operation, folder, every=75)
    assert len(verdicts) >= 5
    assert [verdict for verdict in verdicts if verdict.faults] == []


@pytest.mark.slow
@pytest.mark.parametrize("what", [*SIGNALS, *ERRORS])
def test_each_of_them_happens(what: str) -> None:
    with scratch() as folder:
        verdicts = sweep("update", folder, every=230 if what not in ("EMFILE", "EINTR") else 40, what=[what])
    assert verdicts
    assert [verdict for verdict in verdicts if verdict.faults] == []
