"""Running triggers: each in a process of its own, those that wait for nothing side by side.

This is the parent's side. What a child has to say about its own start comes through a pipe that a
successful end closes unused; what programs print comes through another one.
"""

import contextlib
import json
import os
import re
import selectors
import shutil
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from typing import NoReturn

from moss.triggers.descendants import end_descendants
from moss.triggers.kernel import die_with_parent
from moss.triggers.pattern import filled_pattern
from moss.triggers.values import Delete, Handler, Run
from solver.values import value

_OUTPUT_BYTES = 64 << 10
"""Of what a trigger prints, so much is kept: the end."""

_PIPE_READS = 32
"""More than a pipe holds."""

_SHOWN = 70
"""Characters of a command in a message."""

_FIRST_SIGN = re.compile(r"[*?$]")

ENVIRONMENT = {
    "PATH": "/usr/sbin:/usr/bin",
    "HOME": "/root",
    "LANG": "C.UTF-8",
    "LC_ALL": "C.UTF-8",
    # So that files compiled from others can be compared by what they were made of, and not by when.
    "SOURCE_DATE_EPOCH": "1",
}


@value
class Job:
    """The commands of one trigger, in their order."""

    name: str
    handlers: tuple[Handler, ...]
    enter: Callable[[], None]
    """Called in the job's process: goes to where its programs run. OSError where that cannot be."""
    timeout: float
    """Seconds for all of them."""


@value
class Ended:
    """What became of a job."""

    name: str
    failure: str | None
    """What went wrong, for the person; None where nothing did."""
    output: str
    """The end of what its programs printed, both streams together."""
    seconds: float
    unable: bool = False
    """Its process could not go to where it must: nothing was run."""


class _Running:
    """A job's process and what it has said so far."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.started = time.monotonic()
        self.timed_out = False
        self.said = bytearray()
        self.printed = bytearray()
        said, say = os.pipe2(os.O_CLOEXEC)
        printed, output = os.pipe2(os.O_CLOEXEC)
        self.pid = os.fork()
        if self.pid == 0:
            _child(job, say, output)
        os.close(say)
        os.close(output)
        self.open = {said: self.said, printed: self.printed}

    def read(self, fd: int) -> bool:
        """Take in what has come; whether that was the end of it."""
        piece = os.read(fd, 1 << 16)
        into = self.open[fd]
        into += piece
        del into[:-_OUTPUT_BYTES]
        if not piece:
            os.close(fd)
            del self.open[fd]
        return not piece

    def hear_out(self, selector: selectors.BaseSelector) -> None:
        """When the process has no more to say of itself it has ended: take in what was printed, and wait for no more.
        Somebody whom it left running may hold the other end for ever."""
        for fd, into in list(self.open.items()):
            if into is self.said:
                return
            os.set_blocking(fd, False)
            with contextlib.suppress(BlockingIOError):
                for _ in range(_PIPE_READS):
                    if self.read(fd):
                        break
            selector.unregister(fd)
            if self.open.pop(fd, None) is not None:
                os.close(fd)

    def kill(self) -> None:
        end_descendants(self.pid)  # no namespace ends them everywhere
        os.kill(self.pid, signal.SIGKILL)

    def ended(self) -> Ended:
        _, status = os.waitpid(self.pid, 0)
        code = os.waitstatus_to_exitcode(status)
        said = json.loads(self.said) if self.said else {}
        failure = said.get("failure")
        if self.timed_out:
            failure = f"it took longer than {self.job.timeout:g} s"
        elif failure is None and code != 0:
            failure = "it ended without a word" if code > 0 else f"it was ended by signal {-code}"
        output = self.printed.decode(errors="replace")
        seconds = time.monotonic() - self.started
        return Ended(self.job.name, failure, output, seconds, said.get("unable", False))


def run_all(
    names: Sequence[str],
    waiting: Mapping[str, frozenset[str]],
    prepare: Callable[[str], Job | None],
    ended: Callable[[Ended], None],
    side_by_side: int | Callable[[], int],
) -> None:
    """Run them in their order. `prepare` is asked when a trigger's turn has come, after those before it
    were told to `ended`; None: it has nothing to do. What either raises ends all that still runs.
    """
    left = list(names)
    done: set[str] = set()
    running: dict[str, _Running] = {}
    with selectors.DefaultSelector() as selector:
        try:
            while left or running:
                for name in [name for name in left if waiting[name] <= done]:
                    if running and len(running) >= (side_by_side if isinstance(side_by_side, int) else side_by_side()):
                        break
                    left.remove(name)
                    job = prepare(name)
                    if job is None:
                        done.add(name)
                        continue
                    running[name] = one = _Running(job)
                    for fd in one.open:
                        selector.register(fd, selectors.EVENT_READ, one)
                if running:
                    for one in _wait(selector, running):
                        del running[one.job.name]
                        ended(one.ended())
                        done.add(one.job.name)
        finally:
            for one in running.values():
                one.kill()
                one.ended()


def _wait(selector: selectors.BaseSelector, running: Mapping[str, _Running]) -> list[_Running]:
    """Until something has come or a time is up; those that have nothing more to say."""
    now = time.monotonic()
    first = min(one.started + one.job.timeout for one in running.values())
    for key, _ in selector.select(max(0.0, first - now)):
        one: _Running = key.data
        if key.fd in one.open and one.read(key.fd):
            selector.unregister(key.fd)
            one.hear_out(selector)
    now = time.monotonic()
    for one in running.values():
        if not one.timed_out and now > one.started + one.job.timeout:
            one.timed_out = True
            one.kill()
            for fd in list(one.open):  # whoever still holds the other end has nothing more to say
                selector.unregister(fd)
                os.close(fd)
            one.open.clear()
    return [one for one in running.values() if not one.open]


def _child(job: Job, say: int, output: int) -> NoReturn:
    """The new process. Whatever happens, it never comes back into the caller's code."""
    try:
        try:
            nowhere = os.open("/dev/null", os.O_RDONLY)
            for fd, number in ((nowhere, 0), (output, 1), (output, 2)):
                os.dup2(fd, number)
            die_with_parent()  # who holds the lock holds it no longer than moss lives
            job.enter()
        except OSError as fault:
            _say(say, f"it cannot be run where it must: {fault.filename or ''}: {fault.strerror}", unable=True)
        for handler in job.handlers:
            failure = _delete(handler) if isinstance(handler, Delete) else _execute(handler)
            if failure is not None:
                _say(say, failure)
        os._exit(0)
    except BaseException as fault:  # noqa: BLE001 (a second moss must not run on in this process)
        _say(say, f"moss itself failed in it: {fault!r}")


