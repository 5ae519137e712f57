"""Upkeep, after a transaction's result has been told: nobody waits for it, and none of it is owed.

    retention  the oldest generation beyond those kept gives its tree to the next one
    advance    the spare becomes a copy of the active tree: the next change does no more than itself; beside that
    audit      the tree that was live until now: what is foreign in it is told
    collect    packages and assets that no generation has any more are forgotten, the copy of the record follows it,
               and the files that nobody needs go
    sync       the spare is whole, what has gone does not come back

Interrupted anywhere, the next command's recovery and the next upkeep do the rest.
"""

import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial

from moss.at_once import do_all
from moss.audit import Audit, audit
from moss.beside import beside
from moss.busy import user_of
from moss.db import facts, forgetting, generations, paths, settings, trees
from moss.db.copying import update_copy
from moss.difference import TreeDifference
from moss.discard import discard
from moss.effects import as_moss_error
from moss.generation import Status
from moss.layout import Entry
from moss.merge import Resolver
from moss.operations.downloads import drop_downloads
from moss.operations.menu import take_from_menu
from moss.operations.previous import previous_generation
from moss.operations.system import System
from moss.operations.trees import advance_spare, begin_to_advance_spare, whole_layout
from moss.root import GenerationId, generation_of_tree
from moss.seal import is_intact, seal_again
from moss.store import Store, asset_name
from solver.values import value

DEFAULT_KEEP = 5
"""How many generations stay to go back to, the active one included."""


_WORTH_A_PROCESS = 1000
"""So many steps: to begin a process takes as long as about five hundred of them."""


@value
class Upkeep:
    """What was found and done."""

    audits: tuple[tuple[GenerationId, Audit], ...] = ()
    """Only trees in which something was not as it should be."""
    given_up: tuple[GenerationId, ...] = ()
    """Generations beyond those kept."""

    @property
    def warnings(self) -> tuple[str, ...]:
        return tuple(_warning(number, found) for number, found in self.audits)


def keep_house(system: System, keep: int | None = None, *, audit_trees: bool = True) -> Upkeep:
    """Do what is due; `keep` generations stay, or as many as the person has set.

    The active generation and the one `rollback` goes to are never given up.

    Without `audit_trees` what is done costs the same however big the generations are.
    """
    with as_moss_error("tidy up after the transaction"), Store(system.root.store, system.effects) as store:
        due = _due(system, keep or kept_count(system))
        # Only a tree that was found clean may become the spare.
        audits = list(_audit_archives(system, store, due)) if audit_trees else []
        _retire(system, due)
        drop_downloads(system)
        if not audit_trees:
            collect(system, store)
            return Upkeep((), due)
        spare = trees.spare(system.record)
        # What was retired now was looked into for that.
        ahead = begin_to_advance_spare(system, is_vacant=spare is not None and spare.generation in due)
        with _advancing(system, ahead, store) as advanced:
            audits += _audit_archives(system, store)
            names = _forget(system)
            copy_record(system)
            # By now the spare has let go of these: whoever takes the last name of a file may wait for the disk, and
            # here several do at once.
            do_all(_removals(system, store, names), system.effects.threads)
            advanced()
            _sync(system, store, is_due=ahead is not None or bool(names))
        _done(system, is_advanced=ahead is not None, names=names)
    return Upkeep(tuple(audits), due)


def _advancing(
    system: System, ahead: TreeDifference | None, store: Store
) -> AbstractContextManager[Callable[[], None]]:
    """The spare is advanced while the block runs: half of what upkeep does, and the other half does not need it."""
    spare = trees.spare(system.record)
    if ahead is None or spare is None:
        return nullcontext(lambda: None)
    act = partial(advance_spare, system, ahead, spare.generation, store)
    is_short = system.effects.threads == 1 or ahead.step_count < _WORTH_A_PROCESS
    return beside(act, "make the next spare tree", at_once=is_short)


def _sync(system: System, store: Store, *, is_due: bool) -> None:
    """What has left the store must not come back with a power cut once the record says that it has left."""
    if is_due:
        system.effects.syncfs(store.fd)


def copy_record(system: System) -> None:
    """Bring the copy of the record up to date; what that costs goes with what changed."""
    if not os.path.isdir(system.root.copies):
        system.effects.mkdir(system.root.copies, 0o700)
    update_copy(system.record, system.root.record_copy, system.effects)


def kept_count(system: System) -> int:
    """How many generations stay, as the person has set it for this system, or by default."""
    return settings.retention(system.record) or DEFAULT_KEEP


def _audit_archives(
    system: System, store: Store, numbers: Iterable[GenerationId] | None = None
) -> Iterator[tuple[GenerationId, Audit]]:
    """Look into those archived trees, or all, that nobody looked into since they were live; what is not as it should
    be."""
    if numbers is None:
        numbers = [GenerationId(int(name)) for name in sorted(os.listdir(system.root.trees)) if name.isdecimal()]
    for number in numbers:
        usr = system.root.archived_usr(number)
        # What waits until nobody uses it any more is no generation's.
        if generations.status_of(system.record, number) is not Status.COMPLETE:
            continue
        if generation_of_tree(usr) != number or trees.was_audited(system.record, number):
            continue
        found = _audit_of(system, number, usr, store)
        system.effects.commit_point("tree audited")
        if not found.is_clean:
            yield number, found


