"""Many small things whose order means nothing: several are under way at once where they wait for the disk.

Where they do not wait, threads only keep each other waiting for Python: with them two thousand files took
40 ms more to remove.
"""

import time
from collections.abc import Callable, Iterable

_WORTH_A_THREAD = 64
"""So many things: to start a thread takes as long as about ten of them."""
_WATCHED = 32
"""So many things are done before it is judged whether they wait."""
_WAITING = 3
"""They do where they take so many times as long as they keep a processor busy."""


def do_all(things: Iterable[Callable[[], object]], threads: int) -> None:
    """Do all of this, in no certain order. The first fault ends the rest and is raised, Ctrl-C too."""
    todo = list(things)
    todo.reverse()
    while todo:
        count = min(threads, len(todo) // _WORTH_A_THREAD)
        if _waited(todo) and count > 1:
            _share(todo, count)


def _waited(todo: list[Callable[[], object]]) -> bool:
    """Do the next few; whether they waited."""
    started, used = time.perf_counter(), time.thread_time()
    for _ in range(min(_WATCHED, len(todo))):
        todo.pop()()
    return time.perf_counter() - started > _WAITING * (time.thread_time() - used)


def _share(todo: list[Callable[[], object]], count: int) -> None:
    """Do all of them in so many threads."""
    from threading import Thread  # most changes have too little to do

    faults: list[BaseException] = []

    def work() -> None:
        try:
            while not faults:
                try:
                    act = todo.pop()
                except IndexError:  # another one has taken the last
                    return
                act()
        except BaseException as fault:  # noqa: BLE001 - whatever it is belongs to who waits for all this
            faults.append(fault)

    workers = [Thread(target=work) for _ in range(count)]
    try:
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
    finally:
        todo.clear()
        for worker in workers:
            if worker.ident is not None:
                worker.join()
    if faults:
        raise faults[0]
