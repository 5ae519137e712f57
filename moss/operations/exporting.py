"""Export: a generation into a bundle, whole or without what the receiver has; and what a system has, for that."""

from collections.abc import Collection, Iterable

from moss.bundle.gather import Gathered, gather
from moss.bundle.manifest import Base, BundledPackage, Manifest, Origin
from moss.bundle.origins import SignedOrigin
from moss.bundle.receipt import Receipt
from moss.bundle.write import DEFAULT_LEVEL, BundleWriter, Written
from moss.db import bundles, cuts, packages
from moss.db.cuts import Cut
from moss.digest import PackageDigest
from moss.effects import as_moss_error
from moss.errors import NotFound
from moss.generation import Generation, Selected
from moss.operations.model_texts import model_text
from moss.operations.queries import generation_packages
from moss.operations.subscriptions import definition_texts
from moss.operations.system import System
from moss.path_filter import NOTHING_OMITTED, PathFilter
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
    has: frozenset[Cut]
    """What the receiver has of the packages of this record: the files of these need not be carried."""
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
    has: frozenset[Cut] = frozenset()
    there: frozenset[PackageDigest] = frozenset()
    if receipt is not None:
        base = Base(receipt.system, receipt.generation)
        has = _known(system, ((NOTHING_OMITTED, receipt.packages), *receipt.filtered))
        there = receipt.all_packages
    elif since is not None:
        base = Base(None, since)
        before = _whole_generation(system, since)[1]
        omissions = cuts.omissions_of(system.record, since)
        has = frozenset(Cut(one.package, omissions) for one in before)
        there = frozenset(one.digest for one in before)
    carried = frozenset(one.digest for one in selected if one.digest not in there)
    return Export(generation, tuple(selected), base, carried, has, key)


def export(
    system: System, proposed: Export, target: Writable, *, spool_directory: str | None, level: int = DEFAULT_LEVEL
) -> Exported:
    """Write the bundle. The exporter's counter has been raised, durably, before its number leaves the system."""
    carried = [one for one in proposed.selected if one.digest in proposed.carried]
    enough = {NOTHING_OMITTED, cuts.omissions_of(system.record, proposed.generation.id)}
    whole = {package for package, path_filter in proposed.has if path_filter in enough}
    known = [
        one for one in proposed.selected if one.digest not in proposed.carried and one.package not in whole
    ]  # fmt: skip
    with as_moss_error("export"), BundleWriter(spool_directory, level) as writer:
        with Store(system.root.store, system.effects) as store:
            path_filter = cuts.filter_of(system.record, proposed.generation.id)
            gathered = gather(
                writer, system.record, store, carried, known, path_filter, proposed.has, system.reporter,
                _signed_origins(system, carried),
            )
        origin = _origin(system, proposed)
        manifest = Manifest(
            origin,
            proposed.base,
            proposed.generation.model,
            tuple(_bundled(one, proposed.carried) for one in proposed.selected),
            (),
            cuts.omissions_of(system.record, proposed.generation.id),
            definition_texts(system),
            model_text(system, proposed.generation),
        )
        return Exported(proposed, writer.write(target, manifest, proposed.key), gathered)


def receipt_of(system: System) -> Receipt:
    """What this system has."""
    here = cuts.cuts_on_record(system.record)
    whole = here.pop(NOTHING_OMITTED, set())
    filtered = tuple((path_filter, frozenset(digests)) for path_filter, digests in here.items() if digests)
    return Receipt(bundles.system_identity(system.record), system.active, frozenset(whole), filtered)


def _signed_origins(system: System, carried: Iterable[Selected]) -> list[SignedOrigin]:
    """What the repositories of these packages have signed."""
    from moss.operations.proving import origins_of

    return origins_of(system, [one.repository for one in carried])


def _whole_generation(system: System, number: GenerationId) -> tuple[Generation, list[Selected]]:
    generation, selected = generation_packages(system, number)
    if not selected and generation.model.wishes:
        raise NotFound(
            f"generation {number} was given up: its packages are not on record any more",
            remedies=["moss state list"],
        )
    return generation, selected


def _known(
    system: System, had: Iterable[tuple[PathFilter, Collection[PackageDigest]]]
) -> frozenset[Cut]:
    """What the receiver has of packages that this system knows the files of."""
    return frozenset(
        Cut(row, path_filter)
        for path_filter, digests in had
        for digest in digests
        if (row := packages.unpacked(system.record, digest)) is not None
    )


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
