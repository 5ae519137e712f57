"""Writing a stone: small payloads are made in memory, the content goes by in pieces.

The content is compressed first, into a temporary file once it outgrows memory: its header, which
stands before it, holds its size and checksum, and the attributes hold a census of all headers. So
the stone itself is written front to back, hashed on the way, to anything that takes bytes.
"""

import hashlib
import os
import stat
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import IO, NamedTuple, Protocol

from moss.digest import PackageDigest, checksum_hasher, payload_checksum
from moss.errors import UsageError
from moss.layout import Entry, path_fault
from moss.package import Metadata
from moss.stone.container import (
    CENSUS,
    MIB,
    PIECE,
    Compression,
    FileHeader,
    PayloadHeader,
    PayloadKind,
    StoneKind,
    census,
)
from moss.stone.content import Content
from moss.stone.extras import encode_extras
from moss.stone.meta import encode_meta, statement_faults
from moss.stone.records import (
    FILE_TYPE,
    ContentRange,
    encode_attributes,
    encode_index,
    encode_layout,
    layout_fault,
)
from moss.stone.streams import FrameCompressor, Writable
from moss.stone.xattrs import encode_xattrs
from moss.xattrs import attributes_in, xattrs_fault

DEFAULT_LEVEL = 3
"""Measured in docs/stone-format.md: quick to write, and reading is as quick at every level."""

_COMPRESSED_IN_MEMORY = 8 * MIB
_MAX_LENGTH = 0xFFFF


class ContentSource(Protocol):
    """Contents to be written: each digest once, largest first. A `ContentSpool` is one."""

    @property
    def content_size(self) -> int: ...

    def contents(self) -> Iterator[Content]: ...


class WrittenPayload(NamedTuple):
    header: PayloadHeader
    stored: bytes | IO[bytes]


def write_stone(
    target: Writable,
    metadata: Metadata,
    layout: Sequence[Entry],
    content: ContentSource,
    *,
    level: int = DEFAULT_LEVEL,
    attributes: Mapping[str, bytes] | None = None,
    spool_directory: str | None = None,
) -> PackageDigest:
    """Write a package; the SHA-256 of all that was written. The same input gives the same bytes.

    `content` must hold the contents of the layout's files and nothing else. `attributes` are added
    to those that moss writes itself. UsageError names all that a stone cannot hold. The compressed
    content lies in memory, from 8 MiB on in an unnamed file in `spool_directory`.
    """
    _refuse(metadata, layout)
    compressor = FrameCompressor(level)
    plain, records = encode_meta(metadata)
    payloads = [make_payload(PayloadKind.META, plain, records, compressor)]
    if layout:
        payloads.append(make_payload(PayloadKind.LAYOUT, encode_layout(layout), len(layout), compressor))
    with tempfile.SpooledTemporaryFile(_COMPRESSED_IN_MEMORY, dir=spool_directory) as compressed:
        content_payloads: list[WrittenPayload] = []
        if any(entry.digest is not None for entry in layout):
            header, ranges = _compress(content, compressed, compressor)
            _expect_the_layouts(ranges, layout)
            index = make_payload(PayloadKind.INDEX, encode_index(ranges), len(ranges), compressor)
            content_payloads = [index, WrittenPayload(header, compressed)]
        file_header = FileHeader(len(payloads) + len(content_payloads) + 1, StoneKind.BINARY)
        own_attributes = {**(attributes or {}), **encode_extras(metadata), **encode_xattrs(layout)}
        payloads.append(
            attributes_payload(file_header, payloads + content_payloads, own_attributes, compressor)
        )
        return write_payloads(target, file_header, payloads + content_payloads)


def write_stone_file(
    path: str,
    metadata: Metadata,
    layout: Sequence[Entry],
    content: ContentSource,
    *,
    level: int = DEFAULT_LEVEL,
    attributes: Mapping[str, bytes] | None = None,
    durable: bool = True,
) -> PackageDigest:
    """`write_stone` to a path, where a reader finds the old file or the new one and never a part."""
    directory = os.path.dirname(path) or "."
    with replacing(path, durable=durable) as target:
        return write_stone(
            target, metadata, layout, content, level=level, attributes=attributes, spool_directory=directory
        )


@contextmanager
def replacing(path: str, *, durable: bool = True) -> Iterator[IO[bytes]]:
    """A file to write that takes the place of `path` when the block ends well, and leaves no trace when not.

    Written aside, synced, renamed, the directory synced: a crash between any two leaves the old file
    or the new, at worst with a file `.<name>.<random>` beside it. Not `durable`: nothing is synced,
    and a crash of the machine may leave less.
    """
    directory, name = os.path.split(path)
    with tempfile.NamedTemporaryFile(dir=directory or ".", prefix=f".{name}.", delete=False) as aside:
        try:
            yield aside
            aside.flush()
            os.fchmod(aside.fileno(), 0o644)
            if durable:
                os.fsync(aside.fileno())
            os.rename(aside.name, path)
        except BaseException:  # also Ctrl-C: what is aside is nobody's
            with suppress(FileNotFoundError):  # a signal came when it had its name already
                os.unlink(aside.name)
            raise
    if durable:
        _sync_directory(directory or ".")


