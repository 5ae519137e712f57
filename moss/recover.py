"""Recovery: after a crash at any instant, make the record and the trees agree with /usr.

/usr is the truth: `.stateID` in it says which generation the machine has. The journal says what was
under way and so which of two ways to go:

    /usr is what the transaction was going to make    -> forward: archive the old tree, finish
    it is not                                          -> back: drop what was staged

Running it twice gives the same as once. It runs, under the lock, before every changing command.
"""

import os
from collections.abc import Callable

from moss import model_file
from moss.arriving import take_away
from moss.db import boot, factory, generations, journal, trees
from moss.db import model_file as recorded_model_file
from moss.db.connection import REMEDY, Database
from moss.discard import discard
from moss.effects import Effects
from moss.errors import CorruptData
from moss.generation import JournalEntry, Status
from moss.local import apply_local_changes, propose_local_changes
from moss.reporter import Reporter
from moss.root import STATE_FILE, GenerationId, Root, generation_of_tree, generations_held
from moss.store import Store
from moss.switch import settle_archives

_BOOT = "(switched from outside moss, as at boot)"
"""What history says of a switch that no command made."""


def recover(root: Root, database: Database, effects: Effects, now: int, reporter: Reporter) -> str | None:
    """Finish or undo what a crash interrupted; what was done, in a sentence, or None."""
    entry = journal.under_way(database)
    live = generation_of_tree(root.usr)
    _check_known(root, database, live)
    for scratch in (root.triggers, root.image):  # of who was killed; nobody else has the lock
        if os.path.lexists(scratch):
            discard(scratch, effects, reporter)
    if entry is not None and live is not None and live == entry.to_generation:
        finish(root, database, effects, entry, now)
        return f"{entry.command!r} was interrupted after the switch and is finished now"
    if entry is not None:
        undo(root, database, effects, entry, now, reporter)
        return f"{entry.command!r} was interrupted before the switch; nothing of it remains"
    if live is not None and live != generations.active(database):
        return _follow(root, database, effects, live, now, reporter)
    settle_trees(root, database, effects, reporter)
    if _forget_dirty_spare(database):
        effects.commit_point("spare is forgotten")
    take_away(root, database, effects)
    settle_model_file(root, database, effects, reporter)
    _tell(settle_boot_entries(root, database, effects), reporter)
    return None


def finish(root: Root, database: Database, effects: Effects, entry: JournalEntry, now: int) -> tuple[str, ...]:
    """Everything after the exchange. Each step may be done again; returns what the person should know."""
    assert entry.to_generation is not None
    settle_archives(root, _clean_spare(database), effects, _known_in(database))
    copies, warnings = _settle_local_state(root, database, effects)
    model = recorded_model_file.recorded(database)
    settled = model_file.settle(root, model, effects)
    warnings += settled.warnings
    with database.transaction():
        _record_live(database, entry.to_generation)
        factory.record_copies(database, copies)
        recorded_model_file.record_settled(database, model, is_due=settled.is_due)
        journal.finish(database, entry.id, "done", now)
    effects.commit_point("transaction done")
    menu = settle_boot_entries(root, database, effects)
    return warnings if menu is None else (*warnings, menu)


def _settle_local_state(
    root: Root, database: Database, effects: Effects
) -> tuple[dict[str, str], tuple[str, ...]]:
    """Let /etc and /var follow the live generation: what to record of it, and what the person should know."""
    changes = propose_local_changes(root.path, root.usr, factory.copies(database))
    return apply_local_changes(changes, root.path, effects), changes.warnings


def settle_model_file(root: Root, database: Database, effects: Effects, reporter: Reporter) -> None:
    """Write what the record says is to be written, outside a transaction, as for repositories."""
    model = recorded_model_file.recorded(database)
    if model.next is None:
        return
    settled = model_file.settle(root, model, effects)
    _tell(settled.warning, reporter)
    recorded_model_file.record_settled(database, model, is_due=settled.is_due)
    effects.commit_point("model written")


def undo(
    root: Root, database: Database, effects: Effects, entry: JournalEntry, now: int, reporter: Reporter
) -> None:
    """Everything that must go when the exchange did not happen."""
    settle_trees(root, database, effects, reporter)
    with database.transaction():
        if entry.to_generation is not None:
            generations.discard(database, entry.to_generation)
        _forget_dirty_spare(database)
        recorded_model_file.forget_next(database)
        journal.finish(database, entry.id, "undone", now)
    effects.commit_point("transaction undone")
    take_away(root, database, effects)
    _tell(settle_boot_entries(root, database, effects), reporter)


def settle_trees(root: Root, database: Database, effects: Effects, reporter: Reporter) -> None:
    """Name the trees after what they hold, and remove those that no generation on record is kept by:
    half-made ones, a dirty spare, generations that were given up. Their boot entries go before them. What cannot
    go is told and passed over.

    A tree under the name of a generation on record that says no number, or none that is known, is damaged
    and not half made (those are made elsewhere): it stays for `verify --fix`."""
    spare = _clean_spare(database)
    settle_archives(root, spare, effects, _known_in(database))
    unneeded = [holder for holder in _holders(root) if not _is_needed(database, holder, spare)]
    if unneeded:
        settle_boot_entries(root, database, effects)  # what is wrong is told by who does it again when all is settled
    for holder in unneeded:
        discard(holder, effects, reporter)


