"""Who vouches for a repository: said when it is added, asked whenever it is read, shown wherever it matters.

vouching_of      what the person said, as a value; the pinned root is fetched where only its fingerprint was
signed_source    the index of a repository that is signed, verified before a byte of it is read
sources_of       who vouches for what a plan brings; TrustFailure where nobody does any more
"""

import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING

from moss.db import candidates
from moss.db.repositories import repositories
from moss.debian.compiled import Compiled
from moss.debian.source import PREFIX
from moss.errors import NotFound, TrustFailure, UsageError
from moss.fetch.transport import Transport
from moss.operations.system import System
from moss.package import Published
from moss.plan import Chosen, Source
from moss.repository import BUNDLE_PREFIX, UNSIGNED, Contents, Repository, Voucher, Vouching
from moss.versioned import PREFIX as VERSIONED
from solver.values import value

if TYPE_CHECKING:
    from moss.debian.index import Paragraph
    from moss.tuf.client import Refreshing

FINGERPRINT_PREFIX = "sha256:"


@value
class Said:
    """What the person says of who vouches for a repository."""

    trust: str | None = None
    """A root's file, or `sha256:` and the SHA-256 of one that the repository has."""
    unsigned: bool = False
    max_staleness: int | None = None
    """In days."""


def vouching_of(uri: str, said: Said, transport: Transport) -> tuple[Vouching, bytes | None]:
    """Who vouches for the repository at this URI, and the root to pin where it is one.

    UsageError where that is contradictory, or where nothing was said and something must be. TrustFailure where
    the repository has no root with the fingerprint that was said.
    """
    _refuse_contradictions(uri, said)
    if said.unsigned:
        return UNSIGNED, None
    if uri.startswith(BUNDLE_PREFIX):
        return Vouching(Voucher.KEYS), None
    if uri.startswith(PREFIX):
        keyring = "" if said.trust is None else os.path.abspath(said.trust)
        if keyring and not os.path.isfile(keyring):
            raise NotFound(f"{keyring} is not there", remedies=["name the keyring's file, such as NAME.gpg"])
        return Vouching(Voucher.KEYRING, keyring, said.max_staleness or 0), None
    if said.trust is None:
        raise TrustFailure(
            "nothing was said of who vouches for this repository",
            because=[f"it is {uri}"],
            remedies=[
                "if it is signed, pin its root, which its maker tells: --trust FILE, or --trust sha256:FINGERPRINT",
                "accept that nobody vouches for it: --unsigned",
            ],
        )
    from moss.tuf.trusted import fingerprint_of

    root = _root_of(uri, said.trust, transport)
    return Vouching(Voucher.ROOT, fingerprint_of(root), said.max_staleness or 0), root


def _refuse_contradictions(uri: str, said: Said) -> None:
    if said.trust is not None and said.unsigned:
        raise UsageError("--trust and --unsigned contradict each other", remedies=["say one of them"])
    if said.trust is not None and uri.startswith(VERSIONED):
        raise UsageError(
            f"{uri} is versioned: those are upstream's, and have no signatures",
            remedies=["name the stone.index of one state", "accept that nobody vouches for it: --unsigned"],
        )
    if said.trust is not None and uri.startswith(BUNDLE_PREFIX):
        raise UsageError(
            f"{uri} has no root that could be pinned",
            remedies=["pin the key of who made the bundle: moss key pin NAME KEY"],
        )
    if said.max_staleness is not None and said.trust is None and not uri.startswith(PREFIX):
        raise UsageError("--max-staleness says something about a signed repository", remedies=["add --trust FILE"])


def _root_of(uri: str, trust: str, transport: Transport) -> bytes:
    from moss.operations.metadata import fetching
    from moss.tuf.roles import MOST_ROOTS, ROOT_LIMIT
    from moss.tuf.trusted import fingerprint_of

    if not trust.startswith(FINGERPRINT_PREFIX):
        return _root_in(trust)
    wanted = trust.removeprefix(FINGERPRINT_PREFIX).strip().lower()
    place, seen = metadata_uri(uri), list[str]()
    fetch = fetching(transport, [place])
    for number in range(1, MOST_ROOTS + 1):
        try:
            content = fetch(f"{place}{number}.root.json", ROOT_LIMIT)
        except NotFound:
            break
        if fingerprint_of(content) == wanted:
            return content
        seen.append(f"root {number} is sha256:{fingerprint_of(content)}")
    raise TrustFailure(
        f"{uri} has no root with the fingerprint {trust}",
        because=seen or ["it has no root at all: it is not signed"],
        remedies=["compare it with what its maker tells", "accept that nobody vouches for it: --unsigned"],
    )


