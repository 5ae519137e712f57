"""Cut the power: at any instant, with any part lost of what was not synced. Then the next command, and look.

    python -m tests.crash.lost_writes [--states N]     that many states of each story; prints what broke
    python -m tests.crash.lost_writes --syncs          takes every sync out of moss, one at a time, and lets each
                                                       come too late: each time something must break

A story is a sequence of commands. Their effects are recorded with their data (`recording.py`); a state is what
the disk may hold after a power cut at one instant (`losing.py`). What was reported as done must be there.
"""

import argparse
import ast
import os
import random
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path

from tests.crash.invariants import Facts, admins_files, facts_of, faults, faults_of_outcome, listing, tree_of
from tests.crash.losing import Disk, Event, events_of, lose, read_disk, unsafe, write_out
from tests.crash.menu import unbootable
from tests.crash.operations import BUSYBOX, HISTORIES, MENUS, RECOVER
from tests.crash.recording import DATABASES, Done, database_copy, recorded
from tests.crash.sweep import known_faults, scratch
from tests.crash.world import BROKEN, Place, here, run

PROJECT = Path(__file__).resolve().parents[2]
INDEX = "{packages}/stone.index"
STORIES: dict[str, tuple[str, tuple[tuple[str, ...], ...]]] = {
    "from nothing": (
        "nothing",
        (("repo", "add", "main", INDEX, "--unsigned"), ("install", "-y", "tool"), ("install", "-y", "more")),
    ),
    "by difference": ("spare", (("update", "-y"), ("rollback", "-y"), ("install", "-y", "linker"))),
    "in full": ("several", (("update", "-y"), ("remove", "-y", "more"), ("state", "activate", "3", "-y"))),
    "edited /etc": ("edited", (("update", "-y"), ("rollback", "-y"))),
    "giving up": ("retiring", (("state", "prune", "--keep", "2", "--remember", "-y"), ("install", "-y", "tool < 9"))),
    "mending": ("damaged", (("verify", "--fix", "-y"), ("rollback", "-y"))),
    "mending a tree": ("lost tree", (("verify", "--fix", "-y"), ("state", "activate", "2", "-y"))),
    "from a bundle": ("bundled", (("sync", "--from", "{packages}/../bundle", "--unsigned", "-y"), ("rollback", "-y"))),
    "keys": ("keyed", (("key", "make", "mine"), ("key", "remove", "own", "-y"), ("install", "-y", "last"))),
    "boot menu": (
        "bootable",
        (
            ("boot", "sync", "--esp", "{root}/partition", "-y"), ("update", "-y"), ("rollback", "-y"),
            ("install", "-y", "last", "--at-boot"), ("state", "prune", "--keep", "1", "-y"),
        ),
    ),
    "menu after a crash": ("stopped after the menu", (RECOVER, ("update", "-y"))),
    "trust": (
        "signed",
        (("repo", "add", "again", INDEX, "--trust", "{packages}/tuf/1.root.json"), ("install", "-y", "tool")),
    ),
    **({"triggers": ("triggered", (("install", "-y", "last"),))} if BUSYBOX is not None else {}),
    "after a crash in the store": ("stopped staging", (RECOVER, ("install", "-y", "linker"))),
    "after a crash": ("stopped archiving", (RECOVER, ("rollback", "-y"), ("remove", "-y", "more"))),
}
"""By name: the history, and the commands whose effects may be lost."""


@dataclass(frozen=True)
class Command:
    """One of a story's commands: it did the events before `end`, and left `after`."""

    words: tuple[str, ...]
    end: int
    after: Facts


