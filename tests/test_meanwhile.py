"""What is done beside something else is done when that ends, and a fault of either is told."""

import threading
from collections.abc import Callable
from functools import partial

import pytest

from moss.meanwhile import meanwhile

NAMES = [str(number) for number in range(1000)]


def each(act: Callable[[str], object], count: int = 1000) -> list[Callable[[], object]]:
    return [partial(act, name) for name in NAMES[:count]]


@pytest.mark.parametrize("threads", [1, 8])
def test_all_is_done_once_when_the_block_is_left(threads: int) -> None:
    done: list[str] = []
    inside = False
    with meanwhile(each(done.append), threads):
        inside = True
    assert inside
    assert sorted(done) == sorted(NAMES)


@pytest.mark.parametrize("threads", [1, 8])
def test_the_last_comes_after_all_of_it_and_before_the_end_of_the_block(threads: int) -> None:
    done: list[str] = []
    with meanwhile(each(done.append), threads, lambda: done.append("last")):
        pass
    assert set(done[:1000]) == set(NAMES) and set(done[1000:]) == {"last"}


def test_after_a_fault_there_is_no_last() -> None:
    done: list[str] = []
    with pytest.raises(ZeroDivisionError), meanwhile(each(lambda name: 1 // int(name)), 8, lambda: done.append("last")):
        pass
    assert done == []


def test_several_are_under_way_at_once_and_beside_the_block() -> None:
    together = threading.Barrier(9)

    def act(name: str) -> None:
        if int(name) < 8:
            together.wait(timeout=20)

    with meanwhile(each(act), 8):
        together.wait(timeout=20)


def test_few_are_done_without_a_thread() -> None:
    users: set[int] = set()
    with meanwhile(each(lambda _: users.add(threading.get_ident()), 100), 8):
        pass
    assert users == {threading.get_ident()}


def test_a_fault_ends_the_rest_and_is_raised_after_the_block() -> None:
    done: list[str] = []
    left = False

    def act(name: str) -> None:
        if name == "10":
            raise PermissionError(name)
        done.append(name)

    with pytest.raises(PermissionError, match="10"), meanwhile(each(act), 8):
        left = True
    assert left
    assert len(done) < len(NAMES) - 1


@pytest.mark.parametrize("fault", [KeyboardInterrupt, OSError])
def test_a_fault_of_the_block_ends_the_rest(fault: type[BaseException]) -> None:
    done: list[str] = []
    going = threading.Event()
    may_go = threading.Event()

    def act(name: str) -> None:
        going.set()
        assert may_go.wait(timeout=20)
        done.append(name)

    with pytest.raises(fault), meanwhile(each(act), 8):
        going.wait(timeout=20)
        threading.Timer(0.05, may_go.set).start()
        raise fault
    assert 0 < len(done) <= 8
    assert threading.active_count() <= 2, "all have ended but, perhaps, the timer"
