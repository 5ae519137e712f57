"""From stones to the store: every distinct file of the new packages, once, verified on the way."""

from collections.abc import Iterable, Sequence
from typing import BinaryIO, NamedTuple

from moss.db.connection import Database
from moss.db.cuts import cut_has_come, wanted_of
from moss.db.packages import Asset, asset_of, known_row, owners_of, record_package
from moss.digest import EMPTY_CONTENT, ContentDigest, PackageDigest
from moss.errors import CorruptData
from moss.generation import FilterId, PackageId
from moss.layout import INSTALLABLE_KINDS, Entry
from moss.plan import Chosen
from moss.reporter import Reporter
from moss.root import DECLARED_ENTRIES
from moss.stone import Content, Stone, open_stone
from moss.store import Store
from solver.values import value

_KEPT_PARSED = 20_000
"""Paths: about 10 MB. What is beyond is read again from the same open file when its turn comes."""


@value
class Fetched:
    """A stone that was verified, open."""

    chosen: Chosen
    file: BinaryIO
    name: str
    """What errors call it."""
    digest: PackageDigest
    stone_size: int

    def open(self) -> Stone:
        """All of it but its content. CorruptData where it is another package than was chosen, or one
        that no generation can have."""
        self.file.seek(0)
        stone = open_stone(self.file, self.name)
        _refuse_uninstallable(stone, self.name)
        label = self.chosen.metadata.label
        if stone.metadata.label != label:
            raise CorruptData(
                f"holds {stone.metadata.label}, the index says {label}",
                file=self.name,
                remedies=["make the index anew: moss index DIR"],
            )
        return stone


class Rows(NamedTuple):
    """What a package's layout comes to in the record."""

    paths: int
    text_bytes: int
    """Of its texts; paths count twice, since the table and its index both hold them."""
    contents: int


@value
class Incoming:
    """A package on record of whose files some are still to be written."""

    fetched: Fetched
    package: PackageId
    rows: Rows
    content_bytes: int
    """What its files will take in the store at the most."""
    parsed: Stone | None

    @property
    def stone(self) -> Stone:
        return self.parsed or self.fetched.open()


def rows_of(layout: Sequence[Entry], contents: int) -> Rows:
    texts = sum(2 * len(entry.path) + len(entry.link_target or "") for entry in layout)
    return Rows(len(layout), texts, contents)


def _refuse_uninstallable(stone: Stone, name: str) -> None:
    """CorruptData when the layout has what no generation can have: devices, sockets, pipes, moss's own files."""
    for entry in stone.layout:
        if entry.kind not in INSTALLABLE_KINDS:
            word = entry.kind.name.lower().replace("_", " ")
            raise CorruptData(
                f"/usr/{entry.path} is a {word}, which the stone format cannot express in full",
                file=name,
                remedies=["ask the package's maker to make it with tmpfiles.d"],
            )
        if entry.path in DECLARED_ENTRIES:
            raise moss_has_it(entry.path, name)


def moss_has_it(path: str, name: str) -> CorruptData:
    """A package has what is moss's own."""
    return CorruptData(
        f"/usr/{path} is moss's own, and no package's", file=name, remedies=["ask the package's maker to leave it out"]
    )


def record_fetched(fetched: Sequence[Fetched], database: Database) -> list[Incoming]:
    """Write down those of these packages that are not on record yet. They are not all in memory at once, however
    many there are.

    Call it in the transaction that is committed once `unpack` has written their files and they are durable.
    """
    incoming: list[Incoming] = []
    parsed = 0
    for one in fetched:
        stone = one.open()
        package, rows = known_row(database, one.chosen), Rows(0, 0, 0)
        if package is None:
            package, rows = _record(one, stone, database), rows_of(stone.layout, len(stone.index))
        parsed += len(stone.layout)
        kept = stone if parsed <= _KEPT_PARSED else None
        incoming.append(Incoming(one, package, rows, stone.content_size, kept))
    return incoming