def _audit_of(system: System, number: GenerationId, usr: str, store: Store) -> Audit:
    """By its seal where that is whole, else in full; on record either way."""
    sealed = trees.seal_of(system.record, number)
    empty_files = _empty_files(system, number)
    if sealed is not None and is_intact(usr, sealed, empty_files):
        trees.record_audited(system.record, number, clean=True)
        return Audit((), (), ())
    started = time.time_ns()
    found = audit(whole_layout(system, number), usr, store, owners=system.effects.apply_owners)
    with system.record.transaction():
        trees.record_audited(system.record, number, clean=found.is_clean)
        again = seal_again(usr, empty_files, started) if found.is_clean else None
        if again is not None:
            trees.record_seal(system.record, number, again)
    return found


def _empty_files(system: System, number: GenerationId) -> list[str]:
    follow = Resolver(trees.directory_links(system.record, number))
    return [follow.real_path(path) for path in paths.empty_files(system.record, number)]


def layout_of(system: System, number: GenerationId) -> list[Entry]:
    """The whole merged layout of a generation on record, in the order of a tree."""
    return list(whole_layout(system, number))


def _due(system: System, keep: int) -> tuple[GenerationId, ...]:
    """The generations beyond those kept, oldest first."""
    needed = (system.active, previous_generation(system), trees.pending(system.record))
    spared = [number for number in needed if number is not None]
    # A tree that something still uses stays until nothing does.
    return tuple(
        number
        for number in trees.prunable(system.record, keep, spared)
        if user_of(system.root.archive(number)) is None
    )


def _retire(system: System, due: Sequence[GenerationId]) -> None:
    take_from_menu(system, due)
    for number in due:
        archive = system.root.archive(number)
        if _may_become_spare(system, number, is_last=number == due[-1]):
            trees.retire_to_spare(system.record, number)
            system.effects.commit_point("generation retired")
            system.effects.rename(archive, system.root.spare)  # not synced: see moss.switch.settle_archives
        else:
            give_up(system, number)


def give_up(system: System, number: GenerationId) -> None:
    """Let an archived generation go. Interrupted, the next command's recovery removes the tree."""
    trees.remove(system.record, number)
    system.effects.commit_point("generation given up")
    discard(system.root.archive(number), system.effects, system.reporter)


def _may_become_spare(system: System, number: GenerationId, *, is_last: bool) -> bool:
    """The newest of those that go is the nearest to what comes next."""
    return is_last and trees.spare(system.record) is None and trees.is_clean(system.record, number)


def collect(system: System, store: Store) -> int:
    """Forget packages and assets that no generation has any more; the bytes that came free."""
    names = _forget(system)
    freed: list[int] = []
    do_all(_removals(system, store, names, freed), system.effects.threads)
    _sync(system, store, is_due=bool(names))
    _done(system, is_advanced=False, names=names)
    return sum(freed)


def _forget(system: System) -> list[str]:
    """What must leave the store, by its names there. Until it is said to have left, the next upkeep takes it too."""
    with system.record.transaction():
        gone = forgetting.forget_unused(system.record)
        facts.forget_unused(system.record)
    system.effects.commit_point("unused packages forgotten")
    return sorted(asset_name(asset) for asset in gone)


def _removals(
    system: System, store: Store, names: Iterable[str], freed: list[int] | None = None
) -> Iterator[Callable[[], None]]:
    """Each file's removal; the bytes that come free with it are added to `freed`, where somebody wants to know."""

    def remove(name: str) -> None:
        try:
            status = None if freed is None else os.stat(name, dir_fd=store.fd, follow_symlinks=False)
            system.effects.unlink(name, dir_fd=store.fd)
        except FileNotFoundError:  # never kept, being empty, or taken away by somebody else, which is what was wanted
            return
        if freed is not None and status is not None and status.st_nlink == 1:
            freed.append(status.st_size)

    return (partial(remove, name) for name in names)


def _done(system: System, *, is_advanced: bool, names: Sequence[str]) -> None:
    """On record once it is durable: the spare is what it says it is, and what had to leave the store has left."""
    if not is_advanced and not names:
        return
    with system.record.transaction():
        if is_advanced:
            trees.mark_spare_clean(system.record)
        forgetting.have_left(system.record)
    system.effects.commit_point("upkeep is done")


def _warning(number: GenerationId, found: Audit) -> str:
    parts = [
        f"{len(paths)} {word} (such as /usr/{paths[0]})"
        for word, paths in (("foreign", found.stray), ("missing", found.missing), ("changed", found.changed))
        if paths
    ]
    return f"the tree of generation {number} was changed while it was live: {', '.join(parts)}"
