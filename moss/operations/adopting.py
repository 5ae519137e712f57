"""Adopting: from a tree whose generation is not on record to one that is.

A package is in the tree when every file and link of its layout is there exactly as it says: packages on
record are tried, then what repositories offer as stones on this machine. What is left over goes into one
package of its own, `found-in-generation-N`, so that the generation is whole: it can be activated,
verified and gone back to, and nothing of it is lost.

What no file shows, the tree says of itself (moss/description.py): what was wished for, pinned, held and subscribed
to, what was left out, what triggers wrote. Where it does not, every package that was found is wished for.
"""

import hashlib
import os
from collections.abc import Iterable, Iterator, Sequence

from moss.architecture import native_architecture
from moss.db import candidates, cuts, generations, packages, trees
from moss.db.packages import Asset, asset_of
from moss.db.repositories import repositories
from moss.db.triggers import TriggerRun, digest_of_made, made_in, record_made, record_runs
from moss.debian.source import PREFIX
from moss.description import Description
from moss.digest import EMPTY_CONTENT, ContentDigest, PackageDigest
from moss.errors import MossError
from moss.examine import Reading, entries_of
from moss.fetch.verify import open_uri
from moss.generation import PackageId, Reason
from moss.layout import Entry, EntryKind, nothing
from moss.merge import LayoutCollision, Resolver, merge
from moss.model import SystemModel, Wish, with_times
from moss.model_text import ModelTextError, read_model
from moss.operations.describing import description_in
from moss.operations.places import is_on_network, package_uris
from moss.operations.system import System
from moss.package import Metadata
from moss.path_filter import NOTHING_OMITTED, PathFilter, left_out, matcher
from moss.root import MODEL_FILE, GenerationId
from moss.stone import open_stone
from moss.store import Store
from solver.values import value


@value
class Adopted:
    """What a tree turned out to be."""

    generation: GenerationId
    packages: tuple[str, ...]
    """Labels of the packages that were recognised."""
    left_over: int
    """Files and links that belong to none of them."""
    unsaid: str | None = None
    """Why it is not known what the generation was to be; None: it is."""


@value
class _There:
    """What is in a tree."""

    entries: dict[str, Entry]
    links: dict[str, str]
    written: dict[str, str]
    """Paths that triggers wrote, each with the trigger: no package's, whatever packages have there."""
    owners: bool
    """Whether it has the owners that packages say."""


@value
class _Said:
    """What a tree says of its generation."""

    description: Description
    model: SystemModel


@value
class _Known:
    """A package that may be in the tree."""

    metadata: Metadata
    row: PackageId
    layout: tuple[Entry, ...]


def adopt(system: System, number: GenerationId, usr: str, store: Store) -> Adopted:
    """Put the generation that the tree at `usr` says it is on record. Call it in a transaction of the record."""
    system.reporter.stage(f"reading the tree of generation {number}")
    said, unsaid = _said(usr)
    there = entries_of(usr, Reading(system.reporter, 0), owners=system.effects.apply_owners)
    tree = _There(
        {entry.path: entry for entry in there},
        {entry.path: entry.link_target for entry in there if entry.link_target is not None},
        {path: trigger for trigger, paths in said.description.made.items() for path in paths} if said else {},
        system.effects.apply_owners,
    )
    made = _made(system, tree, usr)
    path_filter = said.description.path_filter if said is not None else NOTHING_OMITTED
    found = _recognised(system, tree, path_filter)
    # One that does not say it leaves out what another one does, if anything.
    for other in cuts.filters(system.record) if said is None else ():
        under_it = _recognised(system, tree, other)
        if len(under_it) > len(found):
            path_filter, found = other, under_it
    layouts = [(one.metadata.name, one.layout) for one in found]
    of_triggers = [(one.metadata.name, one.layout) for one in made]
    try:
        merged = merge([*layouts, *of_triggers])
    except LayoutCollision:  # they cannot have been there together: all of it is left over
        found, layouts, made, of_triggers, merged = [], [], [], [], merge([])
    rest = _left_over(there, merged.entries)
    if len(_staying(rest, path_filter)) < len(rest):  # it holds what it would leave out: so it leaves out nothing
        path_filter, found, layouts, made, of_triggers = NOTHING_OMITTED, [], [], [], []
        rest = _left_over(there, [])
    labels = tuple(one.metadata.label for one in found)
    if rest:
        found.append(_as_package(system, number, rest, usr))
        merged = merge([*layouts, (found[-1].metadata.name, rest), *of_triggers])
    _record(system, number, found, made, path_filter, said)
    trees.record_directory_links(system.record, number, merged.directory_links)
    _fill_store(store, merged.entries, usr)
    return Adopted(number, labels, sum(entry.kind is not EntryKind.DIRECTORY for entry in rest), unsaid)


