"""Trying again what may be over soon, with pauses that grow and that differ from machine to machine."""

import time
from collections.abc import Callable
from typing import TypeVar

from moss.fetch.manners import Manners
from moss.fetch.transport import TemporaryFailure

_T = TypeVar("_T")


def pause_before(attempt: int, manners: Manners, wanted: float = 0.0) -> float:
    """Seconds to wait before the second try (1) and further ones, or as many as the server wants.

    Half to one and a half times the usual ones, so that those who failed together do not come again together.
    """
    import random  # nearly nothing fails

    usual: float = manners.pause * 2 ** (attempt - 1) * random.uniform(0.5, 1.5)
    return min(max(usual, wanted), manners.longest_pause)


def retried(act: Callable[[], _T], manners: Manners, sleep: Callable[[float], object] = time.sleep) -> _T:
    """What `act` returns in the end. A TemporaryFailure leaves when there have been enough of them."""
    attempt = 0
    while True:
        attempt += 1
        try:
            return act()
        except TemporaryFailure as failure:
            if attempt >= manners.tries:
                raise
            sleep(pause_before(attempt, manners, failure.wait))
