"""Packages from a state bundle: who vouches for it, and what it would make of this system.

    open, if somebody vouches -> propose -> (the person says yes) -> commit, with the bundle as what arrives
"""

import hashlib
import os
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, BinaryIO

from moss.bundle.arrival import NEW_RECEIPT, Arrival
from moss.bundle.manifest import BundledPackage, Manifest
from moss.bundle.read import Bundle, Head, open_bundle
from moss.db import bundles, generations, packages
from moss.debian.compiled import Compiled
from moss.digest import PackageDigest
from moss.errors import NotFound, TrustFailure
from moss.fetch.verify import open_uri
from moss.generation import Selected
from moss.operations.filtering import surveyed
from moss.operations.keys import keys
from moss.operations.model_texts import text_in_bundle
from moss.operations.queries import installed
from moss.operations.stated import stated
from moss.operations.system import System
from moss.package import Metadata, Published
from moss.plan import Chosen, Plan, Removal, Source, Space, difference
from moss.repository import BUNDLE_PREFIX, Candidate, Contents, Repository, Voucher
from moss.stone.container import PayloadKind
from moss.trust import PublicKey
from solver.values import value

if TYPE_CHECKING:
    from moss.operations.proving import Proof


@value
class Vouched:
    """A bundle that somebody vouches for, and what its packages' repositories have signed of it."""

    bundle: Bundle
    proofs: "tuple[Proof, ...]"


def open_vouched(system: System, file: BinaryIO, name: str, *, unsigned: bool) -> Vouched:
    """Open a bundle that somebody vouches for. TrustFailure where nobody does and the person did not accept
    that, or where a newer bundle of the same exporter was taken before; little was read of it then.

    Who vouches is the exporter, whose key is pinned here, or else the repositories that every package in it comes
    from: what those have signed is verified in any case where their root is pinned here.
    """

    def judge(head: Head) -> None:
        carries_signatures = any(part.kind is PayloadKind.ORIGIN for part in head.manifest.parts)
        if not (unsigned or carries_signatures) and _pinned_name(system, head.signer) is None:
            raise _unvouched(head)
        _refuse_replay(system, head)

    bundle = open_bundle(file, name, judge)
    if unsigned or not bundle.origins:
        return Vouched(bundle, ())
    from moss.operations.proving import prove  # few bundles carry what was signed

    proofs = tuple(prove(system, bundle))
    bundle.proven = {digest: identity for proof in proofs for digest, identity in proof.packages.items()}
    unproven = [one.label for one in bundle.manifest.packages if one.carried and one.digest not in bundle.proven]
    if unproven and _pinned_name(system, bundle.signer) is None:
        raise _unvouched(Head(bundle.name, bundle.manifest, bundle.signer), unproven)
    return Vouched(bundle, proofs)


def keep_trust(system: System, vouched: Vouched) -> None:
    """What repositories have signed is not taken older again."""
    if vouched.proofs:
        from moss.operations.proving import keep

        keep(system, vouched.proofs)


def _pinned_name(system: System, signer: PublicKey | None) -> str | None:
    return next((key.name for key in keys(system) if key.public == signer), None)


def _who_vouches(system: System, signer: PublicKey | None) -> str:
    name = _pinned_name(system, signer)
    if name is not None:
        return f"signed by {name}"
    return "signed by nobody" if signer is None else f"signed by {signer}, which is not pinned here"


def propose_bundle(system: System, vouched: Vouched) -> tuple[Plan, Arrival]:
    """What making the bundle's generation would change here, and the packages that come for it.

    Raises NotFound where it builds on packages that this system does not have, CorruptData.
    """
    bundle = vouched.bundle
    manifest = bundle.manifest
    _refuse_lacking(system, bundle)
    here = installed(system)
    chosen = _chosen(system, bundle, here)
    changed = difference(here, chosen)
    base, here_said = system.active, stated(system)
    plan = Plan(
        operation="sync",
        base=base,
        result=generations.next_number(system.record),
        model=manifest.model,
        model_before=here_said.active,
        chosen=chosen,
        installs=changed.installs,
        changes=changed.changes,
        removals=tuple(
            Removal(metadata, "the bundle's generation does not have it") for metadata in changed.removals
        ),
        space=_space(system, bundle),
        proof=None,
        origin=f"{describe_origin(manifest)}, {_who_vouches(system, bundle.signer)}{_also(vouched)}",
        sources=_sources(system, vouched, chosen),
        edited=here_said.model if here_said.is_edited else None,
        # What a person has written here and not followed yet stays, with what the bundle says differently put into it.
        model_text=None if here_said.is_edited else text_in_bundle(manifest, bundle.name),
    )
    arriving = [
        one.candidate.digest for one in chosen if one.candidate is not None and one.present is None
    ]
    return surveyed(system, plan, manifest.omissions), Arrival(bundle, arriving, whole=True)


