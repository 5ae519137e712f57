"""Requests to end wait where they must, whoever of the process the kernel tells."""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from threading import Event, Thread

import pytest

from moss.errors import EndRequested
from moss.operations.interruption import ended_on_request, uninterrupted


@contextmanager
def another_thread() -> Iterator[None]:
    """One that blocks nothing, as what reads a bundle has."""
    over = Event()
    thread = Thread(target=over.wait)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


@pytest.fixture(autouse=True)
def requests_are_heard() -> Iterator[None]:
    """Also where a shell had them ignored."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    for number, handler in before.items():
        signal.signal(number, handler)
    assert not signal.pthread_sigmask(signal.SIG_BLOCK, ())


def ask(request: signal.Signals) -> None:
    os.kill(os.getpid(), request)
    time.sleep(0.01)  # Python would have acted upon it


@pytest.mark.parametrize(
    ("request_", "raised"), [(signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, EndRequested)]
)
@pytest.mark.parametrize("threads", [1, 2])
def test_a_request_waits_for_the_end_and_comes_then(
    request_: signal.Signals, raised: type[BaseException], threads: int
) -> None:
    reached = 0
    with another_thread() if threads == 2 else nullcontext(), pytest.raises(raised), ended_on_request():
        with uninterrupted():
            ask(request_)
            reached += 1
        reached += 1
    assert reached == 1


def test_what_is_ignored_stays_ignored() -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    with another_thread(), ended_on_request(), uninterrupted():
        ask(signal.SIGTERM)
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_IGN


def test_a_fault_goes_on_and_the_request_with_it() -> None:
    with another_thread(), pytest.raises(KeyboardInterrupt) as caught, uninterrupted():
        ask(signal.SIGINT)
        raise OSError("full")
    assert isinstance(caught.value.__context__, OSError)


def test_of_several_requests_one_is_heard_and_none_is_held_on() -> None:
    with another_thread(), pytest.raises((KeyboardInterrupt, EndRequested)), ended_on_request():
        inside = signal.getsignal(signal.SIGTERM)
        with uninterrupted():
            for request in (signal.SIGINT, signal.SIGTERM, signal.SIGINT):
                ask(request)
    assert signal.getsignal(signal.SIGTERM) is not inside
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
