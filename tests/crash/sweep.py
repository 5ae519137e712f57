"""Stop every operation before and after every durable effect, run the next command, and look.

    python -m tests.crash.sweep [--every N] [--jobs N] [--request INT|TERM] [OPERATION…]

Each stop is a child process that ends by os._exit, so nothing cleans up. Then, in processes of their own:
two commands that only look, the next command that changes (it recovers), and at some of the stops the same
command again and a rollback. With --request the process gets that signal there instead: it must undo or finish by
itself what it was at, and say which. After each the invariants must hold (`tests/crash/invariants.py`). Prints where
each operation was stopped, and every fault; the exit code tells whether there was one.
"""

import argparse
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path

from tests.crash.invariants import (
    Facts,
    Listing,
    active_after,
    admins_files,
    facts_of,
    faults,
    faults_of_outcome,
    listing,
)
from tests.crash.operations import HISTORIES, OPERATIONS, RECOVER, Operation
from tests.crash.world import (
    BROKEN,
    STOPPED,
    Ended,
    Place,
    Stop,
    copy_tree,
    holding,
    run,
    run_and_request,
    run_and_stop,
    stops_of,
)

AGAIN_EVERY = 4
"""At how many stops the same command is given again; a rollback follows at every other of them."""
PHASES = ("alone", "staging", "making", "switching", "switched", "done")


@dataclass
class Swept:
    """What came of stopping one operation after one history."""

    operation: str
    history: str
    stops: Counter[tuple[str, str]] = field(default_factory=Counter)
    """By kind of effect and phase."""
    faults: list[str] = field(default_factory=list)


def known_faults(template: Path, folder: Path) -> frozenset[str]:
    """What is wrong before anything is stopped, without how."""
    copy = folder / "damaged"
    copy_tree(template, copy)
    run(copy, *RECOVER)
    return frozenset(fault.partition(" is ")[0] for fault in faults(copy))


@contextmanager
def scratch() -> Iterator[Path]:
    """A folder where syncing costs nothing, if there is one: what is lost without it is another test's."""
    memory = Path("/dev/shm")
    inside = memory if os.access(memory, os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="moss-crash-", dir=inside) as folder:
        yield Path(folder)


def sweep(
    operation: Operation, history: str, folder: Path, every: int = 1, offset: int = 0, request: str | None = None
) -> Swept:
    """Stop it at every `every`-th place, or send it a signal there."""
    place = Place(folder)
    HISTORIES[history](place)
    words = [word.format(packages=place.packages) for word in operation.words]
    swept = Swept(operation.name, history)
    template = folder / "template"
    if place.root.exists():
        place.root.rename(template)
    before = facts_of(template)
    known = known_faults(template, folder) if place.damaged else frozenset()
    own = admins_files(before)
    copy_tree(template, place.root)
    with holding(place.root / place.held if place.held else None) as fd:
        ended, stops = stops_of(place.root, words)
    if ended.code not in (0, 3, 13):
        swept.faults.append(f"it ended with {ended}")
        return swept
    if ended.code == 13:  # the history was interrupted: the old or the new is decided by then
        before = facts_of(place.root)
    done = facts_of(place.root)
    swept.faults += [f"undisturbed: {fault}" for fault in faults(place.root, waiting=fd is not None)]
    random.Random(0).shuffle(stops)
    for stop in stops[offset::every]:
        shutil.rmtree(place.root, ignore_errors=True)
        copy_tree(template, place.root)
        swept.stops[stop.kind, stop.phase] += 1
        found = (
            _stopped(place, words, stop, before, done, own)
            if request is None
            else _requested(place, words, stop, before, done, own, request)
        )
        for fault in found:
            if fault.partition(" is ")[0] in known:
                continue  # that was so before
            swept.faults.append(f"{stop.moment} {stop.kind} {stop.target} ({stop.phase}): {fault}")
    return swept


def _stopped(place: Place, words: Sequence[str], stop: Stop, before: Facts, done: Facts, own: Listing) -> Iterator[str]:
    root = place.root
    with holding(root / place.held if place.held else None) as fd:
        held = None if fd is None else listing(f"/proc/self/fd/{fd}")
        stopped = run_and_stop(root, words, stop.number)
        if stopped.code != STOPPED:
            yield f"it was not stopped but ended with {stopped}"
        yield from _looked(root)
        yield from _faults_of(run(root, *RECOVER), (3, 13))
        yield from faults(root, waiting=held is not None)
        now = facts_of(root)
        yield from faults_of_outcome([active_after(stop, before, done)], before, done, now)
        yield from _of_the_admin(own, now)
        if stop.number // 2 % AGAIN_EVERY == 0:
            yield from _forward(place, words, done)
            yield from _of_the_admin(own, facts_of(root))
        if fd is not None and listing(f"/proc/self/fd/{fd}") != held:
            yield "I9: a tree changed that somebody was in"
    if held is not None:
        run(root, *RECOVER)
        yield from (f"let go: {fault}" for fault in faults(root))


EXIT = {"INT": 130, "TERM": 143}