def _also(vouched: Vouched) -> str:
    """Which repositories' own signatures prove packages of it."""
    said = [f"{proof.repository.name} ({len(proof.packages)})" for proof in vouched.proofs if proof.packages]
    return f"; packages proven by what their repository has signed: {', '.join(said)}" if said else ""


def _sources(system: System, vouched: Vouched, chosen: Sequence[Chosen]) -> tuple[Source, ...]:
    """Who vouches for what comes: its repository, or else the exporter, or nobody."""
    exporter = Voucher.NOBODY if _pinned_name(system, vouched.bundle.signer) is None else Voucher.KEYS
    counts: dict[tuple[str, Voucher, int], int] = {}
    for one in chosen:
        if one.candidate is None or one.present is not None:
            continue
        by = (one.candidate.repository, exporter, 0)
        for proof in vouched.proofs:
            if one.candidate.digest in proof.packages:
                by = (proof.repository.name, Voucher.ROOT, proof.stale_days)
        counts[by] = counts.get(by, 0) + 1
    return tuple(Source(name, count, by, days) for (name, by, days), count in sorted(counts.items()))


def describe_origin(manifest: Manifest) -> str:
    origin = manifest.origin
    made = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(origin.created_at))
    return f"generation {origin.generation} of the system {origin.system[:8]}, exported {made}"


def arrivals_of(
    system: System, wanted: Sequence[tuple[Repository, Sequence[PackageDigest]]], open_files: ExitStack
) -> list[Arrival]:
    """What comes from repositories that are bundles: opened anew, and judged anew."""
    arrivals = []
    for repository, digests in wanted:
        vouched = _open_of(system, repository, open_files)
        keep_trust(system, vouched)
        bundle = vouched.bundle
        carried = {package.digest for package in bundle.manifest.packages if package.carried}
        if missing := set(digests) - carried:
            raise NotFound(
                f"{repository.uri} does not hold {len(missing)} of the packages that it did when it was last read",
                remedies=[f"moss repo update {repository.name}"],
            )
        arrivals.append(Arrival(bundle, digests, whole=False))
    return arrivals


class BundleSource:
    """A bundle as a repository: what it carries is on offer. Reading it is taking notice of its number."""

    def __init__(self, bundle: Bundle) -> None:
        self._bundle = bundle
        self.digest = hashlib.sha256(bundle.manifest.encode()).hexdigest()

    def read(self, _: str, offer: Callable[[Iterable[Published]], None], __: Compiled | None) -> Contents:
        """Hand on what is on offer."""
        listed = {package.digest: package for package in self._bundle.manifest.packages}
        offered = [
            Published(
                one.metadata,
                one.metadata.file_name,
                one.digest,
                listed[one.digest].stone_size,
                listed[one.digest].installed_size,
            )
            for one in self._bundle.packages()
        ]
        offer(offered)
        return Contents(len(offered))


def bundle_source(system: System, repository: Repository) -> BundleSource:
    """Open, and judge who vouches for it. Its file is closed again: what is installed is read anew."""
    with ExitStack() as open_files:
        vouched = _open_of(system, repository, open_files)
        bundle = vouched.bundle
        origin, signer = bundle.manifest.origin, bundle.signer
        bundles.raise_counter(system.record, origin.system, b"" if signer is None else signer.raw, origin.counter)
        system.effects.commit_point("bundle seen")
        keep_trust(system, vouched)
        return BundleSource(bundle)


