"""Ctrl-C and requests to end: what was begun is undone; around the commit point they wait until it is passed."""

import signal
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from moss.errors import EndRequested

_REQUESTS = (signal.SIGTERM, signal.SIGHUP)
_HELD_BACK = {signal.SIGINT, *_REQUESTS}


@contextmanager
def ended_on_request() -> Iterator[None]:
    """Let SIGTERM and SIGHUP raise EndRequested while inside, as Ctrl-C raises KeyboardInterrupt.

    A signal that is ignored (nohup) stays ignored.
    """
    before = {number: signal.getsignal(number) for number in _REQUESTS}
    for number, handler in before.items():
        if handler is not signal.SIG_IGN:
            signal.signal(number, _end)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _end(*_: object) -> None:
    raise EndRequested


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Hold Ctrl-C and requests to end back while inside; they arrive afterwards.

    Blocked is what one thread does; a signal then goes to another, and Python hears of it all the same. A thread that
    has been joined may be there for some moments yet.
    """
    arrived: list[int] = []

    def hold(request: int, _: object) -> None:
        arrived.append(request)

    def let_go() -> None:
        for request in arrived:
            signal.raise_signal(request)

    with ExitStack() as afterwards:  # the last first, and all of it: a request may arrive while that goes on
        afterwards.callback(signal.pthread_sigmask, signal.SIG_SETMASK, _blocked())
        afterwards.callback(let_go)
        for number in _HELD_BACK:
            if signal.getsignal(number) not in (signal.SIG_IGN, None):
                afterwards.callback(signal.signal, number, signal.signal(number, hold))
        yield


def _blocked() -> set[int]:
    """Block them in this thread; what was blocked before."""
    return signal.pthread_sigmask(signal.SIG_BLOCK, _HELD_BACK)
