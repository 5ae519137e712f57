"""A second, plain reading of the format: nothing here knows moss's reader.

Tests take stones apart with it, change a part, and put them together again with every size, count and
checksum right, so that only the one fault they mean is in the file.
"""

import hashlib
import io
import struct
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

import xxhash
import zstandard

from moss.layout import Entry, directory, regular, symlink
from moss.package import Metadata
from moss.stone import ContentSpool, write_stone

HEADER = ">4sH21sBI"
FILLER = bytes.fromhex("000001000002000003000004000005000006000007")
META, CONTENT, LAYOUT, INDEX, ATTRIBUTES = 1, 2, 3, 4, 5
KIND_OFFSET, VERSION_OFFSET = 27, 28


@dataclass(frozen=True)
class Part:
    """A payload, unpacked. Fields that are not None replace what would be right."""

    kind: int
    plain: bytes
    records: int
    compression: int = 1
    version: int = 1
    stored: bytes | None = None
    plain_size: int | None = None
    stored_size: int | None = None
    checksum: bytes | None = None

    def pack(self) -> bytes:
        stored = self.stored
        if stored is None:
            stored = self.plain if self.compression == 1 else zstandard.compress(self.plain)
        header = struct.pack(
            ">QQ8sIHBB",
            len(stored) if self.stored_size is None else self.stored_size,
            len(self.plain) if self.plain_size is None else self.plain_size,
            self.checksum or xxhash.xxh3_64(stored).digest(),
            self.records,
            self.version,
            self.kind,
            self.compression,
        )
        return header + stored


def take_apart(raw: bytes) -> tuple[int, list[Part]]:
    """The file type and the payloads; every checksum, size and count computed here and compared."""
    magic, count, filler, kind, version = struct.unpack(HEADER, raw[:32])
    assert (magic, filler, version) == (b"\0mos", FILLER, 1)
    parts, position = [], 32
    for _ in range(count):
        stored_size, plain_size, checksum, records, version, part_kind, compression = struct.unpack(
            ">QQ8sIHBB", raw[position : position + 32]
        )
        stored = raw[position + 32 : position + 32 + stored_size]
        position += 32 + stored_size
        assert len(stored) == stored_size
        assert xxhash.xxh3_64(stored).digest() == checksum
        assert version == 1
        plain = stored
        if compression == 2:
            plain = zstandard.ZstdDecompressor(max_window_size=2**31).decompress(
                stored, max_output_size=max(plain_size, 1)
            )
        assert len(plain) == plain_size
        parts.append(Part(part_kind, plain, records, compression))
    assert position == len(raw)
    return kind, parts


def put_together(kind: int, parts: Iterable[Part], count: int | None = None) -> bytes:
    parts = list(parts)
    header = struct.pack(HEADER, b"\0mos", len(parts) if count is None else count, FILLER, kind, 1)
    return header + b"".join(part.pack() for part in parts)


def part_of(raw: bytes, kind: int) -> Part:
    return next(part for part in take_apart(raw)[1] if part.kind == kind)


def with_part(raw: bytes, kind: int, change: Callable[[Part], Part | None]) -> bytes:
    """The stone with one payload changed or left out, and without a census that would notice that."""
    file_kind, parts = take_apart(raw)
    changed = [change(part) if part.kind == kind else part for part in parts if part.kind != ATTRIBUTES]
    return put_together(file_kind, [part for part in changed if part is not None])


def plain_as(change: Callable[[bytes], bytes], records: int = 0) -> Callable[[Part], Part]:
    """A payload with other plain bytes, and `records` more records."""
    return lambda part: replace(part, plain=change(part.plain), records=part.records + records, compression=1)


def meta_record(tag: int, value: bytes, kind: int, padding: int = 0) -> bytes:
    return struct.pack(">IHBB", len(value), tag, kind, padding) + value


def meta_records(plain: bytes) -> list[tuple[int, int, bytes]]:
    """(tag, value kind, value) of each record."""
    records, position = [], 0
    while position < len(plain):
        length, tag, kind, padding = struct.unpack_from(">IHBB", plain, position)
        assert padding == 0
        records.append((tag, kind, plain[position + 8 : position + 8 + length]))
        position += 8 + length
    return records


def layout_record(
    path: bytes, source: bytes, kind: int, mode: int, *, tag: int = 0, padding: bytes = bytes(11)
) -> bytes:
    return struct.pack(">IIIIHHB11s", 0, 0, mode, tag, len(source), len(path), kind, padding) + source + path


def index_record(start: int, end: int, digest: bytes) -> bytes:
    return struct.pack(">QQ16s", start, end, digest)


def attribute(key: bytes, value: bytes) -> bytes:
    return struct.pack(">QQ", len(key), len(value)) + key + value


def sha256(raw: bytes) -> str:
    return hashlib.sha256(raw).hexdigest()


STATEMENT = Metadata(
    "small", "1.0", 3, 1, "x86_64", "A small package", "For tests.", "https://example.org", "small"
)


def small_stone(metadata: Metadata = STATEMENT) -> bytes:
    """Two contents, three files, a symlink, a directory."""
    target = io.BytesIO()
    with ContentSpool() as spool:
        hello = spool.add(b"hello, world\n" * 3)[0]
        empty = spool.add(b"")[0]
        entries: list[Entry] = [
            regular("bin/hello", hello, 0o4755),
            directory("lib/empty", 0o1777),
            regular("share/a", empty),
            regular("share/b", hello, 0o600, 7, 8),
            symlink("share/c", "../bin/hello"),
        ]
        write_stone(target, metadata, entries, spool)
    return target.getvalue()
