"""Boot entries follow the generations: every one that is kept has its entry, and the right one sorts first.

boot_place     where entries are kept, if this system keeps any
wish_entries   what should be there
propose        what must be done, refused where $BOOT cannot take it
apply          doing that
update         both, without asking
settle         the same, where nothing can be refused any more: what went wrong is said
"""

import os
from collections.abc import Collection, Mapping

from moss.boot import carry_out, loader
from moss.boot.content import BootContent, boot_content, os_release, read_asset
from moss.boot.entry import BootEntry, FoundEntry
from moss.boot.loader import LoaderFile
from moss.boot.place import BootPlace, find_boot_place, is_writable, look
from moss.boot.plan import BootPlan, Found, clashing, held_alone, plan_boot
from moss.db import boot, generations
from moss.db.boot import BootFile
from moss.db.bundles import system_identity
from moss.db.connection import Database
from moss.effects import Effects, moss_error_of
from moss.errors import MossError, NoSpace, NotFound, PermissionRefused
from moss.generation import Generation, Status
from moss.root import GenerationId, Root, generation_of_tree
from moss.store import Store
from solver.values import value


@value
class Wanted:
    """What should be on $BOOT."""

    system: str
    entries: tuple[BootEntry, ...]
    files: Mapping[str, BootFile]

    @property
    def sizes(self) -> dict[str, int]:
        """Bytes, by path."""
        return {path: file.size for path, file in self.files.items()}


@value
class Proposed:
    """What would be done on $BOOT, and what is there."""

    place: BootPlace
    wanted: Wanted
    found: Found
    plan: BootPlan
    loader: tuple[LoaderFile, ...] = ()
    """The boot loader's own files that are missing or old."""
    loader_leftovers: tuple[str, ...] = ()

    @property
    def is_due(self) -> bool:
        return self.plan.is_due or bool(self.loader or self.loader_leftovers)


def boot_place(root: Root, database: Database) -> BootPlace | None:
    """Where this system keeps boot entries; None where it keeps none.

    Another root than the running one keeps them only where the person said so.
    """
    said = boot.said_place(database)
    if said is not None:
        return BootPlace(*said)
    return find_boot_place() if root.is_host else None


def spent_generations(root: Root, database: Database) -> dict[GenerationId, int]:
    """Generations of which every entry was tried as often as it may be, each with how often; none where no
    entries are kept, or where they cannot be read."""
    place = boot_place(root, database)
    if place is None or not os.path.isdir(place.boot):
        return {}
    system = system_identity(database)
    by_generation: dict[GenerationId, list[FoundEntry]] = {}
    for entry in look(place).entries:
        if entry.is_made_for(system) and entry.generation is not None:
            by_generation.setdefault(entry.generation, []).append(entry)
    return {
        number: max(entry.tries_done for entry in entries)
        for number, entries in by_generation.items()
        if all(entry.is_spent for entry in entries)
    }


def wish_entries(
    root: Root,
    database: Database,
    store: Store,
    first: GenerationId | None,
    *,
    staged: GenerationId | None = None,
    leaving: Collection[GenerationId] = (),
) -> Wanted:
    """An entry for every complete generation but those `leaving`, and for the one that is `staged`."""
    system = system_identity(database)
    contents: list[BootContent] = []
    about = ("linux", "Linux")
    for generation in generations.generations(database):
        if generation.id in leaving or not _is_to_boot(root, generation, staged):
            continue
        about = os_release(database, store, generation) or about
        contents.append(boot_content(root, database, store, generation, system, about, is_first=generation.id == first))
    entries = tuple(entry for content in contents for entry in content.entries)
    files = {path: file for content in contents for path, file in content.files.items()}
    return Wanted(system, entries, files)


def propose(
    root: Root,
    database: Database,
    store: Store,
    place: BootPlace,
    first: GenerationId | None,
    *,
    staged: GenerationId | None = None,
) -> Proposed:
    """What must be done so that every generation can be booted, `first` before the others.

    Refused, before anything is changed: NotFound where $BOOT is not there, PermissionRefused where it cannot
    be written, NoSpace with what would free how much, MossError where somebody else's entry is in the way.
    """
    found = _looked(place)
    wanted = wish_entries(root, database, store, first, staged=staged)
    proposed = _planned(database, store, place, wanted, found, staged or first)
    if not (is_writable(place.boot) and is_writable(place.esp)):
        raise PermissionRefused(
            f"{place.boot}, where boot entries are kept, cannot be written",
            remedies=[f"mount -o remount,rw {place.boot}", "moss boot forget, to keep no boot entries"],
        )
    clash = clashing(wanted.entries, found, wanted.system)
    if clash:
        raise MossError(
            f"{place.boot}/loader/entries/{clash[0]} was made by somebody else, and moss needs its name",
            because=["another system on this disk has the same ID in os-release"],
            remedies=["give that file another name, if you need what it boots; else remove it"],
        )
    if proposed.plan.needed > proposed.plan.available:
        raise _no_space(proposed, first)
    return proposed


