"""Something long, done by a process of its own while its caller goes on with something else.

What only the kernel does (links, names) gains nothing by threads: between any two calls they wait for each other.
"""

import json
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Lock
from typing import NoReturn

from moss.errors import MossError

_REQUESTS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextmanager
def beside(act: Callable[[], object], doing: str, *, at_once: bool) -> Iterator[Callable[[], None]]:
    """Do it while the block runs. What the block is given waits for the end, and so does leaving it; both raise the
    fault of `act`, an OSError as it was. Where the block ends with a fault of its own, `act` is broken off.

    `doing` completes "cannot …", where that process was killed. With `at_once` it is done before the block, here.
    There must be one thread only, and `act` must not use a database that is open here. It sees everything as it was
    when the block began, and keeps what is locked locked until it has ended.
    """
    if at_once:
        act()
        yield lambda: None
        return
    work = _Work(act, doing)
    try:
        yield work.end
        work.end()
    finally:
        work.break_off()


class _Work:
    def __init__(self, act: Callable[[], object], doing: str) -> None:
        self._doing = doing
        self._lock = Lock()
        self._reader, writer = os.pipe()
        self._fault: Exception | None = None
        self._child = os.fork()
        if self._child == 0:
            _carry_out(act, writer)
        os.close(writer)

    def end(self) -> None:
        """Wait until it has ended; any thread may."""
        with self._lock:
            if self._child:
                with open(self._reader, encoding="utf-8", closefd=False) as said:
                    told = said.read()
                _, status = os.waitpid(self._child, 0)
                self._child = 0
                os.close(self._reader)
                self._fault = _fault(told, os.waitstatus_to_exitcode(status), self._doing)
        if self._fault is not None:
            raise self._fault

    def break_off(self) -> None:
        with self._lock:
            if self._child:
                os.kill(self._child, signal.SIGKILL)
                os.waitpid(self._child, 0)
                self._child = 0
                os.close(self._reader)


def _carry_out(act: Callable[[], object], writer: int) -> NoReturn:
    """In the other process. Nothing of its caller's is closed, written or told here."""
    code = 1
    try:
        for request in _REQUESTS:  # a request ends it: to undo is its caller's
            if signal.getsignal(request) is not signal.SIG_IGN:
                signal.signal(request, signal.SIG_DFL)
        act()
        code = 0
    except OSError as fault:
        _tell(writer, {"os": [fault.errno, fault.strerror, fault.filename, None, fault.filename2]})
    except MossError as fault:
        _tell(writer, {"moss": [fault.message, list(fault.because), list(fault.remedies)]})
    except BaseException as fault:  # noqa: BLE001 - moss's own fault, told where it can be seen
        _tell(writer, {"bug": repr(fault)})  # a traceback would need to be imported, from a /usr that may be gone
    finally:
        os._exit(code)


def _tell(writer: int, fault: dict[str, object]) -> None:
    rest = memoryview(json.dumps(fault, default=str).encode())
    while rest:
        rest = rest[os.write(writer, rest) :]


def _fault(told: str, code: int, doing: str) -> Exception | None:
    if code == 0:
        return None
    if not told:
        return MossError(f"cannot {doing}: the process that did it was ended by signal {-code}")
    fault = json.loads(told)
    if "os" in fault:
        return OSError(*fault["os"])
    if "moss" in fault:
        message, because, remedies = fault["moss"]
        return MossError(message, because=because, remedies=remedies)
    return RuntimeError(fault["bug"])
