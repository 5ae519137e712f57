"""An apt repository that is vouched for by a keyring: its Release verified, its indexes fetched by what that says.

    InRelease     asked for on condition; verified by gpgv or sqv; not older than the last one, not expired
    Packages      by digest, in parallel, into the cache; nothing is parsed that is not the signed one
    read          as a mirror on this machine is read

What was verified last lies in .moss/trust/NAME/apt, outside generations: an older one is never taken again.
"""

import hashlib
import os
import time
from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial

from moss.debian.release import Release, parse_release
from moss.debian.source import AptSource
from moss.digest import PackageDigest
from moss.errors import MossError, NotFound, TrustFailure, UsageError
from moss.fetch.arriving import Wanted
from moss.fetch.document import Unchanged, fetch_document
from moss.fetch.files import fetch_files
from moss.fetch.transport import Validators
from moss.fetch.uris import relative_to, uri_of_path
from moss.foreign.apt import IndexFile
from moss.foreign.openpgp import signed_text
from moss.operations.indexes import PackagesSource
from moss.operations.system import System
from moss.repository import Repository, Revision, Seen, Voucher
from solver.values import value

_RELEASE_LIMIT = 16 << 20
_ENDINGS = (".zst", ".xz", ".gz", "")
"""The smallest first."""
_OWN_KEYRINGS = ("/etc/apt/trusted.gpg.d", "/usr/share/keyrings/debian-archive-keyring.gpg")
_DAY = 86400


@value
class AptAnswer:
    """What an apt repository has now; no source where that is what it had."""

    source: PackagesSource | None
    seen: Seen


def keyrings_of(repository: Repository) -> tuple[str, ...]:
    """The files with the keys that vouch: the one that was named, else those that this machine's apt goes by."""
    if repository.vouching.pinned:
        return (repository.vouching.pinned,)
    found: list[str] = []
    for place in _OWN_KEYRINGS:
        if os.path.isdir(place):
            found += [os.path.join(place, name) for name in sorted(os.listdir(place)) if name.endswith(".gpg")]
        elif os.path.isfile(place):
            found.append(place)
    return tuple(found)


def ask_apt(system: System, repository: Repository, known: Revision | None) -> AptAnswer:
    """TrustFailure, NetworkFailure, NotFound, CorruptData; UsageError where no suite is named."""
    source = AptSource.parse(repository.uri)
    if not source.suites:
        raise UsageError(
            f"{repository.uri} names no suite", remedies=["--suite NAME, such as --suite bookworm"]
        )
    base = uri_of_path(source.place) if source.transport == "file" else f"{source.transport}:{source.place}"
    bases = [one if one.endswith("/") else f"{one}/" for one in (base, *repository.mirrors)]
    releases: dict[str, Release] = {}
    seen = known.seen if known is not None and known.uri == repository.uri else Seen()
    now = Seen()
    for suite in source.suites:
        uri = relative_to(bases[0], f"dists/{suite}/InRelease")
        asked = Validators(seen.etag, seen.last_modified) if len(source.suites) == 1 and seen.asked == uri else None
        answer = fetch_document(uri, _RELEASE_LIMIT, asked, transport=system.transport)
        if isinstance(answer, Unchanged):
            _refuse_expired(system, repository, suite, _last(system, repository, suite))
            return AptAnswer(None, seen)
        releases[suite] = _verified(system, repository, suite, answer.content, uri)
        now = Seen("", uri if answer.validators else "", answer.validators.etag, answer.validators.last_modified)
    wanted = [one for suite in source.suites for one in _wanted(source, suite, releases[suite], bases)]
    digest = hashlib.sha256("\n".join([str(source), *(one.digest for _, one in wanted)]).encode()).hexdigest()
    if known is not None and known.digest == digest:
        return AptAnswer(None, now)
    files = _fetched(system, wanted)
    return AptAnswer(PackagesSource(digest, tuple(files), source.wanted_architecture), now)


