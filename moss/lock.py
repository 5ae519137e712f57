"""The lock that every changing command holds: one at a time, and it says who."""

import fcntl
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from moss.effects import as_moss_error
from moss.errors import Locked
from moss.reporter import Reporter
from solver.values import replace, value

_TRY_AGAIN_SECONDS = 0.1


@value
class Holder:
    """Who holds a lock; `since` is seconds since 1970, UTC."""

    pid: int
    command: str
    since: int
    is_at_work: bool = True
    """False: it ended without a word, and the lock is free."""

    def __str__(self) -> str:
        at = time.strftime("%H:%M:%S", time.localtime(self.since))
        return f"process {self.pid} ({self.command}), since {at}"


@contextmanager
def hold(path: str, *, command: str, now: int, wait: float, reporter: Reporter) -> Iterator[None]:
    """Hold the lock while inside; wait up to `wait` seconds for another holder, saying so once.

    Raises Locked, naming the holder. The kernel lets go of the lock when the process ends, however
    it ends, so a lock file that stays behind means nothing.
    """
    with as_moss_error("take the lock"):
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        _take(fd, path, wait, reporter)
        text = json.dumps({"pid": os.getpid(), "command": command, "since": now})
        with suppress(OSError):  # who holds it is said as a courtesy; the kernel's lock is what counts
            os.ftruncate(fd, 0)
            os.pwrite(fd, text.encode(), 0)
        try:
            yield
        finally:
            with suppress(OSError):
                os.ftruncate(fd, 0)
    finally:
        os.close(fd)


def holder_of(path: str) -> Holder | None:
    """Who holds a lock, or held it last and never let go; None when nobody does. Takes nothing."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except FileNotFoundError:
        return None
    try:
        holder = _holder(fd)
    finally:
        os.close(fd)
    # Not by trying the lock: who changes the system in that instant would find it taken.
    return None if holder is None else replace(holder, is_at_work=os.path.exists(f"/proc/{holder.pid}"))


def _take(fd: int, path: str, wait: float, reporter: Reporter) -> None:
    deadline = time.monotonic() + wait
    said = False
    while True:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            pass
        holder = _holder(fd)
        who = "another moss" if holder is None else str(holder)
        if time.monotonic() >= deadline:
            raise Locked(
                f"this system is being changed by {who}",
                because=[f"it holds {path}"],
                remedies=["wait for it: add --wait 60 to the command"],
            )
        if not said:
            reporter.stage(f"waiting for {who}")
            said = True
        time.sleep(_TRY_AGAIN_SECONDS)


def _holder(fd: int) -> Holder | None:
    """Who wrote itself down; None in the instant before it has."""
    try:
        found = json.loads(os.pread(fd, 4096, 0))
        return Holder(int(found["pid"]), str(found["command"]), int(found["since"]))
    except (ValueError, KeyError, TypeError):
        return None
