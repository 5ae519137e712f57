"""Reading what repositories offer: their indexes into the cache, and what is enabled merged into one universe."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from moss.db import candidates, definitions
from moss.db import repositories as recorded
from moss.debian.source import PREFIX as APT
from moss.errors import CorruptData, MossError, NetworkFailure, NotFound, TrustFailure
from moss.offers import compile_universe, compiled_before, merge_universes, restore_universe
from moss.operations.facts import machine_architecture
from moss.operations.places import is_on_network
from moss.operations.system import System
from moss.operations.vouching import signed_source
from moss.repository import BUNDLE_PREFIX, Repository, Revision, Seen, Voucher
from solver.values import value

if TYPE_CHECKING:
    from moss.operations.apt_packages import PackagesSource
    from moss.operations.bundled import BundleSource
    from moss.operations.indexes import StoneSource
    from moss.operations.vouching import SignedSource


@value
class Refresh:
    """What reading a repository's index brought."""

    repository: str
    package_count: int
    changed: bool


def update_repositories(system: System, names: Sequence[str] = ()) -> list[Refresh]:
    """Read the indexes of these repositories, or of all that are enabled; NotFound for an unknown name."""
    known = recorded.repositories(system.record)
    unknown = sorted(set(names) - {repository.name for repository in known})
    if unknown:
        raise NotFound(f"there is no repository {', '.join(unknown)}", remedies=["moss repo list"])
    wanted = [one for one in known if (one.name in names if names else one.enabled)]
    return _refresh_all(system, wanted)


def refresh(system: System, repository: Repository) -> Refresh:
    """Read the index of one, as it is vouched for: what is not new is not read again."""
    system.reporter.stage(f"reading the index of {repository.name}")
    if repository.vouching.by is Voucher.ROOT:
        with signed_source(system, repository) as source:
            return _take(system, repository, source)
    if repository.uri.startswith(BUNDLE_PREFIX):
        from moss.operations.bundled import bundle_source  # only where a bundle is read

        return _take(system, repository, bundle_source(system, repository))
    if repository.uri.startswith(APT) and _is_verified_here(repository):
        from moss.operations.apt_indexes import ask_apt  # only where Debian mirrors are

        answer = ask_apt(system, repository, _known(system, repository))
        return _take(system, repository, answer.source, answer.seen)
    from moss.operations.asking import ask  # looking at repositories reads none of them

    found = ask(repository, _known(system, repository), system.transport, machine_architecture(system))
    return _take(system, repository, found.source, found.seen)


def merge_offers(system: System) -> None:
    """What the enabled repositories offer, as one universe. It is in the cache: nothing depends on it but time."""
    merge_universes(system.root, system.offers, recorded.repositories(system.record), system.effects)


def warn_of_age(system: System) -> None:
    """Say how old what is known of repositories on the network is, for who keeps away from it."""
    for repository in recorded.repositories(system.record):
        known = _known(system, repository)
        if repository.enabled and is_on_network(repository) and known is not None:
            system.reporter.warning(_warning(known, system.clock()))


def _refresh_all(system: System, wanted: Sequence[Repository]) -> list[Refresh]:
    """All that can be read, whatever becomes of one of them; then the first failure, with the others beside it."""
    refreshes: list[Refresh] = []
    failures: list[MossError] = []
    for repository in wanted:
        try:
            if system.transport.is_offline and is_on_network(repository):
                refreshes.append(_as_it_was(system, repository))
            else:
                refreshes.append(refresh(system, repository))
        except (NetworkFailure, NotFound, CorruptData, TrustFailure) as failure:
            known = _known(system, repository)
            if isinstance(failure, NetworkFailure) and known is not None:
                use = f"use what was read {_age(known, system.clock())} ago: --offline"
                failure.remedies = (*failure.remedies, use)
            failures.append(failure)
    merge_offers(system)
    if failures:
        first = failures[0]
        first.because = (*first.because, *(other.message for other in failures[1:]))
        raise first
    return refreshes


def _as_it_was(system: System, repository: Repository) -> Refresh:
    """Without the network: what was read before, and how old that is."""
    known = _known(system, repository)
    if known is None:
        raise NetworkFailure(
            f"what {repository.name} offers was never read, and --offline was said",
            remedies=[f"moss repo update {repository.name}"],
        )
    system.reporter.warning(_warning(known, system.clock()))
    return Refresh(repository.name, known.package_count, changed=False)


def _age(known: Revision, now: int) -> str:
    hours = max(0, now - known.refreshed_at) // 3600
    return f"{hours // 24} days" if hours >= 48 else f"{hours} hours" if hours > 1 else "less than two hours"


def _warning(known: Revision, now: int) -> str:
    return f"what {known.repository} offers was read {_age(known, now)} ago; --offline was said"


def _is_verified_here(repository: Repository) -> bool:
    """Whether an apt repository's Release is verified: over the network always, on this machine with a keyring said.
    (What lies in apt's own lists, apt has verified.)"""
    return is_on_network(repository) or bool(repository.vouching.pinned)


def _known(system: System, repository: Repository) -> Revision | None:
    """What was last read of it, from where it is now."""
    for revision in candidates.revisions(system.offers):
        if revision.repository == repository.name and revision.uri == repository.uri:
            return revision
    return None


def _take(
    system: System,
    repository: Repository,
    source: "BundleSource | StoneSource | PackagesSource | SignedSource | None",
    seen: Seen | None = None,
) -> Refresh:
    """Put what is on offer into the cache, where it is another than before."""
    known = _known(system, repository)
    if known is not None and (source is None or known.digest == source.digest):
        candidates.record_unchanged(system.offers, repository.name, system.clock(), seen or Seen())
        restore_universe(system.root, system.offers, known, system.effects)
        system.effects.commit_point("index is as before")
        return Refresh(repository.name, known.package_count, changed=False)
    assert source is not None, "only what is known can be as before"
    before = None if known is None else compiled_before(system.root, known)
    with candidates.replacing(system.offers, repository.name) as offer:
        contents = source.read(repository.name, offer, before)
        count = contents.package_count
        revision = Revision(repository.name, repository.uri, source.digest, system.clock(), count, seen or Seen())
        candidates.record_revision(system.offers, revision)
        definitions.replace_texts(system.offers, repository.name, contents.definitions)
    system.effects.commit_point("index read")
    compile_universe(system.root, system.offers, revision, system.effects, contents.compiled)
    return Refresh(repository.name, count, changed=True)
