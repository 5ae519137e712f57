"""Adopting: from a tree whose generation is not on record to one that is.

A package is in the tree when every file and link of its layout is there exactly as it says: packages on
record are tried, then what repositories offer as stones on this machine. What is left over goes into one
package of its own, `found-in-generation-N`, so that the generation is whole: it can be activated,
verified and gone back to, and nothing of it is lost.
"""

import hashlib
import os
from collections.abc import Iterable, Iterator, Sequence

from moss.architecture import native_architecture
from moss.db import candidates, cuts, generations, packages, trees
from moss.db.packages import Asset, asset_of
from moss.db.repositories import repositories
from moss.debian.source import PREFIX
from moss.digest import EMPTY_CONTENT, PackageDigest
from moss.errors import MossError
from moss.examine import Reading, entries_of
from moss.fetch.verify import open_uri
from moss.generation import PackageId, Reason
from moss.layout import Entry, EntryKind
from moss.merge import LayoutCollision, Resolver, merge
from moss.model import SystemModel, Wish
from moss.operations.places import is_on_network, package_uris
from moss.operations.system import System
from moss.package import Metadata
from moss.path_filter import NOTHING_OMITTED, PathFilter, left_out, matcher
from moss.root import GenerationId
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


@value
class _Known:
    """A package that may be in the tree."""

    metadata: Metadata
    row: PackageId
    layout: tuple[Entry, ...]


def adopt(system: System, number: GenerationId, usr: str, store: Store) -> Adopted:
    """Put the generation that the tree at `usr` says it is on record. Call it in a transaction of the record."""
    system.reporter.stage(f"reading the tree of generation {number}")
    owners = system.effects.apply_owners
    there = entries_of(usr, Reading(system.reporter, 0), owners=owners)
    tree = {entry.path: entry for entry in there}
    links = {entry.path: entry.link_target for entry in there if entry.link_target is not None}
    path_filter, found = NOTHING_OMITTED, _recognised(system, tree, links, NOTHING_OMITTED, owners=owners)
    for other in cuts.filters(system.record):  # a generation leaves out what another one did, if anything
        under_it = _recognised(system, tree, links, other, owners=owners)
        if len(under_it) > len(found):
            path_filter, found = other, under_it
    layouts = [(one.metadata.name, one.layout) for one in found]
    try:
        merged = merge(layouts)
    except LayoutCollision:  # they cannot have been there together: all of it is left over
        found, layouts, merged = [], [], merge([])
    rest = _left_over(there, merged.entries)
    if len(_staying(rest, path_filter)) < len(rest):  # it holds what it would leave out: so it leaves out nothing
        path_filter, found, layouts, rest = NOTHING_OMITTED, [], [], _left_over(there, [])
    if rest:
        found.append(_as_package(system, number, rest, usr))
        merged = merge([*layouts, (found[-1].metadata.name, rest)])
    _record(system, number, found, path_filter)
    trees.record_directory_links(system.record, number, merged.directory_links)
    _fill_store(store, merged.entries, usr)
    labels = tuple(one.metadata.label for one in found[: len(layouts)])
    return Adopted(number, labels, sum(entry.kind is not EntryKind.DIRECTORY for entry in rest))


def _recognised(
    system: System, tree: dict[str, Entry], links: dict[str, str], path_filter: PathFilter, *, owners: bool
) -> list[_Known]:
    """The packages that are in the tree but for what a filter leaves out of them, by name."""
    found: dict[tuple[str, str], _Known] = {}
    for known in _candidates(system, tree, links, path_filter, owners=owners):
        found.setdefault((known.metadata.name, known.metadata.architecture), known)
    return sorted(found.values(), key=lambda one: one.metadata.name)


def _staying(layout: Sequence[Entry], path_filter: PathFilter) -> tuple[Entry, ...]:
    entries = [(entry.path, entry.kind is EntryKind.DIRECTORY) for entry in layout]
    gone = {path for path, _ in left_out(entries, matcher(path_filter))}
    return tuple(entry for entry in layout if entry.path not in gone)


def _candidates(
    system: System, tree: dict[str, Entry], links: dict[str, str], path_filter: PathFilter, *, owners: bool
) -> Iterator[_Known]:
    """Packages that are in the tree: those on record, then those on offer, which are put on record."""
    names: set[tuple[str, str]] = set()
    for row, metadata in packages.recorded(system.record):
        layout = _staying(packages.layout_of(system.record, row), path_filter)
        if _is_in(layout, tree, links, owners=owners):
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
            if not _is_in(layout, tree, links, owners=owners):
                continue
            row = packages.record_package(
                system.record, stone.metadata, candidate.digest,
                candidate_key=candidate.candidate_key, repository=repository.name,
                stone_size=candidate.stone_size, layout=stone.layout,
                sizes={part.digest: part.end - part.start for part in stone.index},
            )  # fmt: skip
            yield _Known(stone.metadata, row, layout)


def _is_in(layout: Iterable[Entry], tree: dict[str, Entry], links: dict[str, str], *, owners: bool) -> bool:
    """Whether all files and links of a layout are in a tree; a package without any cannot be told."""
    follow = Resolver(dict(links))
    some = False
    for entry in layout:
        if entry.kind is EntryKind.DIRECTORY:
            continue
        some = True
        found = tree.get(entry.path) or tree.get(follow.real_path(entry.path))
        if found is None or _essence(found, owners=owners) != _essence(entry, owners=owners):
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
    sizes = {
        entry.digest: os.lstat(os.path.join(usr, entry.path)).st_size for entry in rest if entry.digest is not None
    }
    row = packages.record_package(
        system.record, metadata, digest, candidate_key=digest, repository="", stone_size=0, layout=rest, sizes=sizes
    )
    return _Known(metadata, row, tuple(rest))


def _record(system: System, number: GenerationId, found: Sequence[_Known], path_filter: PathFilter) -> None:
    """The generation with a wish for each of its packages: what was wished for is not known any more."""
    wishes = tuple(Wish.parse(name) for name in dict.fromkeys(one.metadata.name for one in found))
    generations.record_staged(
        system.record, number, created_at=system.clock(), parent=None, command=system.command,
        model=SystemModel(wishes),
        selections=[(one.row, Reason(wish=one.metadata.name)) for one in found],
        path_filter=path_filter,
    )  # fmt: skip
    generations.record_complete(system.record, number)


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
