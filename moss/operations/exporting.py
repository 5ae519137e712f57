"""Export: a generation into a bundle, whole or without what the receiver has; and what a system has, for that."""

from collections.abc import Collection

from moss.bundle.gather import Gathered, gather
from moss.bundle.manifest import Base, BundledPackage, Manifest, Origin
from moss.bundle.receipt import Receipt
from moss.bundle.write import DEFAULT_LEVEL, BundleWriter, Written
from moss.db import bundles, packages
from moss.digest import PackageDigest
from moss.effects import as_moss_error
from moss.errors import NotFound
from moss.generation import Generation, PackageId, Selected
from moss.operations.queries import generation_packages
from moss.operations.system import System
from moss.root import GenerationId
from moss.stone.streams import Writable
from moss.store import Store
from moss.trust import SecretKey
from solver.values import value


@value
class Export:
    """A generation, and what of it the receiver lacks."""

    generation: Generation
    selected: tuple[Selected, ...]
    base: Base | None
    carried: frozenset[PackageDigest]
    has: frozenset[PackageId]
    """Packages of this record that the receiver has, and whose files need not be carried."""
    key: SecretKey | None


@value
class Exported:
    """What became of an export."""

    export: Export
    written: Written
    gathered: Gathered


def propose_export(
    system: System,
    number: GenerationId | None,
    *,
    receipt: Receipt | None = None,
    since: GenerationId | None = None,
    key: SecretKey | None = None,
) -> Export:
    """NotFound when there is no such generation, or its packages are not on record any more."""
    wanted = number if number is not None else system.active
    if wanted is None:
        raise NotFound(f"{system.root.path} has no generation yet", remedies=["moss install PACKAGE"])
    generation, selected = _whole_generation(system, wanted)
    base: Base | None = None
    has: dict[PackageDigest, PackageId] = {}
    if receipt is not None:
        base = Base(receipt.system, receipt.generation)
        has = _known(system, receipt.packages)
    elif since is not None:
        base = Base(None, since)
        has = {one.digest: one.package for one in _whole_generation(system, since)[1]}
    there = receipt.packages if receipt is not None else frozenset(has)
    carried = frozenset(one.digest for one in selected if one.digest not in there)
    return Export(generation, tuple(selected), base, carried, frozenset(has.values()), key)


def export(
    system: System, proposed: Export, target: Writable, *, spool_directory: str | None, level: int = DEFAULT_LEVEL
) -> Exported:
    """Write the bundle. The exporter's counter has been raised, durably, before its number leaves the system."""
    carried = [one for one in proposed.selected if one.digest in proposed.carried]
    with as_moss_error("export"), BundleWriter(spool_directory, level) as writer:
        with Store(system.root.store, system.effects) as store:
            gathered = gather(writer, system.record, store, carried, proposed.has, system.reporter)
        origin = _origin(system, proposed)
        manifest = Manifest(
            origin,
            proposed.base,
            proposed.generation.model,
            tuple(_bundled(one, proposed.carried) for one in proposed.selected),
            (),
        )
        return Exported(proposed, writer.write(target, manifest, proposed.key), gathered)


def receipt_of(system: System) -> Receipt:
    """What this system has."""
    return Receipt(
        bundles.system_identity(system.record), system.active, frozenset(packages.digests(system.record))
    )


def _whole_generation(system: System, number: GenerationId) -> tuple[Generation, list[Selected]]:
    generation, selected = generation_packages(system, number)
    if not selected and generation.model.wishes:
        raise NotFound(
            f"generation {number} was given up: its packages are not on record any more",
            remedies=["moss state list"],
        )
    return generation, selected


def _known(system: System, digests: Collection[PackageDigest]) -> dict[PackageDigest, PackageId]:
    """Those of the receiver's packages that this system knows the files of."""
    rows = {digest: packages.unpacked(system.record, digest) for digest in digests}
    return {digest: row for digest, row in rows.items() if row is not None}


def _origin(system: System, proposed: Export) -> Origin:
    """The next number of this exporter: at least the time, so that it grows even when the record was lost."""
    identity = bundles.system_identity(system.record)
    now = system.clock()
    public = b"" if proposed.key is None else proposed.key.public.raw
    number = max(now, bundles.counter(system.record, identity, None) + 1)
    bundles.raise_counter(system.record, identity, public, number)
    system.effects.commit_point("bundle numbered")
    return Origin(identity, number, proposed.generation.id, now)


def _bundled(one: Selected, carried: frozenset[PackageDigest]) -> BundledPackage:
    return BundledPackage(
        one.digest, one.candidate_key, one.metadata.name, one.metadata.ordered_version, one.repository, one.reason,
        one.stone_size, one.installed_size, one.digest in carried,
    )  # fmt: skip
