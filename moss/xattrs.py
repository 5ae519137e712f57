"""Extended attributes that belong to a file as its mode does: file capabilities, and `user.*`.

A set of them is one value, `Xattrs`: bytes in canonical form, so that it compares, sorts, and goes into
the record and into stones as it is. The empty one is `NO_XATTRS`.

    name length u8 | value length u16 | name | value        repeated, names in the order of their bytes

What a security module, an access list or a file system in layers says in attributes is the machine's or
the mount's matter and no package's: docs/decisions/0009-xattrs-belong-to-the-asset.md.
"""

import errno
import os
import struct
from collections.abc import Mapping
from typing import NewType

Xattrs = NewType("Xattrs", bytes)

NO_XATTRS = Xattrs(b"")

CAPABILITY = "security.capability"
MAX_VALUE_BYTES = 2048
"""Together with names. ext4 keeps all of a file's attributes in one block, which may be 4 KiB."""

_RECORD = struct.Struct(">BH")
_REVISION_2_EFFECTIVE = 0x02000001
_CAPABILITY_SIZES = {2: 20, 3: 24}
"""Bytes of a capability set by its revision, as linux/capability.h has it."""


def is_kept(name: str) -> bool:
    """Whether a file's attribute of this name is part of the file. `user.overlay.*` would make a file
    what it is not where /usr lies below an overlay that believes such marks."""
    return name == CAPABILITY or (name.startswith("user.") and not name.startswith("user.overlay."))


def xattrs_of(attributes: Mapping[str, bytes]) -> Xattrs:
    """The value of a set that has no `xattrs_fault`."""
    pieces: list[bytes] = []
    for name in sorted(attributes, key=str.encode):
        raw, value = name.encode(), attributes[name]
        pieces += (_RECORD.pack(len(raw), len(value)), raw, value)
    return Xattrs(b"".join(pieces))


def attributes_in(xattrs: Xattrs) -> dict[str, bytes]:
    """By name."""
    found: dict[str, bytes] = {}
    position = 0
    while position < len(xattrs):
        name_length, value_length = _RECORD.unpack_from(xattrs, position)
        start = position + _RECORD.size
        middle = start + name_length
        position = middle + value_length
        found[xattrs[start:middle].decode()] = xattrs[middle:position]
    return found


def capability_value(permitted: int) -> bytes:
    """What `setcap …=ep` writes for this set of capabilities (bit n for the one of number n)."""
    return struct.pack("<IIIII", _REVISION_2_EFFECTIVE, permitted & 0xFFFFFFFF, 0, permitted >> 32, 0)


def xattrs_fault(attributes: Mapping[str, bytes]) -> str | None:
    """Why a file cannot have these, in a few words; None when it can."""
    for name, value in attributes.items():
        if not is_kept(name):
            return f"attribute '{name}' is none that belongs to a file"
        if not 5 < len(name.encode()) <= 255 or not name.isprintable():
            return f"attribute {name[:80]!r} has no proper name"
        if name == CAPABILITY and not _is_capability(value):
            return f"attribute '{name}' is no set of file capabilities"
    size = sum(len(name.encode()) + len(value) for name, value in attributes.items())
    if size > MAX_VALUE_BYTES:
        return f"its attributes take {size} bytes, at most {MAX_VALUE_BYTES} can be kept"
    return None


def found_on(path: str, *, all_of_them: bool = True) -> Xattrs:
    """What a file (or symlink itself) has; without `all_of_them` only what its owner may set."""
    kept = [name for name in names_on(path) if is_kept(name) and (all_of_them or name.startswith("user."))]
    return xattrs_of({name: os.getxattr(path, name, follow_symlinks=False) for name in kept})


def applied(xattrs: Xattrs, *, all_of_them: bool) -> Xattrs:
    """What of a set is on a file that was made by root, or by an ordinary user."""
    if all_of_them or not xattrs:
        return xattrs
    return xattrs_of({name: value for name, value in attributes_in(xattrs).items() if name.startswith("user.")})


def names_on(path: str) -> list[str]:
    """All that a file (or symlink itself) has, whoever they belong to."""
    try:
        return os.listxattr(path, follow_symlinks=False)
    except OSError as error:
        if error.errno != errno.ENOTSUP:
            raise
        return []


def read_xattrs(raw: bytes) -> Xattrs:
    """A value that comes from outside; ValueError says what is wrong with it."""
    try:
        attributes = attributes_in(Xattrs(raw))
    except (struct.error, UnicodeDecodeError) as error:
        raise ValueError("they are cut short or not UTF-8") from error
    if xattrs_of(attributes) != raw:
        raise ValueError("they are not in order, each once")
    if fault := xattrs_fault(attributes):
        raise ValueError(fault)
    return Xattrs(raw)


def _is_capability(value: bytes) -> bool:
    return len(value) >= 4 and _CAPABILITY_SIZES.get(value[3]) == len(value)
