"""One change at a time: who holds the lock is said, who waits says so, and a lock file that was left means nothing."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from moss.errors import Locked
from moss.lock import hold, holder_of
from moss.reporter import Silence

SINCE = 1_764_000_000
HOLDING = """
import sys, time
from moss.lock import hold
from moss.reporter import Silence
with hold(sys.argv[1], command="moss update", now=int(sys.argv[2]), wait=0, reporter=Silence()):
    print("held", flush=True)
    sys.stdin.read()
"""


class Heard(Silence):
    """Keeps what is said of the work."""

    def __init__(self) -> None:
        self.stages: list[str] = []

    def stage(self, name: str, /) -> None:
        self.stages.append(name)


@contextmanager
def another(lock: Path) -> "Iterator[subprocess.Popen[str]]":
    """A process that has the lock until it ends or its input does."""
    words = [sys.executable, "-c", HOLDING, str(lock), str(SINCE)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None and process.stdout.readline() == "held\n"
        try:
            yield process
        finally:
            process.kill()


def take(lock: Path, *, wait: float = 0, reporter: Silence | None = None) -> None:
    with hold(str(lock), command="moss install", now=0, wait=wait, reporter=reporter or Silence()):
        found = holder_of(str(lock))
        assert found is not None and (found.pid, found.command) == (os.getpid(), "moss install")


def test_who_holds_it_is_said_with_what_and_since_when(tmp_path: Path) -> None:
    since = time.strftime("%H:%M:%S", time.localtime(SINCE))
    with another(tmp_path / "lock") as process, pytest.raises(Locked) as raised:
        take(tmp_path / "lock")
    assert f"process {process.pid} (moss update), since {since}" in raised.value.message
    assert str(tmp_path / "lock") in raised.value.because[0]
    assert "--wait" in raised.value.remedies[0]


def test_who_waits_says_so_once_and_goes_on_when_the_other_has_ended(tmp_path: Path) -> None:
    heard = Heard()
    with another(tmp_path / "lock") as process:
        assert process.stdin is not None
        ending = subprocess.Popen(["sh", "-c", f"sleep 0.5; kill -KILL {process.pid}"])
        started = time.monotonic()
        take(tmp_path / "lock", wait=60, reporter=heard)
        assert 0.3 < time.monotonic() - started < 30
        ending.wait()
    assert len(heard.stages) == 1
    assert f"waiting for process {process.pid} (moss update)" in heard.stages[0]


def test_waiting_ends_when_its_time_is_up(tmp_path: Path) -> None:
    with another(tmp_path / "lock"), pytest.raises(Locked):
        started = time.monotonic()
        try:
            take(tmp_path / "lock", wait=0.5)
        finally:
            assert 0.5 <= time.monotonic() - started < 10


@pytest.mark.parametrize("left", ["killed", "of a process that runs", "nonsense", "empty"])
def test_a_lock_file_that_was_left_means_nothing(tmp_path: Path, left: str) -> None:
    lock = tmp_path / "lock"
    match left:
        case "killed":
            with another(lock) as process:
                process.send_signal(signal.SIGKILL)
                process.wait()
            found = holder_of(str(lock))
            assert found is not None and not found.is_at_work
        case "of a process that runs":
            lock.write_text(json.dumps({"pid": os.getppid(), "command": "moss x", "since": 0}))
        case "nonsense":
            lock.write_bytes(b"\0{not json" * 1000)
        case _:
            lock.touch()
    take(lock)
    assert holder_of(str(lock)) is None
