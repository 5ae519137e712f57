"""Real processes, real signals, real errors: strace meets whole moss commands at every state-changing system call.

    python -m tests.kill.sweep [--every N] [--jobs N] [--what WHAT,…] [OPERATION…]

A first run under strace lists the system calls that touch the root. Then, for each of them, on a fresh copy of
the root, something happens there once; then the next command, and the invariants (`tests/crash/invariants.py`):

    KILL                                 the old or the new generation, after recovery
    INT TERM                             before the commit point nothing changes, and it says so, with 130 or 143; after
                                         it the rest is done. Nothing is left to recover
    ENOSPC EIO EMFILE EROFS EINTR        done all the same, or unchanged, with a message that names a file and a remedy

Prints each failure, and how many points there were; the exit code tells whether there was one.
"""

import argparse
import os
import random
import re
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple

from tests.crash.invariants import Facts, facts_of, faults, faults_of_outcome
from tests.crash.operations import HISTORIES, RECOVER
from tests.crash.sweep import known_faults, scratch
from tests.crash.world import Place, copy_tree, run

PROJECT = Path(__file__).resolve().parents[2]
CALLS = (
    *("openat", "write", "pwrite64", "ftruncate", "fallocate", "mkdir", "mkdirat", "unlink", "unlinkat", "rmdir"),
    *("link", "linkat", "symlink", "symlinkat", "rename", "renameat", "renameat2", "chmod", "fchmod", "fchmodat"),
    *("chown", "fchown", "fchownat", "lchown", "setxattr", "fsetxattr", "fsync", "fdatasync", "syncfs", "flock"),
)
CHANGING = re.compile("O_CREAT|O_WRONLY|O_RDWR|O_TRUNC")
SIGNALS = ("KILL", "INT", "TERM")
# What the kernel gives which error for; others would test what cannot be.
ERRORS = {
    "ENOSPC": frozenset(CALLS) - {"flock"},
    "EIO": frozenset(CALLS) - {"flock"},
    "EROFS": frozenset(CALLS) - {"flock", "fsync", "fdatasync", "syncfs"},
    "EMFILE": frozenset({"openat"}),
    # No local file system interrupts opening or fdatasync, and the dynamic loader and SQLite do not ask again.
    "EINTR": frozenset({"write", "pwrite64", "ftruncate", "fallocate", "fsync", "syncfs"}),
}
OF_READING = frozenset({"EIO", "EMFILE"})
OPERATIONS = {
    "install": ("spare", ("install", "-y", "linker")),
    "update": ("spare", ("update", "-y")),
    "activate": ("spare", ("state", "activate", "3", "-y")),
    "undo": ("updated", ("undo", "4", "-y")),
    "verify --fix": ("damaged", ("verify", "--fix", "-y")),
    "prune": ("spare", ("state", "prune", "-y", "--keep", "1")),
    "sync": ("bundled", ("sync", "--from", "{folder}/bundle", "--unsigned", "-y")),
    "export": ("spare", ("export", "-o", "{folder}/root-made")),
}
"""By name: the history, and the command."""


class Point(NamedTuple):
    """Where a process is met: the `number`-th time it makes this call."""

    call: str
    number: int
    what: str

    @property
    def injection(self) -> str:
        what = f"signal={self.what}" if self.what in SIGNALS else f"error={self.what}"
        return f"inject={self.call}:{what}:when={self.number}"


class Verdict(NamedTuple):
    """What came of it; no faults when all held."""

    point: Point
    faults: list[str]


def _works(*options: str) -> bool:
    return subprocess.run(["strace", *options, "true"], capture_output=True).returncode == 0


_FILTER = ("--seccomp-bpf",) if shutil.which("strace") and _works("-f", "--seccomp-bpf", "-e", "trace=rmdir") else ()
"""The kernel then stops a process only at the calls that are asked about: half the time."""


def moss(root: Path, words: Sequence[str], strace: Sequence[str]) -> "subprocess.CompletedProcess[str]":
    fixed = {"PYTHONPATH": str(PROJECT), "PYTHONDONTWRITEBYTECODE": "1", "PYTHONHASHSEED": "0", "LC_ALL": "C.UTF-8"}
    command = ["strace", "-f", *_FILTER, *strace, sys.executable, "-m", "moss", "-D", str(root), *words]
    return subprocess.run(command, env={**os.environ, **fixed}, capture_output=True, text=True)


