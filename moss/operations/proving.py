"""Packages in a bundle, proven by what their own repositories have signed: as if it had come over a network.

    origins_of    what the exporter carries along of the repositories that are signed
    prove         on the receiver: verified against the root that is pinned here, with its counters and its patience
    keep          what was verified is not taken older again

A package is proven when the verified index lists its stone with a content id; the bundle's files must then come
to that id (moss.bundle.arrival), whoever made the bundle.
"""

import io
from collections.abc import Iterable, Sequence

from moss.bundle.origins import SignedOrigin
from moss.bundle.read import Bundle
from moss.db.candidates import revisions
from moss.db.repositories import repositories
from moss.digest import PackageDigest
from moss.errors import NotFound
from moss.operations.system import System
from moss.package import Published
from moss.path_filter import NOTHING_OMITTED
from moss.repository import Repository, Voucher, candidate_key_of
from moss.stone import open_stone
from moss.tuf.roles import TARGETS_FOLDER
from moss.tuf.trusted import (
    Verified,
    as_published,
    fingerprint_of,
    keep_metadata,
    keep_verified,
    known_roots,
    pinned_root,
    place_of,
)
from solver.values import value

_BASE = "bundle:/"


@value
class Proof:
    """What a repository that is trusted here has signed of a bundle's packages."""

    repository: Repository
    """As it is called here."""
    place: str
    files: dict[str, bytes]
    """The metadata that were verified, as they are to be kept."""
    verified: Verified
    stale_days: int
    packages: dict[PackageDigest, str]
    """The content ids of those that the bundle carries."""


def origins_of(system: System, names: Iterable[str]) -> list[SignedOrigin]:
    """What the repositories of these names have signed, those that are signed and were read."""
    known = {one.name: one for one in repositories(system.record) if one.vouching.by is Voucher.ROOT}
    found = []
    for name in sorted(set(names) & set(known)):
        files = as_published(place_of(system.root, name, known[name].vouching))
        if files is not None:
            found.append(SignedOrigin(name, files))
    return found


def prove(system: System, bundle: Bundle) -> list[Proof]:
    """Verify what the bundle's origins have signed that are trusted here, and find what it proves.

    TrustFailure where one of them is older than what was seen here, has expired for longer than is accepted, or
    is not signed by the keys that must sign it.
    """
    if bundle.manifest.omissions != NOTHING_OMITTED:
        return []  # a package without some of its files is not what was signed
    signed = [one for one in repositories(system.record) if one.vouching.by is Voucher.ROOT]
    proofs = []
    for origin in bundle.origins:
        fingerprints = {fingerprint_of(origin.files[name]) for name in origin.roots}
        for repository in signed:
            place = place_of(system.root, repository.name, repository.vouching)
            if not fingerprints.isdisjoint(known_roots(place)):
                proofs.append(_proof(system, bundle, origin, repository, place))
    return proofs


def keep(system: System, proofs: Sequence[Proof]) -> None:
    """What was verified is not taken older again. Where nothing else of a repository was read, it is what is known."""
    read = {revision.repository: revision.digest for revision in revisions(system.offers)}
    for proof in proofs:
        keep_metadata(proof.place, proof.files, system.effects)
        if read.get(proof.repository.name, proof.verified.index) == proof.verified.index:
            keep_verified(proof.place, proof.verified, system.effects)


def _proof(system: System, bundle: Bundle, origin: SignedOrigin, repository: Repository, place: str) -> Proof:
    from moss.tuf.client import Refreshing  # few bundles carry what was signed

    def get(uri: str, limit: int) -> bytes:
        content = origin.files.get(uri.removeprefix(_BASE))
        if content is None:
            raise NotFound(f"{bundle.name} lacks {uri.removeprefix(_BASE)} of {origin.repository}")
        return content[: limit + 1]

    now = system.clock()
    with Refreshing(
        f"{repository.name}, in {bundle.name}", place, _BASE, get,
        pinned=pinned_root(place, repository.vouching.pinned), now=now,
        max_staleness=repository.vouching.max_staleness, called=repository.name,
    ) as refreshing:  # fmt: skip
        refreshing.refresh()
        target = refreshing.index()
        index = refreshing.download(target, f"{_BASE}{TARGETS_FOLDER}/")
        verified, files = refreshing.verified(target), refreshing.files()
    listed = open_stone(io.BytesIO(index), f"the index of {origin.repository} in {bundle.name}").published
    return Proof(
        repository, place, files, verified, verified.days_expired(now),
        _proven(bundle, origin, {one.digest: one for one in listed}),
    )  # fmt: skip


def _proven(
    bundle: Bundle, origin: SignedOrigin, listed: dict[PackageDigest, Published]
) -> dict[PackageDigest, str]:
    """By stone, what each carried package of this origin must come to."""
    proven = {}
    for package in bundle.manifest.packages:
        published = listed.get(package.digest)
        if not package.carried or package.repository != origin.repository or published is None:
            continue
        key = candidate_key_of(published.metadata, published.digest)
        if published.content_id is not None and (key, published.size) == (package.candidate_key, package.stone_size):
            proven[package.digest] = published.content_id
    return proven
