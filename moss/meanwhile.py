"""Many small things whose order means nothing, done while their caller goes on with something else.

Each may wait for the disk, so several are under way at once.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

_WORTH_A_THREAD = 64
"""So many things: to start a thread takes as long as about ten of them."""


@contextmanager
def meanwhile(
    things: Iterable[Callable[[], object]], threads: int, last: Callable[[], object] = lambda: None
) -> Iterator[None]:
    """Do all of this while the block runs, in no certain order, and `last` after all of it.

    All is done when the block is left. The first fault ends the rest and is raised then; a fault of the block,
    Ctrl-C too, ends the rest as well. With one thread, or where there is little to do, all is done before the block.
    """
    todo = list(things)
    count = min(threads, len(todo) // _WORTH_A_THREAD)
    if count < 2:
        for act in todo:
            act()
        last()
        yield
        return
    todo.reverse()
    from threading import Thread  # most changes have too little to do

    faults: list[BaseException] = []
    working = [None] * count

    def work() -> None:
        try:
            while not faults:
                try:
                    act = todo.pop()
                except IndexError:  # another one has taken the last
                    break
                act()
            working.pop()
            if not working and not faults:  # two may find that, which does no harm
                last()
        except BaseException as fault:  # noqa: BLE001 - whatever it is belongs to who waits for all this
            faults.append(fault)

    workers = [Thread(target=work) for _ in range(count)]
    try:
        for worker in workers:
            worker.start()
        yield
        for worker in workers:
            worker.join()
    finally:
        todo.clear()
        for worker in workers:
            if worker.ident is not None:
                worker.join()
    if faults:
        raise faults[0]
