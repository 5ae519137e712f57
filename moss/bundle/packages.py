"""Packages as they lie in a bundle: what each says of itself, and its paths, in the stone's own encoding.

    digest[32] | statement length u32, records u32 | attributes length u32, records u32
    | layout length u32, records u32 | statement | attributes | layout

The three are the plain bytes of a stone's meta, attributes and layout payloads.
"""

import struct
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

from moss.digest import ContentDigest, PackageDigest
from moss.layout import Entry
from moss.package import Metadata
from moss.stone.container import Place, StoneKind, Strictness
from moss.stone.extras import decode_extras, encode_extras, refuse_later_versions, with_extras
from moss.stone.meta import decode_meta, encode_meta
from moss.stone.records import decode_attributes, decode_layout, encode_attributes, encode_layout
from moss.stone.xattrs import encode_xattrs, with_xattrs

_HEAD = struct.Struct(">32sIIIIII")
_SIZE = struct.Struct(">16sQ")
LEFT_OUT = "moss.left-out/1"
"""The attribute with the sizes of contents that the generation leaves out: they are neither carried nor indexed."""


class CarriedPackage(NamedTuple):
    """A package in a bundle. Its layout is read when it is asked for."""

    digest: PackageDigest
    metadata: Metadata
    place: Place
    attributes: Mapping[str, bytes]
    raw_layout: bytes
    layout_records: int

    def layout(self) -> tuple[Entry, ...]:
        layout = decode_layout(self.raw_layout, self.layout_records, self.place)
        return with_xattrs(layout, self.attributes, self.place)

    def left_out(self) -> dict[ContentDigest, int]:
        """The bytes of contents that are left out of it."""
        raw = self.attributes.get(LEFT_OUT, b"")
        if len(raw) % _SIZE.size:
            raise self.place.fault(f"attribute {LEFT_OUT} is cut short")
        found = [(ContentDigest(content), size) for content, size in _SIZE.iter_unpack(raw)]
        if any(first[0] >= second[0] for first, second in pairwise(found)) or any(size >= 1 << 63 for _, size in found):
            raise self.place.fault(f"attribute {LEFT_OUT} does not give its sizes in order, each once")
        return dict(found)


def encode_package(
    digest: PackageDigest,
    metadata: Metadata,
    layout: Sequence[Entry],
    left_out: Mapping[ContentDigest, int] = {},
) -> bytes:
    """`left_out` gives the bytes of contents that the generation leaves out of the package."""
    meta, meta_records = encode_meta(metadata)
    extras = {**encode_extras(metadata), **encode_xattrs(layout)}
    if left_out:
        extras[LEFT_OUT] = b"".join(_SIZE.pack(content, size) for content, size in sorted(left_out.items()))
    attributes = encode_attributes(extras)
    paths = encode_layout(layout)
    head = _HEAD.pack(
        bytes.fromhex(digest), len(meta), meta_records, len(attributes), len(extras), len(paths), len(layout)
    )
    return b"".join((head, meta, attributes, paths))


def decode_packages(plain: bytes, records: int, place: Place) -> Iterator[CarriedPackage]:
    """Each package in turn; CorruptData where one is not what a stone could say."""
    position, count, end = 0, 0, len(plain)
    while position < end:
        count += 1
        start = position + _HEAD.size
        if start > end:
            raise place.fault(f"package {count} is cut short")
        raw, meta_size, meta_records, size, attribute_records, layout_size, layout_records = _HEAD.unpack_from(
            plain, position
        )
        position = start + meta_size + size + layout_size
        if position > end:
            raise place.fault(f"package {count} is cut short")
        middle = start + meta_size
        metadata, _ = decode_meta(
            plain[start:middle], meta_records, place, StoneKind.BINARY, Strictness.CHECK
        )
        attributes = decode_attributes(plain[middle : middle + size], attribute_records, place)
        refuse_later_versions(attributes, place)
        yield CarriedPackage(
            PackageDigest(raw.hex()),
            with_extras(metadata, decode_extras(attributes, place)),
            place,
            attributes,
            plain[middle + size : position],
            layout_records,
        )
    if count != records:
        raise place.fault(f"it holds {count} packages, its header says {records}")
