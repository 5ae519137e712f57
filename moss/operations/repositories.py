"""Repositories: which there are, where they are, and who vouches for them."""

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from moss.db import candidates, model_file
from moss.db import repositories as recorded
from moss.debian.source import PREFIX as APT
from moss.debian.source import AptSource
from moss.errors import MossError, NetworkFailure, NotFound, UsageError
from moss.offers import forget_universe
from moss.operations.refreshing import Refresh, merge_offers, refresh
from moss.operations.stated import file_of_repositories
from moss.operations.system import System
from moss.operations.vouching import Said, vouching_of
from moss.repository import BUNDLE_PREFIX, Repository, Revision, Voucher, Vouching
from moss.versioned import PREFIX as VERSIONED
from moss.versioned import VersionedSource
from solver.values import replace, value

if TYPE_CHECKING:
    from moss.tuf.trusted import Verified

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}", re.IGNORECASE)


@value
class Narrowing:
    """What of a repository is wanted."""

    suites: tuple[str, ...] = ()
    """Of an apt repository, as the components are."""
    components: tuple[str, ...] = ()
    architecture: str = ""
    """Of an apt repository, in Debian's word; of a versioned one, in moss's."""
    version: str = ""
    """Of a versioned repository, as its channel is: `stream/volatile`."""
    channel: str = ""


@value
class RepositoryState:
    """A repository, and its index as it was last read."""

    repository: Repository
    revision: Revision | None
    verified: "Verified | None" = None
    """What it has signed, where it is signed and that was read."""
    stale_days: int = 0
    """Begun days since that has expired."""


