"""The compiled universes: what each repository offers, as the solver reads it.

A universe is compiled once for each revision of a repository, when its index is read, and kept as a
file that is mapped into memory. Where several repositories are enabled their universes are kept merged into
one as well, which the solver asks with less trouble. Like all that is in the cache either may be missing:
then a universe is compiled from the database, and the solver is given one for each repository.

    REPOSITORY~DIGEST                 the universe of the index with this digest
    REPOSITORY~DIGEST.fingerprints    of the paragraphs that it was made of, with a checksum of both files:
                                      what the next universe of this repository is continued from
    +DIGEST                           of several universes, merged
"""

import json
import mmap
import os
from collections.abc import Iterable, Sequence

from moss.db import candidates
from moss.db.connection import Database
from moss.debian.compiled import Compiled
from moss.debian.source import PREFIX
from moss.digest import content_digest, content_hasher
from moss.effects import Effects
from moss.package import Metadata
from moss.repository import Candidate, Repository, Revision
from moss.root import Root
from solver.model import Package
from solver.tables import UniverseError
from solver.universe import Universe

_MERGED = "+"  # no repository's name begins so
_FINGERPRINTS = ".fingerprints"
_SEAL_BYTES = 16


def as_solver_package(
    metadata: Metadata, key: str, repository: str, size: int, installed_size: int | None = None
) -> Package:
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
        every_arch=relations.serves_every_architecture,
        size=size,
        installed_size=installed_size,
    )


def compile_universe(
    root: Root, offers: Database, revision: Revision, effects: Effects, compiled: Compiled | None = None
) -> None:
    """Write the universe of a repository that was just read; those of its older revisions go.

    `compiled` is it where reading has made it already.
    """
    compiled = compiled or Compiled(_compiled(offers, revision))
    file = _file(root, revision)
    kept = [os.path.basename(file)]
    effects.replace_file(file, [memoryview(compiled.universe)], mode=0o600)
    if compiled.fingerprints:
        effects.replace_file(file + _FINGERPRINTS, _sealed(revision, compiled), mode=0o600)
        kept.append(os.path.basename(file) + _FINGERPRINTS)
    for name in _files_of(root, revision.repository):
        if name not in kept:
            effects.unlink(os.path.join(root.universes, name))


def restore_universe(root: Root, offers: Database, revision: Revision, effects: Effects) -> None:
    """Write the universe of what was read before where it was lost: by a crash, thrown away, or written by a moss with
    another form of it. Without it every command would compile it anew."""
    if _opened(_file(root, revision)) is None:
        compile_universe(root, offers, revision, effects)


def compiled_before(root: Root, revision: Revision) -> Compiled | None:
    """What a repository's index was compiled to when it was last read, if that is all there as it was written."""
    try:
        with open(_file(root, revision) + _FINGERPRINTS, "rb") as file:
            sealed = file.read()
        universe = _mapped(_file(root, revision))
        Universe.from_bytes(universe)  # it may be as another moss writes it
    except (OSError, ValueError, UniverseError):
        return None
    compiled = Compiled(universe, sealed[_SEAL_BYTES:])
    return compiled if sealed == _sealed(revision, compiled) else None


def forget_universe(root: Root, repository: str, effects: Effects) -> None:
    for name in _files_of(root, repository):
        effects.unlink(os.path.join(root.universes, name))


def merge_universes(
    root: Root, offers: Database, repositories: Sequence[Repository], effects: Effects
) -> None:
    """Write what the enabled repositories offer as one universe, where they are several and it is not there
    yet; what was merged of other repositories, or of other revisions, goes."""
    found = _enabled(offers, repositories)
    wanted = _merged_file(root, found)
    for name in sorted(os.listdir(root.universes)):
        path = os.path.join(root.universes, name)
        if name.startswith(_MERGED) and path != wanted:
            effects.unlink(path)
    if len(found) < 2 or _opened(wanted) is not None:
        return
    from solver.merge import merge  # only where offers change

    universes = [open_universe(root, offers, revision) for _, revision in found]
    priorities = {repository.name: repository.priority for repository, _ in found}
    effects.replace_file(wanted, merge(universes, priorities), mode=0o600)


def open_universes(root: Root, offers: Database, repositories: Sequence[Repository]) -> list[Universe]:
    """What the enabled repositories offer, as they were last read: one universe where they are merged."""
    found = _enabled(offers, repositories)
    merged = _opened(_merged_file(root, found)) if len(found) > 1 else None
    if merged is not None:
        return [merged]
    return [open_universe(root, offers, revision) for _, revision in found]


def open_universe(root: Root, offers: Database, revision: Revision) -> Universe:
    """The universe of a repository as it was last read."""
    return _opened(_file(root, revision)) or Universe.from_bytes(_compiled(offers, revision))


def _opened(path: str) -> Universe | None:
    """A compiled universe; None where the cache has none, or one that is cut or of another version."""
    try:
        return Universe.from_bytes(_mapped(path))
    except (OSError, ValueError, UniverseError):
        return None


def _mapped(path: str) -> memoryview:
    """OSError where it is not there, ValueError where it is empty."""
    with open(path, "rb") as file:
        return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))


def _enabled(offers: Database, repositories: Sequence[Repository]) -> list[tuple[Repository, Revision]]:
    """The enabled repositories that were read."""
    revisions = {revision.repository: revision for revision in candidates.revisions(offers)}
    return [(one, revisions[one.name]) for one in repositories if one.enabled and one.name in revisions]


def _compiled(offers: Database, revision: Revision) -> bytes:
    if not revision.uri.startswith(PREFIX):
        return Universe.compile(_distinct(candidates.all_of(offers, [revision.repository])))
    from moss.debian.universe import IndexCompiler  # only where the compiled file was lost

    compiler = IndexCompiler(revision.repository)
    for listed in candidates.listed_in(offers, revision.repository):
        compiler.add(listed, revision.uri)
    return bytes(compiler.compiled().universe)


def _distinct(offered: Iterable[Candidate]) -> Iterable[Package]:
    """The same candidate may be on offer twice (converted twice): the first counts."""
    seen: set[str] = set()
    for candidate in offered:
        if candidate.candidate_key not in seen:
            seen.add(candidate.candidate_key)
            yield as_solver_package(
                candidate.metadata, candidate.candidate_key, candidate.repository,
                candidate.stone_size, candidate.installed_size,
            )  # fmt: skip


def _sealed(revision: Revision, compiled: Compiled) -> bytes:
    """The fingerprints behind a checksum of all that must belong together: which repository, and both files."""
    checksum = content_hasher()
    for part in (revision.repository.encode(), revision.uri.encode(), compiled.universe, compiled.fingerprints):
        checksum.update(len(part).to_bytes(8, "little"))
        checksum.update(part)
    return checksum.digest() + compiled.fingerprints


def _merged_file(root: Root, found: Sequence[tuple[Repository, Revision]]) -> str:
    """Named by all that it depends on."""
    said = [(repository.name, repository.priority, revision.digest) for repository, revision in found]
    return os.path.join(root.universes, _MERGED + content_digest(json.dumps(said).encode()).hex())


def _file(root: Root, revision: Revision) -> str:
    return os.path.join(root.universes, f"{revision.repository}~{revision.digest[:32]}")


def _files_of(root: Root, repository: str) -> list[str]:
    return [name for name in sorted(os.listdir(root.universes)) if name.rpartition("~")[0] == repository]
