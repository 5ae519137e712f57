"""Contents on their way into a stone: one temporary file, each content in it once."""

import os
import tempfile
from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import NamedTuple, Protocol, runtime_checkable

from moss.digest import ContentDigest, content_digest, content_hasher
from moss.errors import CorruptData
from moss.stone.container import PIECE
from moss.stone.content import Content

Chunk = bytes | bytearray | memoryview


@runtime_checkable
class Readable(Protocol):
    def read(self, size: int, /) -> bytes: ...


class _Kept(NamedTuple):
    offset: int
    size: int


class SpooledContent:
    """One content of a spool, read at any place and as often as wanted."""

    __slots__ = ("_file", "_offset", "size")

    def __init__(self, file: int, offset: int, size: int) -> None:
        self._file = file
        self._offset = offset
        self.size = size

    def read_at(self, offset: int, size: int) -> bytes:
        """The bytes from `offset` on: `size` of them, fewer where the content ends."""
        size = min(size, self.size - offset)
        return os.pread(self._file, size, self._offset + offset) if size > 0 else b""

    def chunks(self) -> Iterator[bytes]:
        """All bytes, in pieces of at most 1 MiB."""
        for offset in range(0, self.size, PIECE):
            yield self.read_at(offset, PIECE)


class ContentSpool:
    """Contents in one unnamed temporary file in `directory`; memory is bounded by the number of
    contents, about 200 bytes each. It is a `ContentSource`. Leaving the `with` block frees the space.
    """

    def __init__(self, directory: str | None = None) -> None:
        self._file = tempfile.TemporaryFile(dir=directory, buffering=0)  # noqa: SIM115 - closed in __exit__
        self._descriptor = self._file.fileno()
        self._end = 0
        self._kept: dict[ContentDigest, _Kept] = {}

    def __enter__(self) -> "ContentSpool":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._file.close()

    def __len__(self) -> int:
        return len(self._kept)

    def __contains__(self, digest: ContentDigest) -> bool:
        return digest in self._kept

    @property
    def content_size(self) -> int:
        """Bytes of all contents together."""
        return self._end

    def add(self, content: Readable | Iterable[Chunk] | bytes) -> tuple[ContentDigest, int]:
        """Keep a content, given whole, in chunks, or as something to read. Its digest and size in bytes.

        A content that is there already takes no space. CorruptData where two contents differ and
        yet have one digest: a stone cannot hold both.
        """
        if isinstance(content, bytes):
            return self._add_whole(content)
        start = self._end
        hasher = content_hasher()
        first = b""
        for chunk in _chunks_of(content):
            if self._end == start and not first and len(chunk) < PIECE:
                # Most contents are one small chunk, which need not be written to be judged.
                first = bytes(chunk)
                continue
            if first:
                self._append(first, hasher)
                first = b""
            self._append(chunk, hasher)
        if self._end == start:
            return self._add_whole(first)
        digest, size = ContentDigest(hasher.digest()), self._end - start
        if digest in self._kept:
            self._end = start
            self._expect_same(digest, size, SpooledContent(self._descriptor, start, size))
        else:
            self._kept[digest] = _Kept(start, size)
        return digest, size

    def open(self, digest: ContentDigest) -> SpooledContent:
        """A content that was added; KeyError for others."""
        kept = self._kept[digest]
        return SpooledContent(self._descriptor, kept.offset, kept.size)

    def contents(self) -> Iterator[Content]:
        """All contents, largest first, those of one size in the order they were added."""
        for digest, (offset, size) in sorted(self._kept.items(), key=lambda item: -item[1].size):
            yield Content(digest, size, _views(SpooledContent(self._descriptor, offset, size)))

    def _add_whole(self, content: bytes) -> tuple[ContentDigest, int]:
        digest, size = content_digest(content), len(content)
        if digest in self._kept:
            if size != self._kept[digest].size or self.open(digest).read_at(0, size) != content:
                raise _same_digest(digest)
        else:
            self._kept[digest] = _Kept(self._end, size)
            self._write(content)
        return digest, size

    def _append(self, chunk: Chunk, hasher: "_Updatable") -> None:
        hasher.update(chunk)
        self._write(chunk)

    def _write(self, chunk: Chunk) -> None:
        view = memoryview(chunk)
        while view:
            written = os.pwrite(self._descriptor, view, self._end)
            self._end += written
            view = view[written:]

    def _expect_same(self, digest: ContentDigest, size: int, other: SpooledContent) -> None:
        mine = self.open(digest)
        if size != mine.size or any(a != b for a, b in zip(mine.chunks(), other.chunks(), strict=True)):
            raise _same_digest(digest)


class _Updatable(Protocol):
    def update(self, data: Chunk, /) -> None: ...


def _views(content: SpooledContent) -> Iterator[memoryview]:
    if 0 < content.size <= PIECE:
        return iter((memoryview(content.read_at(0, content.size)),))
    return map(memoryview, content.chunks())


def _chunks_of(content: Readable | Iterable[Chunk]) -> Iterator[Chunk]:
    if isinstance(content, Readable):  # asked first: files are iterable too, line by line
        while piece := content.read(PIECE):
            yield piece
    else:
        yield from content


def _same_digest(digest: ContentDigest) -> CorruptData:
    return CorruptData(
        f"two files with different bytes have the digest {digest.hex()}",
        remedies=["leave one of them out: a stone names contents by this digest and cannot hold both"],
    )
