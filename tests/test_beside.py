"""What another process does beside its caller is done when that goes on, and its fault is the caller's."""

import errno
import os
import signal
import time
from pathlib import Path

import pytest

from moss.beside import beside
from moss.errors import MossError


@pytest.mark.parametrize("at_once", [True, False])
def test_it_is_done_when_the_block_is_left_and_when_it_is_waited_for(tmp_path: Path, at_once: bool) -> None:
    def act() -> None:
        time.sleep(0.05)
        (tmp_path / "done").touch()

    with beside(act, "do it", at_once=at_once):
        pass
    assert (tmp_path / "done").exists()
    (tmp_path / "done").unlink()
    with beside(act, "do it", at_once=at_once) as ended:
        ended()
        assert (tmp_path / "done").exists()


def test_both_go_on_together(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")

    def act() -> None:
        with open(tmp_path / "pipe", "w") as pipe:
            pipe.write("from beside")

    with beside(act, "do it", at_once=False), open(tmp_path / "pipe") as pipe:
        assert pipe.read() == "from beside"


@pytest.mark.parametrize("at_once", [True, False])
def test_a_fault_of_the_world_is_told_as_it_was(tmp_path: Path, at_once: bool) -> None:
    with pytest.raises(OSError) as caught, beside(lambda: os.mkdir(tmp_path), "do it", at_once=at_once):
        pass
    assert (caught.value.errno, caught.value.filename) == (errno.EEXIST, str(tmp_path))


def test_other_faults_are_told_too() -> None:
    def refused() -> None:
        raise MossError("something is mounted there", because=["of this"], remedies=["unmount it"])

    with (
        pytest.raises(MossError, match="something is mounted there") as caught,
        beside(refused, "do it", at_once=False) as ended,
    ):
        ended()
    assert (list(caught.value.because), list(caught.value.remedies)) == (["of this"], ["unmount it"])
    with pytest.raises(RuntimeError, match="ZeroDivisionError"), beside(lambda: 1 // 0, "do it", at_once=False):
        pass
    with (
        pytest.raises(MossError, match="cannot do it: the process that did it was ended by signal 9"),
        beside(lambda: os.kill(os.getpid(), signal.SIGKILL), "do it", at_once=False),
    ):
        pass


def test_who_does_not_go_on_breaks_it_off(tmp_path: Path) -> None:
    started = time.monotonic()
    with pytest.raises(KeyboardInterrupt), beside(lambda: time.sleep(60), "do it", at_once=False):
        raise KeyboardInterrupt
    assert time.monotonic() - started < 30
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


def test_a_request_to_end_ends_it_without_a_word(tmp_path: Path) -> None:
    """Ctrl-C reaches every process of a terminal; what is undone, the caller undoes."""

    def act() -> None:
        try:
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(60)
        finally:
            (tmp_path / "cleaned").touch()

    with pytest.raises(MossError, match="signal 15"), beside(act, "do it", at_once=False):
        pass
    assert not (tmp_path / "cleaned").exists()