def _record(fetched: Fetched, stone: Stone, database: Database) -> PackageId:
    chosen = fetched.chosen
    return record_package(
        database,
        stone.metadata,
        fetched.digest,
        candidate_key=chosen.candidate_key,
        repository=chosen.candidate.repository if chosen.candidate else "",
        stone_size=fetched.stone_size,
        layout=stone.layout,
        sizes={part.digest: part.end - part.start for part in stone.index},
    )


def unpack(
    incoming: Sequence[Incoming], path_filter: FilterId, store: Store, database: Database, reporter: Reporter
) -> None:
    """Write what the store lacks of these packages; what the filter leaves out of all of them is passed over.
    Durable only after the caller's `syncfs`.

    CorruptData where a package has another content than the store under one digest, or lacks one that it should
    have.
    """
    total = sum(one.content_bytes for one in incoming)
    done = 0
    for one in incoming:
        stone = one.stone
        files = wanted_of(database, one.package, path_filter)
        lacking = {asset for asset, is_lacking in files.items() if is_lacking}
        wanted = _by_digest(files)
        for content in stone.contents():
            assets = wanted.pop(content.digest, None)
            clash = store_content(content, assets, lacking, store) if assets else None
            if clash is not None:
                raise _not_the_same(stone, clash, store, database)
            done += content.size
            reporter.progress(done, total, "bytes")
        wanted.pop(EMPTY_CONTENT, None)
        if lacking & {asset for assets in wanted.values() for asset in assets}:
            raise _not_whole(one, wanted)
        cut_has_come(database, one.package, path_filter)


def _by_digest(assets: Iterable[Asset]) -> dict[ContentDigest, list[Asset]]:
    """The file objects that each content becomes: one for every mode and owner it occurs with."""
    found: dict[ContentDigest, list[Asset]] = {}
    for asset in sorted(assets):
        found.setdefault(asset.digest, []).append(asset)
    return found


def _not_whole(incoming: Incoming, wanted: Iterable[ContentDigest]) -> CorruptData:
    label = incoming.fetched.chosen.metadata.label
    return CorruptData(
        f"lacks a file that {label} has, the one with digest {min(wanted).hex()}",
        file=incoming.fetched.name,
        remedies=["moss repo update", f"moss remove {incoming.fetched.chosen.name}, and install it again"],
    )


def store_content(content: Content, assets: list[Asset], lacking: set[Asset], store: Store) -> Asset | None:
    """The asset under which the store has another content, if it has.

    The content can be read once: one asset is compared or written, those that are lacking are copied
    from it. What is there already comes first, so that no other content joins it.
    """
    first, *rest = sorted(assets, key=lambda asset: asset in lacking)
    if first in lacking:
        store.put(first, content.chunks())
    elif not store.holds(first, content.chunks()):
        return first
    for asset in rest:
        if asset in lacking:
            store.copy(first, asset)
    return None


def _not_the_same(stone: Stone, asset: Asset, store: Store, database: Database) -> CorruptData:
    """Either the store is damaged, or somebody has made two files with one digest; XXH3 allows that."""
    entry = next(entry for entry in stone.layout if entry.digest and asset_of(entry) == asset)
    label = stone.metadata.label
    others = [(name, path) for name, path in owners_of(database, asset) if name != label] or [(label, entry.path)]
    other, path = others[0]
    said = f"/usr/{entry.path} of {label} and /usr/{path} of {other} have one digest and are not the same"
    if store.is_sound(asset):
        return CorruptData(
            f"{said}: two files were made to be taken for each other",
            file=store.path_of(asset),
            because=[f"both have the digest {asset.digest.hex()}"],
            remedies=[f"trust neither {label} nor {other} before you know who made them so"],
        )
    return CorruptData(
        f"{said}: the store's file is damaged",
        file=store.path_of(asset),
        remedies=["put the store's file back from a backup", "look at the disk's health: dmesg"],
    )