def _holders(root: Root) -> list[str]:
    return [os.path.join(root.trees, name) for name in sorted(os.listdir(root.trees))]


def _is_needed(database: Database, holder: str, spare: GenerationId | None) -> bool:
    name, held = os.path.basename(holder), generation_of_tree(os.path.join(holder, "usr"))
    number, status = held, None if held is None else generations.status_of(database, held)
    if status is None and name.isdecimal():
        number = GenerationId(int(name))
        status = generations.status_of(database, number)
    return status is Status.COMPLETE or (status is not None and number == spare)


def _known_in(database: Database) -> Callable[[GenerationId], bool]:
    return lambda number: generations.status_of(database, number) is not None


def settle_boot_entries(root: Root, database: Database, effects: Effects) -> str | None:
    """Let the boot menu say what the record says; what is wrong where it cannot be brought up to date."""
    if boot.said_place(database) is None and not root.is_host:
        return None
    # Most systems are not booted: what it takes is loaded where there is a menu, and then before the exchange of
    # /usr, since every changing command recovers first.
    from moss.boot.keeping import settle

    with Store(root.store, effects) as store:
        return settle(root, database, store, effects, trees.next_to_boot(database))


def _tell(warning: str | None, reporter: Reporter) -> None:
    if warning is not None:
        reporter.warning(warning)


def _clean_spare(database: Database) -> GenerationId | None:
    spare = trees.spare(database)
    return spare.generation if spare is not None and spare.clean else None


def _forget_dirty_spare(database: Database) -> bool:
    """Whether there was one. Without a transaction under way, upkeep was interrupted when advancing it."""
    spare = trees.spare(database)
    if spare is None or spare.clean:
        return False
    trees.forget_spare(database)
    return True


def _record_live(database: Database, live: GenerationId) -> None:
    generations.record_complete(database, live)
    generations.set_active(database, live)
    boot.forget_failed(database, live)
    trees.unset_audited(database, live)
    trees.set_pending(database, None)
    _forget_dirty_spare(database)


def _follow(
    root: Root, database: Database, effects: Effects, live: GenerationId, now: int, reporter: Reporter
) -> str | None:
    """The machine was switched from outside (at boot): the record follows. None where that was wanted."""
    before, pending = generations.active(database), trees.pending(database)
    spent = _spent(root, database)
    settle_trees(root, database, effects, reporter)
    copies, warnings = _settle_local_state(root, database, effects)
    model = model_file.put_back(database, live, taken=trees.model_taken(database) if live == pending else None)
    settled = model_file.settle(root, model, effects)
    warnings += settled.warnings
    with database.transaction():
        entry = journal.begin(
            database, operation="boot", command=_BOOT, from_generation=before, started_at=now
        )
        journal.set_target(database, entry, live)
        _record_live(database, live)
        for number, tries in spent.items():
            if number != live and generations.generation(database, number) is not None:
                boot.record_failed(database, number, tries, now)
        factory.record_copies(database, copies)
        recorded_model_file.record_settled(database, model, is_due=settled.is_due)
        journal.finish(database, entry, "done", now)
    effects.commit_point("record follows /usr")
    _tell(settle_boot_entries(root, database, effects), reporter)
    if live == pending:
        for warning in (f"generation {live} is active since the machine was booted, as it was to be", *warnings):
            reporter.warning(warning)
        return None
    failed = pending if pending in spent else before
    if failed is not None and failed in spent:
        return f"{fell_back(failed, spent[failed], live)}; the record follows"
    awaited = "" if pending is None else f" (generation {pending} was to be booted)"
    return f"/usr is generation {live}, the record said {before}{awaited}; the record follows"


def fell_back(failed: GenerationId, tries: int, live: GenerationId) -> str:
    """What a person should know of a machine that came back by itself."""
    often = "" if not tries else " once" if tries == 1 else f" {tries} times"
    return f"generation {failed} was tried{often} and did not come up, so the machine went back to generation {live}"


def _spent(root: Root, database: Database) -> dict[GenerationId, int]:
    """Generations that the boot loader has given up, where there is a boot menu."""
    if boot.said_place(database) is None and not root.is_host:
        return {}
    from moss.boot.keeping import spent_generations  # as for settling entries: most systems are not booted

    return spent_generations(root, database)


def _check_known(root: Root, database: Database, live: GenerationId | None) -> None:
    """Refuse where trees are younger than the record: it would call them nobody's."""
    last = generations.next_number(database)
    for held, usr in generations_held(root).items():
        is_known = generations.status_of(database, held) is not None
        if not is_known and (held == live or held >= last):
            raise CorruptData(
                f"says generation {held}, which this system's record does not know",
                file=os.path.join(usr, STATE_FILE),
                remedies=[
                    "put the system's own .moss/db back from a backup", REMEDY,
                    "use another root: moss -D DIRECTORY …",
                ],
            )  # fmt: skip
