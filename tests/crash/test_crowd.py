"""`python -m tests.crash.crowd`: in full with the slow tests, else a sample."""

import os

import pytest

from tests.crash.crowd import crowd
from tests.crash.sweep import scratch

COMMANDS = 200 if os.environ.get("MOSS_SLOW") else 4


@pytest.mark.slow_too
def test_eight_processes_lose_nothing_and_see_no_half_state() -> None:
    with scratch() as folder:
        found, wrong = crowd(folder, 8, COMMANDS, seed=1)
    assert wrong == []
    assert sum(said.reported is not None for said in found) >= COMMANDS // 2
