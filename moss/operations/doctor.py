"""Doctor: all that can be wrong with a system and is cheap to look at, each with what helps.

It looks only, takes no lock and reads no package's files (that is `verify`'s matter). A *problem* will cost
something if it stays; a *note* is worth knowing.
"""

import errno
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import closing

from moss.busy import user_of
from moss.db import factory, generations, journal, soundness, trees
from moss.db.candidates import revisions
from moss.db.connection import REMEDY, open_record
from moss.db.repositories import repositories
from moss.debian.source import PREFIX
from moss.effects import as_moss_error
from moss.errors import MossError, UsageError
from moss.fetch.verify import open_uri
from moss.generation import Status
from moss.local import propose_local_changes
from moss.lock import holder_of
from moss.operations.apt_expiry import stale_days
from moss.operations.previous import previous_generation, tree_of
from moss.operations.rebuild import record_faults
from moss.operations.subscriptions import subscriptions_of
from moss.operations.system import System, open_to_read
from moss.operations.upkeep import kept_count
from moss.reporter import Reporter
from moss.repository import Repository, Voucher
from moss.root import Root, generation_of_tree
from solver.values import value

_LITTLE_SPACE = 256 << 20
_FEW_INODES = 10_000
_OLD_DAYS = 30


@value
class Finding:
    """Something the person should know of the system."""

    area: str
    """What it is about, in one word."""
    is_problem: bool
    text: str
    remedy: str | None = None
    """A command, or what to do in words."""


def diagnose(directory: str, reporter: Reporter) -> tuple[Finding, ...]:
    """Everything found, in the order in which it is best dealt with."""
    root = Root.at(directory)
    with as_moss_error("look at the system"):
        found = [*_permissions(root), *_file_systems(root), *_space(root)]
        faults = record_faults(root, quick=True)
        if faults:
            return (*found, *(Finding("record", True, fault, REMEDY) for fault in faults))
        with open_to_read(directory, reporter) as system:
            for look in _LOOKS:
                found += look(system)
    return tuple(found)


def _permissions(root: Root) -> Iterator[Finding]:
    """Archived generations hold setuid programs with holes that were mended since: nobody may reach them."""
    if not os.path.isdir(root.state_directory):
        return
    status = os.lstat(root.state_directory)
    if stat.S_IMODE(status.st_mode) != 0o700:
        mode = f"{stat.S_IMODE(status.st_mode):04o}"
        text = f"{root.state_directory} has mode {mode}: others can reach old setuid programs"
        yield Finding("permissions", True, text, f"chmod 700 {root.state_directory}")
    if os.geteuid() == 0 and status.st_uid != 0:
        text = f"{root.state_directory} belongs to user {status.st_uid}, not to root"
        yield Finding("permissions", True, text, f"chown root:root {root.state_directory}")


def _file_systems(root: Root) -> Iterator[Finding]:
    if not os.path.isdir(root.state_directory):
        return
    device = os.stat(root.state_directory).st_dev
    for place in (root.usr, root.trees, root.store):
        if os.path.isdir(place) and os.stat(place).st_dev != device:
            text = f"{place} and {root.state_directory} are on different file systems: no generation can be switched"
            yield Finding("file system", True, text, "keep /usr and /.moss on one file system")
    try:
        links = os.pathconf(root.state_directory, "PC_LINK_MAX")
    except OSError as fault:
        if fault.errno != errno.EINVAL:
            raise
        links = 0
    if links == 1:
        text = f"the file system of {root.state_directory} has no hard links"
        yield Finding("file system", True, text, "use ext4, btrfs, xfs or another with hard links")


def _space(root: Root) -> Iterator[Finding]:
    if not os.path.isdir(root.path):
        return
    status = os.statvfs(root.path)
    free = status.f_bavail * status.f_frsize
    if free < _LITTLE_SPACE:
        yield Finding("space", True, f"only {free >> 20} MiB are free below {root.path}", "moss state prune")
    if status.f_files and status.f_favail < _FEW_INODES:
        yield Finding("space", True, f"only {status.f_favail} inodes are free below {root.path}", "moss state prune")


def _unfinished(system: System) -> Iterator[Finding]:
    holder = holder_of(system.root.lock_file)
    if holder is not None and holder.is_at_work:
        yield Finding("lock", False, f"the system is being changed by {holder}")
        return
    if holder is not None:
        text = f"{holder} ended without letting go of the lock, which holds nobody up"
        yield Finding("lock", False, text)
    entry = journal.under_way(system.record)
    if entry is not None:
        text = f"{entry.command!r} was interrupted ({entry.phase}); the next command that changes the system settles it"
        yield Finding("journal", True, text, REMEDY)
    elif (live := generation_of_tree(system.root.usr)) is not None and live != system.active:
        text = f"/usr is generation {live}, the record says {system.active}; the next change lets it follow"
        yield Finding("journal", False, text, REMEDY)