def _requested(
    place: Place, words: Sequence[str], stop: Stop, before: Facts, done: Facts, own: Listing, request: str
) -> Iterator[str]:
    root = place.root
    with holding(root / place.held if place.held else None) as fd:
        ended = run_and_request(root, words, stop.number, signal.Signals[f"SIG{request}"])
        now = facts_of(root)
        if stop.phase in ("switched", "done"):
            allowed = [done.active]
        else:
            allowed = [now.active] if stop.phase == "switching" else [before.active]
        if ended.code == 0 and stop.phase == "done":
            pass  # upkeep is given up without a word
        elif ended.code == 13 and before.active == done.active:
            pass  # it came while the command recovered, and was held back
        elif ended.code != EXIT[request]:
            yield f"it ended with {ended}"
        elif before.active != done.active:
            told = "nothing was changed" if now.active == before.active else "the change was made before that"
            if told not in " ".join(ended.said.split()):
                yield f"generation {now.active} is active, and it said {ended.said}"
        yield from _faults_of(run(root, *RECOVER), (3, 13) if stop.phase == "alone" else (3,))
        yield from faults(root, waiting=fd is not None)
        now = facts_of(root)
        yield from faults_of_outcome(allowed, before, done, now)
        yield from _of_the_admin(own, now)


def _forward(place: Place, words: Sequence[str], done: Facts) -> Iterator[str]:
    """The same command again comes to what it would have come to; then the way back is open."""
    root = place.root
    before = facts_of(root)
    yield from _faults_of(run(root, *words), (0, 2, 3))  # 2 and 3: it is done already
    now = facts_of(root)
    yield from (f"again: {fault}" for fault in faults(root, waiting=place.held is not None))
    there = now.generations.get(now.active or 0)
    if words[0] not in ("rollback", "state") and there != done.generations.get(done.active or 0):
        yield f"again: generation {now.active} has {there}"
    if before.active is not None and words[0] != "rollback" and now.active != before.active:
        yield from _faults_of(run(root, "rollback", "-y"), (0,))
        yield from (f"rolled back: {fault}" for fault in faults(root, waiting=place.held is not None))
        if facts_of(root).active != before.active:
            yield f"rolled back to {facts_of(root).active}, not {before.active}"


def _looked(root: Path) -> Iterator[str]:
    """Who only looks sees something whole, even before recovery."""
    if root.is_dir():
        for words in (("list", "installed"), ("state", "list")):
            yield from _faults_of(run(root, *words), (0, 3))


def _of_the_admin(own: Listing, now: Facts) -> Iterator[str]:
    yield from (f"I7: /{path} of the admin's changed" for path, what in own.items() if now.local.get(path) != what)


def _faults_of(ended: Ended, allowed: Sequence[int]) -> Iterator[str]:
    if ended.code == BROKEN or "Traceback" in ended.said:
        yield f"a traceback: {ended.said.strip()[-600:]}"
    elif ended.code not in allowed:
        yield f"exit {ended.code}: {ended.said.strip()[-300:]}"


def _task(names: tuple[int, str, int, int, str | None]) -> Swept:
    number, history, every, offset, request = names
    with scratch() as folder:
        return sweep(OPERATIONS[number], history, folder, every, offset, request)


def all_swept(chosen: Sequence[str], every: int, jobs: int, request: str | None) -> Iterator[Swept]:
    """Every operation after every history, the work of each in two parts."""
    parts = 2
    tasks = [
        (number, history, every * parts, part, request)
        for number, operation in enumerate(OPERATIONS)
        if not chosen or operation.name in chosen
        for history in operation.histories
        for part in range(parts)
    ]
    with ProcessPoolExecutor(jobs, mp_context=get_context("fork")) as pool:
        yield from pool.map(_task, tasks)


def table(found: Sequence[Swept]) -> str:
    """Stops by operation and kind of effect, and by operation and phase."""
    by_operation: dict[str, Counter[str]] = {}
    for swept in found:
        counts = by_operation.setdefault(swept.operation, Counter())
        for (kind, phase), number in swept.stops.items():
            counts[kind] += number
            counts[phase] += number
    kinds = sorted({kind for swept in found for kind, _ in swept.stops})
    return "\n".join(
        "\n".join(_rows(title, columns, by_operation))
        for title, columns in (("by phase", PHASES), ("by effect", tuple(kinds)))
    )


def _rows(title: str, columns: Sequence[str], counts: dict[str, Counter[str]]) -> Iterator[str]:
    widths = [max(len(column), 5) for column in columns]
    yield f"{title:16}" + " ".join(f"{column:>{width}}" for column, width in zip(columns, widths, strict=True))
    for name, count in counts.items():
        cells = (f"{count[column] or '':>{width}}" for column, width in zip(columns, widths, strict=True))
        yield f"{name:16}" + " ".join(cells)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("operations", nargs="*", metavar="OPERATION")
    parser.add_argument("--every", type=int, default=1, help="only every N-th stop")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--request", choices=list(EXIT), help="send this signal instead")
    options = parser.parse_args()
    started = time.monotonic()
    found: list[Swept] = []
    for swept in all_swept(options.operations, options.every, options.jobs, options.request):
        found.append(swept)
        print(f"{swept.operation}, {swept.history}: {swept.stops.total()} stops", file=sys.stderr, flush=True)
        for fault in swept.faults:
            print(f"{swept.operation}, {HISTORIES[swept.history].__doc__} {fault}", flush=True)
    total = sum(swept.stops.total() for swept in found)
    broken = sum(len(swept.faults) for swept in found)
    print(table(found))
    print(f"{total} stops, {broken} faults, {time.monotonic() - started:.0f} s")
    return 1 if broken or not total else 0


if __name__ == "__main__":
    sys.exit(main())
