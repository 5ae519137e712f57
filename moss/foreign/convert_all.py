"""Many .debs become stones, on all cores, each in a process of its own making."""

import multiprocessing
import os
import signal
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from functools import partial

from moss.errors import MossError, UsageError
from moss.foreign.convert import Converted, convert
from moss.foreign.files import Limits
from moss.stone.writer import DEFAULT_LEVEL
from solver.values import value


@value
class Failed:
    """A .deb that did not become a stone; nothing of it is left behind."""

    deb: str
    error: MossError


def convert_all(
    debs: Sequence[str],
    out_dir: str,
    *,
    jobs: int | None = None,
    level: int = DEFAULT_LEVEL,
    limits: Limits | None = None,
    durable: bool = False,
    companions: Collection[str] = (),
) -> Iterator[Converted | Failed]:
    """Convert each, and hand over the results as they get ready, in no order; some of them as companions.

    `jobs` processes (where not given, as many as there are cores to use) each hold one package at a
    time and take about 40 MiB, with up to 65 MiB more for what `xz -9` made. Where two .debs say the same
    name, version and architecture and are not one file, the second
    to end is Failed. Leaving the iteration early waits for the packages under way and starts no others.
    """
    jobs = jobs or len(os.sched_getaffinity(0))
    # The biggest first: else it may be the last to begin, with the other cores idle.
    ordered = sorted(dict.fromkeys(debs), key=_size, reverse=True)
    made: dict[str, Converted] = {}

    def one(deb: str) -> Callable[[], Converted | Failed]:
        return partial(_convert_one, deb, out_dir, level, limits, durable, deb in companions)

    for done in _each([one(deb) for deb in ordered], jobs):
        if isinstance(done, Converted):
            other = made.setdefault(done.stone, done)
            if other.metadata.source_digest != done.metadata.source_digest:
                done = Failed(done.deb, _one_stone_for_two(other, done))
        yield done


def _each(every: Sequence[Callable[[], Converted | Failed]], jobs: int) -> Iterator[Converted | Failed]:
    if jobs == 1 or len(every) <= 1:
        for convert_one in every:
            yield convert_one()
        return
    # Forked: a new interpreter takes longer to start than most packages to convert.
    context = multiprocessing.get_context("fork")
    executor = ProcessPoolExecutor(min(jobs, len(every)), mp_context=context, initializer=_leave_interrupts)
    try:
        running: list[Future[Converted | Failed]] = [executor.submit(convert_one) for convert_one in every]
        for future in as_completed(running):
            try:
                yield future.result()
            except BrokenProcessPool as error:
                raise _process_ended(error) from error
    finally:
        executor.shutdown(wait=True, cancel_futures=True)


def _convert_one(
    deb: str, out_dir: str, level: int, limits: Limits | None, durable: bool, companion: bool
) -> Converted | Failed:
    try:
        return convert(deb, out_dir, level=level, limits=limits, durable=durable, companion=companion)
    except MossError as error:
        return Failed(deb, error)


def _leave_interrupts() -> None:
    """Ctrl-C reaches every process of the terminal: the one that waits for the others acts on it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _size(deb: str) -> int:
    try:
        return os.stat(deb).st_size
    except OSError:  # said by `convert`, with the name
        return 0


def _one_stone_for_two(first: Converted, second: Converted) -> UsageError:
    return UsageError(
        f"{first.deb} and {second.deb} are different files and both say they are {first.metadata.label} "
        f"for {first.metadata.architecture}",
        because=[f"their stones have one name, {first.stone}, which may now hold either"],
        remedies=["leave one of them out, and convert again"],
    )


def _process_ended(error: BrokenProcessPool) -> MossError:
    return MossError(
        "a process that converted packages was killed from outside",
        because=[str(error)],
        remedies=["look whether memory ran out: dmesg", "convert with fewer processes"],
    )
