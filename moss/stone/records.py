"""The records of layout, index and attributes payloads.

layout      uid u32 | gid u32 | mode u32 | tag u32 | source length u16 | target length u16
            | type u8 | 11 zero bytes | source | target
index       start u64 | end u64 | digest[16]
attributes  key length u64 | value length u64 | key | value
"""

import re
import stat
import struct
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from moss.digest import ContentDigest
from moss.layout import Entry, EntryKind, path_fault
from moss.stone.container import Place

_LAYOUT = struct.Struct(">IIIIHHB11s")
_INDEX = struct.Struct(">QQ16s")
_ATTRIBUTE = struct.Struct(">QQ")
_ELEVEN_ZEROS = bytes(11)

DIGEST_SIZE = 16


class ContentRange(NamedTuple):
    """Where a content lies in the unpacked content payload: bytes start to end, end excluded."""

    start: int
    end: int
    digest: ContentDigest


# Most paths pass this at once; what does not is judged by moss.layout.path_fault.
_PART = r"(?!\.\.?(?:/|\Z))[^/\x00-\x1f\x7f]{1,60}"
_PLAIN_PATH = re.compile(rf"{_PART}(?:/{_PART}){{0,15}}\Z")

FILE_TYPE = {
    EntryKind.REGULAR: stat.S_IFREG,
    EntryKind.SYMLINK: stat.S_IFLNK,
    EntryKind.DIRECTORY: stat.S_IFDIR,
    EntryKind.CHARACTER_DEVICE: stat.S_IFCHR,
    EntryKind.BLOCK_DEVICE: stat.S_IFBLK,
    EntryKind.FIFO: stat.S_IFIFO,
    EntryKind.SOCKET: stat.S_IFSOCK,
}
_KINDS = {int(kind): kind for kind in FILE_TYPE}


def decode_layout(plain: bytes, records: int, place: Place) -> tuple[Entry, ...]:
    """A package's paths, in the order written; each path once, none below something that is no directory."""
    entries: list[Entry] = []
    append = entries.append
    unpack = _LAYOUT.unpack_from
    position, end = 0, len(plain)
    while position < end:
        start = position + _LAYOUT.size
        if start > end:
            raise place.fault(f"record {len(entries) + 1} is cut short")
        uid, gid, mode, tag, source_length, target_length, type_number, padding = unpack(plain, position)
        middle = start + source_length
        position = middle + target_length
        if position > end:
            raise place.fault(f"record {len(entries) + 1} is cut short")
        if tag or padding != _ELEVEN_ZEROS:
            raise place.fault(f"record {len(entries) + 1} has bytes that must be 0 and are not")
        path = _text(plain[middle:position], "path", len(entries), place)
        if not _PLAIN_PATH.match(path) and (fault := path_fault(path)):
            raise place.fault(f"record {len(entries) + 1} is no path below /usr, {fault}: {path[:200]!r}")
        kind = _KINDS.get(type_number)
        if kind is None:
            raise place.too_new(f"'{path}' has file type {type_number}, which is not known")
        if stat.S_IFMT(mode) != FILE_TYPE[kind] or mode > 0o177777:
            raise place.fault(f"'{path}' has mode {mode:o}, which is not that of a {kind.name.lower()}")
        source = plain[start:middle]
        if kind is EntryKind.REGULAR:
            if source_length != DIGEST_SIZE:
                raise place.fault(f"'{path}' has a digest of {source_length} bytes, not of {DIGEST_SIZE}")
            append(Entry(path, kind, mode, uid, gid, ContentDigest(source)))
        elif kind is EntryKind.SYMLINK:
            link_target = _text(source, "link target", len(entries), place)
            if not link_target:
                raise place.fault(f"'{path}' is a symlink to nothing")
            append(Entry(path, kind, mode, uid, gid, None, link_target))
        else:
            if source.rstrip(b"\0"):
                raise place.fault(f"'{path}' is a {kind.name.lower()} and yet has content")
            append(Entry(path, kind, mode, uid, gid))
    if len(entries) != records:
        raise place.fault(f"it holds {len(entries)} records, its header says {records}")
    if fault := layout_fault(entries):
        raise place.fault(fault)
    return tuple(entries)


