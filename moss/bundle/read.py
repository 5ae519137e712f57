"""Reading a bundle, from a file or a pipe: nothing is believed before its digest was compared.

    open_bundle   file header, manifest, signature, then every part before the contents
    contents      the rest, block by block

Each part's header must be what the manifest lists, and its bytes must have the SHA-256 that stands
there; so with the signature's check on the manifest every byte of the file is covered.
"""

import struct
from bisect import bisect_right
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import BinaryIO, NamedTuple

from moss.bundle.index import ContentIndex
from moss.bundle.manifest import SIGNED_PREFIX, Manifest, Part, decode_manifest
from moss.bundle.origins import SignedOrigin, decode_origin
from moss.bundle.packages import CarriedPackage, decode_packages
from moss.bundle.parallel import in_order
from moss.bundle.parts import StoredPart, part_fault, read_file_header, read_first, read_part
from moss.digest import ContentDigest, PackageDigest
from moss.errors import TrustFailure
from moss.stone.container import HEADER_SIZE, MIB, PayloadKind, Place, StoneKind
from moss.stone.content import Content, cut_contents
from moss.stone.patches import MAX_PATCHED
from moss.stone.records import ContentRange
from moss.stone.streams import Source
from moss.trust import PUBLIC_SIZE, SIGNATURE_SIZE, PublicKey, is_signed_by

_MOST_BEFORE_CONTENTS = 512 * MIB
"""Stored bytes of packages and indexes together, which are kept in memory."""
_DELTA = struct.Struct(">16s16sQ")
_LENGTH = struct.Struct(">I")
_ORDER = (
    PayloadKind.PACKAGES, PayloadKind.ORIGIN, PayloadKind.INDEX, PayloadKind.DELTA_INDEX, PayloadKind.DELTAS,
    PayloadKind.CONTENT,
)  # fmt: skip
_AT_ONCE = frozenset({PayloadKind.PACKAGES, PayloadKind.ORIGIN, PayloadKind.INDEX, PayloadKind.DELTA_INDEX})
REMEDIES = (
    "copy it again from where it was made; there and here: moss bundle verify FILE",
    "have it made again; there: moss export -o FILE",
)


class Delta(NamedTuple):
    """A content that is carried as its difference from another, which the receiver must have."""

    old: ContentDigest
    new: ContentDigest
    size: int


class Patch(NamedTuple):
    delta: Delta
    frame: bytes


@dataclass(slots=True, eq=False)
class Bundle:
    """A bundle, judged up to its patches and contents, which can be read once, in this order."""

    name: str
    manifest: Manifest
    signer: PublicKey | None
    """Who signed the manifest; whether that is somebody to trust is another question."""
    index: ContentIndex
    deltas: tuple[Delta, ...]
    _kept: tuple[StoredPart, ...] = field(repr=False)
    _source: Source = field(repr=False)
    _rest: tuple[Part, ...] = field(repr=False)
    _rest_offset: int = field(repr=False)
    origins: tuple[SignedOrigin, ...] = ()
    """What repositories have signed, as it came; nobody has verified it yet."""
    proven: Mapping[PackageDigest, str] = field(default_factory=dict)
    """Content ids that packages must have, by who has verified what their repositories have signed."""

    @property
    def content_size(self) -> int:
        """Bytes of all contents that are carried whole."""
        return self.index.end

    def packages(self) -> Iterator[CarriedPackage]:
        """The packages that are carried, each what the manifest says it is. May be asked for again."""
        listed = (package for package in self.manifest.packages if package.carried)
        for kept in self._kept:
            place = kept.place
            for carried in decode_packages(kept.unpacked(), kept.part.records, place):
                expected = next(listed, None)
                metadata = carried.metadata
                if expected is None or (carried.digest, metadata.name, metadata.ordered_version) != (
                    expected.digest, expected.name, expected.version,
                ):  # fmt: skip
                    raise place.fault(f"{metadata.label} is not the package that the manifest lists there")
                yield carried
        if (left := next(listed, None)) is not None:
            raise self._place("packages").fault(f"{left.label} is missing, which the manifest says is carried")

    def patches(self) -> Iterator[Patch]:
        """Each content that is carried as a difference, in the order of `deltas`."""
        expected = iter(self.deltas)
        for part in self._rest:
            if part.kind is PayloadKind.DELTAS:
                kept = read_part(self._source, part)
                yield from _patches(kept.unpacked(), part.records, kept.place, expected)
        if next(expected, None) is not None:
            raise self._place("deltas").fault("fewer patches follow than are listed")

    def contents(self) -> Iterator[Content]:
        """Each content that is carried whole, in the order of `index`, verified; `patches` come before."""
        parts = (read_part(self._source, part) for part in self._rest if part.kind is PayloadKind.CONTENT)
        blocks = in_order(StoredPart.unpacked, parts)

        def read(_: int) -> bytes:
            return next(blocks, b"")

        yield from cut_contents(self.index, read, self._place("contents"))
        if next(blocks, None) is not None:
            raise self._place("contents").fault("more follows than the index lists")
        self._source.expect_end()

    def some_contents(self, wanted: Container[ContentDigest]) -> Iterator[Content]:
        """Those contents alone, where the file can be read at any place; else all. Blocks that hold none
        of them are passed over, and so not judged."""
        if self._source.size is None:
            yield from self.contents()
            return
        blocks = _Blocks(self._source, self._rest, self._rest_offset)
        place = self._place("contents")
        for start, end, digest in self.index:
            if digest in wanted:
                one = ContentRange(0, end - start, digest)
                yield from cut_contents([one], blocks.reader(start, end), place)

    def _place(self, what: str) -> Place:
        return Place(self.name, self._source.offset, what)


