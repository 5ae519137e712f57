"""Named arrays of 32-bit integers and one pool of texts, packed into one buffer.

    magic 8 bytes | which arrays, int64 | array lengths, int64 each | arrays, int32 each … | text bytes

Opening it makes views and copies nothing, so a memory-mapped file costs 0.1 ms whatever its size.
The byte order is little-endian; a file from elsewhere is refused, not misread.
"""

from __future__ import annotations

import sys
from array import array
from collections.abc import Mapping, Sequence
from zlib import crc32

MAGIC = b"mossU\x04\r\n"


class UniverseError(ValueError):
    """A buffer that is no compiled universe, or one of another version of the format."""


def pack(names: Sequence[str], arrays: Mapping[str, array[int]], texts: bytes) -> bytes:
    """One buffer holding the arrays in the order of `names`, then the text bytes."""
    return b"".join(pieces(names, arrays, texts))


def pieces(names: Sequence[str], arrays: Mapping[str, array[int]], texts: bytes) -> list[memoryview]:
    """`pack` without copying anything: what it puts one after the other."""
    if sys.byteorder != "little":
        raise UniverseError("compiled universes are little-endian")
    lengths = array("q", [_which(names), *(len(arrays[name]) for name in names), len(texts)])
    every: tuple[bytes | array[int], ...] = (MAGIC, lengths, *(arrays[name] for name in names), texts)
    return [memoryview(one).cast("B") for one in every if len(one)]


def unpack(names: Sequence[str], buffer: memoryview) -> tuple[dict[str, memoryview[int]], memoryview[int]]:
    """Views of the arrays and of the text bytes. Raises UniverseError."""
    head = len(MAGIC) + 8 * (len(names) + 2)
    if len(buffer) < head or bytes(buffer[: len(MAGIC)]) != MAGIC:
        raise UniverseError("not a compiled universe of this version")
    which, *lengths = buffer[len(MAGIC) : head].cast("q").tolist()
    if which != _which(names):
        raise UniverseError("a compiled universe with other arrays than this version's")
    if min(lengths) < 0 or head + 4 * sum(lengths[:-1]) + lengths[-1] != len(buffer):
        raise UniverseError("a compiled universe that was cut short or damaged")
    views, at = {}, head
    for name, length in zip(names, lengths, strict=False):
        views[name] = buffer[at : at + 4 * length].cast("i")
        at += 4 * length
    return views, buffer[at:]


def _which(names: Sequence[str]) -> int:
    """Tells apart tables of other arrays, so that none is misread."""
    return crc32(" ".join(names).encode())
