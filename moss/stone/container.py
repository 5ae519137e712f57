"""The container: a file header, then payloads, each a header and its stored bytes.

    file header (32)  payload header (32) stored bytes  payload header (32) stored bytes  …

Every integer is big-endian. docs/stone-format.md spells each byte.
"""

import struct
from collections.abc import Iterable, Mapping
from enum import Enum, IntEnum
from types import MappingProxyType
from typing import NamedTuple

from moss.digest import content_digest
from moss.errors import CorruptData, FormatTooNew, MossError
from solver.values import field, value

HEADER_SIZE = 32
MAX_PAYLOADS = 0xFFFF
MAGIC = b"\x00mos"
FILLER = bytes.fromhex("000001000002000003000004000005000006000007")
FORMAT_VERSION = 1
PAYLOAD_VERSION = 1

_FILE_HEADER = struct.Struct(">4sH21sBI")
_PAYLOAD_HEADER = struct.Struct(">QQ8sIHBB")

MIB = 1 << 20
PIECE = MIB
"""Content is read, hashed and written in pieces of at most this many bytes."""


class StoneKind(IntEnum):
    """What a file of this format is."""

    BINARY = 1
    DELTA = 2
    INDEX = 3
    MANIFEST = 4
    # From 128 on: moss's own, see docs/bundle-format.md.
    BUNDLE = 128
    RECEIPT = 129


class PayloadKind(IntEnum):
    META = 1
    CONTENT = 2
    LAYOUT = 3
    INDEX = 4
    ATTRIBUTES = 5
    # From 128 on: what a bundle or receipt has besides.
    BUNDLE_MANIFEST = 128
    SIGNATURE = 129
    PACKAGES = 130
    DELTA_INDEX = 131
    DELTAS = 132
    ORIGIN = 133

    @property
    def word(self) -> str:
        return self.name.lower().replace("_", " ")


class Compression(IntEnum):
    NONE = 1
    ZSTD = 2


class Strictness(Enum):
    """What becomes of payloads and tags that this moss does not know."""

    INSTALL = "install"
    """They are skipped."""
    CHECK = "check"
    """They are faults."""


@value
class Limits:
    """How much a stone may ask of the machine that reads it, in bytes.

    They are compared with what a header says before anything of that size is allocated.
    """

    plain: Mapping[PayloadKind, int] = field(
        default_factory=lambda: MappingProxyType(
            {
                PayloadKind.META: 16 * MIB,
                PayloadKind.LAYOUT: 64 * MIB,
                PayloadKind.INDEX: 16 * MIB,
                PayloadKind.ATTRIBUTES: 64 * MIB,
                PayloadKind.CONTENT: 1 << 40,
                PayloadKind.BUNDLE_MANIFEST: 8 * MIB,
                PayloadKind.SIGNATURE: 4096,
                PayloadKind.PACKAGES: 256 * MIB,
                PayloadKind.ORIGIN: 64 * MIB,
                PayloadKind.DELTA_INDEX: 64 * MIB,
                PayloadKind.DELTAS: 64 * MIB,
            }
        )
    )
    """The largest unpacked payload of each kind."""
    together: int = 128 * MIB
    """All payloads of a file that are unpacked at once, which content is not."""
    window: int = 512 * MIB
    """The largest zstd window: unpacking a content payload takes this much memory."""


DEFAULT_LIMITS = Limits()


class Place(NamedTuple):
    """Where in a file a fault was found: its name, a byte offset, and what begins there."""

    file: str
    offset: int
    what: str

    def fault(self, message: str) -> CorruptData:
        return CorruptData(f"{self.what}: {message}", file=self.file, offset=self.offset, remedies=REMEDIES)

    def too_new(self, message: str) -> FormatTooNew:
        return FormatTooNew(
            f"{self.file}: at byte {self.offset}: {self.what}: {message}",
            remedies=["update moss, or use a file written for this version of the format"],
        )


REMEDIES = ("fetch the file again, or have it built again: it is damaged or was written wrongly",)


class FileHeader(NamedTuple):
    payloads: int
    kind: StoneKind

    def pack(self) -> bytes:
        return _FILE_HEADER.pack(MAGIC, self.payloads, FILLER, self.kind, FORMAT_VERSION)


