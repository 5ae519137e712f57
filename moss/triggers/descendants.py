"""Ending all that a process has started, where no namespace of processes ends with it."""

import os
import signal
import time

_ROUNDS = 200
_PAUSE_SECONDS = 0.01


def end_descendants(ancestor: int) -> None:
    """Kill every process that comes of this one; not the process itself. What cannot be seen is left."""
    for _ in range(_ROUNDS):
        found = descendants(ancestor)
        if not found:
            return
        for pid in found:
            try:
                os.kill(pid, signal.SIGKILL)
            except OSError:
                continue
        if ancestor == os.getpid():
            _take_leave()
        time.sleep(_PAUSE_SECONDS)


def descendants(ancestor: int) -> list[int]:
    """Those that still run, parents before their children."""
    children: dict[int, list[int]] = {}
    for name in filter(str.isdecimal, _names("/proc")):
        try:
            with open(f"/proc/{name}/stat", "rb") as file:
                state, parent = file.read().rpartition(b")")[2].split()[:2]
        except OSError:
            continue
        if state != b"Z":
            children.setdefault(int(parent), []).append(int(name))
    found, left = list[int](), [ancestor]
    while left:
        new = children.get(left.pop(), [])
        found += new
        left += new
    return found


def _names(directory: str) -> list[str]:
    try:
        return os.listdir(directory)
    except OSError:
        return []


def _take_leave() -> None:
    """Of children that have ended, so that nobody waits for them."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass
