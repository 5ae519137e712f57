"""Bytes in order: counted reading of any file, and zstd in both directions.

The only part of moss that knows `zstandard`. `decompress_stream` and `compress_stream` serve others;
the rest reads and writes payloads, each of which is exactly one zstd frame.
"""

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from threading import local
from typing import IO, BinaryIO, Protocol, cast

import zstandard

from moss.digest import checksum_hasher, payload_checksum
from moss.errors import CorruptData
from moss.stone.container import PIECE, Compression, Limits, PayloadHeader, Place

WINDOW_LOG = 23
"""Frames that moss writes have windows of at most 2^23 bytes (8 MiB), so that reading takes little memory."""

_ANY_WINDOW = 2**31
_FOREIGN_WINDOW = 2**27
"""What the zstd of others may take in memory, 128 MiB: as much as the zstd command allows without being asked."""


class Readable(Protocol):
    def read(self, size: int, /) -> bytes: ...


class Writable(Protocol):
    def write(self, data: bytes | memoryview, /) -> object: ...


def decompress_stream(file: BinaryIO) -> AbstractContextManager[Readable]:
    """What a zstd file holds, to be read in pieces; it may be of several frames. Raises `zstd_faults`."""
    decompressor = zstandard.ZstdDecompressor(max_window_size=_FOREIGN_WINDOW)
    return decompressor.stream_reader(file, read_across_frames=True)


@contextmanager
def compress_stream(target: Writable, level: int, size: int = -1) -> Iterator[Writable]:
    """Write plain bytes here, `size` of them where that is known; leaving the block completes the frame."""
    with FrameCompressor(level).stream(target, size) as writer:
        yield writer


class Frame(Protocol):
    """A zstd frame that comes in pieces."""

    @property
    def eof(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, /) -> bytes: ...


def decompress_frame() -> Frame:
    """Decompresses one frame that comes in pieces, and knows whether it has ended (`eof`, `unused_data`).
    Raises `zstd_faults`."""
    return cast(Frame, zstandard.ZstdDecompressor(max_window_size=_FOREIGN_WINDOW).decompressobj())


zstd_faults = zstandard.ZstdError
"""What reading a damaged zstd stream raises."""


class FrameCompressor:
    """Makes zstd frames of one level: no dictionary, no checksum (payloads have their own), a window
    of at most 8 MiB so that reading takes little memory."""

    def __init__(self, level: int) -> None:
        parameters = zstandard.ZstdCompressionParameters.from_level(level, write_checksum=False)
        if parameters.window_log > WINDOW_LOG:
            parameters = zstandard.ZstdCompressionParameters.from_level(
                level, write_checksum=False, window_log=WINDOW_LOG
            )
        self._compressor = zstandard.ZstdCompressor(compression_params=parameters)

    def frame(self, plain: bytes) -> bytes:
        return self._compressor.compress(plain)

    def stream(self, target: Writable, size: int) -> zstandard.ZstdCompressionWriter:
        sink = cast(IO[bytes], _Sink(target))
        return self._compressor.stream_writer(sink, size=size, closefd=False)


class _Sink:
    """`stream_writer` asks for a file; we write to anything that can be written to."""

    def __init__(self, target: Writable) -> None:
        self._target = target

    def write(self, data: bytes) -> int:
        self._target.write(data)
        return len(data)


class Source:
    """A file read in order, that knows where it is. It may be a pipe."""

    def __init__(self, file: BinaryIO, name: str) -> None:
        self._file = file
        self.name = name
        self.offset = 0
        self.size: int | None = None
        """Bytes in all; None for what cannot be sought in."""
        self.is_used_up = False
        """Of a pipe: its content was taken, and cannot be read again."""
        if file.seekable():
            self._start = file.tell()
            self.size = file.seek(0, os.SEEK_END) - self._start
            file.seek(self._start)

    def read(self, size: int, /) -> bytes:
        """`size` bytes, fewer only where the file ends."""
        piece = self._file.read(size)
        if len(piece) < size:
            piece = self._read_on(piece, size)
        self.offset += len(piece)
        return piece

    def _read_on(self, piece: bytes, size: int) -> bytes:
        pieces = [piece]
        missing = size - len(piece)
        while missing and (piece := self._file.read(missing)):
            pieces.append(piece)
            missing -= len(piece)
        return b"".join(pieces)

    def exactly(self, size: int, what: str) -> bytes:
        """`size` bytes; CorruptData names `what` they were to be when the file ends before."""
        place = self.place(what)
        self.expect(size, what)
        # A pipe does not say how much it holds: never allocate what a header merely claims.
        piece = self.read(size) if self.size is not None or size <= PIECE else self._gather(size)
        if len(piece) < size:
            raise _cut(place, size, len(piece))
        return piece

    def _gather(self, size: int) -> bytes:
        gathered = bytearray()
        while len(gathered) < size and (piece := self.read(min(PIECE, size - len(gathered)))):
            gathered += piece
        return bytes(gathered)

    def expect(self, size: int, what: str) -> None:
        """CorruptData when the file is known to hold fewer than `size` more bytes."""
        if self.size is not None and self.offset + size > self.size:
            raise _cut(self.place(what), size, max(self.size - self.offset, 0))

    def expect_end(self) -> None:
        """CorruptData when bytes follow."""
        place = self.place("end of the file")
        if self.read(1):
            raise place.fault("bytes follow the last payload")

    def place(self, what: str) -> Place:
        return Place(self.name, self.offset, what)

    def seek(self, offset: int) -> None:
        self._file.seek(self._start + offset)
        self.offset = offset

    def skip(self, size: int, what: str) -> None:
        """Pass over `size` bytes that nobody needs."""
        self.expect(size, what)
        if self.size is not None:
            self.seek(self.offset + size)
            return
        while size:
            size -= len(self.exactly(min(PIECE, size), what))


def _cut(place: Place, wanted: int, found: int) -> CorruptData:
    return place.fault(f"the file is cut short: {wanted} bytes should follow, {found} do")


def unpack_payload(stored: bytes, header: PayloadHeader, place: Place) -> bytes:
    """The plain bytes of a payload that fits into memory, its checksum and both sizes verified."""
    if payload_checksum(stored) != header.checksum:
        raise place.fault("its checksum is wrong")
    match header.compression:
        case Compression.NONE:
            return stored
        case Compression.ZSTD:
            return _unpack_frame(stored, header, place)


def _unpack_frame(stored: bytes, header: PayloadHeader, place: Place) -> bytes:
    _frame_parameters(stored, header, place)
    try:
        # One byte of room makes a frame that holds more than announced fail, not stop.
        plain = _one_shot().decompress(stored, max_output_size=header.plain_size + 1, allow_extra_data=False)
    except zstandard.ZstdError as error:
        raise place.fault(f"its compressed bytes are damaged ({error})") from error
    if len(plain) != header.plain_size:
        raise place.fault(f"it unpacks to {len(plain)} bytes, its header says {header.plain_size}")
    return plain


def _one_shot() -> zstandard.ZstdDecompressor:
    """One for each thread: two frames at once in one of them would be mixed up."""
    found: zstandard.ZstdDecompressor | None = getattr(_OF_THREAD, "decompressor", None)
    if found is None:
        found = _OF_THREAD.decompressor = zstandard.ZstdDecompressor(max_window_size=_ANY_WINDOW)
    return found


_OF_THREAD = local()


def _frame_parameters(start: bytes, header: PayloadHeader, place: Place) -> zstandard.FrameParameters:
    try:
        parameters = zstandard.get_frame_parameters(start)
    except zstandard.ZstdError as error:
        raise place.fault(f"it does not begin with a zstd frame ({error})") from error
    if parameters.content_size not in (zstandard.CONTENTSIZE_UNKNOWN, header.plain_size):
        raise place.fault(
            f"its zstd frame announces {parameters.content_size} bytes, its header {header.plain_size}"
        )
    if parameters.dict_id:
        raise place.fault("it is compressed with a dictionary")
    return parameters


class PayloadStream:
    """The plain bytes of the payload at the source's position, in pieces; `finish` verifies what was read.

    Takes the frame's window in memory, nothing else of the payload's size.
    """

    def __init__(self, source: Source, header: PayloadHeader, place: Place, limits: Limits) -> None:
        self._place = place
        self._header = header
        self._stored = _StoredBytes(source, header, place)
        self._plain: Readable = self._stored
        if header.compression is Compression.ZSTD:
            start = self._stored.peek(_LONGEST_FRAME_HEADER)
            parameters = _frame_parameters(start, header, place)
            if parameters.window_size > limits.window:
                raise place.fault(
                    f"unpacking it takes a window of {parameters.window_size} bytes in memory, "
                    f"the limit is {limits.window}"
                )
            self._stored.frame = _FrameWalk(
                zstandard.frame_header_size(start), parameters.has_checksum, place
            )
            self._plain = zstandard.ZstdDecompressor(max_window_size=_ANY_WINDOW).stream_reader(
                cast(IO[bytes], self._stored), read_size=PIECE // 2, read_across_frames=False
            )

    def read(self, size: int, /) -> bytes:
        """At most `size` plain bytes, none at the end."""
        try:
            return self._plain.read(size)
        except zstandard.ZstdError as error:
            raise self._place.fault(f"its compressed bytes are damaged ({error})") from error

    def finish(self) -> None:
        """CorruptData unless the payload ends here, and is what its checksum says."""
        if self.read(1):
            raise self._place.fault(f"it unpacks to more than {self._header.plain_size} bytes")
        self._stored.finish()


_LONGEST_FRAME_HEADER = 18


class _StoredBytes:
    """A payload's stored bytes as they go by: counted and hashed, the frame's structure followed."""

    def __init__(self, source: Source, header: PayloadHeader, place: Place) -> None:
        self._source = source
        self._left = header.stored_size
        self._checksum = header.checksum
        self._hasher = checksum_hasher()
        self._place = place
        self._peeked = b""
        self.frame: _FrameWalk | None = None

    def peek(self, size: int) -> bytes:
        self._peeked = self._source.exactly(min(size, self._left), self._place.what)
        return self._peeked

    def read(self, size: int = -1, /) -> bytes:
        piece = self._peeked
        self._peeked = b""
        wanted = min(size if size >= 0 else PIECE, self._left) - len(piece)
        if wanted > 0:
            piece += self._source.exactly(wanted, self._place.what)
        self._left -= len(piece)
        self._hasher.update(piece)
        if self.frame is not None:
            self.frame.follow(piece)
        return piece

    def finish(self) -> None:
        while self._left:
            self.read(PIECE)
        if self.frame is not None and not self.frame.complete:
            raise self._place.fault("its zstd frame is cut short")
        if self._hasher.digest() != self._checksum:
            raise self._place.fault("its checksum is wrong")


class _FrameWalk:
    """Finds where a zstd frame ends (RFC 8878, 3.1.1), so that nothing can follow it unseen."""

    def __init__(self, header_size: int, has_checksum: bool, place: Place) -> None:
        self._skip = header_size
        self._block_header = b""
        self._last = False
        self._trailer = 4 if has_checksum else 0
        self._place = place
        self.complete = False

    def follow(self, piece: bytes) -> None:
        position = 0
        while True:
            step = min(self._skip, len(piece) - position)
            position += step
            self._skip -= step
            if self._skip:
                return
            if self._last:
                self.complete = True
                if position < len(piece):
                    raise self._place.fault("bytes follow the end of its zstd frame")
                return
            taken = piece[position : position + 3 - len(self._block_header)]
            position += len(taken)
            self._block_header += taken
            if len(self._block_header) < 3:
                return
            self._enter_block(int.from_bytes(self._block_header, "little"))
            self._block_header = b""

    def _enter_block(self, header: int) -> None:
        # bit 0: last block; bits 1-2: raw, run of one byte, compressed, reserved; the rest: size
        self._last = bool(header & 1)
        run_of_one_byte = (header >> 1) & 3 == 1
        self._skip = (1 if run_of_one_byte else header >> 3) + (self._trailer if self._last else 0)
