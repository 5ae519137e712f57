"""What of a system goes into a bundle: packages, each content once, and patches where they are smaller."""

import os
import re
import tempfile
from collections.abc import Collection, Iterable, Iterator, Sequence
from types import TracebackType
from typing import BinaryIO, NamedTuple

from moss.bundle.origins import SignedOrigin
from moss.bundle.packages import encode_package
from moss.bundle.read import Delta, encode_deltas, encode_patch
from moss.bundle.write import BundleWriter
from moss.db import carrying, packages
from moss.db.carrying import Carried
from moss.db.connection import Database
from moss.db.cuts import Cut
from moss.db.packages import Asset
from moss.digest import ContentDigest, content_digest, content_hasher
from moss.errors import CorruptData
from moss.generation import FilterId, PackageId, Selected
from moss.reporter import Reporter
from moss.stone.container import MIB, PIECE, PayloadKind
from moss.stone.patches import MAX_PATCHED, make_patch
from moss.stone.records import ContentRange, encode_index
from moss.stone.streams import FrameCompressor
from moss.store import Store, asset_name

TOGETHER = 4 * MIB
"""Packages' layouts, and patches, are gathered into payloads of about this size."""
_LEAST_PATCHED = 4096
_WORTHWHILE = 0.6
"""A patch is taken when it is at most this part of what the content would take whole."""


class Gathered(NamedTuple):
    """What went into a bundle. Sizes in bytes, unpacked."""

    contents: int
    content_size: int
    deltas: int
    delta_size: int


def gather(
    writer: BundleWriter,
    database: Database,
    store: Store,
    carried: Sequence[Selected],
    known: Sequence[Selected],
    path_filter: FilterId,
    base: Collection[Cut],
    reporter: Reporter,
    origins: Sequence[SignedOrigin] = (),
) -> Gathered:
    """Put packages into a bundle, and whatever of the contents that they have under a filter `base` does not have;
    of packages that the receiver knows (`known`) contents alone."""
    _gather_packages(writer, database, carried, path_filter)
    for origin in origins:
        writer.add(PayloadKind.ORIGIN, *origin.encode())
    carrying.set_apart(database, [one.package for one in (*carried, *known)], base)
    names = {one.package: one.metadata.name for one in (*carried, *known)}
    with Patches(writer.spool_directory) as patches:
        if base:
            _gather_patches(patches, names, path_filter, database, store, writer.level)

        def whole() -> Iterator[Carried]:
            return (one for one in carrying.contents(database, path_filter) if one.asset.digest not in patches.deltas)

        count, total = _add_index(writer, whole())
        if patches.deltas:
            _add_patches(writer, patches)
        reporter.stage(f"packing {count} files")
        writer.add_contents(_pieces(whole(), total, store, reporter))
        return Gathered(count, total, len(patches.deltas), sum(one.size for one in patches.deltas.values()))


class Patches:
    """Patches on their way into a bundle: the frames lie in an unnamed file."""

    def __init__(self, spool_directory: str | None) -> None:
        self.deltas: dict[ContentDigest, Delta] = {}
        """By the new content, in the order in which they were added."""
        self._sizes: list[int] = []
        self._file = tempfile.TemporaryFile(dir=spool_directory)  # noqa: SIM115 - closed in __exit__

    def __enter__(self) -> "Patches":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def add(self, delta: Delta, frame: bytes) -> None:
        self.deltas[delta.new] = delta
        self._sizes.append(len(frame))
        self._file.write(frame)

    def frames(self) -> Iterator[bytes]:
        self._file.seek(0)
        for size in self._sizes:
            yield self._file.read(size)


def _gather_packages(
    writer: BundleWriter, database: Database, carried: Sequence[Selected], path_filter: FilterId
) -> None:
    together: list[bytes] = []
    size = 0
    for one in carried:
        left_out = carrying.sizes_left_out(database, one.package, path_filter)
        encoded = encode_package(one.digest, one.metadata, packages.layout_of(database, one.package), left_out)
        together.append(encoded)
        size += len(encoded)
        if size >= TOGETHER:
            writer.add(PayloadKind.PACKAGES, b"".join(together), len(together))
            together, size = [], 0
    if together:
        writer.add(PayloadKind.PACKAGES, b"".join(together), len(together))


