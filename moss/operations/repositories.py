"""Repositories: which there are, and reading what they offer."""

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from moss.db import candidates
from moss.db import repositories as recorded
from moss.debian.source import PREFIX, AptSource
from moss.errors import NotFound, UsageError
from moss.offers import compile_universe, forget_universe
from moss.operations.system import System
from moss.repository import BUNDLE_PREFIX, Repository, Revision
from solver.values import value

if TYPE_CHECKING:
    from moss.operations.bundled import BundleSource
    from moss.operations.indexes import PackagesSource, StoneSource

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}", re.IGNORECASE)


@value
class RepositoryState:
    """A repository, and its index as it was last read."""

    repository: Repository
    revision: Revision | None


@value
class Refresh:
    """What reading a repository's index brought."""

    repository: str
    package_count: int
    changed: bool


def add_repository(
    system: System,
    name: str,
    uri: str,
    *,
    priority: int = 0,
    unsigned: bool = False,
    suites: Sequence[str] = (),
    components: Sequence[str] = (),
    architecture: str = "",
) -> Refresh:
    """Add a repository and read its index; it is not added when that fails.

    Suites, components and an architecture (Debian's word) narrow an apt repository down; UsageError
    where they are said of another.
    """
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"{name!r} cannot be a repository's name",
            remedies=["use letters, digits, '.', '_' and '-', at most 64 of them"],
        )
    if any(repository.name == name for repository in recorded.repositories(system.record)):
        raise UsageError(
            f"there is already a repository {name}", remedies=[f"moss repo remove {name}", "use another name"]
        )
    repository = Repository(name, _full_uri(uri, suites, components, architecture), priority, True, unsigned)
    refresh = _refresh(system, repository)
    with system.record.transaction():
        recorded.add(system.record, repository, system.clock())
    system.effects.commit_point("repository added")
    return refresh


def remove_repository(system: System, name: str) -> None:
    """NotFound when there is none of that name. What is installed from it stays."""
    if not recorded.remove(system.record, name):
        names = ", ".join(repository.name for repository in recorded.repositories(system.record))
        raise NotFound(
            f"there is no repository {name}",
            because=[f"there are: {names}"] if names else ["there is none at all"],
            remedies=["moss repo list"],
        )
    system.effects.commit_point("repository removed")
    candidates.forget_repository(system.offers, name)
    system.effects.commit_point("offers forgotten")
    forget_universe(system.root, name, system.effects)


def list_repositories(system: System) -> list[RepositoryState]:
    revisions = {revision.repository: revision for revision in candidates.revisions(system.offers)}
    return [
        RepositoryState(repository, revisions.get(repository.name))
        for repository in recorded.repositories(system.record)
    ]


def update_repositories(system: System, names: Sequence[str] = ()) -> list[Refresh]:
    """Read the indexes of these repositories, or of all that are enabled; NotFound for an unknown name."""
    known = recorded.repositories(system.record)
    unknown = sorted(set(names) - {repository.name for repository in known})
    if unknown:
        raise NotFound(f"there is no repository {', '.join(unknown)}", remedies=["moss repo list"])
    wanted = [one for one in known if (one.name in names if names else one.enabled)]
    return [_refresh(system, repository) for repository in wanted]


def _full_uri(uri: str, suites: Sequence[str], components: Sequence[str], architecture: str) -> str:
    if uri.startswith(PREFIX):
        return str(AptSource.parse(uri).narrowed(tuple(suites), tuple(components), architecture))
    if suites or components or architecture:
        raise UsageError(
            f"{uri} is no apt repository: it has no suites, components or architectures",
            remedies=["write apt+file:DIR for a Debian mirror"],
        )
    from moss.fetch import absolute_uri  # looking at repositories fetches nothing

    if uri.startswith(BUNDLE_PREFIX):
        return BUNDLE_PREFIX + absolute_uri(uri.removeprefix(BUNDLE_PREFIX))
    return absolute_uri(uri)


def _source_of(system: System, repository: Repository) -> "BundleSource | StoneSource | PackagesSource":
    # Looking at repositories reads none of them.
    if repository.uri.startswith(BUNDLE_PREFIX):
        from moss.operations.bundled import bundle_source

        return bundle_source(system, repository)
    from moss.operations.indexes import source_of

    return source_of(repository.uri)


def _refresh(system: System, repository: Repository) -> Refresh:
    system.reporter.stage(f"reading the index of {repository.name}")
    source = _source_of(system, repository)
    before = {revision.repository: revision for revision in candidates.revisions(system.offers)}
    known = before.get(repository.name)
    if known is not None and known.digest == source.digest and known.uri == repository.uri:
        return Refresh(repository.name, known.package_count, changed=False)
    with candidates.replacing(system.offers, repository.name) as offer:
        count, universe = source.read(repository.name, offer)
        revision = Revision(repository.name, repository.uri, source.digest, system.clock(), count)
        candidates.record_revision(system.offers, revision)
    system.effects.commit_point("index read")
    compile_universe(system.root, system.offers, revision, system.effects, universe)
    return Refresh(repository.name, count, changed=True)