def _trees(system: System) -> Iterator[Finding]:
    for one in generations.generations(system.record):
        if one.status is not Status.COMPLETE:
            continue
        usr = system.root.usr if one.id == system.active else tree_of(system, one.id)
        live = generation_of_tree(system.root.usr) == one.id
        if not live and generation_of_tree(usr) != one.id:
            yield Finding("trees", True, f"generation {one.id} has no tree that says its number", REMEDY)
    spare = trees.spare(system.record)
    if spare is not None and not spare.clean:
        yield Finding("trees", False, "the spare tree is half made; the next change throws it away")
    elif spare is not None and generation_of_tree(os.path.join(system.root.spare, "usr")) is None:
        yield Finding("trees", True, "the spare tree is gone", "moss cache clean")
    elif spare is not None and (user := user_of(system.root.spare)) is not None:
        yield Finding("trees", False, f"the spare tree is in use by {user}; the next tree is made in full")
    for name in sorted(os.listdir(system.root.trees)) if os.path.isdir(system.root.trees) else ():
        if name.startswith("aside-"):
            text = f"{os.path.join(system.root.trees, name)} is no longer needed and could not be removed yet"
            yield Finding("trees", False, text)
    if os.path.isdir(system.root.lost) and os.listdir(system.root.lost):
        text = f"{system.root.lost} holds what verify --fix put aside"
        yield Finding("trees", False, text, f"look at it, then remove it: rm -r {system.root.lost}")


def _retention(system: System) -> Iterator[Finding]:
    spared = [number for number in (system.active, previous_generation(system)) if number is not None]
    due = trees.prunable(system.record, kept_count(system), spared)
    if due:
        text = f"{len(due)} generations more than the {kept_count(system)} that are kept are there"
        yield Finding("retention", False, text, "moss state prune")


def _copy(system: System) -> Iterator[Finding]:
    path = system.root.record_copy
    if system.active is None:
        return
    if not os.path.exists(path):
        yield Finding("record", False, "there is no copy of the record yet; the next change makes one")
        return
    try:
        with closing(open_record(path, writable=False)) as copy:
            wrong = soundness.faults(copy, quick=True)
    except MossError as fault:
        wrong = (fault.message,)
    if wrong:
        text = f"the copy of the record is damaged ({wrong[0]}); without it the next change makes another"
        yield Finding("record", True, text, f"rm {path}")


def _repositories(system: System) -> Iterator[Finding]:
    read = {revision.repository: revision for revision in revisions(system.offers)}
    for repository in repositories(system.record):
        name = repository.name
        if not repository.enabled:
            continue
        if name not in read:
            yield Finding("repositories", True, f"what {name} offers has not been read", f"moss repo update {name}")
            continue
        days = (system.clock() - read[name].refreshed_at) // 86_400
        if days > _OLD_DAYS:
            yield Finding("repositories", False, f"{name} was read {days} days ago", f"moss repo update {name}")
        if repository.unsigned:
            yield Finding("repositories", False, f"nothing vouches for what {name} offers: it was added unsigned")
        yield from _expiry(system, repository)
        if repository.uri.startswith("file:") and not repository.uri.startswith(PREFIX):
            try:
                open_uri(repository.uri).close()
            except MossError as fault:
                remedy = f"mount it, or: moss repo remove {name}"
                yield Finding("repositories", True, f"{name} cannot be read: {fault.message}", remedy)


def _expiry(system: System, repository: Repository) -> Iterator[Finding]:
    """Of what a signed repository has signed."""
    remedy, accepted = f"moss repo update {repository.name}", repository.vouching.max_staleness
    if repository.vouching.by is Voucher.KEYRING:
        days = stale_days(system, repository)
    elif repository.vouching.by is Voucher.ROOT:
        from moss.tuf.trusted import place_of, verified

        found = verified(place_of(system.root, repository.name, repository.vouching))
        if found is None:
            yield Finding("repositories", True, f"what {repository.name} has signed was never verified", remedy)
            return
        days = found.days_expired(system.clock())
    else:
        return
    if days:
        text = f"what {repository.name} has signed expired {days} days ago; {accepted} are accepted"
        yield Finding("repositories", days > accepted, text, remedy)


def _local_state(system: System) -> Iterator[Finding]:
    if system.active is None or not os.path.isdir(system.root.usr):
        return
    changes = propose_local_changes(system.root.path, system.root.usr, factory.copies(system.record))
    pending = len(changes.changes) + len(changes.rewrites)
    if pending:
        text = f"{pending} changes of /etc and /var are due; the next generation brings them"
        yield Finding("local state", False, text)


def _model(system: System) -> Iterator[Finding]:
    there: set[str] = set()
    for selected in generations.selection_of(system.record, system.active):
        there.add(selected.metadata.name)
        there.update(provide.name for provide in selected.metadata.relations.provides)
    for wish in generations.model_of(system.record, system.active).wishes:
        if wish.wanted.name not in there:
            text = f"you asked for {wish}, and no package of generation {system.active} provides it"
            yield Finding("model", True, text, "moss sync")


def _subscriptions(system: System) -> Iterator[Finding]:
    model = generations.model_of(system.record, system.active)
    try:
        _, notes = subscriptions_of(system, model)
    except UsageError as fault:
        yield Finding("subscriptions", True, fault.message, "; ".join(fault.remedies) or None)
        return
    for note in notes:
        yield Finding("subscriptions", False, note)


_LOOKS: tuple[Callable[[System], Iterator[Finding]], ...] = (
    _unfinished, _trees, _copy, _retention, _repositories, _local_state, _model, _subscriptions,
)  # fmt: skip