def _said(usr: str) -> tuple[_Said | None, str | None]:
    """What the tree says of its generation, or why that cannot be known."""
    name = os.path.join(usr, MODEL_FILE)
    try:
        description = description_in(usr)
        return _Said(description, read_model(description.text, name).model), None
    except FileNotFoundError:
        return None, f"{name} is missing"
    except (OSError, ValueError) as fault:
        return None, f"{name} cannot be read: {fault}"
    except ModelTextError as fault:
        return None, fault.message


def _made(system: System, there: _There, usr: str) -> list[_Known]:
    """What triggers wrote, or removed: a package of each one's."""
    by_trigger: dict[str, list[Entry]] = {}
    for path, trigger in sorted(there.written.items()):
        by_trigger.setdefault(trigger, []).append(there.entries.get(path) or nothing(path))
    found = []
    for trigger, layout in sorted(by_trigger.items()):
        digest = digest_of_made(trigger, (), layout)
        row = packages.unpacked(system.record, digest)
        if row is None:
            row = record_made(system.record, trigger, digest, (), layout, _sizes(layout, usr))
        found.append(_Known(packages.metadata_of(system.record, row), row, tuple(layout)))
    return found


def _recognised(system: System, there: _There, path_filter: PathFilter) -> list[_Known]:
    """The packages that are in the tree but for what a filter leaves out of them, by name."""
    found: dict[tuple[str, str], _Known] = {}
    for known in _candidates(system, there, path_filter):
        found.setdefault((known.metadata.name, known.metadata.architecture), known)
    return sorted(found.values(), key=lambda one: one.metadata.name)


def _staying(layout: Sequence[Entry], path_filter: PathFilter) -> tuple[Entry, ...]:
    entries = [(entry.path, entry.kind is EntryKind.DIRECTORY) for entry in layout]
    gone = {path for path, _ in left_out(entries, matcher(path_filter))}
    return tuple(entry for entry in layout if entry.path not in gone)


def _candidates(system: System, there: _There, path_filter: PathFilter) -> Iterator[_Known]:
    """Packages that are in the tree: those on record, then those on offer, which are put on record."""
    names: set[tuple[str, str]] = set()
    recorded = packages.recorded(system.record)
    of_triggers = made_in(system.record, [row for row, _ in recorded])
    for row, metadata in recorded:
        layout = _staying(packages.layout_of(system.record, row), path_filter)
        if row not in of_triggers and _is_in(layout, there):
            names.add((metadata.name, metadata.architecture))
            yield _Known(metadata, row, layout)
    revisions = {revision.repository: revision for revision in candidates.revisions(system.offers)}
    for repository in repositories(system.record):
        if is_on_network(repository) or repository.uri.startswith(PREFIX):
            continue  # to know what a .deb becomes it must be converted, and a mirror has sixty thousand
        for candidate in candidates.all_of(system.offers, [repository.name]):
            if (candidate.metadata.name, candidate.metadata.architecture) in names:
                continue
            try:
                uri = package_uris(repository, revisions.get(repository.name), candidate)[0]
                with open_uri(uri) as file:
                    stone = open_stone(file, uri)
            except MossError:  # it is not here, or damaged: then it cannot be recognised
                continue
            layout = _staying(stone.layout, path_filter)
            if not _is_in(layout, there):
                continue
            row = packages.record_package(
                system.record, stone.metadata, candidate.digest,
                candidate_key=candidate.candidate_key, repository=repository.name,
                stone_size=candidate.stone_size, layout=stone.layout,
                sizes={part.digest: part.end - part.start for part in stone.index},
            )  # fmt: skip
            yield _Known(stone.metadata, row, layout)