def _sync_directory(directory: str) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_payload(
    kind: PayloadKind, plain: bytes, records: int, compressor: FrameCompressor
) -> WrittenPayload:
    """Compressed where that makes it smaller."""
    stored, compression = compressor.frame(plain), Compression.ZSTD
    if len(stored) >= len(plain):
        stored, compression = plain, Compression.NONE
    header = PayloadHeader(len(stored), len(plain), payload_checksum(stored), records, kind, compression)
    return WrittenPayload(header, stored)


def attributes_payload(
    file_header: FileHeader,
    others: Sequence[WrittenPayload],
    attributes: Mapping[str, bytes],
    compressor: FrameCompressor,
) -> WrittenPayload:
    """The attributes, with a census of the other payloads, which are given in the file's order."""
    value = census(file_header.pack(), (payload.header.pack() for payload in others))
    counted = {**attributes, CENSUS: value}
    return make_payload(PayloadKind.ATTRIBUTES, encode_attributes(counted), len(counted), compressor)


def write_payloads(
    target: Writable, file_header: FileHeader, payloads: Sequence[WrittenPayload]
) -> PackageDigest:
    """Write a whole file; the SHA-256 of all its bytes."""
    assert file_header.payloads == len(payloads)
    hasher = hashlib.sha256()

    def write(piece: bytes) -> None:
        hasher.update(piece)
        target.write(piece)

    write(file_header.pack())
    for header, stored in payloads:
        write(header.pack())
        if isinstance(stored, bytes):
            write(stored)
            continue
        stored.seek(0)
        while piece := stored.read(PIECE):
            write(piece)
    return PackageDigest(hasher.hexdigest())


def _compress(
    content: ContentSource, compressed: IO[bytes], compressor: FrameCompressor
) -> tuple[PayloadHeader, list[ContentRange]]:
    hasher = checksum_hasher()
    ranges: list[ContentRange] = []

    class Tee:
        def write(self, piece: bytes | memoryview, /) -> None:
            hasher.update(piece)
            compressed.write(piece)

    position = 0
    with compressor.stream(Tee(), content.content_size) as writer:
        for one in content.contents():
            start = position
            for chunk in one.chunks():
                writer.write(chunk)
                position += len(chunk)
            ranges.append(ContentRange(start, position, one.digest))
    header = PayloadHeader(
        compressed.tell(), position, hasher.digest(), len(ranges), PayloadKind.CONTENT, Compression.ZSTD
    )
    return header, ranges


def _expect_the_layouts(ranges: Sequence[ContentRange], layout: Sequence[Entry]) -> None:
    """The caller's mistake, not the world's: contents are made from the same files as the layout."""
    digests = [content_range.digest for content_range in ranges]
    sizes = [content_range.end - content_range.start for content_range in ranges]
    assert sizes == sorted(sizes, reverse=True), "contents are written largest first"
    assert len(digests) == len(set(digests)), "each content is written once"
    assert set(digests) == {entry.digest for entry in layout if entry.digest is not None}


def _refuse(metadata: Metadata, layout: Sequence[Entry]) -> None:
    faults = statement_faults(metadata) + [fault for entry in layout if (fault := _entry_fault(entry))]
    if not faults and (fault := layout_fault(layout)):
        faults = [fault]
    if faults:
        raise UsageError(
            f"{metadata.label} cannot be written as a stone",
            because=faults,
            remedies=["change what is named above, or leave it out"],
        )


def _entry_fault(entry: Entry) -> str | None:
    if fault := path_fault(entry.path):
        return f"{entry.path[:200]!r} cannot be a path below /usr: {fault}"
    if stat.S_IFMT(entry.mode) != FILE_TYPE[entry.kind]:
        return f"'{entry.path}' has mode {entry.mode:o}, which is not that of a {entry.kind.name.lower()}"
    if entry.link_target is not None and (not entry.link_target or "\0" in entry.link_target):
        return f"'{entry.path}' is a symlink to nothing"
    if entry.link_target is not None and len(entry.link_target.encode(errors="replace")) > _MAX_LENGTH:
        return f"'{entry.path}' is a symlink whose text is too long"
    if entry.xattrs and entry.digest is None:
        return f"'{entry.path}' is no file and yet has extended attributes"
    if fault := xattrs_fault(attributes_in(entry.xattrs)):
        return f"'{entry.path}': {fault}"
    return None
