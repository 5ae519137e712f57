"""The way back: which generation `rollback` goes to, and whether a generation still has its tree."""

import os

from moss.db import journal
from moss.operations.system import System
from moss.root import GenerationId, generation_of_tree


def previous_generation(system: System) -> GenerationId | None:
    """The one that was left when the active one was switched to, if its tree is still there.

    After a rollback that is the one rolled back from: rolling back twice comes back.
    """
    active = system.active
    for entry in reversed(journal.entries(system.record)):
        if entry.phase == "done" and entry.to_generation == active and entry.from_generation != active:
            previous = entry.from_generation
            return previous if previous is not None and is_archived(system, previous) else None
    return None


def is_archived(system: System, generation: GenerationId) -> bool:
    """Whether the archive has its tree."""
    return generation_of_tree(os.path.join(system.root.archive(generation), "usr")) == generation