def points(root: Path, words: Sequence[str]) -> list[Point]:
    """Each call that touches the root, with each thing that may happen there."""
    log = root.with_name("calls.log")
    known = [call for call in CALLS if _is_known(call)]
    done = moss(root, words, ["-y", "-o", str(log), "-e", f"trace={','.join(known)}"])
    assert done.returncode == 0, done.stderr
    counts: Counter[str] = Counter()
    found: list[Point] = []
    for line in log.read_text(errors="replace").splitlines():
        matched = re.match(r"\d+ +(\w+)\((.*)", line)
        if matched is None:
            continue
        call, rest = matched.groups()
        counts[call] += 1
        if str(root) not in rest:
            continue
        directory = "O_DIRECTORY" in rest
        changes = call != "openat" or CHANGING.search(rest)
        if changes:
            found += [Point(call, counts[call], signal) for signal in SIGNALS]
        if changes or directory:
            found += [
                Point(call, counts[call], error)
                for error, calls in ERRORS.items()
                if call in calls and (changes or error in OF_READING)
            ]
    return found


def sweep(operation: str, folder: Path, *, every: int = 1, offset: int = 0, what: Sequence[str] = ()) -> list[Verdict]:
    """Every `every`-th point of one operation, in an order that mixes them."""
    history, template_words = OPERATIONS[operation]
    words = tuple(word.format(folder=folder) for word in template_words)
    place = Place(folder)
    HISTORIES[history](place)
    template = folder / "template"
    place.root.rename(template)
    before = facts_of(template)
    copy_tree(template, place.root)
    found = [point for point in points(place.root, words) if not what or point.what in what]
    done = facts_of(place.root)
    known = known_faults(template, folder) if place.damaged else frozenset[str]()
    random.Random(0).shuffle(found)
    return [
        Verdict(point, list(_judged(place.root, template, words, point, before, done, known)))
        for point in found[offset::every]
    ]


def _judged(
    root: Path, template: Path, words: Sequence[str], point: Point, before: Facts, done: Facts, known: frozenset[str]
) -> Iterator[str]:
    shutil.rmtree(root)
    copy_tree(template, root)
    if words[0] == "export":
        Path(words[-1]).unlink(missing_ok=True)
    log = root.with_name("met.log")
    ended = moss(root, words, ["-y", "-o", str(log), "-e", f"trace={point.call}", "-e", point.injection])
    allowed = [before.active, done.active]
    if _met_a_reader(log, root):
        return  # calls are counted, and not every run makes as many: what is read and fails is another test's
    if "Traceback" in ended.stderr:
        yield f"a traceback: {ended.stderr.strip()[-300:]}"
    elif point.what in ("INT", "TERM"):
        code, here = {"INT": 130, "TERM": 143}[point.what], facts_of(root)
        allowed = [done.active] if ended.returncode == 0 else [here.active]
        if ended.returncode not in (0, code):
            yield f"exit {ended.returncode}: {ended.stderr.strip()[-300:]}"
        elif ended.returncode == code:
            yield from _faults_of_interruption(ended.stderr, words, before, here)
    elif point.what in ERRORS:
        yield from _faults_of_message(ended, point)
        if ended.returncode == 0:
            allowed = [done.active]
    follow = run(root, *RECOVER)
    if follow.code not in ((3,) if point.what in ("INT", "TERM") else (3, 13)):
        yield f"the next command: exit {follow.code}: {follow.said.strip()[-300:]}"
    yield from (fault for fault in faults(root) if fault.partition(" is ")[0] not in known)
    # The text of the model stops nothing where it cannot be written, and that is told.
    told = "/etc/moss/system-model.kdl" if "does not say what is active now" in ended.stderr else "nothing"
    outcome = faults_of_outcome(allowed, before, done, facts_of(root))
    yield from (fault for fault in outcome if not fault.startswith(f"I7: {told} "))
    if words[0] == "export":
        yield from _half_exported(Path(words[-1]))
    if words[0] == "sync":
        again = run(root, *words)
        now = facts_of(root)
        if again.code != 0 or now.generations.get(now.active or 0) != done.generations.get(done.active or 0):
            yield f"run again: exit {again.code}: {again.said.strip()[-300:]}"


