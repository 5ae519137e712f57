"""From a bundle into the record and the store of a system: packages that it lacks, each file verified.

Called within the transaction that a commit makes: `record` writes the rows, `unpack` the files that
they need, and only then, when those are durable, is the transaction committed.
"""

import hashlib
from collections.abc import Collection, Iterator, Mapping

from moss.bundle.gather import read_asset
from moss.bundle.packages import CarriedPackage
from moss.bundle.read import Bundle, Delta
from moss.db import bundles, definitions, packages
from moss.db.connection import Database
from moss.db.cuts import content_has_come, lacking_contents, lacking_with_content, present_with_content, size_of
from moss.db.packages import Asset
from moss.digest import EMPTY_CONTENT, ContentDigest, PackageDigest, content_digest
from moss.errors import CorruptData, NotFound, TrustFailure
from moss.generation import PackageId
from moss.layout import INSTALLABLE_KINDS, Entry
from moss.reporter import Reporter
from moss.root import DECLARED_ENTRIES
from moss.stone.content import Content
from moss.stone.content_id import content_id
from moss.stone.patches import MAX_PATCHED, apply_patch
from moss.store import Store
from moss.unpack import Rows, moss_has_it, rows_of, store_content

NEW_RECEIPT = (
    "write a new receipt here: moss receipt -o FILE; and there: moss export --for FILE -o BUNDLE",
    "take a bundle that holds everything; there: moss export -o BUNDLE",
)
"""What to do about a bundle that builds on what this system does not have."""


class Arrival:
    """Some packages of a bundle on their way into a system."""

    def __init__(self, bundle: Bundle, wanted: Collection[PackageDigest], *, whole: bool) -> None:
        """`whole`: the bundle is read to its end, and so judged, whatever of it is needed."""
        self.bundle = bundle
        self.is_whole = whole
        self.wanted = frozenset(wanted)
        self.rows = Rows(0, 0, 0)
        """What they come to in the record; known once `record` has written them."""
        self._contents: set[ContentDigest] = set()
        """Of packages that were not on record before."""
        self._to_prove: dict[PackageDigest, CarriedPackage] = {}
        """Those of them whose repository has signed what they are."""
        self._sha256: dict[ContentDigest, bytes] = {}

    def record(self, database: Database) -> dict[str, PackageId]:
        """Write down the packages: candidate key to row. Raises NotFound where the bundle builds on
        contents that this system does not have, CorruptData for what no generation can have."""
        sizes = _Sizes(self.bundle, database)
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
            sizes.learn(carried.left_out())
            rows[package.candidate_key] = packages.record_package(
                database,
                carried.metadata,
                carried.digest,
                candidate_key=package.candidate_key,
                repository=package.repository,
                stone_size=package.stone_size,
                layout=layout,
                sizes=sizes,
            )
            if carried.digest in self.bundle.proven:
                self._to_prove[carried.digest] = carried
            self._contents.update(entry.digest for entry in layout if entry.digest is not None)
            made = rows_of(layout, sum(entry.digest is not None for entry in layout))
            self.rows = Rows(*(sum(pair) for pair in zip(self.rows, made, strict=True)))
        origin, signer = self.bundle.manifest.origin, self.bundle.signer
        bundles.raise_counter(database, origin.system, b"" if signer is None else signer.raw, origin.counter)
        if self.is_whole:
            definitions.replace_carried(database, self.bundle.manifest.definitions)
        return rows

    def unpack(self, database: Database, store: Store, reporter: Reporter) -> None:
        """Write the files that the store lacks and the bundle has. Durable only after the caller's `syncfs`."""
        wanted = self._contents | lacking_contents(database)
        total = self.bundle.content_size + sum(delta.size for delta in self.bundle.deltas)
        done = 0
        for content in self._all_contents(wanted, database, store):
            if content.digest in wanted:
                self._store(self._hashed(content) if self._to_prove else content, database, store)
                content_has_come(database, content.digest)
            done += content.size
            reporter.progress(done, total, "bytes")
        self._copy_rest(database, store)
        self._prove(database, store)

    def _store(self, content: Content, database: Database, store: Store) -> None:
        """Write it as each asset that is lacking; an asset that is there must have the same bytes."""
        lacking = set(lacking_with_content(database, content.digest))
        present = present_with_content(database, content.digest)
        assets = [*present[:1], *sorted(lacking)]  # none where it is left out
        if not assets:
            for _ in content.chunks():  # its digest may be asked for
                pass
        clash = store_content(content, assets, lacking, store) if assets else None
        if clash is not None:
            raise _not_the_same(self.bundle, clash, store)

    def _all_contents(
        self, wanted: Collection[ContentDigest], database: Database, store: Store
    ) -> Iterator[Content]:
        for delta, frame in self.bundle.patches():
            if delta.new in wanted:
                new = patched(delta, frame, _old(delta, database, store), self.bundle.name)
                yield Content(delta.new, delta.size, iter((memoryview(new),)))
        yield from self.bundle.contents() if self.is_whole else self.bundle.some_contents(wanted)

    def _copy_rest(self, database: Database, store: Store) -> None:
        """What is not carried has its content in the store already, under other metadata."""
        for digest in lacking_contents(database) - {EMPTY_CONTENT}:
            present = present_with_content(database, digest)
            if present:
                for asset in lacking_with_content(database, digest):
                    store.copy(present[0], asset)
                content_has_come(database, digest)
            elif self.is_whole:
                raise _lacks(self.bundle, digest)

    def _hashed(self, content: Content) -> Content:
        """The same, and its SHA-256 is noted when its bytes have been taken."""
        hasher = hashlib.sha256()

        def pieces() -> Iterator[memoryview]:
            for piece in content.chunks():
                hasher.update(piece)
                yield piece
            self._sha256[content.digest] = hasher.digest()

        return Content(content.digest, content.size, pieces())

    def _prove(self, database: Database, store: Store) -> None:
        """Every package whose repository has signed what it is must be that. TrustFailure."""

        def sha256_of(digest: ContentDigest) -> bytes:
            if digest not in self._sha256:
                self._sha256[digest] = _sha256_of_stored(digest, database, store)
            return self._sha256[digest]

        for digest, carried in self._to_prove.items():
            if content_id(carried.metadata, carried.layout(), sha256_of) != self.bundle.proven[digest]:
                raise TrustFailure(
                    f"{carried.metadata.label} in {self.bundle.name} is not what its repository has signed",
                    because=["its files, paths or statement are others"],
                    remedies=["do not use the bundle before you know who made it", "have it made again elsewhere"],
                )


