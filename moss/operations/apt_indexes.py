"""An apt repository that is vouched for by a keyring: its indexes, fetched by what its Release says.

    Release       verified: moss/operations/apt_release.py
    Packages      by digest, in parallel, into the cache; nothing is parsed that is not the signed one
    read          as a mirror on this machine is read
"""

import hashlib
import os
from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial

from moss.db import candidates
from moss.debian.companion import is_companion
from moss.debian.release import Release
from moss.debian.source import AptSource
from moss.digest import PackageDigest
from moss.errors import MossError, NotFound, UsageError
from moss.fetch.arriving import Wanted
from moss.fetch.files import fetch_files
from moss.fetch.uris import relative_to, uri_of_path
from moss.foreign.apt import IndexFile
from moss.operations.apt_expiry import keep_read, refuse_expired, refuse_stale
from moss.operations.apt_packages import PackagesSource
from moss.operations.apt_release import keep_seen, last_release, release_of, seen_of
from moss.operations.facts import machine_architecture
from moss.operations.system import System
from moss.repository import Repository, Revision, Seen
from solver.values import value

_ENDINGS = (".zst", ".xz", ".gz", "")
"""The smallest first."""


@value
class AptAnswer:
    """What an apt repository has now; no source where that is what it had."""

    source: PackagesSource | None
    seen: Seen


def ask_apt(system: System, repository: Repository, known: Revision | None) -> AptAnswer:
    """TrustFailure, NetworkFailure, NotFound, CorruptData; UsageError where no suite is named."""
    source = AptSource.parse(repository.uri)
    if not source.suites:
        raise UsageError(
            f"{repository.uri} names no suite", remedies=["--suite NAME, such as --suite bookworm"]
        )
    base = uri_of_path(source.place) if source.transport == "file" else f"{source.transport}:{source.place}"
    bases = [one if one.endswith("/") else f"{one}/" for one in (base, *repository.mirrors)]
    companions = source.is_beside(machine_architecture(system))
    seen = known.seen if known is not None and _is_read_so(system, known, companions) else Seen()
    releases: dict[str, Release] = {}
    now = Seen()
    if len(source.suites) == 1:
        answer, now = release_of(system, repository, source.suites[0], bases, seen)
        if answer is None:
            refuse_stale(system, repository)
            return AptAnswer(None, now)
        releases[source.suites[0]] = answer
    else:
        releases = {suite: _release_of_several(system, repository, suite, bases) for suite in source.suites}
    wanted = [one for suite in source.suites for one in _wanted(source, suite, releases[suite], bases)]
    beside = ["companions"] if companions else []
    digest = hashlib.sha256("\n".join([str(source), *beside, *(one.digest for _, one in wanted)]).encode()).hexdigest()
    if known is not None and known.digest == digest:
        keep_read(system, repository, releases)
        return AptAnswer(None, now)
    files = _fetched(system, repository.name, wanted)
    keep_read(system, repository, releases)
    return AptAnswer(PackagesSource(digest, tuple(files), source.wanted_architecture, companions), now)


def _is_read_so(system: System, known: Revision, companions: bool) -> bool:
    """Whether what is known was read for a machine of the same architecture: else that nothing has changed since then
    says nothing."""
    name = candidates.any_name(system.offers, known.repository)
    return name is None or is_companion(name) is companions


def _release_of_several(system: System, repository: Repository, suite: str, bases: Sequence[str]) -> Release:
    """That one of several suites is as it was says nothing of what the others list: it is known from before then."""
    answer, seen = release_of(system, repository, suite, bases, seen_of(system, repository, suite))
    if answer is not None:
        keep_seen(system, repository, suite, seen)
        return answer
    release = last_release(system, repository, suite)
    assert release is not None, "what was seen of a suite lies beside its Release"
    if release.valid_until is not None:
        refuse_expired(system, repository, suite, release.valid_until)
    return release


def _wanted(source: AptSource, suite: str, release: Release, bases: Sequence[str]) -> list[tuple[str, Wanted]]:
    """The indexes that a source means of a suite: what each is to be called, and where it is."""
    binary = f"binary-{source.wanted_architecture}"
    there = sorted({path.partition(f"/{binary}/")[0] for path in release.files if f"/{binary}/Packages" in path})
    components = source.components or _components(there)
    found = []
    for component in components:
        stem = f"{component}/{binary}/Packages"
        ending = next((ending for ending in _ENDINGS if stem + ending in release.files), None)
        if ending is None:
            raise NotFound(
                f"{suite} lists no index of {component} for {source.wanted_architecture}",
                because=[f"there are: {', '.join(_components(there))}"] if there else [],
                remedies=["--component NAME", "--arch NAME"],
            )
        digest, size = release.files[stem + ending]
        paths = [f"dists/{suite}/{stem}{ending}"]
        if release.by_hash:
            paths.insert(0, f"dists/{suite}/{component}/{binary}/by-hash/SHA256/{digest}")
        uris = tuple(relative_to(base, path) for base in bases for path in paths)
        found.append((f"{digest}{ending}", Wanted(f"{suite} {component}", uris, PackageDigest(digest), size)))
    return found


def _components(folders: Sequence[str]) -> tuple[str, ...]:
    """Those that hold packages for systems."""
    return tuple(name for name in folders if "debian-installer" not in name)


def _fetched(system: System, repository: str, wanted: Sequence[tuple[str, Wanted]]) -> list[IndexFile]:
    """The indexes as files of the cache, under names that say how they are compressed. One that is there from before
    is not fetched again: of several suites seldom more than one has changed."""
    directory = os.path.join(system.root.cache, "apt", repository)
    for place in (system.root.downloads, os.path.dirname(directory), directory):
        if not os.path.isdir(place):
            system.effects.mkdir(place, 0o700)
    for name, one in wanted:
        if os.path.exists(os.path.join(directory, name)):  # where it is looked for, and verified like any other
            system.effects.rename(os.path.join(directory, name), os.path.join(system.root.downloads, one.digest))
    with ExitStack() as files:
        for file in fetch_files(
            [one for _, one in wanted],
            system.root.downloads,
            transport=system.transport,
            effects=system.effects,
            reporter=system.reporter,
        ):
            files.enter_context(file)
        found = []
        for name, one in wanted:
            path = os.path.join(directory, name)
            source = os.path.join(system.root.downloads, one.digest)
            if os.path.lexists(path):
                system.effects.unlink(path)
            if os.path.exists(source):
                system.effects.rename(source, path)
            else:  # a mirror on this machine: it was read in place
                _copy_in_place(one, path, system)
            found.append(IndexFile(path, (one.digest, one.size)))
    for name in sorted(set(os.listdir(directory)) - {name for name, _ in wanted}):
        system.effects.unlink(os.path.join(directory, name))
    return found


def _copy_in_place(wanted: Wanted, path: str, system: System) -> None:
    from moss.fetch.verify import open_uri, verify

    for uri in wanted.uris:
        try:
            file = open_uri(uri)
        except MossError:
            continue
        with file:
            verify(file, uri, digest=wanted.digest, size=wanted.size)
            system.effects.replace_file(path, iter(partial(file.read, 1 << 20), b""), mode=0o600)
            return
    raise NotFound(f"{wanted.name} is nowhere to be had", remedies=["moss repo update"])