@dataclass
class Story:
    """What was recorded."""

    name: str
    start: Disk
    events: list[Event]
    commands: list[Command]
    before: Facts
    log: Path
    place: Place
    last_database: int
    known: frozenset[str]
    """What is wrong until the first command has mended it."""

    def command_at(self, instant: int) -> int:
        """Which command was at work when `instant` events had happened; len(commands) after the last."""
        return next((number for number, one in enumerate(self.commands) if instant < one.end), len(self.commands))

    def facts_before(self, command: int) -> Facts:
        return self.commands[command - 1].after if command else self.before

    def database_at(self, instant: int) -> int:
        """The record as it was just before the next event, with all that SQLite had committed."""
        return self.events[instant].done.database if instant < len(self.events) else self.last_database


HIDDEN = (".moss/db/", ".moss/copy")


def record(name: str, folder: Path) -> Story:
    """What triggers write while they run is written by their own processes, past the recording: that they had a
    place for it is left out."""
    history, commands = STORIES[name]
    place = Place(folder)
    {**HISTORIES, **MENUS}[history](place)
    place.root.mkdir(exist_ok=True)
    log = folder / "effects.log"
    before = facts_of(place.root)
    known = known_faults(place.root, folder) if place.damaged else frozenset[str]()
    start = read_disk(place.root, without=(".moss/db", ".moss/copy"))
    start_copy, done, told = start.copy(), list[Done](), list[tuple[tuple[str, ...], int, Facts]]()
    last = 0
    for words in commands:
        full = tuple(word.format(packages=place.packages, root=place.root) for word in words)
        ended, effects, last = recorded(place.root, full, log)
        assert ended.code in (0, 3, 13), ended
        done += [one for one in effects if not any("/.moss/triggers/" in path for path in one.paths)]
        told.append((full, len(done), facts_of(place.root)))
    events = list(events_of(start, place.root, done))
    _check_model(start, place, folder / "check")
    return Story(name, start_copy, events, [Command(*one) for one in told], before, log, place, last, known)


def _check_model(disk: Disk, place: Place, scratch_root: Path) -> None:
    """With nothing lost the model is what is there: no effect went past the recording."""
    scratch_root.mkdir()
    write_out(disk, scratch_root)
    ours, theirs = listing(scratch_root), listing(place.root)
    for found in (ours, theirs):
        for path in [path for path in found if path.startswith(HIDDEN) or path == ".moss/lock"]:
            del found[path]
    differing = {path for path in ours.keys() | theirs.keys() if ours.get(path) != theirs.get(path)}
    assert not differing, f"these were changed without an effect: {sorted(differing)[:5]}"
    shutil.rmtree(scratch_root)


def broken(
    story: Story, events: Sequence[Event], instant: int, lost: Callable[[int], bool], chance: random.Random,
    site: str = "nowhere",
) -> list[str]:  # fmt: skip
    """What is wrong after a power cut when `instant` of the events had happened.

    The events are the story's own, but for the syncs at a `site`.
    """
    reached = _reached(story, events, instant, site)
    root = story.place.folder / f"cut-{os.getpid()}" / "root"
    shutil.rmtree(root.parent, ignore_errors=True)
    root.mkdir(parents=True)
    write_out(lose(story.start, events[:instant], lost, chance), root)
    if (root / ".moss/db").is_dir():
        copy = database_copy(story.log, story.database_at(reached))
        for name in DATABASES:
            content = copy[name]
            if content is not None:
                (root / ".moss/db" / name).write_bytes(content)
        here(root)
    found = list(unbootable(root, tree_of))
    next_command = run(root, *RECOVER)
    if next_command.code == BROKEN or next_command.code not in (3, 13):
        found.append(f"the next command: exit {next_command.code}: {next_command.said.strip()[-400:]}")
    known = story.known if story.command_at(reached) == 0 else ()
    found += [fault for fault in faults(root) if fault.partition(" is ")[0] not in known]
    found += _compared(story, reached, facts_of(root))
    shutil.rmtree(root.parent, ignore_errors=True)
    return found


def _reached(story: Story, events: Sequence[Event], instant: int, site: str) -> int:
    """How far the story itself has come at an instant of events in which the syncs at a site are moved or gone."""
    for event in events[instant:]:
        if event.done.site != site:
            return next(number for number, one in enumerate(story.events) if one is event)
    return len(story.events)


