"""Rebuilding the record: from its copy, and what that does not know from the trees themselves.

    is it sound?   SQLite's own check; and whether it knows every generation whose tree is there
    copy           the copy of the last upkeep, where it is sound itself
    trees          generations the copy does not have, or all of them: see moss.operations.adopting
    in place       the new record is made aside and complete before the old one is put into /.moss/lost

Interrupted before the last step, nothing has changed; in it, the record is missing, and this does it again.
"""

import os
from collections.abc import Callable
from contextlib import closing

from moss.db import generations, model_file, soundness
from moss.db.connection import Database, open_record, open_repository_cache, told_in_words
from moss.db.copying import restored
from moss.db.model_file import ModelFile
from moss.effects import Effects, as_moss_error
from moss.errors import MossError
from moss.fetch.network import Network
from moss.lock import hold
from moss.operations.adopting import Adopted, adopt
from moss.operations.remembering import remember_repositories
from moss.operations.system import System
from moss.reporter import Reporter
from moss.root import GenerationId, Root, generation_of_tree, generations_held
from moss.store import Store, create_store
from solver.values import value


@value
class Rebuild:
    """What can be got back."""

    faults: tuple[str, ...]
    copied_at: int | None
    """When the copy was written, seconds since 1970; None without a sound one."""
    from_copy: tuple[GenerationId, ...]
    """Generations that the copy has and whose trees are there."""
    from_trees: tuple[GenerationId, ...]
    """Generations of which only the tree is left."""


@value
class Rebuilt:
    """What came of it."""

    from_copy: tuple[GenerationId, ...]
    adopted: tuple[Adopted, ...]
    put_aside: tuple[str, ...]


def record_faults(root: Root, *, quick: bool = False) -> tuple[str, ...]:
    """What is wrong with the record, in sentences; none when it is sound and knows what is there."""
    with as_moss_error("look at the record"):
        held = generations_held(root)
    if not os.path.exists(root.database):
        numbers = ", ".join(map(str, held))
        return (f"{root.database} is missing, though generations {numbers} are there",) if held else ()
    try:
        record = open_record(root.database, writable=False)
    except MossError as fault:
        if fault.exit_code != 7:
            raise
        return (fault.message,)
    with closing(record):
        wrong = soundness.faults(record, quick=quick)
        if wrong:
            return wrong
        unknown = _unknown(record, held)
    return tuple(f"the record does not know generation {number}, whose tree is there" for number in unknown)


def propose_rebuild(root: Root, faults: tuple[str, ...]) -> Rebuild:
    """Looks only."""
    held = generations_held(root)
    known: set[GenerationId] = set()
    copied_at = None
    if os.path.exists(root.record_copy):
        try:
            copy = open_record(root.record_copy, writable=False)
        except MossError:
            copy = None
        if copy is not None:
            with closing(copy):
                if not soundness.faults(copy):
                    copied_at = int(os.stat(root.record_copy).st_mtime)
                    known = {one.id for one in generations.generations(copy)}
    return Rebuild(
        faults, copied_at,
        tuple(number for number in held if number in known),
        tuple(number for number in held if number not in known),
    )  # fmt: skip


def rebuild(
    root: Root, effects: Effects, reporter: Reporter, clock: Callable[[], int], *, command: str, wait: float
) -> Rebuilt:
    """Do it, holding the lock. The next command then recovers what was under way."""
    with (
        as_moss_error("rebuild the record"),
        told_in_words(root.database),
        hold(root.lock_file, command=command, now=clock(), wait=wait, reporter=reporter),
    ):
        for directory in (root.database_directory, root.trees):
            if not os.path.isdir(directory):
                effects.mkdir(directory, 0o700)
        create_store(root.store, effects)
        aside = f"{root.database}.moss-new"
        _remove_database(aside, effects)
        reporter.stage("taking the record back from its copy")
        was_copied = restored(root.record_copy, aside)
        if not was_copied:
            _remove_database(aside, effects)
        held = generations_held(root)
        with closing(open_record(aside, writable=True)) as record:
            known = tuple(number for number in held if number not in _unknown(record, held, whatever=True))
            adopted = _adopt_unknown(root, record, effects, reporter, clock, command)
            record.connection.execute("PRAGMA journal_mode = DELETE")  # one file, that can be renamed
        effects.fsync(aside)
        put_aside = _put_aside_old(root, effects)
        effects.rename(aside, root.database)
        effects.fsync(root.database_directory)
    return Rebuilt(known, adopted, put_aside)


def _unknown(record: Database, held: dict[GenerationId, str], *, whatever: bool = False) -> list[GenerationId]:
    """Trees whose generations the record never made; `whatever`: which it does not know, also if it once did."""
    last = generations.next_number(record)
    return [
        number for number in held
        if generations.status_of(record, number) is None and (whatever or number >= last)
    ]  # fmt: skip


def _adopt_unknown(
    root: Root, record: Database, effects: Effects, reporter: Reporter, clock: Callable[[], int], command: str
) -> tuple[Adopted, ...]:
    held = generations_held(root)
    unknown = _unknown(record, held)
    if not unknown:
        return ()
    with (
        closing(open_repository_cache(root.repository_cache, writable=True)) as offers,
        Store(root.store, effects) as store,
    ):
        system = System(root, record, offers, effects, reporter, clock, command, Network())
        with record.transaction():
            live = generation_of_tree(root.usr)
            newest = sorted(unknown, key=lambda number: (number == live, number), reverse=True)
            remember_repositories(system, [held[number] for number in newest])
            adopted = tuple(adopt(system, number, held[number], store) for number in unknown)
            if live is not None and generations.status_of(record, live) is not None:
                generations.set_active(record, live)
                # What the file of the model says now, if it is something else, somebody has edited.
                model_file.record(record, ModelFile(generations.model_text_of(record, live)))
            effects.syncfs(store.fd)
    return adopted


def _put_aside_old(root: Root, effects: Effects) -> tuple[str, ...]:
    """The damaged record with its log; where it is then."""
    old = [f"{root.database}{suffix}" for suffix in ("-wal", "-shm", "") if os.path.exists(f"{root.database}{suffix}")]
    if not old:
        return ()
    number = 1
    while os.path.lexists(os.path.join(root.lost, f"record-{number}")):
        number += 1
    holder = os.path.join(root.lost, f"record-{number}")
    for directory in (root.lost, holder):
        if not os.path.isdir(directory):
            effects.mkdir(directory, 0o700)
    found = []
    for path in old:
        target = os.path.join(holder, os.path.basename(path))
        effects.rename(path, target)
        found.append(target)
    for directory in (holder, root.lost, root.state_directory, root.database_directory):
        effects.fsync(directory)
    return tuple(found)


def _remove_database(path: str, effects: Effects) -> None:
    for name in (path, f"{path}-wal", f"{path}-shm", f"{path}-journal"):
        if os.path.lexists(name):
            effects.unlink(name)
