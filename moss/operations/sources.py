"""Where a lost content can be had again, in the order in which the places are asked.

    copies    a file of this system that was read and is right: another tree, another inode, the store
    near      the download cache and bundles (`near_sources.py`)
    stones    what a repository still offers of the packages that had it, verified; debs converted again
"""

from collections.abc import Collection, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import assert_never

from moss.db import candidates
from moss.db.origins import Origin, origins_of
from moss.db.packages import metadata_of
from moss.db.repositories import repositories
from moss.digest import ContentDigest
from moss.generation import Reason
from moss.operations.near_sources import (
    BundleFile,
    CachedPackage,
    bundle_repository,
    cached_bundles,
    cached_packages,
    contents_of_bundle,
    contents_of_cached,
)
from moss.operations.stones import fetch_stones
from moss.operations.system import System
from moss.plan import Chosen
from moss.repository import BUNDLE_PREFIX, Candidate
from moss.stone import Content, open_stone
from moss.store import Store
from solver.values import value


@value
class StoneSource:
    """A package file that should have some of the contents wanted."""

    origin: Origin
    candidate: Candidate
    wanted: frozenset[ContentDigest]

    def __str__(self) -> str:
        return f"{self.origin.label} of {self.candidate.repository}"


Source = CachedPackage | BundleFile | StoneSource


def sources(system: System, wanted: Collection[ContentDigest]) -> list[Source]:
    """Where these contents may be had, the nearest first. Asks no repository."""
    origins: dict[Origin, set[ContentDigest]] = {}
    for digest in wanted:
        for origin in origins_of(system.record, digest):
            origins.setdefault(origin, set()).add(digest)
    enabled = {repository.name: repository for repository in repositories(system.record) if repository.enabled}
    stones: list[StoneSource] = []
    bundled: dict[str, set[ContentDigest]] = {}
    for origin, digests in sorted(origins.items()):
        for candidate in candidates.by_name(system.offers, origin.name):
            if candidate.repository not in enabled or not _is_same(origin, candidate):
                continue
            if enabled[candidate.repository].uri.startswith(BUNDLE_PREFIX):
                bundled.setdefault(candidate.repository, set()).update(digests)
            else:
                stones.append(StoneSource(origin, candidate, frozenset(digests)))
    bundles = [bundle_repository(enabled[name], digests) for name, digests in bundled.items()]
    return [*cached_packages(system, origins), *cached_bundles(system, wanted), *bundles, *stones]


def _is_same(origin: Origin, candidate: Candidate) -> bool:
    return candidate.digest == origin.digest or candidate.candidate_key == origin.candidate_key


def contents_of(system: System, source: Source, store: Store) -> AbstractContextManager[Iterator[Content]]:
    """What a source has, verified; of a bundle only what is wanted. Raises MossError when it cannot be had."""
    match source:
        case CachedPackage():
            return contents_of_cached(system, source)
        case BundleFile():
            return contents_of_bundle(system, source, store)
        case StoneSource():
            return _contents_of_stone(system, source)
        case _:
            assert_never(source)


@contextmanager
def _contents_of_stone(system: System, source: StoneSource) -> Iterator[Iterator[Content]]:
    """The contents of a source's stone, fetched."""
    metadata, candidate = metadata_of(system.record, source.origin.package), source.candidate
    chosen = Chosen(metadata, candidate.candidate_key, Reason(), None, candidate)
    with ExitStack() as open_files:
        (fetched,) = fetch_stones(system, [chosen], open_files)
        yield open_stone(fetched.file, fetched.name).contents()