def _compared(story: Story, reached: int, now: Facts) -> Iterator[str]:
    command = story.command_at(reached)
    own = admins_files(story.before)
    yield from (f"I7: /{path} of the admin's is lost" for path, what in own.items() if now.local.get(path) != what)
    before = story.facts_before(command)
    if command == len(story.commands):
        yield from faults_of_outcome([before.active], before, before, now)
        return
    done = story.commands[command].after
    start = story.commands[command - 1].end if command else 0
    happened = [event.done for event in story.events[start:reached]]
    if any(one.kind == "commit" and one.value == "transaction done" for one in happened):
        allowed = [done.active]
    elif any(_is_switch(one) for one in happened):
        allowed = [before.active, done.active]
    elif story.name == "after a crash" and command == 0:
        allowed = [before.active, done.active]  # the switch came before the story
    else:
        allowed = [before.active]
    yield from faults_of_outcome(allowed, before, done, now)


def _is_switch(done: Done) -> bool:
    return done.kind in ("exchange", "rename") and done.paths[1].endswith("/usr") and "/.moss/" not in done.paths[1]


def some_states(story: Story, number: int, seed: int = 0) -> Iterator[tuple[int, list[str]]]:
    """Random instants, and random parts of what was at risk then; each with what broke."""
    chance = random.Random(f"{story.name} {seed}")
    for _ in range(number):
        instant = chance.randint(0, len(story.events))
        at_risk = unsafe(story.events[:instant])
        share = chance.choice((0.0, 0.1, 0.5, 0.9, 1.0))
        lost = {one for one in at_risk if chance.random() >= share}
        if at_risk and chance.random() < 0.3:  # all before one moment, or all after it
            moment = chance.choice(at_risk)
            lost = {one for one in at_risk if (one < moment) == (chance.random() < 0.5)}
        yield instant, broken(story, story.events, instant, lost.__contains__, chance)


# Without one of the syncs


def sync_sites() -> dict[str, str]:
    """Every sync in moss's own code: as `recording` names it, with the file and line."""
    found: dict[str, str] = {}
    for path in sorted((PROJECT / "moss").rglob("*.py")):
        module = ".".join(path.relative_to(PROJECT).with_suffix("").parts)
        for function in ast.walk(ast.parse(path.read_text())):
            if not isinstance(function, ast.FunctionDef) or function.name in ("fsync", "syncfs"):
                continue
            for node in ast.walk(function):
                called = node.func if isinstance(node, ast.Call) else None
                if not isinstance(called, ast.Attribute) or called.attr not in ("fsync", "syncfs"):
                    continue
                if ast.unparse(called.value) != "os":  # makers' commands write files of the person's own
                    site = f"{module}:{function.name}+{called.lineno - function.lineno}"
                    found[site] = f"{path.relative_to(PROJECT)}:{called.lineno}"
    return found


OUT_OF_REACH = (
    *("moss.boot.carry_out:_sync_renamed", "moss.db.copying:", "moss.operations.rebuild:", "moss.tuf.signing:"),
)
"""Whose syncs no story reaches. The one of a renamed file is for FAT, which these file systems are not. Those of
the record are for whole databases, which SQLite writes and not an effect that could be lost in part: that each
comes where it must is looked at by tests/test_copying.py and tests/test_rebuild.py. Who
signs does that in a folder of the person's own."""


def without(events: Sequence[Event], site: str) -> list[Event]:
    """As if this sync were not there."""
    return [event for event in events if not (event.is_sync and event.done.site == site)]


