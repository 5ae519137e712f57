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
    return generation_of_tree(tree_of(system, generation)) == generation


def tree_of(system: System, generation: GenerationId) -> str:
    """Where the archive has a generation's tree, or should. Who only looks may find it under another name: who switched
    without moss (a boot, the script for rescue) gave none, and the next command that changes something does."""
    proper = system.root.archived_usr(generation)
    if system.booted is None or generation_of_tree(proper) == generation:
        return proper
    there = [os.path.join(system.root.trees, name, "usr") for name in sorted(os.listdir(system.root.trees))]
    return next((usr for usr in there if generation_of_tree(usr) == generation), proper)