def _root_in(path: str) -> bytes:
    from moss.tuf.client import root_fault
    from moss.tuf.roles import ROOT_LIMIT

    remedies = ["name the root's file, such as 1.root.json", "--trust sha256:FINGERPRINT"]
    try:
        with open(path, "rb") as file:
            content = file.read(ROOT_LIMIT + 1)
    except FileNotFoundError as fault:
        raise NotFound(f"{path} is not there", remedies=remedies) from fault
    if why := root_fault(content):
        raise TrustFailure(f"{path} is no repository's root", because=[why], remedies=remedies)
    return content


def metadata_uri(uri: str) -> str:
    """Where the signed metadata of a repository are, which has its index there."""
    from moss.fetch.uris import relative_to
    from moss.tuf.roles import FOLDER

    return relative_to(uri, f"{FOLDER}/")


class SignedSource:
    """The index of a signed repository, which is fetched when it is read."""

    def __init__(self, repository: Repository, refreshing: "Refreshing") -> None:
        self._refreshing = refreshing
        self._uri = repository.uri
        self.target = refreshing.index()
        self.digest = self.target.hashes["sha256"]

    def read(
        self, name: str, offer: "Callable[[Iterable[Published | Paragraph]], None]", before: Compiled | None
    ) -> Contents:
        """Hand on what is on offer."""
        from moss.operations.indexes import StoneSource

        return StoneSource(self._uri, self.digest, self.content).read(name, offer, before)

    @cached_property
    def content(self) -> bytes:
        """The index itself, verified."""
        from moss.tuf.roles import TARGETS_FOLDER

        return self._refreshing.download(self.target, f"{metadata_uri(self._uri)}{TARGETS_FOLDER}/")


@contextmanager
def signed_source(system: System, repository: Repository) -> Iterator[SignedSource]:
    """What a repository has signed, verified. When the block ends well, it is what the system knows of it;
    what was verified is kept in any case. TrustFailure, NetworkFailure, NotFound."""
    from moss.operations.metadata import fetching
    from moss.tuf.client import Refreshing
    from moss.tuf.trusted import fingerprint_of, keep_index, keep_verified, kept_index, pinned_root, place_of

    vouching = repository.vouching
    place = place_of(system.root, repository.name, vouching)
    pinned = pinned_root(place, vouching.pinned)
    places = [metadata_uri(uri) for uri in (repository.uri, *repository.mirrors)]
    with Refreshing(
        repository.name, place, places[0], fetching(system.transport, places),
        pinned=pinned, now=system.clock(), max_staleness=vouching.max_staleness,
    ) as refreshing:  # fmt: skip
        try:
            refreshing.refresh()
            source = SignedSource(repository, refreshing)
        finally:
            refreshing.keep(system.effects)
        yield source
        if fingerprint_of(kept_index(place) or b"") != source.digest:
            keep_index(place, source.content, system.effects)
        keep_verified(place, refreshing.verified(source.target), system.effects)


def sources_of(system: System, chosen: Sequence[Chosen]) -> tuple[Source, ...]:
    """Who vouches for the packages that would come. TrustFailure where what a repository has signed is not good
    any more, for longer than the person accepts."""
    counts: dict[str, int] = {}
    for one in chosen:
        if one.present is None and one.candidate is not None:
            counts[one.candidate.repository] = counts.get(one.candidate.repository, 0) + 1
    if not counts:
        return ()
    known = {repository.name: repository for repository in repositories(system.record)}
    return tuple(
        Source(name, count, known[name].vouching.by, _stale_days(system, known[name]))
        for name, count in sorted(counts.items())
        if name in known
    )


def _stale_days(system: System, repository: Repository) -> int:
    if repository.vouching.by is Voucher.KEYRING:
        if not os.path.isdir(system.root.trust_of(repository.name)):
            return 0  # nothing was verified here: it lies in apt's own lists
        from moss.operations.apt_expiry import refuse_stale as refuse_stale_release  # only where Debian mirrors are
        from moss.operations.apt_expiry import stale_days  # only where Debian mirrors are

        refuse_stale_release(system, repository)
        return stale_days(system, repository)
    if repository.vouching.by is not Voucher.ROOT:
        return 0
    from moss.tuf.trusted import place_of, refuse_stale, verified

    place = place_of(system.root, repository.name, repository.vouching)
    read = {revision.repository: revision.digest for revision in candidates.revisions(system.offers)}
    refuse_stale(repository, place, read.get(repository.name), system.clock(), _day)
    found = verified(place)
    assert found is not None, "what is not verified was refused"
    return found.days_expired(system.clock())


def _day(moment: int) -> str:
    return time.strftime("%Y-%m-%d", time.gmtime(moment))
