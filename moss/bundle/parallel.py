"""Work that goes on beside the reading and writing of a stream, its outcomes in order."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

From = TypeVar("From")
To = TypeVar("To")

WORKERS = 2
AHEAD = 3
"""How many outcomes are waited for or kept at most: what bounds the memory."""


def in_order(work: Callable[[From], To], things: Iterable[From]) -> Iterator[To]:
    """`map`, with a few of the things worked on ahead in threads. The first fault ends it."""
    with ThreadPoolExecutor(WORKERS, thread_name_prefix="bundle") as workers:
        waiting: deque[Future[To]] = deque()
        try:
            for thing in things:
                waiting.append(workers.submit(work, thing))
                if len(waiting) >= AHEAD:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for one in waiting:
                one.cancel()