def apply(proposed: Proposed, store: Store, effects: Effects) -> None:
    """Do it, durably. MossError where $BOOT fails."""

    def content(path: str) -> "loader.Content":
        return read_asset(store, proposed.wanted.files[path])

    try:
        carry_out.carry_out(proposed.plan, proposed.place, content, effects)
        loader.write_loader(proposed.loader_leftovers, proposed.loader, proposed.place, store, effects)
    except OSError as fault:
        raise moss_error_of(fault, f"bring the boot entries in {proposed.place.boot} up to date") from fault


def update(
    root: Root,
    database: Database,
    store: Store,
    effects: Effects,
    first: GenerationId | None,
    *,
    leaving: Collection[GenerationId] = (),
) -> None:
    """Bring the entries up to date, if any are kept, without those of generations `leaving`: entries go before
    trees. MossError where that cannot be done."""
    place = boot_place(root, database)
    if place is None:
        return
    wanted = wish_entries(root, database, store, first, leaving=leaving)
    proposed = _planned(database, store, place, wanted, _looked(place), first)
    if proposed.is_due:
        apply(proposed, store, effects)


def settle(
    root: Root,
    database: Database,
    store: Store,
    effects: Effects,
    first: GenerationId | None,
) -> str | None:
    """Bring the entries up to date; what is wrong where that fails, in a sentence: nothing is undone for it."""
    try:
        update(root, database, store, effects, first)
    except (MossError, OSError) as fault:
        told = fault.message if isinstance(fault, MossError) else moss_error_of(fault, "read the boot entries").message
        return f"the boot menu is not up to date: {told} (then: moss boot sync)"
    return None


def _planned(
    database: Database, store: Store, place: BootPlace, wanted: Wanted, found: Found, newest: GenerationId | None
) -> Proposed:
    plan = plan_boot(wanted.entries, wanted.sizes, found, wanted.system)
    loader_files = () if newest is None else loader.loader_files(database, store, place, newest)
    return Proposed(place, wanted, found, plan, loader_files, loader.loader_leftovers(place))


def _looked(place: BootPlace) -> Found:
    for directory in (place.boot, place.esp):
        if not os.path.isdir(directory):
            raise NotFound(
                f"{directory}, where boot entries are kept, is not there",
                remedies=[f"mount {directory}", "moss boot forget, to keep no boot entries"],
            )
    return look(place)


def _is_to_boot(root: Root, generation: Generation, staged: GenerationId | None) -> bool:
    """Whether there is, or soon will be, a tree to boot."""
    if generation.id == staged:
        return True
    trees = (root.usr, root.archived_usr(generation.id))
    return generation.status is Status.COMPLETE and generation.id in map(generation_of_tree, trees)


def _no_space(proposed: Proposed, active: GenerationId | None) -> NoSpace:
    plan = proposed.plan
    alone = held_alone(proposed.wanted.entries, proposed.wanted.sizes)
    there = {path.lower() for path in proposed.found.files}
    holders = sorted(
        (generation, size)
        for generation, size in alone.items()
        if generation != active and all(path.lower() in there for path in _paths_of(proposed, generation))
    )
    return NoSpace(
        f"{proposed.place.boot} needs {plan.needed:,} bytes for kernels and initrds, and {plan.available:,} are free",
        because=[f"generation {generation} alone holds {size:,} bytes there" for generation, size in holders],
        remedies=[*(f"moss state remove {generation}" for generation, _ in holders[:3]), "make room there"],
    )


def _paths_of(proposed: Proposed, generation: GenerationId) -> list[str]:
    return [
        path.lstrip("/")
        for entry in proposed.wanted.entries
        if entry.generation == generation
        for path in (entry.linux, *entry.initrds)
    ]
