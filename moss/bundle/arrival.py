"""From a bundle into the record and the store of a system: packages that it lacks, each file verified.

Called within the transaction that a commit makes: `record` writes the rows, `unpack` the files that
they need, and only then, when those are durable, is the transaction committed.
"""

from collections.abc import Collection, Iterator, Mapping

from moss.bundle.gather import read_asset
from moss.bundle.packages import CarriedPackage
from moss.bundle.read import Bundle, Delta
from moss.db import bundles, packages
from moss.db.carrying import asset_with_content, assets_with_content
from moss.db.connection import Database
from moss.db.packages import Asset
from moss.digest import EMPTY_CONTENT, ContentDigest, PackageDigest, content_digest
from moss.errors import CorruptData, NotFound
from moss.generation import PackageId
from moss.layout import INSTALLABLE_KINDS, Entry
from moss.reporter import Reporter
from moss.stone.content import Content
from moss.stone.patches import MAX_PATCHED, apply_patch
from moss.store import Store
from moss.unpack import Rows, rows_of, store_content

NEW_RECEIPT = (
    "write a new receipt here (moss receipt -o FILE), and there: moss export --for FILE -o BUNDLE",
    "take a bundle that holds everything: moss export -o BUNDLE",
)
"""What to do about a bundle that builds on what this system does not have."""


class Arrival:
    """Some packages of a bundle on their way into a system."""

    def __init__(self, bundle: Bundle, wanted: Collection[PackageDigest], *, whole: bool) -> None:
        """`whole`: the bundle is read to its end, and so judged, whatever of it is needed."""
        self.bundle = bundle
        self._whole = whole
        self.wanted = frozenset(wanted)
        self.sizes: Mapping[ContentDigest, int] = {}
        """The bytes of their contents; this and what follows is known once `record` has found it out."""
        self.rows = Rows(0, 0, 0)
        self._contents: set[ContentDigest] = set()
        self._first_new, self._last_new = 0, -1

    def lacking(self, database: Database) -> Iterator[tuple[Asset, int]]:
        """What the store does not have of them, which `record` has written down; each with its bytes."""
        return packages.new_assets(database, packages.Recorded(PackageId(0), self._first_new, self._last_new))

    def record(self, database: Database) -> dict[str, PackageId]:
        """Write down the packages: candidate key to row. Raises NotFound where the bundle builds on
        contents that this system does not have, CorruptData for what no generation can have."""
        self.sizes = _Sizes(self.bundle, database)
        listed = {package.digest: package for package in self.bundle.manifest.packages}
        rows: dict[str, PackageId] = {}
        for digest in self.wanted:
            row = packages.unpacked(database, digest)
            if row is not None:
                rows[listed[digest].candidate_key] = row
        for carried in self.bundle.packages():
            package = listed[carried.digest]
            if carried.digest not in self.wanted or package.candidate_key in rows:
                continue
            layout = carried.layout()
            _refuse_uninstallable(carried, layout)
            recorded = packages.record_package(
                database,
                carried.metadata,
                carried.digest,
                candidate_key=package.candidate_key,
                repository=package.repository,
                stone_size=package.stone_size,
                layout=layout,
                sizes=self.sizes,
            )
            rows[package.candidate_key] = recorded.package
            self._last_new = recorded.last_new
            if not self._first_new:
                self._first_new = recorded.first_new
            self._contents.update(entry.digest for entry in layout if entry.digest is not None)
            made = rows_of(layout, recorded.last_new - recorded.first_new + 1)
            self.rows = Rows(*(sum(pair) for pair in zip(self.rows, made, strict=True)))
        origin, signer = self.bundle.manifest.origin, self.bundle.signer
        bundles.raise_counter(database, origin.system, b"" if signer is None else signer.raw, origin.counter)
        return rows

    def unpack(self, database: Database, store: Store, reporter: Reporter) -> None:
        """Write the files that the store lacks. Durable only after the caller's `syncfs`."""
        total = self.bundle.content_size + sum(delta.size for delta in self.bundle.deltas)
        done = 0
        for content in self._all_contents(database, store):
            if content.digest in self._contents:
                self._store(content, database, store)
            done += content.size
            reporter.progress(done, total, "bytes")
        self._copy_rest(database, store)

    def _store(self, content: Content, database: Database, store: Store) -> None:
        """Write it as each asset that is lacking; an asset that is there must have the same bytes."""
        found = assets_with_content(database, content.digest)
        lacking = {asset for number, asset in found if self._is_new(number)}
        present = [asset for number, asset in found if number < self._first_new]
        clash = store_content(content, [*present[:1], *sorted(lacking)], lacking, store)
        if clash is not None:
            raise _not_the_same(self.bundle, clash, store)

    def _all_contents(self, database: Database, store: Store) -> Iterator[Content]:
        for delta, frame in self.bundle.patches():
            if delta.new in self._contents:
                new = apply_patch(_old(delta, database, store), frame, delta.size, self.bundle.name)
                if content_digest(new) != delta.new:
                    raise CorruptData(f"the patch for {delta.new.hex()} gives other bytes", file=self.bundle.name)
                yield Content(delta.new, delta.size, iter((memoryview(new),)))
        yield from self.bundle.contents() if self._whole else self.bundle.some_contents(self._contents)

    def _is_new(self, number: int) -> bool:
        """Whether the asset of this number is one that was written down here."""
        return self._first_new <= number <= self._last_new

    def _copy_rest(self, database: Database, store: Store) -> None:
        """What is not carried has its content in the store already, under other metadata."""
        patched = {delta.new for delta in self.bundle.deltas}
        for asset, _ in self.lacking(database):
            if asset.digest == EMPTY_CONTENT or asset.digest in self.bundle.index or asset.digest in patched:
                continue
            number, source = assets_with_content(database, asset.digest)[0]
            if self._is_new(number):
                raise _lacks(self.bundle, asset.digest)
            store.copy(source, asset)


