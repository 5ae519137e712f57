"""The outside of a .deb: an ar archive with three members, read once from beginning to end.

    !<arch>\\n
    debian-binary     "2.0\\n"
    control.tar[.X]   what the package says of itself
    data.tar[.X]      its files

X is gz, xz or zst. Every byte passes through SHA-256 on its way, so that the digest is of exactly what
was read. Members whose names begin with `_` are passed over, as deb(5) asks; a member that is missing,
comes twice, comes in another order or is unknown makes the file no package.
"""

import hashlib
from typing import BinaryIO

from moss.errors import CorruptData, FormatTooNew
from solver.values import value

MAGIC = b"!<arch>\n"
HEADER_BYTES = 60
PIECE_BYTES = 1 << 18
_HEADER_END = b"`\n"
_REMEDY = "get the package again: this file is not the one its maker wrote"


@value
class Member:
    name: str
    size: int
    """Bytes."""
    offset: int
    """Where its content begins."""


class Archive:
    """A .deb being read forwards. `offset` is the place in the file, in bytes."""

    def __init__(self, file: BinaryIO, path: str) -> None:
        self._file = file
        self._sha256 = hashlib.sha256()
        self._left = 0
        self._padding = 0
        self.path = path
        self.offset = 0
        if self._take(len(MAGIC)) != MAGIC:
            raise CorruptData(
                "it is not a Debian package: it does not begin with '!<arch>'",
                file=path,
                offset=0,
                remedies=["give a .deb file"],
            )

    def fault(self, message: str) -> CorruptData:
        return CorruptData(message, file=self.path, offset=self.offset, remedies=[_REMEDY])

    def next_member(self) -> Member | None:
        """The next member, what is left of the one before passed over; None at the end."""
        while self.read(PIECE_BYTES):
            pass
        start = self.offset
        if self._padding and self._take(1) not in (b"\n", b"\0", b""):
            raise self.fault("the byte that fills up an odd member is neither a newline nor NUL")
        header = self._take(HEADER_BYTES)
        if not header:
            return None
        member = self._parse(header, start)
        self._left = member.size
        self._padding = member.size % 2
        return member

    def read(self, size: int, /) -> bytes:
        """At most `size` bytes of the current member; none at its end."""
        wanted = min(size, self._left)
        if not wanted:
            return b""
        piece = self._take(wanted)
        if not piece:
            raise self.fault(f"the file is cut short: {self._left} bytes of this member should follow")
        self._left -= len(piece)
        return piece

    def sha256(self) -> str:
        """Of the whole file, which is read to its end for it."""
        while self.next_member() is not None:
            pass
        return self._sha256.hexdigest()

    def _take(self, size: int) -> bytes:
        piece = self._file.read(size)
        self._sha256.update(piece)
        self.offset += len(piece)
        return piece

    def _parse(self, header: bytes, start: int) -> Member:
        if len(header) < HEADER_BYTES or header[58:60] != _HEADER_END:
            raise CorruptData(
                "this is not the header of an ar member", file=self.path, offset=start, remedies=[_REMEDY]
            )
        name, size = header[:16].rstrip(b" ").removesuffix(b"/"), header[48:58].rstrip(b" ")
        if not size.isdigit():
            raise self.fault(f"the size of an ar member is {size!r}, which is no number")
        return Member(name.decode("ascii", "backslashreplace"), int(size), self.offset)


def enter_debian_archive(archive: Archive) -> None:
    """Read the first member; leaves the archive before the second. FormatTooNew for a format above 2."""
    member = archive.next_member()
    if member is None or member.name != "debian-binary":
        found = "there is none" if member is None else f"it is '{member.name}'"
        raise archive.fault(f"a Debian package begins with the member 'debian-binary'; here {found}")
    version = archive.read(16)
    if not version.startswith(b"2."):
        raise FormatTooNew(
            f"{archive.path}: this package has format {version!r}, moss reads 2.x",
            remedies=["use a newer moss"],
        )


def enter_member(archive: Archive, stem: str) -> Member:
    """Go to the member `stem` or `stem.X`, which must be the next that counts."""
    member = archive.next_member()
    while member is not None and member.name.startswith("_"):
        member = archive.next_member()
    if member is None or (member.name != stem and not member.name.startswith(stem + ".")):
        found = "the file ends" if member is None else f"'{member.name}' follows"
        raise archive.fault(f"the member {stem} is missing: {found}")
    return member


def leave_archive(archive: Archive) -> str:
    """The SHA-256 of the file, after making sure that nothing that counts is left in it."""
    while (member := archive.next_member()) is not None:
        if not member.name.startswith("_"):
            raise archive.fault(f"the member '{member.name}' has no place here, after the files")
    return archive.sha256()
