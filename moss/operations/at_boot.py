"""At boot: a generation that is ready, and left to the next boot to switch to.

    stage     as every commit: packages, files, the tree, its boot entry, durable (moss.operations.commit)
    name      the tree gets its generation's name in the archive
    record    in one transaction: complete, pending, the transaction done. This is the commit point
    menu      its entry sorts before the active one's

A crash before the record leaves the old state: recovery removes the tree. When the machine has booted into
the pending generation, the record follows (moss.recover), as it follows any switch made at boot. Any other
switch takes its place: nothing is pending then.
"""

import time

from moss.db import generations, journal, model_file, trees
from moss.effects import as_moss_error
from moss.errors import UsageError
from moss.generation import JournalEntry
from moss.operations.activate import Activation
from moss.operations.interruption import uninterrupted
from moss.operations.menu import check_menu, has_menu
from moss.operations.system import System
from moss.operations.transaction import Outcome, under_way
from moss.recover import settle_boot_entries
from moss.root import GenerationId
from moss.seal import Seal


def refuse_first(base: GenerationId | None) -> None:
    """UsageError where there is no generation that the machine could run until then."""
    if base is None:
        raise UsageError(
            "there is no generation yet, so there is nothing to wait for a boot",
            remedies=["leave --at-boot out: the first generation replaces nothing that runs"],
        )


def leave_made_to_boot(
    system: System, entry: JournalEntry, number: GenerationId, sealed: Seal
) -> tuple[str, ...]:
    """The tree in the spare's place is complete and durable: name it, and let the record say what it waits for.

    Returns what the person should know of the boot menu.
    """
    with uninterrupted():
        system.effects.rename(system.root.spare, system.root.archive(number))
        with system.record.transaction():
            generations.record_complete(system.record, number)
            trees.forget_spare(system.record)
            trees.record_seal(system.record, number, sealed)
            trees.set_pending(system.record, number, model_file.recorded(system.record).taken)
            model_file.forget_next(system.record)
            journal.finish(system.record, entry.id, "done", system.clock())
        system.effects.commit_point("left to the next boot")
        return _menu_follows(system, number)


def activate_at_boot(system: System, activation: Activation) -> Outcome:
    """Leave an archived generation to the next boot; the active one: nothing is pending any more."""
    started = time.monotonic()
    target = activation.target.id
    with as_moss_error(f"leave generation {target} to the next boot"):
        check_menu(system, target)
    with (
        as_moss_error(f"leave generation {target} to the next boot"),
        under_way(system, activation.operation, activation.base) as entry,
    ):
        with system.record.transaction():
            journal.set_target(system.record, entry.id, target)
            trees.set_pending(system.record, None if target == activation.base else target)
            journal.finish(system.record, entry.id, "done", system.clock())
        system.effects.commit_point("left to the next boot")
        warnings = _menu_follows(system, target)
    return Outcome(target, activation.base, time.monotonic() - started, warnings, at_boot=True)


def _menu_follows(system: System, number: GenerationId) -> tuple[str, ...]:
    warning = settle_boot_entries(system.root, system.record, system.effects)
    if warning is None and number != system.active and not has_menu(system):
        warning = (
            f"moss keeps no boot entries for this system: it boots generation {number} where the boot loader gives "
            f"the kernel moss.fstx={number}; moss boot sync --esp DIRECTORY keeps them from now on"
        )
    return () if warning is None else (warning,)
