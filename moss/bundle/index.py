"""The index of a bundle: which contents it carries whole, and where each lies. Kept as bytes, since a
whole system has several hundred thousand of them."""

import struct
from bisect import bisect_left
from collections.abc import Iterator

from moss.digest import ContentDigest
from moss.stone.container import Place
from moss.stone.records import ContentRange

_RECORD = struct.Struct(">QQ16s")
_SIZE = struct.Struct(">Q")
_DIGEST_BYTES = 16


class ContentIndex:
    """Contents without gaps, each once, from byte 0 on."""

    def __init__(self, plain: bytes, records: int, place: Place) -> None:
        """CorruptData where it is not such a row of contents."""
        if len(plain) != records * _RECORD.size:
            raise place.fault(f"{len(plain)} bytes are not {records} records of {_RECORD.size} bytes")
        self._plain = plain
        self._sorted: list[bytes] = []
        self.end = 0
        """Bytes of all of them together."""
        for start, end, digest in _RECORD.iter_unpack(plain):
            if start != self.end or end <= start:
                raise place.fault(
                    f"record {len(self._sorted) + 1} covers bytes {start} to {end}, not from {self.end} on"
                )
            self.end = end
            self._sorted.append(digest + _SIZE.pack(end - start))
        self._sorted.sort()
        for one, next_one in zip(self._sorted, self._sorted[1:], strict=False):
            if one[:_DIGEST_BYTES] == next_one[:_DIGEST_BYTES]:
                raise place.fault(f"the content with digest {one[:_DIGEST_BYTES].hex()} occurs twice")

    def __len__(self) -> int:
        return len(self._sorted)

    def __iter__(self) -> Iterator[ContentRange]:
        """In the order in which they lie."""
        for start, end, digest in _RECORD.iter_unpack(self._plain):
            yield ContentRange(start, end, ContentDigest(digest))

    def __contains__(self, digest: object) -> bool:
        return isinstance(digest, bytes) and self.size_of(ContentDigest(digest)) is not None

    def size_of(self, digest: ContentDigest) -> int | None:
        """The bytes of a content; None when it is not carried."""
        at = bisect_left(self._sorted, digest)
        if at < len(self._sorted) and self._sorted[at].startswith(digest):
            size: int = _SIZE.unpack_from(self._sorted[at], _DIGEST_BYTES)[0]
            return size
        return None
