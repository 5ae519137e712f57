"""What triggers over a tree wrote: put on record and into the store, or found again for another system.

An image's system has the packages of the generation that it is made of, so what triggers wrote for that is as good.
"""

import os
from collections.abc import Iterator, Sequence

from moss.arriving import expect, have_arrived
from moss.db import cuts, packages
from moss.db.triggers import TriggerRun, digest_of_made, record_made, runs_of, set_made
from moss.digest import EMPTY_CONTENT
from moss.errors import CorruptData
from moss.generation import FilterId, PackageId
from moss.layout import EntryKind
from moss.operations.system import System
from moss.root import GenerationId
from moss.stone import Content
from moss.store import Store
from moss.triggers.capture import Captured
from moss.unpack import store_content
from solver.values import replace, value

_READ_BYTES = 1 << 20


@value
class Written:
    """What a trigger wrote, and is not on record here yet."""

    run: TriggerRun
    captured: Captured
    wins_over: tuple[str, ...]
    """Triggers whose paths it may write over: those it waited for."""


def written_for(system: System, number: GenerationId, store: Store) -> dict[str, Written]:
    """What triggers wrote for a generation, by name, as far as it is there whole: for a system that will have the
    same packages. The files are the store's own."""
    found = {}
    for name, run in runs_of(system.record, number).items():
        captured = _captured_again(system, run, store)
        if captured is not None:
            found[name] = Written(replace(run, package=None, reused=True), captured, ())
    return found


def _captured_again(system: System, run: TriggerRun, store: Store) -> Captured | None:
    if run.package is None:
        return Captured((), (), ())
    layout = packages.layout_of(system.record, run.package)
    contents = {}
    for entry in layout:
        if entry.digest is None:
            continue
        asset = packages.asset_of(entry)
        if entry.digest == EMPTY_CONTENT:  # the store keeps no empty files
            contents[entry.digest] = os.devnull
        elif store.is_sound(asset):
            contents[entry.digest] = store.path_of(asset)
        else:
            return None
    entries = tuple(entry for entry in layout if entry.kind is not EntryKind.NOTHING)
    removed = tuple(entry.path for entry in layout if entry.kind is EntryKind.NOTHING)
    return Captured(entries, removed, tuple(contents.items()))


def record_written(
    system: System, number: GenerationId, written: Sequence[Written], staying: Sequence[PackageId], store: Store
) -> list[TriggerRun]:
    """Put what was written on record and into the store, durable together."""
    runs: list[TriggerRun] = []
    try:
        with system.record.transaction():
            for one in written:
                package = _record_one(system, one) if one.captured.layout else None
                runs.append(replace(one.run, package=package))
            made = [run.package for run in runs if run.package is not None]
            set_made(system.record, number, [*staying, *made])
            path_filter = cuts.filter_of(system.record, number)
            cuts.make_cuts(system.record, made, path_filter)
            expect(system.root, system.record, system.effects)
            for run, one in zip(runs, written, strict=True):
                if run.package is not None:
                    _store(system, run.package, path_filter, one, store)
            system.effects.syncfs(store.fd)
        system.effects.commit_point("triggers recorded")
        have_arrived(system.root, system.effects)
    finally:
        if written:
            system.effects.remove_tree(system.root.triggers)
    return runs


def _record_one(system: System, written: Written) -> PackageId:
    digest = digest_of_made(written.run.name, written.wins_over, written.captured.layout)
    known = packages.unpacked(system.record, digest)
    if known is not None:
        return known
    captured, name = written.captured, written.run.name
    sizes = {content: os.path.getsize(path) for content, path in captured.contents}
    return record_made(system.record, name, digest, written.wins_over, captured.layout, sizes)


def _store(system: System, package: PackageId, path_filter: FilterId, written: Written, store: Store) -> None:
    files = cuts.wanted_of(system.record, package, path_filter)
    lacking = {asset for asset, is_lacking in files.items() if is_lacking}
    for content, path in written.captured.contents:
        assets = sorted(asset for asset in files if asset.digest == content)
        pieces = Content(content, os.path.getsize(path), _pieces(path))
        clash = store_content(pieces, assets, lacking, store) if assets else None
        if clash is not None:
            raise CorruptData(
                f"what the trigger {written.run.name} wrote has the digest of another file: {clash.digest.hex()}",
                file=store.path_of(clash),
                remedies=["moss verify"],
            )
    cuts.cut_has_come(system.record, package, path_filter)


def _pieces(path: str) -> Iterator[memoryview]:
    with open(path, "rb") as file:
        while piece := file.read(_READ_BYTES):
            yield memoryview(piece)
