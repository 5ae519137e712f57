"""The compiled universes: what each repository offers, as the solver reads it.

A universe is compiled once for each revision of a repository, when its index is read, and kept as a
file that is mapped into memory. Like all that is in the cache it may be missing; then it is compiled
from the database.
"""

import mmap
import os
from collections.abc import Iterable

from moss.db import candidates
from moss.db.connection import Database
from moss.debian.source import PREFIX
from moss.effects import Effects
from moss.package import Metadata
from moss.repository import Candidate, Revision
from moss.root import Root
from solver.model import Package
from solver.tables import UniverseError
from solver.universe import Universe


def as_solver_package(metadata: Metadata, key: str, repository: str, size: int) -> Package:
    """A package as the solver speaks of it."""
    relations = metadata.relations
    return Package(
        key=key,
        name=metadata.name,
        version=metadata.ordered_version,
        scheme=metadata.scheme,
        arch=metadata.architecture,
        repository=repository,
        provides=relations.provides,
        depends=relations.depends,
        conflicts=relations.conflicts,
        breaks=relations.breaks,
        replaces=relations.replaces,
        recommends=relations.recommends,
        supplements=relations.supplements,
        size=size,
    )


def compile_universe(
    root: Root, offers: Database, revision: Revision, effects: Effects, universe: bytes | None = None
) -> None:
    """Write the universe of a repository that was just read; those of its older revisions go.

    `universe` is it where reading has compiled it already.
    """
    content = _compiled(offers, revision) if universe is None else universe
    effects.replace_file(_file(root, revision), content, mode=0o600)
    for name in _files_of(root, revision.repository):
        if name != os.path.basename(_file(root, revision)):
            effects.unlink(os.path.join(root.universes, name))


def forget_universe(root: Root, repository: str, effects: Effects) -> None:
    for name in _files_of(root, repository):
        effects.unlink(os.path.join(root.universes, name))


def open_universe(root: Root, offers: Database, revision: Revision) -> Universe:
    """The universe of a repository as it was last read."""
    try:
        with open(_file(root, revision), "rb") as file:
            return Universe.from_bytes(memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)))
    except (OSError, ValueError, UniverseError):  # a cache may be missing, cut, or of another version
        return Universe.from_bytes(_compiled(offers, revision))


def _compiled(offers: Database, revision: Revision) -> bytes:
    if not revision.uri.startswith(PREFIX):
        return Universe.compile(_distinct(candidates.all_of(offers, [revision.repository])))
    from moss.debian.universe import IndexCompiler  # only where the compiled file was lost

    compiler = IndexCompiler(revision.repository)
    for listed in candidates.listed_in(offers, revision.repository):
        compiler.add(listed, revision.uri)
    return compiler.compiled()


def _distinct(offered: Iterable[Candidate]) -> Iterable[Package]:
    """The same candidate may be on offer twice (converted twice): the first counts."""
    seen: set[str] = set()
    for candidate in offered:
        if candidate.candidate_key not in seen:
            seen.add(candidate.candidate_key)
            yield as_solver_package(
                candidate.metadata, candidate.candidate_key, candidate.repository, candidate.stone_size
            )


def _file(root: Root, revision: Revision) -> str:
    return os.path.join(root.universes, f"{revision.repository}~{revision.digest[:32]}")


def _files_of(root: Root, repository: str) -> list[str]:
    return [name for name in sorted(os.listdir(root.universes)) if name.rpartition("~")[0] == repository]
