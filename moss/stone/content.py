"""File contents as they come out of a content payload, verified on the way."""

from collections.abc import Callable, Iterable, Iterator
from typing import Protocol

from moss.digest import ContentDigest, content_digest, content_hasher
from moss.stone.container import PIECE, Place
from moss.stone.records import ContentRange


class Content:
    """One content: its digest, its size in bytes, and its bytes, once."""

    __slots__ = ("_pieces", "digest", "size")

    def __init__(self, digest: ContentDigest, size: int, pieces: Iterator[memoryview]) -> None:
        self.digest = digest
        self.size = size
        self._pieces = pieces

    def chunks(self) -> Iterator[memoryview]:
        """The bytes in pieces of at most 1 MiB; what is smaller than that comes as one piece, verified.

        A larger content's digest is verified when its last piece has been taken: CorruptData is
        raised then, and nothing made from the pieces may be kept. To be taken once, before the next
        content is asked for.
        """
        return self._pieces


class PlainBytes(Protocol):
    """Where contents are cut from: `read` gives at most `size` bytes and none at the end."""

    def read(self, size: int, /) -> bytes | memoryview: ...

    def finish(self) -> None: ...


class InMemory:
    """Plain bytes that are there already."""

    def __init__(self, plain: bytes) -> None:
        self._plain = memoryview(plain)
        self._position = 0

    def read(self, size: int, /) -> memoryview:
        piece = self._plain[self._position : self._position + size]
        self._position += len(piece)
        return piece

    def finish(self) -> None:
        """All was verified before."""


def cut_contents(
    ranges: Iterable[ContentRange], read: Callable[[int], bytes | memoryview], place: Place
) -> Iterator[Content]:
    """Each range's content in turn, whether or not its chunks are taken; CorruptData for a wrong digest."""
    rest = memoryview(b"")
    for start, end, digest in ranges:
        size = end - start
        if size > PIECE:
            long = _LongContent(digest, size, rest, read, place)
            yield Content(digest, size, long)
            long.drain()
            rest = long.rest
            continue
        if size > len(rest):
            more = read(PIECE)
            rest = memoryview(bytes(rest) + more) if rest else memoryview(more)
            if size > len(rest):
                raise _ends_early(place, digest)
        piece, rest = rest[:size], rest[size:]
        if content_digest(piece) != digest:
            raise _wrong(place, digest)
        yield Content(digest, size, iter((piece,)) if size else iter(()))
    if rest:
        raise place.fault("it unpacks to more bytes than its header says")


class _LongContent(Iterator[memoryview]):
    """The pieces of a content that is longer than a piece."""

    def __init__(
        self,
        digest: ContentDigest,
        size: int,
        rest: memoryview,
        read: Callable[[int], bytes | memoryview],
        place: Place,
    ) -> None:
        self.rest = rest
        """What was read but belongs to the next content."""
        self._digest = digest
        self._left = size
        self._read = read
        self._place = place
        self._hasher = content_hasher()

    def __next__(self) -> memoryview:
        if not self._left:
            raise StopIteration
        if not self.rest:
            self.rest = memoryview(self._read(PIECE))
            if not self.rest:
                raise _ends_early(self._place, self._digest)
        piece, self.rest = self.rest[: self._left], self.rest[self._left :]
        self._left -= len(piece)
        self._hasher.update(piece)
        if not self._left and self._hasher.digest() != self._digest:
            raise _wrong(self._place, self._digest)
        return piece

    def drain(self) -> None:
        for _ in self:
            pass


def _wrong(place: Place, digest: ContentDigest) -> Exception:
    return place.fault(f"the content with digest {digest.hex()} has other bytes than its digest says")


def _ends_early(place: Place, digest: ContentDigest) -> Exception:
    return place.fault(f"it ends before the content with digest {digest.hex()} does")
