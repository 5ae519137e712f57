"""Real processes that sit in a tree in one way or another, for as long as a block lasts."""

import ctypes
import os
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

needs_namespaces = pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount and chroot")

_CLONE_FS = 0x200
_READY = b"ready\n"


@contextmanager
def doing(act: Callable[[], object]) -> Iterator[int]:
    """A child process that has done this and waits; its number."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            kept = act()  # what it opened stays open
            os.write(writing, _READY)
            while kept is kept:
                signal.pause()
        finally:
            os._exit(1)
    os.close(writing)
    try:
        assert os.read(reading, 10) == _READY, "the child could not do it"
        yield pid
    finally:
        os.close(reading)
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


@contextmanager
def with_mounts(script: str, *arguments: str | Path) -> Iterator[int]:
    """A shell in a mount namespace of its own that has run the script and waits; its number."""
    command = ["unshare", "-m", "sh", "-ec", f"{script}\necho ready; exec sleep 1000", "sh", *map(str, arguments)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == _READY, "the mounts could not be made"
            yield process.pid
        finally:
            process.kill()


def thread_in(directory: Path) -> threading.Thread:
    """A thread of this process that has left for a directory of its own, and never ends."""
    arrived = threading.Event()

    def leave() -> None:
        assert ctypes.CDLL(None, use_errno=True).unshare(_CLONE_FS) == 0
        os.chdir(directory)
        arrived.set()
        threading.Event().wait()

    thread = threading.Thread(target=leave, daemon=True)
    thread.start()
    assert arrived.wait(10)
    return thread