def _text(raw: bytes, what: str, number: int, place: Place) -> str:
    # Old files end both texts in NUL.
    raw = raw.rstrip(b"\0")
    if 0 in raw:
        raise place.fault(f"record {number + 1} has a {what} that holds a NUL")
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        raise place.fault(f"record {number + 1} has a {what} that is not UTF-8") from error


def layout_fault(entries: Sequence[Entry]) -> str | None:
    """Why these entries cannot lie in one tree: a path twice, or below a path that is no directory."""
    kinds = {entry.path: entry.kind for entry in entries}
    if len(kinds) != len(entries):
        seen: set[str] = set()
        twice = next(entry.path for entry in entries if entry.path in seen or seen.add(entry.path))  # type: ignore[func-returns-value]
        return f"'{twice}' occurs twice"
    judged: set[str] = set()
    for path in kinds:
        parent = path.rpartition("/")[0]
        while parent and parent not in judged:
            if kinds.get(parent, EntryKind.DIRECTORY) is not EntryKind.DIRECTORY:
                return f"'{path}' lies below '{parent}', which is no directory"
            judged.add(parent)
            parent = parent.rpartition("/")[0]
    return None


def encode_layout(entries: Sequence[Entry]) -> bytes:
    pieces = []
    for entry in entries:
        if entry.digest is not None:
            source: bytes = entry.digest
        elif entry.link_target is not None:
            source = entry.link_target.encode()
        else:
            source = b""
        target = entry.path.encode()
        pieces.append(
            _LAYOUT.pack(
                entry.uid, entry.gid, entry.mode, 0, len(source), len(target), entry.kind, _ELEVEN_ZEROS
            )
        )
        pieces.append(source)
        pieces.append(target)
    return b"".join(pieces)


def decode_index(plain: bytes, records: int, place: Place) -> tuple[ContentRange, ...]:
    """The contents, each once and without gaps, from byte 0 on."""
    if len(plain) != records * _INDEX.size:
        raise place.fault(f"{len(plain)} bytes are not {records} records of {_INDEX.size} bytes")
    position = 0
    ranges: list[ContentRange] = []
    for start, end, digest in _INDEX.iter_unpack(plain):
        if start != position or end < start:
            raise place.fault(
                f"record {len(ranges) + 1} covers bytes {start} to {end}, not from {position} on"
            )
        position = end
        ranges.append(ContentRange(start, end, ContentDigest(digest)))
    if len({digest for _, _, digest in ranges}) != len(ranges):
        raise place.fault("a content occurs twice")
    return tuple(ranges)


def encode_index(ranges: Sequence[ContentRange]) -> bytes:
    return b"".join(_INDEX.pack(*content_range) for content_range in ranges)


def decode_attributes(plain: bytes, records: int, place: Place) -> dict[str, bytes]:
    """Attributes by their keys, each key once."""
    attributes: dict[str, bytes] = {}
    position, count, end = 0, 0, len(plain)
    while position < end:
        count += 1
        if position + _ATTRIBUTE.size > end:
            raise place.fault(f"record {count} is cut short")
        key_length, value_length = _ATTRIBUTE.unpack_from(plain, position)
        start = position + _ATTRIBUTE.size
        position = start + key_length + value_length
        if position > end:
            raise place.fault(f"record {count} is cut short")
        try:
            key = plain[start : start + key_length].decode()
        except UnicodeDecodeError as error:
            raise place.fault(f"record {count} has a key that is not UTF-8") from error
        if not key or not key.isprintable():
            raise place.fault(f"record {count} has an empty or unprintable key")
        if key in attributes:
            raise place.fault(f"attribute '{key[:100]}' occurs twice")
        attributes[key] = plain[start + key_length : position]
    if count != records:
        raise place.fault(f"it holds {count} records, its header says {records}")
    return attributes


def encode_attributes(attributes: Mapping[str, bytes]) -> bytes:
    pieces: list[bytes] = []
    for key in sorted(attributes):
        raw_key, value = key.encode(), attributes[key]
        pieces += (_ATTRIBUTE.pack(len(raw_key), len(value)), raw_key, value)
    return b"".join(pieces)