class Head(NamedTuple):
    """The beginning of a bundle, by which it can be judged whether to read on."""

    name: str
    manifest: Manifest
    signer: PublicKey | None


def open_bundle(file: BinaryIO, name: str, judge: Callable[[Head], object] = bool) -> Bundle:
    """Read all that comes before patches and contents. Raises CorruptData with the place of the first
    fault, TrustFailure for a signature that is not one, FormatTooNew where a later moss may know better.

    `judge` raises what keeps this bundle from being read on, before more of it is.
    """
    source = Source(file, name)
    payloads = read_file_header(source, StoneKind.BUNDLE)
    plain, place = read_first(source, PayloadKind.BUNDLE_MANIFEST)
    manifest = decode_manifest(plain, place)
    if payloads != len(manifest.parts) + 2:
        raise Place(name, 0, "file header").fault(
            f"it announces {payloads} payloads, the manifest lists {len(manifest.parts) + 2}"
        )
    _judge_parts(manifest, place)
    signer = _signer(source, plain)
    judge(Head(name, manifest, signer))
    first = [part for part in manifest.parts if part.kind in _AT_ONCE]
    kept = [read_part(source, part) for part in first]
    index: ContentIndex | None = None
    deltas: tuple[Delta, ...] = ()
    for one in kept:
        if one.part.kind is PayloadKind.INDEX:
            index = ContentIndex(one.unpacked(), one.part.records, one.place)
        elif one.part.kind is PayloadKind.DELTA_INDEX:
            deltas = _decode_deltas(one.unpacked(), one.part.records, one.place)
    whole = sum(part.plain_size for part in manifest.parts if part.kind is PayloadKind.CONTENT)
    assert index is not None, "parts without an index were refused"
    if whole != index.end:
        raise place.fault(f"its contents have {whole} bytes, the index covers {index.end}")
    if any(delta.new in index for delta in deltas):
        raise place.fault("a content is carried whole and as a difference")
    rest_offset = source.offset
    packed = tuple(one for one in kept if one.part.kind is PayloadKind.PACKAGES)
    signed = (one for one in kept if one.part.kind is PayloadKind.ORIGIN)
    origins = tuple(decode_origin(one.unpacked(), one.part.records, one.place) for one in signed)
    rest = manifest.parts[len(first) :]
    return Bundle(name, manifest, signer, index, deltas, packed, source, rest, rest_offset, origins)