class PayloadHeader(NamedTuple):
    """A payload as its header describes it. `kind` stays a number where this moss does not know it."""

    stored_size: int
    plain_size: int
    checksum: bytes
    """XXH3-64 of the stored bytes."""
    records: int
    kind: PayloadKind | int
    compression: Compression

    def pack(self) -> bytes:
        return _PAYLOAD_HEADER.pack(
            self.stored_size,
            self.plain_size,
            self.checksum,
            self.records,
            PAYLOAD_VERSION,
            self.kind,
            self.compression,
        )


class Payload(NamedTuple):
    """A payload of a file: its header, where it begins, and the header's bytes."""

    header: PayloadHeader
    place: Place
    raw_header: bytes


def parse_file_header(raw: bytes, name: str) -> FileHeader:
    """The first 32 bytes of a file; CorruptData when it is no stone, FormatTooNew when of a later version."""
    magic, payloads, filler, kind, version = _FILE_HEADER.unpack(raw)
    if magic != MAGIC:
        raise CorruptData(
            f"is not a stone: it begins with {magic.hex(' ')}, a stone begins with {MAGIC.hex(' ')}",
            file=name,
            remedies=["give a .stone, a stone.index or a manifest"],
        )
    place = Place(name, 0, "file header")
    if version != FORMAT_VERSION:
        raise _unknown_version(place, "format version", version, FORMAT_VERSION)
    if filler != FILLER:
        raise place.fault("bytes 6 to 26 are not those of the format")
    try:
        return FileHeader(payloads, StoneKind(kind))
    except ValueError as error:
        raise place.too_new(f"file type {kind} is not known") from error


def parse_payload_header(raw: bytes, place: Place, limits: Limits) -> PayloadHeader:
    """A payload's 32 header bytes, its sizes within the limits. Payloads of unknown kind pass unjudged."""
    stored_size, plain_size, checksum, records, version, number, compression = _PAYLOAD_HEADER.unpack(raw)
    if number not in _PAYLOAD_KINDS:
        return PayloadHeader(stored_size, plain_size, checksum, records, number, Compression.NONE)
    kind = PayloadKind(number)
    if version != PAYLOAD_VERSION:
        raise _unknown_version(place, f"version of the {kind.name.lower()} payload", version, PAYLOAD_VERSION)
    if compression not in _COMPRESSIONS:
        raise place.too_new(f"compression {compression} of the {kind.name.lower()} payload is not known")
    header = PayloadHeader(stored_size, plain_size, checksum, records, kind, Compression(compression))
    _check_sizes(header, place, limits)
    return header


_PAYLOAD_KINDS = frozenset(PayloadKind)
_COMPRESSIONS = frozenset(Compression)


def _check_sizes(header: PayloadHeader, place: Place, limits: Limits) -> None:
    assert isinstance(header.kind, PayloadKind)
    limit = limits.plain[header.kind]
    if header.plain_size > limit:
        raise place.fault(
            f"the {header.kind.name.lower()} payload would unpack to {header.plain_size} bytes, "
            f"the limit is {limit}"
        )
    if header.compression is Compression.NONE and header.stored_size != header.plain_size:
        raise place.fault(
            f"{header.stored_size} bytes are stored without compression, {header.plain_size} announced"
        )
    # zstd never adds more than its frame header and three bytes for each 128 KiB.
    if header.stored_size > limit + limit // 1024 + 64:
        raise place.fault(f"{header.stored_size} bytes are stored, the limit is {limit}")


def _unknown_version(place: Place, what: str, found: int, known: int) -> MossError:
    if found > known:
        return place.too_new(f"{what} is {found}, this moss reads {known}")
    return place.fault(f"{what} is {found}, which never existed")


CENSUS = "moss.census/1"
"""The attribute that covers what no checksum of the format does: see `census`."""


def census(raw_file_header: bytes, raw_payload_headers: Iterable[bytes]) -> bytes:
    """The value of the census attribute: XXH3-128 of the file header and all payload headers but the
    attributes' own, in the file's order."""
    return content_digest(b"".join((raw_file_header, *raw_payload_headers)))