class _Sizes(dict[ContentDigest, int]):
    """The bytes of each content: what the bundle carries, and what the store has. Few are kept here."""

    def __init__(self, bundle: Bundle, database: Database) -> None:
        super().__init__((delta.new, delta.size) for delta in bundle.deltas)
        self[EMPTY_CONTENT] = 0
        self._bundle = bundle
        self._database = database

    def __missing__(self, digest: ContentDigest) -> int:
        size = self._bundle.index.size_of(digest)
        if size is not None:
            return size
        found = asset_with_content(self._database, digest)
        if found is None:
            raise _lacks(self._bundle, digest)
        return found[1]


def _lacks(bundle: Bundle, digest: ContentDigest) -> NotFound:
    base = bundle.manifest.base
    made_for = "another system" if base is None or base.system is None else f"the system {base.system}"
    return NotFound(
        f"{bundle.name} builds on files that this system does not have, such as the one with digest {digest.hex()}",
        because=[f"it was made for {made_for}, or for an earlier state of this one"],
        remedies=list(NEW_RECEIPT),
    )


def _not_the_same(bundle: Bundle, asset: Asset, store: Store) -> CorruptData:
    """Either the store is damaged, or somebody has made two files with one digest; XXH3 allows that."""
    sound = store.is_sound(asset)
    return CorruptData(
        f"and a file of {bundle.name} have one digest and differ: "
        + ("they were made to be taken for each other" if sound else "the store's file is damaged"),
        file=store.path_of(asset),
        because=[f"both have the digest {asset.digest.hex()}"],
        remedies=["do not use the bundle before you know who made it"]
        if sound
        else ["put the store's file back from a backup", "look at the disk's health: dmesg"],
    )


def _old(delta: Delta, database: Database, store: Store) -> bytes:
    found = asset_with_content(database, delta.old)
    if found is None or found[1] > MAX_PATCHED:
        raise NotFound(
            f"a patch builds on the file with digest {delta.old.hex()}, which this system does not have",
            remedies=list(NEW_RECEIPT),
        )
    return b"".join(read_asset(store, *found))


def _refuse_uninstallable(carried: CarriedPackage, layout: tuple[Entry, ...]) -> None:
    for entry in layout:
        if entry.kind not in INSTALLABLE_KINDS:
            word = entry.kind.name.lower().replace("_", " ")
            raise carried.place.fault(f"/usr/{entry.path} of {carried.metadata.label} is a {word}")