def _is_in(layout: Iterable[Entry], there: _There) -> bool:
    """Whether all files and links of a layout are in a tree; a package without any cannot be told."""
    follow = Resolver(there.links)
    some = False
    for entry in layout:
        if entry.kind is EntryKind.DIRECTORY:
            continue
        path = entry.path if entry.path in there.entries else follow.real_path(entry.path)
        if path in there.written:
            continue
        some = True
        found = there.entries.get(path)
        if found is None or _essence(found, owners=there.owners) != _essence(entry, owners=there.owners):
            return False
    return some


def _essence(entry: Entry, *, owners: bool) -> tuple[object, ...]:
    owner = (entry.uid, entry.gid, entry.xattrs) if owners else ()
    mode = entry.mode if entry.kind is EntryKind.REGULAR else 0
    return (entry.kind, mode, entry.digest, entry.link_target, *owner)


def _left_over(there: Sequence[Entry], merged: Sequence[Entry]) -> list[Entry]:
    """What no package accounts for: files, links, and directories that nothing below implies as they are."""
    stated = {entry.path for entry in merged}
    parents = {entry.path.rpartition("/")[0] for entry in there}
    return [
        entry for entry in there
        if entry.path not in stated
        and not (entry.kind is EntryKind.DIRECTORY and entry.path in parents and _is_usual(entry))
    ]  # fmt: skip


def _is_usual(entry: Entry) -> bool:
    return (entry.mode & 0o7777, entry.uid, entry.gid) == (0o755, 0, 0)


def _as_package(system: System, number: GenerationId, rest: Sequence[Entry], usr: str) -> _Known:
    digest = PackageDigest(hashlib.sha256(repr((int(number), rest)).encode()).hexdigest())
    metadata = Metadata(
        name=f"found-in-generation-{number}", version="1", release=1, build_release=1,
        architecture=native_architecture(), summary="Files that no known package accounts for",
    )  # fmt: skip
    row = packages.record_package(
        system.record, metadata, digest, candidate_key=digest, repository="", stone_size=0, layout=rest,
        sizes=_sizes(rest, usr),
    )  # fmt: skip
    return _Known(metadata, row, tuple(rest))


def _sizes(layout: Iterable[Entry], usr: str) -> dict[ContentDigest, int]:
    return {
        entry.digest: os.lstat(os.path.join(usr, entry.path)).st_size for entry in layout if entry.digest is not None
    }


def _record(
    system: System,
    number: GenerationId,
    found: Sequence[_Known],
    made: Sequence[_Known],
    path_filter: PathFilter,
    said: _Said | None,
) -> None:
    names = tuple(dict.fromkeys(one.metadata.name for one in found))
    if said is None:
        model, text = SystemModel(tuple(map(Wish.parse, names))), None
        created_at, command = system.clock(), system.command
    else:
        model, text = said.model, said.description.text
        created_at, command = said.description.created_at, said.description.command
    generations.record_staged(
        system.record, number, created_at=created_at, parent=None, command=command,
        model=with_times(model, SystemModel(), created_at),
        selections=[*((one.row, _reason(one, model)) for one in found), *((one.row, Reason()) for one in made)],
        path_filter=path_filter, model_text=text,
    )  # fmt: skip
    runs = [TriggerRun(made_in(system.record, [one.row])[one.row], "", "done", package=one.row) for one in made]
    record_runs(system.record, number, runs)
    generations.record_complete(system.record, number)


def _reason(package: _Known, model: SystemModel) -> Reason:
    """What a package was wished for as; nothing where it came along, or nobody knows why."""
    provided = {package.metadata.name, *(one.name for one in package.metadata.relations.provides)}
    for wish in model.wishes:
        if wish.wanted.name in provided:
            return Reason(wish=str(wish.wanted))
    return Reason()


def _fill_store(store: Store, entries: Iterable[Entry], usr: str) -> None:
    """Rows say that the store has these files: where it has not, it gets the tree's own."""
    wanted: dict[Asset, str] = {
        asset_of(entry): entry.path
        for entry in entries
        if entry.kind is EntryKind.REGULAR and entry.digest != EMPTY_CONTENT
    }
    for asset, path in sorted(wanted.items()):
        source = os.path.join(usr, path)
        place = store.path_of(asset)
        if os.path.lexists(place) and (os.path.samefile(place, source) or store.is_sound(asset)):
            continue
        store.adopt(asset, source)
