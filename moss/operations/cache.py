"""What can be thrown away at any time, because it can be made or fetched again."""

import os
from collections.abc import Iterator

from moss.db import cuts, trees
from moss.db.freeing import freed_with
from moss.discard import discard
from moss.effects import as_moss_error
from moss.operations.system import System
from moss.operations.upkeep import collect
from moss.root import GenerationId
from moss.store import Store, asset_name
from solver.values import value


@value
class Cleaning:
    """What would go."""

    cached: tuple[str, ...]
    """Files below the cache directory, absolute."""
    cached_bytes: int
    orphans: tuple[str, ...]
    """Files in the store that no row of the record is about, relative to it."""
    orphan_bytes: int
    spare: GenerationId | None
    """What the spare tree holds, where there is one."""
    spare_bytes: int
    """What only the spare tree has."""

    @property
    def is_due(self) -> bool:
        return bool(self.cached or self.orphans or self.spare is not None)


def propose_cleaning(system: System) -> Cleaning:
    with as_moss_error("look at the caches"):
        cached = list(_files_below(system.root.cache))
        strays = list(orphans(system))
    spare = trees.spare(system.record)
    return Cleaning(
        tuple(path for path, _ in cached),
        sum(room for _, room in cached),
        tuple(name for name, _ in strays),
        sum(room for _, room in strays),
        None if spare is None else spare.generation,
        0 if spare is None else freed_with(system.record, [spare.generation]).size,
    )


def clean(system: System, cleaning: Cleaning) -> int:
    """Do it; the bytes that came free."""
    with as_moss_error("clean the caches"), Store(system.root.store, system.effects) as store:
        for path in cleaning.cached:
            system.effects.unlink(path)
        for name in cleaning.orphans:
            system.effects.unlink(name, dir_fd=store.fd)
        if cleaning.spare is not None:
            trees.forget_spare(system.record)
            system.effects.commit_point("spare is forgotten")
            discard(system.root.spare, system.effects, system.reporter)
        freed = collect(system, store)
    return freed + cleaning.cached_bytes + cleaning.orphan_bytes


def orphans(system: System) -> Iterator[tuple[str, int]]:
    """Files in the store without a row, left over from crashes: name relative to the store, and the bytes that
    come free with it. Nothing does while a tree has a link to it."""
    known = {asset_name(asset) for asset in cuts.present(system.record)}
    for path, room in _files_below(system.root.store):
        name = os.path.relpath(path, system.root.store)
        if name not in known:
            yield name, room


def _files_below(directory: str) -> Iterator[tuple[str, int]]:
    for where, _, names in os.walk(directory):
        for name in sorted(names):
            path = os.path.join(where, name)
            status = os.lstat(path)
            yield path, status.st_size if status.st_nlink == 1 else 0
