"""All of it is done, at once where it waits, and a fault is told."""

import os
import signal
import threading
import time
from collections.abc import Callable
from functools import partial

import pytest

from moss.at_once import do_all

NAMES = [str(number) for number in range(1000)]


def each(act: Callable[[str], object], count: int = 1000) -> list[Callable[[], object]]:
    return [partial(act, name) for name in NAMES[:count]]


def wait(_: str) -> None:
    time.sleep(0.001)


@pytest.mark.parametrize("threads", [1, 8])
@pytest.mark.parametrize("waits", [False, True])
def test_all_is_done_once(threads: int, waits: bool) -> None:
    done: list[str] = []

    def act(name: str) -> None:
        if waits:
            time.sleep(0.0002)
        done.append(name)

    do_all(each(act), threads)
    assert sorted(done) == sorted(NAMES)


def test_what_waits_is_under_way_at_once() -> None:
    together = threading.Barrier(8)

    def act(name: str) -> None:
        if 100 <= int(name) < 108:
            together.wait(timeout=20)
        wait(name)

    do_all(each(act, 600), 8)


def test_what_waits_only_later_is_under_way_at_once_then() -> None:
    users: set[int] = set()

    def act(name: str) -> None:
        if int(name) > 300:
            wait(name)
        users.add(threading.get_ident())

    do_all(each(act), 8)
    assert len(users) > 2


@pytest.mark.parametrize(("act", "count"), [(wait, 100), (len, 1000)])
def test_few_and_what_does_not_wait_are_done_without_a_thread(act: Callable[[str], object], count: int) -> None:
    def users() -> set[int]:
        found: set[int] = set()

        def acting(name: str) -> None:
            act(name)
            found.add(threading.get_ident())

        do_all(each(acting, count), 8)
        return found

    # Who has to give way to another process just then has waited, too.
    assert {threading.get_ident()} in [users() for _ in range(10)]


@pytest.mark.parametrize("number", [10, 500])
def test_a_fault_ends_the_rest(number: int) -> None:
    done: list[str] = []

    def act(name: str) -> None:
        if name == str(number):
            raise PermissionError(name)
        wait(name)
        done.append(name)

    with pytest.raises(PermissionError, match=str(number)):
        do_all(each(act), 8)
    assert len(done) < len(NAMES) - 1


def test_a_request_to_end_ends_the_rest_and_waits_for_what_is_under_way() -> None:
    done: list[str] = []

    def act(name: str) -> None:
        if name == "300":
            os.kill(os.getpid(), signal.SIGINT)
        wait(name)
        done.append(name)

    with pytest.raises(KeyboardInterrupt):
        do_all(each(act), 8)
    assert 300 <= len(done) < len(NAMES) - 100
    assert threading.active_count() == 1
