"""Ctrl-C and requests to end: what was begun is undone; around the commit point they wait until it is passed."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

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
    handlers: dict[int, Any] = {}
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, _HELD_BACK)
    try:
        for number in _HELD_BACK:
            if signal.getsignal(number) not in (signal.SIG_IGN, None):
                handlers[number] = signal.signal(number, lambda request, _: arrived.append(request))
        yield
    finally:
        for held, handler in handlers.items():
            signal.signal(held, handler)
        for request in arrived:
            signal.raise_signal(request)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
