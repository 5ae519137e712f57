"""Where a lost content can be had again, in the order in which the places are asked.

    copies    a file of this system that was read and is right: another tree, another inode, the store
    stones    what a repository still offers of the packages that had it, verified; debs converted again
"""

from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager

from moss.db import candidates
from moss.db.origins import Origin, origins_of
from moss.db.packages import metadata_of
from moss.db.repositories import repositories
from moss.debian.source import PREFIX
from moss.digest import ContentDigest
from moss.fetch.uris import absolute_uri, relative_to
from moss.fetch.verify import open_uri, verify
from moss.generation import Reason
from moss.operations.system import System
from moss.plan import Chosen
from moss.repository import Candidate
from moss.stone import Content, open_stone
from solver.values import value


@value
class StoneSource:
    """A package file that should have some of the contents wanted."""

    origin: Origin
    candidate: Candidate
    wanted: frozenset[ContentDigest]

    def __str__(self) -> str:
        return f"{self.origin.label} of {self.candidate.repository}"


def stone_sources(system: System, wanted: Iterable[ContentDigest]) -> list[StoneSource]:
    """What repositories offer of the packages that have these contents, by name."""
    contents: dict[Origin, set[ContentDigest]] = {}
    for digest in wanted:
        for origin in origins_of(system.record, digest):
            contents.setdefault(origin, set()).add(digest)
    enabled = {repository.name for repository in repositories(system.record) if repository.enabled}
    return [
        StoneSource(origin, candidate, frozenset(digests))
        for origin, digests in sorted(contents.items())
        for candidate in candidates.by_name(system.offers, origin.name)
        if candidate.repository in enabled and _is_same(origin, candidate)
    ]


def _is_same(origin: Origin, candidate: Candidate) -> bool:
    return candidate.digest == origin.digest or candidate.candidate_key == origin.candidate_key


@contextmanager
def contents_of(system: System, source: StoneSource) -> Iterator[Iterator[Content]]:
    """The contents of a source's stone, fetched and verified. Raises MossError when it cannot be had."""
    uris = {repository.name: repository.uri for repository in repositories(system.record)}
    candidate = source.candidate
    digest, size = candidate.digest, candidate.stone_size
    with ExitStack() as open_files:
        if uris[candidate.repository].startswith(PREFIX):
            from moss.operations.converting import converted  # a second package system: only where it is used

            metadata = metadata_of(system.record, source.origin.package)
            chosen = Chosen(metadata, candidate.candidate_key, Reason(), None, candidate)
            stones = open_files.enter_context(converted(system, [chosen], uris))
            made = stones[candidate.candidate_key]
            uri, digest, size = absolute_uri(made.stone), made.digest, made.size
        else:
            uri = relative_to(uris[candidate.repository], candidate.uri)
        file = open_files.enter_context(open_uri(uri))
        verify(file, uri, digest=digest, size=size)
        yield open_stone(file, uri).contents()
