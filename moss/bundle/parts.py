"""The parts of a bundle or receipt as they are read: each header exactly what it must be, each byte digested.

Headers are compared byte by byte with what was announced, so that no flipped bit is taken for a later
format: that is told by the manifest, whose bytes have a checksum.
"""

import hashlib
from typing import NamedTuple

from moss.bundle.manifest import Part
from moss.errors import CorruptData
from moss.stone.container import (
    FORMAT_VERSION,
    HEADER_SIZE,
    MAGIC,
    MIB,
    Compression,
    FileHeader,
    PayloadHeader,
    PayloadKind,
    Place,
    StoneKind,
)
from moss.stone.streams import Source, unpack_payload

_LIMITS = {
    PayloadKind.BUNDLE_MANIFEST: 8 * MIB,
    PayloadKind.SIGNATURE: 4096,
    PayloadKind.PACKAGES: 32 * MIB,
    PayloadKind.ORIGIN: 64 * MIB,
    PayloadKind.INDEX: 32 * MIB,
    PayloadKind.DELTA_INDEX: 8 * MIB,
    PayloadKind.DELTAS: 32 * MIB,
    PayloadKind.CONTENT: 16 * MIB,
}
"""The most that a part may have, unpacked; what is stored is never more than that and a little."""
_CHECKSUM = slice(16, 24)
_WORDS = {
    StoneKind.BINARY: "a package",
    StoneKind.DELTA: "a delta stone",
    StoneKind.INDEX: "an index",
    StoneKind.MANIFEST: "a build manifest",
    StoneKind.BUNDLE: "a bundle",
    StoneKind.RECEIPT: "a receipt",
}
_REMEDIES = ("moss export -o FILE makes a bundle, moss receipt -o FILE a receipt",)


class StoredPart(NamedTuple):
    """A part as it lies in the file, still packed and not verified yet."""

    part: Part
    header: PayloadHeader
    place: Place
    stored: bytes

    def unpacked(self) -> bytes:
        """Its plain bytes; CorruptData unless they are what the manifest lists."""
        if hashlib.sha256(self.stored).hexdigest() != self.part.sha256:
            raise self.place.fault("its bytes are not those that the manifest lists (their SHA-256 differs)")
        return unpack_payload(self.stored, self.header, self.place)


def read_file_header(source: Source, wanted: StoneKind) -> int:
    """How many payloads the file says it has. CorruptData where it is not a file of that kind."""
    place = source.place("file header")
    raw = source.exactly(HEADER_SIZE, "file header")
    number, version = raw[27], int.from_bytes(raw[28:], "big")
    if raw[:4] != MAGIC or number not in _WORDS:
        raise CorruptData(f"is not {_WORDS[wanted]}, or is damaged", file=source.name, remedies=_REMEDIES)
    if number != wanted:
        found = _WORDS[StoneKind(number)]
        raise CorruptData(f"is {found}, {_WORDS[wanted]} is wanted", file=source.name, remedies=_REMEDIES)
    # Versions are given so that each differs from all others in two bits: one flipped bit is damage.
    if version > FORMAT_VERSION and (version ^ FORMAT_VERSION).bit_count() > 1:
        raise place.too_new(f"the container is of version {version}, this moss reads {FORMAT_VERSION}")
    payloads = int.from_bytes(raw[4:6], "big")
    if raw != FileHeader(payloads, wanted).pack():
        raise place.fault("it is not that of a file of this format")
    return payloads


def read_first(source: Source, kind: PayloadKind) -> tuple[bytes, Place]:
    """A payload that nothing lists: never compressed, one record, or none where it is empty."""
    place = source.place(f"{kind.word} payload")
    raw = source.exactly(HEADER_SIZE, place.what)
    size = int.from_bytes(raw[:8], "big")
    header = PayloadHeader(size, size, raw[_CHECKSUM], int(size > 0), kind, Compression.NONE)
    if raw != header.pack():
        raise place.fault("its header is not that of such a payload")
    if size > _LIMITS[kind]:
        raise place.fault(f"it has {size} bytes, the limit is {_LIMITS[kind]}")
    return unpack_payload(source.exactly(size, place.what), header, place), place


def read_part(source: Source, part: Part) -> StoredPart:
    """The part that comes next. Its header is judged, its bytes when they are unpacked."""
    place = source.place(f"{part.kind.word} payload")
    raw = source.exactly(HEADER_SIZE, place.what)
    header = PayloadHeader(
        part.stored_size, part.plain_size, raw[_CHECKSUM], part.records, part.kind, part.compression
    )
    if raw != header.pack():
        raise place.fault("its header is not the one that the manifest lists here")
    return StoredPart(part, header, place, source.exactly(part.stored_size, place.what))


def part_fault(part: Part) -> str | None:
    """Why a part cannot be what the manifest says of it, in a few words."""
    limit = _LIMITS[part.kind]
    if part.plain_size > limit:
        return f"a {part.kind.word} payload would unpack to {part.plain_size} bytes, the limit is {limit}"
    if part.stored_size > limit + limit // 1024 + 64:
        return f"a {part.kind.word} payload stores {part.stored_size} bytes, the limit is {limit}"
    if part.compression is Compression.NONE and part.stored_size != part.plain_size:
        return f"a {part.kind.word} payload without compression has two sizes"
    if part.records >= 1 << 32:
        return f"a {part.kind.word} payload has {part.records} records"
    return None