def add_repository(
    system: System,
    name: str,
    uri: str,
    *,
    priority: int = 0,
    trust: str | None = None,
    unsigned: bool = False,
    max_staleness: int | None = None,
    mirrors: Sequence[str] = (),
    narrowing: Narrowing | None = None,
    offline: bool = False,
    tell_model: bool = True,
    merge: bool = True,
) -> Refresh:
    """Add a repository and read its index; it is not added when that fails. `offline`: one whose root is pinned is
    added though it cannot be reached, so that bundles are proven by it.

    `trust`, `unsigned` and `max_staleness` say who vouches for it, as `Said` has them. UsageError where what
    narrows it down is said of another kind of repository. As with the other functions here: `tell_model`, the file of
    the system model then says so; `merge`, what is on offer is merged: who changes several leaves it to `merge_offers`.
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
    full_uri = _full_uri(uri, narrowing or Narrowing())
    _refuse_mirrors(full_uri, mirrors)
    vouching, root = vouching_of(full_uri, Said(trust, unsigned, max_staleness), system.transport)
    repository = Repository(name, full_uri, priority, True, vouching, tuple(map(_absolute, mirrors)))
    with _pinned(system, repository, root):
        try:
            read = refresh(system, repository)
        except (NotFound, NetworkFailure):
            if root is None or not offline:
                raise
            read = Refresh(name, 0, changed=False)
    with _changing(system, "repository added", tell_model=tell_model, merge=merge):
        recorded.add(system.record, repository, system.clock())
    return read


def remove_repository(system: System, name: str, *, tell_model: bool = True, merge: bool = True) -> None:
    """NotFound when there is none of that name. What is installed from it stays."""
    with _changing(system, "repository removed", tell_model=tell_model, merge=merge):
        if not recorded.remove(system.record, name):
            raise _unknown(system, name)
    candidates.forget_repository(system.offers, name)
    system.effects.commit_point("offers forgotten")
    forget_universe(system.root, name, system.effects)
    _forget_trust(system, name, None)


def set_enabled(
    system: System, name: str, *, enabled: bool, tell_model: bool = True, merge: bool = True
) -> None:
    """Whether what it offers may be chosen, and whether it is read with the others. NotFound."""
    what = "repository enabled" if enabled else "repository disabled"
    with _changing(system, what, tell_model=tell_model, merge=merge):
        if not recorded.set_enabled(system.record, name, enabled=enabled):
            raise _unknown(system, name)


def set_priority(
    system: System, name: str, priority: int, *, tell_model: bool = True, merge: bool = True
) -> None:
    """The higher one wins where two repositories offer a package. NotFound."""
    with _changing(system, "priority said", tell_model=tell_model, merge=merge):
        if not recorded.set_priority(system.record, name, priority):
            raise _unknown(system, name)


def set_vouching(system: System, name: str, said: Said) -> Repository:
    """Say anew who vouches for a repository. What was read of it before counts no more where that is another
    than before; then its index is read again, and nothing is changed when that fails."""
    known = _named(system, name)
    if said.trust is None and not said.unsigned:
        vouching = _with_staleness(known, said)
    else:
        vouching, root = vouching_of(known.uri, said, system.transport)
        with _pinned(system, replace(known, vouching=vouching), root):
            refresh(system, replace(known, vouching=vouching))
    with _changing(system, "vouching said"):
        recorded.set_vouching(system.record, name, vouching)
    if (vouching.by, vouching.pinned) != (known.vouching.by, known.vouching.pinned):
        _forget_trust(system, name, vouching)
    return replace(known, vouching=vouching)


@contextmanager
def _changing(system: System, what: str, *, tell_model: bool = True, merge: bool = True) -> Iterator[None]:
    """A change of the repositories on record and, in one transaction with it, of what the file of the system model
    shall say; then that is written, and what is on offer now is merged."""
    from moss.recover import settle_model_file  # with it half of moss comes along; who looks needs none of it

    with system.record.transaction():
        yield
        if tell_model:
            _tell_model(system)
    system.effects.commit_point(what)
    settle_model_file(system.root, system.record, system.effects, system.reporter)
    if merge:
        merge_offers(system)


def _tell_model(system: System) -> None:
    """A file that cannot be read stays, with a warning."""
    try:
        said = file_of_repositories(system)
    except MossError as fault:
        system.reporter.warning(f"the system model does not name this: {fault.message}")
        return
    if said is not None:
        model_file.record(system.record, said)


def state_named(system: System, name: str) -> RepositoryState:
    """NotFound when there is none of that name."""
    _named(system, name)
    return next(state for state in list_repositories(system) if state.repository.name == name)


def list_repositories(system: System) -> list[RepositoryState]:
    revisions = {revision.repository: revision for revision in candidates.revisions(system.offers)}
    return [_state(system, one, revisions.get(one.name)) for one in recorded.repositories(system.record)]


def _state(system: System, repository: Repository, revision: Revision | None) -> RepositoryState:
    if repository.vouching.by is Voucher.KEYRING:
        from moss.operations.apt_expiry import stale_days  # only where Debian mirrors are

        return RepositoryState(repository, revision, stale_days=stale_days(system, repository))
    if repository.vouching.by is not Voucher.ROOT:
        return RepositoryState(repository, revision)
    from moss.tuf.trusted import place_of, verified  # only where something is signed

    found = verified(place_of(system.root, repository.name, repository.vouching))
    return RepositoryState(repository, revision, found, 0 if found is None else found.days_expired(system.clock()))


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
    if known.vouching.by not in (Voucher.ROOT, Voucher.KEYRING):
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
    from moss.tuf.trusted import beginning, place_of  # only where something is signed

    with beginning(place_of(system.root, repository.name, repository.vouching), root, system.effects):
        yield


def _forget_trust(system: System, name: str, vouching: Vouching | None) -> None:
    """What came of roots that are pinned no more."""
    repository = system.root.trust_of(name)
    if not os.path.isdir(repository):
        return
    from moss.tuf.trusted import forget_others, place_of  # only where something is signed

    is_pinned = vouching is not None and vouching.by is Voucher.ROOT
    place = place_of(system.root, name, vouching) if vouching is not None and is_pinned else None
    forget_others(repository, place, system.effects)


def _full_uri(uri: str, narrowing: Narrowing) -> str:
    of_apt = narrowing.suites or narrowing.components
    if uri.startswith(APT):
        if narrowing.version or narrowing.channel:
            raise UsageError(f"{uri} is an apt repository: it has suites", remedies=["--suite NAME"])
        source = AptSource.parse(uri)
        return str(source.narrowed(narrowing.suites, narrowing.components, narrowing.architecture))
    if narrowing.version and not of_apt:
        return str(
            VersionedSource.of(_absolute(uri), narrowing.version, narrowing.channel, narrowing.architecture)
        )
    if of_apt or narrowing.architecture:
        raise UsageError(
            f"{uri} is no apt repository: it has no suites, components or architectures",
            remedies=["write apt+file:DIR or apt+https://HOST/PATH for a Debian mirror"],
        )
    if narrowing.channel:
        raise UsageError("--channel needs --version", remedies=["--version stream/NAME"])
    if uri.startswith(BUNDLE_PREFIX):
        return BUNDLE_PREFIX + _absolute(uri.removeprefix(BUNDLE_PREFIX))
    return str(VersionedSource.parse(uri)) if uri.startswith(VERSIONED) else _absolute(uri)


def _absolute(uri: str) -> str:
    from moss.fetch.uris import absolute_uri  # looking at repositories fetches nothing

    return absolute_uri(uri)


def _refuse_mirrors(uri: str, mirrors: Sequence[str]) -> None:
    if mirrors and uri.startswith(BUNDLE_PREFIX):
        raise UsageError(f"{uri} is a bundle: it has no mirrors", remedies=["add the other one by a name of its own"])
    for one in mirrors:
        if one.startswith((APT, VERSIONED, BUNDLE_PREFIX)):
            raise UsageError(f"the mirror {one} is no plain URI", remedies=[f"write {one.partition('+')[2] or 'https://…'}"])
