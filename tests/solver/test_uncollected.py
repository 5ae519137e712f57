"""Looking for garbage rests while the solver works, and is afterwards as it was."""

import gc
from collections.abc import Iterator

import pytest

from solver import Package, Universe
from solver.uncollected import uncollected


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    yield
    gc.enable()


def test_it_rests_while_packages_are_compiled() -> None:
    seen = []

    def packages() -> Iterator[Package]:
        seen.append(gc.isenabled())
        yield Package(key="1", name="vim", version="1")

    Universe.compile(packages())
    assert seen == [False]
    assert gc.isenabled()


def test_it_goes_on_after_an_error() -> None:
    with pytest.raises(KeyError), uncollected():
        raise KeyError
    assert gc.isenabled()


def test_who_rested_before_rests_on() -> None:
    gc.disable()
    with uncollected(), uncollected():
        pass
    assert not gc.isenabled()


def test_nobody_looks_through_it_right_afterwards() -> None:
    started = []

    def note(phase: str, _: dict[str, int]) -> None:
        started.append(phase)

    gc.callbacks.append(note)
    try:
        with uncollected():
            kept = [[] for _ in range(100_000)]
        more = [[] for _ in range(100)]
    finally:
        gc.callbacks.remove(note)
    assert not started
    assert len(kept) == 1000 * len(more)


def test_what_somebody_put_aside_stays_there() -> None:
    gc.freeze()
    try:
        there = gc.get_freeze_count()
        with uncollected():
            pass
        assert gc.get_freeze_count() == there
    finally:
        gc.unfreeze()
