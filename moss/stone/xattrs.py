"""The attribute `moss.xattrs/1`: extended attributes of a package's files, which layout records have no room for.

    path length u16 | set length u16 | path | set

A record for each file that has any, in the order of the paths' bytes; sets are as in moss/xattrs.py.
"""

import struct
from collections.abc import Mapping, Sequence

from moss.layout import Entry
from moss.stone.container import Place
from moss.xattrs import Xattrs, read_xattrs

XATTRS = "moss.xattrs/1"

_RECORD = struct.Struct(">HH")


def encode_xattrs(layout: Sequence[Entry]) -> dict[str, bytes]:
    """The attribute that says what these files have; none where none has any."""
    pieces: list[bytes] = []
    for entry in sorted(layout, key=lambda entry: entry.path.encode()):
        if entry.xattrs:
            path = entry.path.encode()
            pieces += (_RECORD.pack(len(path), len(entry.xattrs)), path, entry.xattrs)
    return {XATTRS: b"".join(pieces)} if pieces else {}


def with_xattrs(layout: tuple[Entry, ...], attributes: Mapping[str, bytes], place: Place) -> tuple[Entry, ...]:
    """The layout, each file with its extended attributes. CorruptData where there is no such file."""
    raw = attributes.get(XATTRS)
    if raw is None:
        return layout
    found = _decode(raw, place)
    entries = tuple(
        entry._replace(xattrs=found.pop(entry.path)) if entry.path in found and entry.digest is not None else entry
        for entry in layout
    )
    if found:
        raise place.fault(f"attribute {XATTRS}: '{min(found)}' is no file of the layout")
    return entries


def _decode(raw: bytes, place: Place) -> dict[str, Xattrs]:
    found: dict[str, Xattrs] = {}
    position, before = 0, b""
    while position < len(raw):
        start = position + _RECORD.size
        if start > len(raw):
            raise place.fault(f"attribute {XATTRS} is cut short")
        path_length, size = _RECORD.unpack_from(raw, position)
        middle = start + path_length
        position = middle + size
        path = raw[start:middle]
        if position > len(raw) or not size:
            raise place.fault(f"attribute {XATTRS} is cut short, or says nothing of a file")
        if path <= before:
            raise place.fault(f"attribute {XATTRS} does not name its files in order, each once")
        try:
            found[path.decode()] = read_xattrs(raw[middle:position])
        except ValueError as error:
            raise place.fault(f"attribute {XATTRS}: {path[:200]!r}: {error}") from error
        before = path
    return found