def _verified(system: System, repository: Repository, suite: str, content: bytes, uri: str) -> Release:
    """What is signed, if it may be taken; from then on nothing older may."""
    if repository.vouching.by is Voucher.NOBODY:
        return parse_release(_body(content), uri)
    text = signed_text(content, keyrings_of(repository), uri)
    release = parse_release(text.decode("utf-8", "replace"), uri)
    plain = suite.removesuffix("/")
    names = {release.suite, release.codename, release.codename.partition("/")[0]}
    if plain not in names and plain.partition("/")[0] not in names:
        raise TrustFailure(
            f"{uri} is the Release of {release.suite or release.codename}, and {suite} was asked for",
            remedies=["name that suite", "use another mirror: this one mixes suites up"],
        )
    last = _last(system, repository, suite)
    if last is not None and release.date < last.date:
        raise TrustFailure(
            f"{uri} is older than what was verified before",
            because=[
                f"it is of {_day(release.date)}, that was of {_day(last.date)}",
                "somebody may be keeping newer packages from this system",
            ],
            remedies=["use another mirror", "ask the mirror's maker"],
        )
    _refuse_expired(system, repository, suite, release)
    _keep(system, repository, suite, text)
    return release


def _refuse_expired(system: System, repository: Repository, suite: str, release: Release | None) -> None:
    if release is None or release.valid_until is None:
        return
    late = system.clock() - release.valid_until
    if late <= repository.vouching.max_staleness * _DAY:
        return
    raise TrustFailure(
        f"what {repository.name} has signed of {suite} is valid until {_day(release.valid_until)} only",
        because=["a mirror that is no longer kept up, or somebody who keeps newer packages away, looks like this"],
        remedies=["use another mirror", f"take it all the same for a while: moss repo trust {repository.name} --help"],
    )


def _wanted(source: AptSource, suite: str, release: Release, bases: Sequence[str]) -> list[tuple[str, Wanted]]:
    """The indexes that a source means of a suite: what each is to be called, and where it is."""
    binary = f"binary-{source.wanted_architecture}"
    there = sorted({path.partition(f"/{binary}/")[0] for path in release.files if f"/{binary}/Packages" in path})
    components = source.components or tuple(name for name in there if "debian-installer" not in name)
    found = []
    for component in components:
        stem = f"{component}/{binary}/Packages"
        ending = next((ending for ending in _ENDINGS if stem + ending in release.files), None)
        if ending is None:
            raise NotFound(
                f"{suite} lists no index of {component} for {source.wanted_architecture}",
                because=[f"there are: {', '.join(there)}"] if there else [],
                remedies=["--component NAME", "--arch NAME"],
            )
        digest, size = release.files[stem + ending]
        paths = [f"dists/{suite}/{stem}{ending}"]
        if release.by_hash:
            paths.insert(0, f"dists/{suite}/{component}/{binary}/by-hash/SHA256/{digest}")
        uris = tuple(relative_to(base, path) for base in bases for path in paths)
        found.append((f"{digest}{ending}", Wanted(f"{suite} {component}", uris, PackageDigest(digest), size)))
    return found


def _fetched(system: System, wanted: Sequence[tuple[str, Wanted]]) -> list[IndexFile]:
    """The indexes as files of the cache, under names that say how they are compressed."""
    directory = os.path.join(system.root.cache, "apt")
    for place in (system.root.downloads, directory):
        if not os.path.isdir(place):
            system.effects.mkdir(place, 0o700)
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


def _place(system: System, repository: Repository, suite: str) -> str:
    return os.path.join(system.root.trust_of(repository.name), "apt", f"{suite.replace('/', '_')}.release")


def _last(system: System, repository: Repository, suite: str) -> Release | None:
    """The Release that was verified last."""
    place = _place(system, repository, suite)
    try:
        with open(place, encoding="utf-8") as file:
            return parse_release(file.read(), place)
    except FileNotFoundError:
        return None


def _keep(system: System, repository: Repository, suite: str, text: bytes) -> None:
    """From now on nothing older is taken."""
    place = _place(system, repository, suite)
    made = system.root.below(".moss", "trust")
    for part in ("", repository.name, "apt"):
        made = os.path.join(made, part) if part else made
        if not os.path.isdir(made):
            system.effects.mkdir(made, 0o700)
    system.effects.replace_file(place, text, mode=0o600)


def _body(content: bytes) -> str:
    """What a clear-signed text says, where nobody is asked to vouch for it."""
    text = content.decode("utf-8", "replace")
    if not text.startswith("-----BEGIN PGP SIGNED"):
        return text
    _, _, body = text.partition("\n\n")
    return body.partition("\n-----BEGIN PGP SIGNATURE-----")[0]


def _day(moment: int) -> str:
    return time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(moment))

