"""Undo: take back what one transaction changed, as a new generation.

    what it did       package by package, and wish by wish       moss.db.changes, moss.model.undo
    the other way     onto what is there now: what it installed goes, what it removed comes back, what it
                      changed is as it was, in the same versions
    the answer        of the solver, which counts that as installed and stays as near to it as it can

So what has come to depend on the transaction since is honoured, and told.
"""

from collections.abc import Sequence

from moss.db import candidates, generations, journal
from moss.db.changes import PackageChange, changes_of
from moss.db.repositories import repositories
from moss.errors import MossError, NotFound
from moss.generation import JournalEntry, Selected
from moss.model import undo
from moss.operations.propose import propose
from moss.operations.queries import installed
from moss.operations.stated import stated_model
from moss.operations.system import System
from moss.plan import Plan, Removal
from moss.problem import BY_DEFAULT, ChangeRequest, Choosing
from solver.values import replace


def propose_undo(system: System, number: int | None = None, choosing: Choosing = BY_DEFAULT) -> Plan:
    """What taking back a transaction would change, the last that was done by default.

    NotFound without such a transaction, or naming the packages that are nowhere any more.
    """
    entry = _transaction(system, number)
    changes = changes_of(system.record, entry)
    here = installed(system)
    wanted = _the_other_way(here, changes)
    remembered = _remembered(system, entry, changes, wanted)
    record = system.record
    model = undo(
        stated_model(system),
        generations.model_of(record, entry.from_generation),
        generations.model_of(record, entry.to_generation),
    )
    request = ChangeRequest("undo", model, starting_from=wanted, remembered=remembered)
    return _told(propose(system, request, choosing), entry, changes, wanted)


def _transaction(system: System, number: int | None) -> JournalEntry:
    entries = journal.entries(system.record)
    done = [entry for entry in entries if entry.phase == "done"]
    if number is None:
        if not done:
            raise NotFound("nothing was done here yet that could be undone", remedies=["moss history"])
        return done[-1]
    found = next((entry for entry in entries if entry.id == number), None)
    if found is None:
        raise NotFound(f"there is no transaction {number}", remedies=["moss history"])
    if found not in done:
        raise MossError(
            f"transaction {number} ({found.command}) changed nothing: it was not completed",
            remedies=["moss history"],
        )
    return found


def _the_other_way(here: Sequence[Selected], changes: Sequence[PackageChange]) -> tuple[str, ...]:
    """The candidate keys that should be there, as far as the solver finds a way."""
    keys = {(one.metadata.name, one.metadata.architecture): one.candidate_key for one in here}
    for change in changes:
        place = (change.name, change.architecture)
        if change.old_key is None:
            keys.pop(place, None)
        elif change.new_key is None or place in keys:  # not what was removed by somebody since
            keys[place] = change.old_key
    return tuple(keys.values())


def _remembered(
    system: System, entry: JournalEntry, changes: Sequence[PackageChange], wanted: Sequence[str]
) -> tuple[Selected, ...]:
    """The old packages that are still in the store. NotFound naming those that are nowhere."""
    found: list[Selected] = []
    nowhere: list[str] = []
    for change in changes:
        if change.old_key is None or change.old_key not in wanted:
            continue
        selected = generations.remembered(system.record, change.old_key, change.old_reason)
        if selected is not None:
            found.append(selected)
        elif not _is_offered(system, change.name, change.old_key):
            nowhere.append(change.old_label)
    if nowhere:
        raise NotFound(
            f"transaction {entry.id} ({entry.command}) cannot be undone: {', '.join(nowhere)}"
            f" {'is' if len(nowhere) == 1 else 'are'} nowhere any more",
            because=["no generation that is kept has it, and no repository offers it"],
            remedies=["add a repository that has it: moss repo add NAME URI", "moss repo update"],
        )
    return tuple(found)


def _is_offered(system: System, name: str, key: str) -> bool:
    enabled = {one.name for one in repositories(system.record) if one.enabled}
    return any(
        one.candidate_key == key and one.repository in enabled for one in candidates.by_name(system.offers, name)
    )


def _told(plan: Plan, entry: JournalEntry, changes: Sequence[PackageChange], wanted: Sequence[str]) -> Plan:
    """With the reasons of what goes, and with what does not come out as it was."""
    chosen = {one.candidate_key: one for one in plan.chosen}
    came = {change.name for change in changes if change.old_key is None}
    removals = tuple(
        Removal(removal.metadata, f"transaction {entry.id} brought it") if removal.metadata.name in came else removal
        for removal in plan.removals
    )
    warnings = list(plan.warnings)
    for change in changes:
        if change.old_key is None and change.new_key in chosen:
            warnings.append(f"{chosen[change.new_key].metadata.label} stays: something else needs it now")
        elif change.old_key is not None and change.old_key in wanted and change.old_key not in chosen:
            warnings.append(f"{change.old_label} does not come back: what is there now does not go with it")
    return replace(plan, removals=removals, warnings=tuple(warnings))
