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