def _open_of(system: System, repository: Repository, open_files: ExitStack) -> Vouched:
    """The bundle that is a repository's."""
    place = repository.uri.removeprefix(BUNDLE_PREFIX)
    return open_vouched(system, open_files.enter_context(open_uri(place)), place, unsigned=repository.unsigned)


def _unvouched(bundle: Head, unproven: Sequence[str] = ()) -> TrustFailure:
    few = f"{', '.join(unproven[:5])}{' and more' if len(unproven) > 5 else ''}"
    missing = [f"no repository that is trusted here has signed what it holds of: {few}"] if unproven else []
    if bundle.signer is None:
        return TrustFailure(
            f"{bundle.name} is not signed: nothing vouches for what it holds",
            because=missing,
            remedies=["have it signed; there: moss key make, then moss export", "accept that: --unsigned"],
        )
    return TrustFailure(
        f"{bundle.name} is signed by a key that is not pinned here",
        because=[f"it is {bundle.signer}", *missing],
        remedies=[
            f"compare it with what moss key list shows there, then: moss key pin NAME {bundle.signer}",
            "accept that nothing vouches for it: --unsigned",
        ],
    )


def _refuse_replay(system: System, bundle: Head) -> None:
    origin, signer = bundle.manifest.origin, bundle.signer
    taken = bundles.counter(system.record, origin.system, None if signer is None else signer.raw)
    if origin.counter < taken:
        raise TrustFailure(
            f"{bundle.name} is older than a bundle of the same exporter that was taken before",
            because=[f"it is number {origin.counter}, number {taken} was seen"],
            remedies=[
                f"make it anew, if that generation is wanted; there: moss export {origin.generation} -o FILE",
                "moss rollback, if this system had it before",
            ],
        )


def _refuse_lacking(system: System, bundle: Bundle) -> None:
    lacking = [
        package.label
        for package in bundle.manifest.packages
        if not package.carried and packages.unpacked(system.record, package.digest) is None
    ]
    if not lacking:
        return
    base = bundle.manifest.base
    here = bundles.system_identity(system.record)
    because = [f"it builds on {', '.join(lacking[:8])}{' and more' if len(lacking) > 8 else ''}"]
    if base is not None and base.system is not None and base.system != here:
        because.append(f"it was made for the system {base.system[:8]}, this is the system {here[:8]}")
    elif base is not None:
        because.append("this system had them once, or never; now it does not")
    raise NotFound(
        f"{bundle.name} builds on {len(lacking)} packages that this system does not have",
        because=because,
        remedies=list(NEW_RECEIPT),
    )


def _chosen(system: System, bundle: Bundle, here: Sequence[Selected]) -> tuple[Chosen, ...]:
    """The generation's packages, by name: as this system has them, or as the bundle brings them."""
    present = {selected.digest: selected for selected in here}
    carried = {
        one.digest: one.metadata for one in bundle.packages() if one.digest not in present
    }
    chosen = []
    for package in bundle.manifest.packages:
        selected = present.get(package.digest)
        if selected is not None:
            chosen.append(Chosen(selected.metadata, selected.candidate_key, package.reason, selected, None))
            continue
        metadata = carried.get(package.digest) or _recorded(system, package)
        chosen.append(Chosen(metadata, package.candidate_key, package.reason, None, _candidate(package, metadata)))
    return tuple(sorted(chosen, key=lambda one: (one.name, one.metadata.architecture, one.candidate_key)))


def _recorded(system: System, package: BundledPackage) -> Metadata:
    row = packages.unpacked(system.record, package.digest)
    assert row is not None, "what is not carried was looked for before"
    return packages.metadata_of(system.record, row)


def _candidate(package: BundledPackage, metadata: Metadata) -> Candidate:
    return Candidate(
        package.repository, package.candidate_key, metadata, "", package.digest, package.stone_size,
        package.installed_size,
    )  # fmt: skip


def _space(system: System, bundle: Bundle) -> Space:
    status = os.statvfs(system.root.path)
    stored = sum(part.stored_size for part in bundle.manifest.parts)
    coming = bundle.content_size + sum(delta.size for delta in bundle.deltas)
    return Space(stored, coming, status.f_bavail * status.f_frsize)