def _met_a_reader(log: Path, root: Path) -> bool:
    """Whether it was not what changes something, nor what a process with too many open files asks of the root."""
    met = [line for line in log.read_text(errors="replace").splitlines() if "(INJECTED)" in line and "openat(" in line]
    return any(
        not CHANGING.search(line) and "O_DIRECTORY" not in line and not ("EMFILE" in line and str(root) in line)
        for line in met
    )


def _half_exported(made: Path) -> Iterator[str]:
    """A bundle is there whole or not at all; what was written aside may be left by a kill."""
    if made.exists():
        verified = run(made, "bundle", "verify", str(made))
        if verified.code != 0:
            yield f"a part of a bundle: {verified.said.strip()}"
        made.unlink()
    for aside in made.parent.glob(f".{made.name}.*"):
        aside.unlink()


def _faults_of_interruption(said: str, words: Sequence[str], before: Facts, here: Facts) -> Iterator[str]:
    if words[:2] == ("state", "prune"):
        wanted = "what had been begun is completed by the next command|nothing was changed"
    elif words[0] == "export":
        made = Path(words[-1]).exists()
        wanted = "the bundle .* was written before that" if made else "no bundle was written|nothing was changed"
    elif words[0] == "verify":
        wanted = "what was mended stays mended|verify --fix begins anew|nothing was changed"
    elif here.active == before.active:
        wanted = "interrupted: nothing was changed"
    else:
        wanted = f"the change was made before that, generation {here.active} is active"
    if not re.search(wanted, " ".join(said.split())):
        yield f"generation {here.active} is active, and it said: {said.strip()[-300:]}"


def _faults_of_message(ended: "subprocess.CompletedProcess[str]", point: Point) -> Iterator[str]:
    if ended.returncode == 0:
        return
    said = ended.stderr
    if point.what == "EINTR":
        yield f"exit {ended.returncode} because of EINTR: {said.strip()[-300:]}"
    elif "error: " not in said:
        yield f"exit {ended.returncode} without a message: {said.strip()[-300:]}"
    elif not re.search(r"^  (try|\d\.) ", said, re.MULTILINE):
        yield f"no remedy: {said.strip()[-300:]}"
    elif not re.search(r"(^|\s)/\S", said.partition("  try")[0].partition("Any of")[0]):
        yield f"no file: {said.strip()[-300:]}"


def _is_known(call: str) -> bool:
    return _works("-e", f"trace={call}")


def _task(task: tuple[str, int, int, Sequence[str]]) -> tuple[str, list[Verdict]]:
    operation, every, offset, what = task
    with scratch() as folder:
        return operation, sweep(operation, folder, every=every, offset=offset, what=what)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("operations", nargs="*", metavar="OPERATION")
    parser.add_argument("--every", type=int, default=1, help="only every N-th point")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--what", default="", help="only these signals and errors")
    options = parser.parse_args()
    started = time.monotonic()
    counts: Counter[str] = Counter()
    broken = 0
    parts = options.jobs
    tasks = [
        (operation, options.every * parts, options.every * part, tuple(filter(None, options.what.split(","))))
        for operation in options.operations or OPERATIONS
        for part in range(parts)
    ]
    with ProcessPoolExecutor(options.jobs, mp_context=get_context("fork")) as pool:
        for operation, verdicts in pool.map(_task, tasks):
            print(f"{operation}: {len(verdicts)} points", file=sys.stderr, flush=True)
            for verdict in verdicts:
                counts[verdict.point.what] += 1
                broken += bool(verdict.faults)
                for fault in verdict.faults:
                    print(f"{operation}: {verdict.point.injection}: {fault}", flush=True)
    print(", ".join(f"{counts[what]} {what}" for what in (*SIGNALS, *ERRORS) if counts[what]))
    print(f"{counts.total()} points, {broken} of them broke something, {time.monotonic() - started:.0f} s")
    return 1 if broken or not counts.total() else 0


if __name__ == "__main__":
    sys.exit(main())
