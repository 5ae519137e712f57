"""Reading a compressed member in pieces of bounded size: none, gzip, xz, zstd.

Each must be one complete stream whose own checks hold, with nothing behind it.
"""

import lzma
import zlib
from collections.abc import Iterator
from typing import BinaryIO, Protocol, cast

from moss.errors import CorruptData
from moss.foreign.archive import PIECE_BYTES, Archive, Member
from moss.stone.streams import decompress_stream, zstd_faults

OUT_BYTES = 1 << 20
"""The most that one piece holds."""

XZ_MEMORY_BYTES = 1 << 27
"""What an xz stream may ask for: `xz -9` takes 65 MiB."""


class Decompressor(Protocol):
    """What lzma's and (by `Gzip`) zlib's decompressors have in common."""

    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int, /) -> bytes: ...


class Gzip:
    """zlib's decompressor, in the manners of lzma's."""

    def __init__(self) -> None:
        self._zlib = zlib.decompressobj(wbits=31)
        self._kept = b""

    @property
    def eof(self) -> bool:
        return self._zlib.eof

    @property
    def unused_data(self) -> bytes:
        return self._zlib.unused_data

    @property
    def needs_input(self) -> bool:
        # While output waits inside, the trailer behind it has not been taken either.
        return not self._kept

    def decompress(self, data: bytes, max_length: int, /) -> bytes:
        plain = self._zlib.decompress(self._kept + data, max_length)
        self._kept = self._zlib.unconsumed_tail
        return plain


def has_own_check(member: Member) -> bool:
    """Whether a damaged stream is noticed by its compression's own checksum."""
    return member.name.endswith((".gz", ".xz"))


def plain_pieces(archive: Archive, member: Member) -> Iterator[bytes]:
    """The plain bytes of the member being read, in pieces of at most OUT_BYTES."""
    _, _, compression = member.name.partition(".tar")
    match compression:
        case "":
            return _stored(archive)
        case ".gz":
            return _streamed(archive, member, Gzip())
        case ".xz":
            return _streamed(archive, member, lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=XZ_MEMORY_BYTES))
        case ".zst":
            return _zstd(archive, member)
    raise CorruptData(
        f"the member '{member.name}' is compressed in a way that moss does not read",
        file=archive.path,
        offset=member.offset,
        because=["moss reads .tar, .tar.gz, .tar.xz and .tar.zst"],
        remedies=["repack it: dpkg-deb -R FILE DIR && dpkg-deb -Zxz -b DIR FILE"],
    )


def _stored(archive: Archive) -> Iterator[bytes]:
    while piece := archive.read(OUT_BYTES):
        yield piece


def _streamed(archive: Archive, member: Member, stream: Decompressor) -> Iterator[bytes]:
    try:
        while not stream.eof:
            data = archive.read(PIECE_BYTES) if stream.needs_input else b""
            if stream.needs_input and not data:
                raise archive.fault(f"the compressed stream of '{member.name}' is cut short")
            plain = stream.decompress(data, OUT_BYTES)
            if plain:
                yield plain
    except lzma.LZMAError as error:
        raise _damaged(archive, member, error) from error
    except zlib.error as error:
        raise _damaged(archive, member, error) from error
    if stream.unused_data or archive.read(1):
        raise archive.fault(f"bytes follow the end of the compressed stream of '{member.name}'")


def _zstd(archive: Archive, member: Member) -> Iterator[bytes]:
    try:
        # Of a file, zstd's reader uses nothing but `read`.
        with decompress_stream(cast(BinaryIO, archive)) as stream:
            while plain := stream.read(OUT_BYTES):
                yield plain
    except zstd_faults as error:
        raise _damaged(archive, member, error) from error


def _damaged(archive: Archive, member: Member, error: Exception) -> CorruptData:
    return archive.fault(
        f"the compressed bytes of '{member.name}' are damaged, or ask for too much memory ({error})"
    )
