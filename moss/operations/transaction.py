"""What every transaction has: its row in the journal, the way back, and what it came to."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

from moss.db import journal, model_file, trees
from moss.db.model_file import ModelFile
from moss.db.triggers import TriggerRun
from moss.generation import JournalEntry
from moss.left_behind import LeftBehind
from moss.operations.system import System
from moss.recover import undo
from moss.root import GenerationId, generation_of_tree
from moss.seal import Seal


class Outcome(NamedTuple):
    """What a transaction came to."""

    generation: GenerationId
    previous: GenerationId | None
    seconds: float
    warnings: tuple[str, ...] = ()
    left_behind: tuple[LeftBehind, ...] = ()
    """What runs and does not see the new /usr as it should."""
    at_boot: bool = False
    """The generation is ready, and the next boot switches to it."""
    triggers: tuple[TriggerRun, ...] = ()
    """What became of the triggers that ran over its tree, and of those that need not."""
    due: Callable[[System], tuple[str, ...]] | None = None
    """What is to be done on the system once the outcome has been told; gives what the person should know."""


def has_triggers(system: System, usr: str, scope: str) -> bool:
    """Whether a tree, or the admin for it, may have triggers of a scope: `tx` or `sys`. Loads nothing of them."""
    places = (os.path.join(usr, "share/moss/triggers"), system.root.below("etc", "moss", "triggers"))
    return any(os.path.isdir(os.path.join(place, f"{scope}.d")) for place in places)


def due_on_system(system: System, usr: str) -> Callable[[System], tuple[str, ...]] | None:
    """What the triggers of a tree that is about to be /usr have to do there. Everything that takes is loaded now:
    afterwards there may be no moss to load it from."""
    if not has_triggers(system, usr, "sys"):
        return None
    from moss.operations.system_triggers import run_system_triggers

    return run_system_triggers


@contextmanager
def under_way(
    system: System, operation: str, base: GenerationId | None, *, complete: GenerationId | None = None,
    model: ModelFile | None = None,
) -> Iterator[JournalEntry]:  # fmt: skip
    """A transaction on record; whatever ends it early is undone before it is told.

    `complete` is the generation to switch to where its tree is complete and durable already: the transaction
    is ready to switch from its first commit on. `model`: what it writes into the file of the system model then.
    """
    try:
        with system.record.transaction():
            identity = journal.begin(
                system.record,
                operation=operation,
                command=system.command,
                from_generation=base,
                started_at=system.clock(),
            )
            if complete is not None:
                _decide(system, identity, complete)
            if model is not None:
                model_file.record(system.record, model)
        system.effects.commit_point("transaction begun" if complete is None else "ready to switch")
        entry = journal.under_way(system.record)
        assert entry is not None and entry.id == identity
        yield entry
    except BaseException:  # also Ctrl-C: undone now if /usr has not changed, else finished by the next command
        current = journal.under_way(system.record)
        if current is not None and generation_of_tree(system.root.usr) == base:
            undo(system.root, system.record, system.effects, current, system.clock(), system.reporter)
        raise


def ready_to_switch(system: System, entry: JournalEntry, target: GenerationId, sealed: Seal) -> JournalEntry:
    """The target's tree, which was just made and sealed, is complete and durable: from here on the exchange decides."""
    with system.record.transaction():
        _decide(system, entry.id, target)
        trees.record_seal(system.record, target, sealed)
    system.effects.commit_point("ready to switch")
    current = journal.under_way(system.record)
    assert current is not None
    return current


def _decide(system: System, entry: int, target: GenerationId) -> None:
    journal.set_target(system.record, entry, target)
    journal.set_phase(system.record, entry, "switching")
