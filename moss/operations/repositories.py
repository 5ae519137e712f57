"""Repositories: which there are, and reading what they offer."""

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from moss.db import candidates, definitions
from moss.db import repositories as recorded
from moss.debian.source import PREFIX, AptSource
from moss.errors import NotFound, UsageError
from moss.offers import compile_universe, forget_universe
from moss.operations.system import System
from moss.operations.vouching import Said, signed_source, vouching_of
from moss.repository import BUNDLE_PREFIX, Repository, Revision, Voucher, Vouching
from solver.values import replace, value

if TYPE_CHECKING:
    from moss.operations.bundled import BundleSource
    from moss.operations.indexes import PackagesSource, StoneSource
    from moss.operations.vouching import SignedSource
    from moss.tuf.trusted import Verified

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}", re.IGNORECASE)


@value
class RepositoryState:
    """A repository, and its index as it was last read."""

    repository: Repository
    revision: Revision | None
    verified: "Verified | None" = None
    """What it has signed, where it is signed and that was read."""
    stale_days: int = 0
    """Begun days since that has expired."""


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
    trust: str | None = None,
    unsigned: bool = False,
    max_staleness: int | None = None,
    suites: Sequence[str] = (),
    components: Sequence[str] = (),
    architecture: str = "",
) -> Refresh:
    """Add a repository and read its index; it is not added when that fails.

    `trust`, `unsigned` and `max_staleness` say who vouches for it, as `Said` has them. Suites, components and
    an architecture (Debian's word) narrow an apt repository down; UsageError where they are said of another.
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
    full_uri = _full_uri(uri, suites, components, architecture)
    vouching, root = vouching_of(full_uri, Said(trust, unsigned, max_staleness))
    repository = Repository(name, full_uri, priority, True, vouching)
    with _pinned(system, repository, root):
        refresh = _refresh(system, repository)
    with system.record.transaction():
        recorded.add(system.record, repository, system.clock())
    system.effects.commit_point("repository added")
    return refresh


def remove_repository(system: System, name: str) -> None:
    """NotFound when there is none of that name. What is installed from it stays."""
    if not recorded.remove(system.record, name):
        raise _unknown(system, name)
    system.effects.commit_point("repository removed")
    candidates.forget_repository(system.offers, name)
    system.effects.commit_point("offers forgotten")
    forget_universe(system.root, name, system.effects)
    _forget_trust(system, name, None)


def set_vouching(system: System, name: str, said: Said) -> Repository:
    """Say anew who vouches for a repository. What was read of it before counts no more where that is another
    than before; then its index is read again, and nothing is changed when that fails."""
    known = _named(system, name)
    if said.trust is None and not said.unsigned:
        vouching = _with_staleness(known, said)
    else:
        vouching, root = vouching_of(known.uri, said)
        with _pinned(system, replace(known, vouching=vouching), root):
            _refresh(system, replace(known, vouching=vouching))
    recorded.set_vouching(system.record, name, vouching)
    system.effects.commit_point("vouching said")
    _forget_trust(system, name, vouching)
    return replace(known, vouching=vouching)


def state_named(system: System, name: str) -> RepositoryState:
    """NotFound when there is none of that name."""
    _named(system, name)
    return next(state for state in list_repositories(system) if state.repository.name == name)


def list_repositories(system: System) -> list[RepositoryState]:
    revisions = {revision.repository: revision for revision in candidates.revisions(system.offers)}
    return [_state(system, one, revisions.get(one.name)) for one in recorded.repositories(system.record)]


def _state(system: System, repository: Repository, revision: Revision | None) -> RepositoryState:
    if repository.vouching.by is not Voucher.ROOT:
        return RepositoryState(repository, revision)
    from moss.tuf.trusted import place_of, verified

    found = verified(place_of(system.root, repository.name, repository.vouching))
    return RepositoryState(repository, revision, found, 0 if found is None else found.days_expired(system.clock()))


def update_repositories(system: System, names: Sequence[str] = ()) -> list[Refresh]:
    """Read the indexes of these repositories, or of all that are enabled; NotFound for an unknown name."""
    known = recorded.repositories(system.record)
    unknown = sorted(set(names) - {repository.name for repository in known})
    if unknown:
        raise NotFound(f"there is no repository {', '.join(unknown)}", remedies=["moss repo list"])
    wanted = [one for one in known if (one.name in names if names else one.enabled)]
    return [_refresh(system, repository) for repository in wanted]


def _named(system: System, name: str) -> Repository:
    for repository in recorded.repositories(system.record):
        if repository.name == name:
            return repository
    raise _unknown(system, name)


def _unknown(system: System, name: str) -> NotFound:
    names = ", ".join(repository.name for repository in recorded.repositories(system.record))
    return NotFound(
        f"there is no repository {name}",
        because=[f"there are: {names}"] if names else ["there is none at all"],
        remedies=["moss repo list"],
    )


def _with_staleness(known: Repository, said: Said) -> Vouching:
    if known.vouching.by is not Voucher.ROOT:
        raise UsageError(
            f"{known.name} is not vouched for by signed metadata: nothing of it expires",
            remedies=[f"moss repo trust {known.name} --trust FILE"],
        )
    return replace(known.vouching, max_staleness=said.max_staleness or 0)


@contextmanager
def _pinned(system: System, repository: Repository, root: bytes | None) -> Iterator[None]:
    """Trust a repository from this root on, where it is signed; where the block fails, as before."""
    if root is None:
        yield
        return
    from moss.tuf.trusted import beginning, place_of

    with beginning(place_of(system.root, repository.name, repository.vouching), root, system.effects):
        yield


def _forget_trust(system: System, name: str, vouching: Vouching | None) -> None:
    """What came of roots that are pinned no more."""
    repository = system.root.trust_of(name)
    if not os.path.isdir(repository):
        return
    from moss.tuf.trusted import forget_others, place_of

    is_pinned = vouching is not None and vouching.by is Voucher.ROOT
    place = place_of(system.root, name, vouching) if vouching is not None and is_pinned else None
    forget_others(repository, place, system.effects)


def _full_uri(uri: str, suites: Sequence[str], components: Sequence[str], architecture: str) -> str:
    if uri.startswith(PREFIX):
        return str(AptSource.parse(uri).narrowed(tuple(suites), tuple(components), architecture))
    if suites or components or architecture:
        raise UsageError(
            f"{uri} is no apt repository: it has no suites, components or architectures",
            remedies=["write apt+file:DIR for a Debian mirror"],
        )
    from moss.fetch.uris import absolute_uri  # looking at repositories fetches nothing

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
    if repository.vouching.by is Voucher.ROOT:
        with signed_source(system, repository) as source:
            return _take(system, repository, source)
    return _take(system, repository, _source_of(system, repository))


def _take(
    system: System, repository: Repository, source: "BundleSource | StoneSource | PackagesSource | SignedSource"
) -> Refresh:
    before = {revision.repository: revision for revision in candidates.revisions(system.offers)}
    known = before.get(repository.name)
    if known is not None and known.digest == source.digest and known.uri == repository.uri:
        return Refresh(repository.name, known.package_count, changed=False)
    with candidates.replacing(system.offers, repository.name) as offer:
        contents = source.read(repository.name, offer)
        count, universe = contents.package_count, contents.universe
        revision = Revision(repository.name, repository.uri, source.digest, system.clock(), count)
        candidates.record_revision(system.offers, revision)
        definitions.replace_texts(system.offers, repository.name, contents.definitions)
    system.effects.commit_point("index read")
    compile_universe(system.root, system.offers, revision, system.effects, universe)
    return Refresh(repository.name, count, changed=True)
