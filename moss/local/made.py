"""What is at a path, or shall be: the value that is wished, found, compared and recorded."""

import os
import stat
from enum import Enum

from moss.digest import content_digest, content_hasher
from moss.effects import open_placed
from solver.values import replace, value

_CHUNK = 1 << 20


class MadeKind(Enum):
    DIRECTORY = "directory"
    FILE = "file"
    LINK = "link"
    OTHER = "other"
    """A device, a socket: never made by moss, so never equal to anything of moss's."""


@value
class Made:
    """`content` is a file's digest in hexadecimal, or a symlink's text; `mode` is permissions only."""

    kind: MadeKind
    mode: int = 0o777
    uid: int = 0
    gid: int = 0
    content: str = ""

    def __str__(self) -> str:
        """The form that is recorded; `Made.parse` reads it back."""
        return f"{self.kind.value} {self.mode:04o} {self.uid} {self.gid} {self.content}".rstrip(" ")

    @classmethod
    def parse(cls, recorded: str) -> "Made | None":
        """None for a record of a form that this moss does not know: it then equals nothing on disk."""
        kind, *rest = recorded.split(" ", 4)
        try:
            mode, uid, gid = int(rest[0], 8), int(rest[1]), int(rest[2])
            return cls(MadeKind(kind), mode, uid, gid, rest[3] if len(rest) > 3 else "")
        except (ValueError, IndexError):
            return None

    def is_same(self, other: "Made", *, owners: bool) -> bool:
        """Equal; without `owners` (an ordinary user's root) whoever owns them."""
        return self == (other if owners else replace(other, uid=self.uid, gid=self.gid))

    def is_between(self, before: "Made", after: "Made", *, owners: bool) -> bool:
        """Whether this is `before`, or on the way from it to `after`, as an interrupted change leaves it."""
        return (
            self.kind is before.kind
            and self.content == before.content
            and self.mode in (before.mode, after.mode)
            and (not owners or (self.uid in (before.uid, after.uid) and self.gid in (before.gid, after.gid)))
        )


def made_of_bytes(content: bytes, mode: int, uid: int, gid: int) -> Made:
    return Made(MadeKind.FILE, mode, uid, gid, content_digest(content).hex())


def made_at(name: str, *, dir_fd: int | None = None) -> Made | None:
    """What is there, itself and not what it may link to; None when nothing is."""
    try:
        found = os.stat(name, dir_fd=dir_fd, follow_symlinks=False)
    except (FileNotFoundError, NotADirectoryError):
        return None
    mode, uid, gid = stat.S_IMODE(found.st_mode), found.st_uid, found.st_gid
    if stat.S_ISDIR(found.st_mode):
        return Made(MadeKind.DIRECTORY, mode, uid, gid)
    if stat.S_ISLNK(found.st_mode):
        return Made(MadeKind.LINK, 0o777, uid, gid, os.readlink(name, dir_fd=dir_fd))
    if stat.S_ISREG(found.st_mode):
        return Made(MadeKind.FILE, mode, uid, gid, _digest_at(name, dir_fd))
    return Made(MadeKind.OTHER, mode, uid, gid)


def _digest_at(name: str, dir_fd: int | None) -> str:
    fd = open_placed(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=dir_fd)
    try:
        hasher = content_hasher()
        while chunk := os.read(fd, _CHUNK):
            hasher.update(chunk)
        return hasher.digest().hex()
    finally:
        os.close(fd)