def _say(say: int, failure: str, *, unable: bool = False) -> NoReturn:
    os.write(say, json.dumps({"failure": failure, "unable": unable}).encode())
    os._exit(1)


def _execute(handler: Run) -> str | None:
    """Run a program to its end; what was wrong."""
    try:
        child = os.posix_spawn(handler.program, (handler.program, *handler.arguments), ENVIRONMENT)
    except OSError as fault:
        return f"{handler.program} cannot be run: {fault.strerror}"
    while True:
        pid, status = os.waitpid(-1, 0)  # the first process of a namespace is given the orphans
        if pid != child:
            continue
        code = os.waitstatus_to_exitcode(status)
        if code == 0:
            return None
        how = f"exit code {code}" if code > 0 else f"signal {-code}"
        return f"{_shown(handler)} ended with {how}"


def _shown(handler: Run) -> str:
    """On one line, cut where it is a whole script."""
    text = " ".join(str(handler).split())
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]} …"


def _delete(handler: Delete) -> str | None:
    captures = dict(handler.captures)
    try:
        for text in handler.paths:
            start = os.path.dirname(_FIRST_SIGN.split(text, maxsplit=1)[0])
            _delete_matching(filled_pattern(text, captures), start)
    except OSError as fault:
        return f"{fault.filename} cannot be deleted: {fault.strerror}"
    return None


def _delete_matching(pattern: re.Pattern[str], start: str) -> None:
    """Whatever matches goes, directories with all that is in them."""
    for top, directories, files in os.walk(start or "/"):
        for name in [name for name in (*directories, *files) if pattern.fullmatch(os.path.join(top, name))]:
            path = os.path.join(top, name)
            if os.path.isdir(path) and not os.path.islink(path):
                shutil.rmtree(path)
                directories.remove(name)
            else:
                os.unlink(path)