def too_late(events: Sequence[Event], site: str, barriers: int) -> list[Event]:
    """As if it came only after so many of the next commits and switches."""
    found: list[Event] = []
    waiting: list[tuple[Event, int]] = []
    for event in events:
        if event.is_sync and event.done.site == site:
            waiting.append((event, barriers))
            continue
        found.append(event)
        if event.done.kind == "commit" or _is_switch(event.done):
            found += [one for one, left in waiting if left == 1]
            waiting = [(one, left - 1) for one, left in waiting if left > 1]
    return found + [one for one, _ in waiting]


CHANGES: dict[str, tuple[Callable[[Sequence[Event], str], list[Event]], ...]] = {
    "gone": (without,),
    "late": tuple(partial(too_late, barriers=barriers) for barriers in (1, 2, 3)),
}


def first_break(story: Story, events: Sequence[Event], site: str, tries: int) -> tuple[int, str] | None:
    """The first state found broken among those that only the changed syncs allow; None when none is."""
    chance = random.Random(site)
    newly: list[tuple[int, list[int]]] = []
    for instant in range(1, len(events) + 1):
        risk = unsafe(events[:instant])
        if risk:
            reached = _reached(story, events, instant, site)
            still = {id(story.events[one]) for one in unsafe(story.events[:reached])}
            more = [one for one in risk if id(events[one]) not in still]
            if more:
                newly.append((instant, more))
    chance.shuffle(newly)
    newly.sort(key=lambda one: events[one[0] - 1].done.kind != "commit")  # right after a commit most depends on it
    for instant, more in newly[:tries]:
        for lost in ({*more}, {chance.choice(more)}, {one for one in more if chance.random() < 0.5}):
            found = broken(story, events, instant, lost.__contains__, chance, site)
            if found:
                return instant, found[0]
    return None


def _record_and_run(name: str, states: int, seed: int) -> tuple[int, list[str]]:
    with scratch() as folder:
        story = record(name, folder)
        tried = list(some_states(story, states, seed))
    return len(tried), [
        f"{name}: cut after effect {instant} of {len(story.events)}: {fault}"
        for instant, found in tried
        for fault in found
    ]


def _try_sync(site: str) -> tuple[str, dict[str, str]]:
    """What breaks first without a sync and when it is late, over all stories in which it happens."""
    found: dict[str, str] = {}
    for name in STORIES:
        with scratch() as folder:
            story = record(name, folder)
            if not any(event.done.site == site for event in story.events):
                continue
            for word, changes in CHANGES.items():
                for change in changes:
                    if not found.get(word, "nothing").startswith("nothing"):
                        break
                    result = first_break(story, change(story.events, site), site, 30)
                    found[word] = "nothing broke"
                    if result is not None:
                        found[word] = f"{result[1]} ({name}, after effect {result[0]})"
        if len(found) == 2 and not any(one.startswith("nothing") for one in found.values()):
            break
    return site, found


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--states", type=int, default=200, help="of each story")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--syncs", action="store_true", help="take each sync away instead")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    options = parser.parse_args()
    started = time.monotonic()
    bad = 0
    with ProcessPoolExecutor(options.jobs, mp_context=get_context("fork")) as pool:
        if options.syncs:
            places = sync_sites()
            for site, found in pool.map(_try_sync, places):
                for word in ("gone", "late"):
                    what = found.get(word, "nothing: it never happens")
                    bad += what.startswith("nothing") and not site.startswith(OUT_OF_REACH)
                    print(f"{places[site]} {site.partition(':')[2]} {word}: {what[:160]}", flush=True)
            print(f"{len(places)} syncs, {bad} not missed, {time.monotonic() - started:.0f} s")
            return 1 if bad else 0
        total = 0
        count = len(STORIES)
        for tried, said in pool.map(_record_and_run, STORIES, [options.states] * count, [options.seed] * count):
            total += tried
            bad += len(said)
            print("\n".join(said), end="\n" if said else "", flush=True)
    print(f"{total} states, {bad} faults, {time.monotonic() - started:.0f} s")
    return 1 if bad or not total else 0


if __name__ == "__main__":
    sys.exit(main())