class _Blocks:
    """The blocks of the contents, read at any place; the last one is kept."""

    def __init__(self, source: Source, parts: Sequence[Part], offset: int) -> None:
        self._source = source
        self._starts: list[int] = []
        self._table: list[tuple[int, Part]] = []
        self._held = -1
        self._plain = b""
        start = 0
        for part in parts:
            if part.kind is PayloadKind.CONTENT:
                self._starts.append(start)
                self._table.append((offset, part))
                start += part.plain_size
            offset += HEADER_SIZE + part.stored_size

    def reader(self, start: int, end: int) -> Callable[[int], bytes]:
        """Gives the bytes from `start` to `end`, end excluded, in pieces, and then none."""
        position = start

        def read(size: int) -> bytes:
            nonlocal position
            if position >= end:
                return b""
            number = bisect_right(self._starts, position) - 1
            plain = self._block(number)
            at = position - self._starts[number]
            piece = plain[at : at + min(size, end - position)]
            position += len(piece)
            return piece

        return read

    def _block(self, number: int) -> bytes:
        if number != self._held:
            offset, part = self._table[number]
            self._source.seek(offset)
            self._plain = read_part(self._source, part).unpacked()
            self._held = number
        return self._plain


def _signer(source: Source, manifest: bytes) -> PublicKey | None:
    raw, place = read_first(source, PayloadKind.SIGNATURE)
    if not raw:
        return None
    if len(raw) != PUBLIC_SIZE + SIGNATURE_SIZE:
        raise place.fault(f"it has {len(raw)} bytes, a signature has {PUBLIC_SIZE + SIGNATURE_SIZE}")
    key = PublicKey(raw[:PUBLIC_SIZE])
    if not is_signed_by(key, raw[PUBLIC_SIZE:], SIGNED_PREFIX + manifest):
        raise TrustFailure(
            f"{source.name}: the signature is not one of this bundle's manifest by the key that it names",
            because=[f"it names {key}"],
            remedies=list(REMEDIES),
        )
    return key


def _judge_parts(manifest: Manifest, place: Place) -> None:
    kinds = [part.kind for part in manifest.parts]
    if any(kind not in _ORDER for kind in kinds) or kinds != sorted(kinds, key=_ORDER.index):
        raise place.fault("it lists parts that have no place in a bundle, or in another order")
    for part in manifest.parts:
        if fault := part_fault(part):
            raise place.fault(fault)
    if kinds.count(PayloadKind.INDEX) != 1 or kinds.count(PayloadKind.DELTA_INDEX) > 1:
        raise place.fault("a bundle has one index, and at most one delta index")
    if (PayloadKind.DELTAS in kinds) != (PayloadKind.DELTA_INDEX in kinds):
        raise place.fault("a delta index and deltas come together or not at all")
    before = sum(part.stored_size for part in manifest.parts if part.kind in _AT_ONCE)
    if before > _MOST_BEFORE_CONTENTS:
        raise place.fault(f"{before} bytes come before the contents, the limit is {_MOST_BEFORE_CONTENTS}")


def _decode_deltas(plain: bytes, records: int, place: Place) -> tuple[Delta, ...]:
    if len(plain) != records * _DELTA.size:
        raise place.fault(f"{len(plain)} bytes are not {records} records of {_DELTA.size} bytes")
    deltas = tuple(Delta(ContentDigest(old), ContentDigest(new), size) for old, new, size in _DELTA.iter_unpack(plain))
    if large := next((delta for delta in deltas if not 0 < delta.size <= MAX_PATCHED), None):
        raise place.fault(f"the content with digest {large.new.hex()} has {large.size} bytes, no patch gives so many")
    if len({delta.new for delta in deltas}) != len(deltas):
        raise place.fault("a content occurs twice")
    return deltas


def encode_deltas(deltas: list[Delta]) -> bytes:
    return b"".join(_DELTA.pack(*delta) for delta in deltas)


def encode_patch(frame: bytes) -> bytes:
    return _LENGTH.pack(len(frame)) + frame


def _patches(plain: bytes, records: int, place: Place, expected: Iterator[Delta]) -> Iterator[Patch]:
    position = count = 0
    while position < len(plain):
        delta = next(expected, None)
        start = position + _LENGTH.size
        if delta is None or start > len(plain):
            raise place.fault("it holds more patches than are listed" if delta is None else "it is cut short")
        position = start + _LENGTH.unpack_from(plain, position)[0]
        if position > len(plain):
            raise place.fault(f"the patch for {delta.new.hex()} is cut short")
        count += 1
        yield Patch(delta, plain[start:position])
    if count != records:
        raise place.fault(f"it holds {count} patches, its header says {records}")