def _add_index(writer: BundleWriter, whole: Iterable[Carried]) -> tuple[int, int]:
    """How many contents, and how many bytes of them."""
    index = bytearray()
    count = position = 0
    for one in whole:
        index += encode_index([ContentRange(position, position + one.size, one.asset.digest)])
        position += one.size
        count += 1
    writer.add(PayloadKind.INDEX, bytes(index), count)
    return count, position


def _pieces(whole: Iterable[Carried], total: int, store: Store, reporter: Reporter) -> Iterator[bytes]:
    done = 0
    for one in whole:
        for piece in read_asset(store, one.asset, one.size):
            yield piece
            done += len(piece)
        reporter.progress(done, total, "bytes")


def read_asset(store: Store, asset: Asset, size: int) -> Iterator[bytes]:
    """A file of the store in pieces; CorruptData, at the end, when it is not what its name says."""
    name = asset_name(asset)
    try:
        with open(name, "rb", buffering=0, opener=lambda path, flags: _open_in(store, path, flags)) as file:
            if size <= PIECE:
                piece = file.read(PIECE + 1)
                if len(piece) != size or content_digest(piece) != asset.digest:
                    raise _damaged(store, name)
                yield piece
                return
            yield from _long(file, size, asset.digest, _damaged(store, name))
    except FileNotFoundError as fault:
        raise _damaged(store, name) from fault


def _long(file: BinaryIO, size: int, digest: ContentDigest, damaged: CorruptData) -> Iterator[bytes]:
    hasher = content_hasher()
    found = 0
    while piece := file.read(PIECE):
        found += len(piece)
        hasher.update(piece)
        if found > size:
            raise damaged
        yield piece
    if found != size or hasher.digest() != digest:
        raise damaged


def _open_in(store: Store, path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=store.fd)


def _damaged(store: Store, name: str) -> CorruptData:
    return CorruptData(
        "the store's file is missing or not what its name says",
        file=os.path.join(store.path, name),
        remedies=["put it back from a backup", "look at the disk's health: dmesg"],
    )


def _gather_patches(
    patches: Patches,
    names: dict[PackageId, str],
    path_filter: FilterId,
    database: Database,
    store: Store,
    level: int,
) -> None:
    """Make those of contents that are best carried as a difference from one that the receiver has."""
    olds: dict[str, dict[str, tuple[Asset, int]]] = {}
    compressor = FrameCompressor(level)
    for one in carrying.contents(database, path_filter):
        if not _LEAST_PATCHED <= one.size <= MAX_PATCHED:
            continue
        name = names[one.package]
        if name not in olds:
            olds[name] = _by_path(carrying.files_of_base(database, name))
        known = olds[name]
        old, old_size = known.get(one.path) or known.get(_unnumbered(one.path)) or (None, 0)
        if old is None or not 0 < old_size <= MAX_PATCHED:
            continue
        new_bytes = b"".join(read_asset(store, one.asset, one.size))
        patch = make_patch(b"".join(read_asset(store, old, old_size)), new_bytes, level)
        if len(patch) <= _WORTHWHILE * len(compressor.frame(new_bytes)):
            patches.add(Delta(old.digest, one.asset.digest, one.size), patch)


def _by_path(files: Iterable[tuple[str, Asset, int]]) -> dict[str, tuple[Asset, int]]:
    """By their paths, and by what these are without their numbers: `libz.so.1.2` becomes `libz.so.1.3`."""
    found: dict[str, tuple[Asset, int]] = {}
    for path, asset, size in files:
        found[path] = (asset, size)
        found.setdefault(_unnumbered(path), (asset, size))
    return found


def _unnumbered(path: str) -> str:
    return "\0" + re.sub(r"[0-9]+", "", path)


def _add_patches(writer: BundleWriter, patches: Patches) -> None:
    writer.add(PayloadKind.DELTA_INDEX, encode_deltas(list(patches.deltas.values())), len(patches.deltas))
    together: list[bytes] = []
    size = 0
    for frame in patches.frames():
        together.append(encode_patch(frame))
        size += len(frame)
        if size >= TOGETHER:
            writer.add(PayloadKind.DELTAS, b"".join(together), len(together))
            together, size = [], 0
    if together:
        writer.add(PayloadKind.DELTAS, b"".join(together), len(together))