def _sha256_of_stored(digest: ContentDigest, database: Database, store: Store) -> bytes:
    hasher = hashlib.sha256()
    if digest != EMPTY_CONTENT:
        size = size_of(database, digest)
        assert size is not None, "a content that nothing has was refused"
        for piece in read_asset(store, present_with_content(database, digest)[0], size):
            hasher.update(piece)
    return hasher.digest()


class _Sizes(dict[ContentDigest, int]):
    """The bytes of each content: what the bundle carries, and what the store has. Few are kept here."""

    def __init__(self, bundle: Bundle, database: Database) -> None:
        super().__init__((delta.new, delta.size) for delta in bundle.deltas)
        self[EMPTY_CONTENT] = 0
        self._bundle = bundle
        self._database = database

    def learn(self, sizes: Mapping[ContentDigest, int]) -> None:
        """What a package says of contents that are left out of it, unless it is known better."""
        for digest, size in sizes.items():
            if self._bundle.index.size_of(digest) is None and size_of(self._database, digest) is None:
                self.setdefault(digest, size)

    def __missing__(self, digest: ContentDigest) -> int:
        size = self._bundle.index.size_of(digest)
        if size is not None:
            return size
        size = size_of(self._database, digest)
        if size is None:
            raise _lacks(self._bundle, digest)
        return size


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


def patched(delta: Delta, frame: bytes, old: bytes, bundle: str) -> bytes:
    """The content that a bundle's patch makes of the old one; CorruptData where it makes something else."""
    new = apply_patch(old, frame, delta.size, bundle)
    if content_digest(new) != delta.new:
        raise CorruptData(f"the patch for {delta.new.hex()} gives other bytes", file=bundle)
    return new


def _old(delta: Delta, database: Database, store: Store) -> bytes:
    found, size = present_with_content(database, delta.old), size_of(database, delta.old)
    if not found or size is None or size > MAX_PATCHED:
        raise NotFound(
            f"a patch builds on the file with digest {delta.old.hex()}, which this system does not have",
            remedies=list(NEW_RECEIPT),
        )
    return b"".join(read_asset(store, found[0], size))


def _refuse_uninstallable(carried: CarriedPackage, layout: tuple[Entry, ...]) -> None:
    for entry in layout:
        if entry.kind not in INSTALLABLE_KINDS:
            word = entry.kind.name.lower().replace("_", " ")
            raise carried.place.fault(f"/usr/{entry.path} of {carried.metadata.label} is a {word}")
        if entry.path in DECLARED_ENTRIES:
            raise moss_has_it(entry.path, carried.place.file)
