"""A file on its way into a directory: what has come of it, hashed as it came."""

import hashlib
import os
from typing import BinaryIO

from moss.digest import PackageDigest
from moss.effects import Effects
from moss.errors import CorruptData
from moss.fetch.verify import verify, wrong_digest
from solver.values import value

_READ_BYTES = 1 << 20
_OPEN = os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


@value
class Wanted:
    """A file that is wanted, and what a trusted index says of it."""

    name: str
    """What messages call it."""
    uris: tuple[str, ...]
    """Where it is to be had, in the order in which they are asked."""
    digest: PackageDigest
    size: int


def open_found(directory: str, wanted: Wanted, effects: Effects) -> BinaryIO | None:
    """The file where the directory has it already. One that is not what it should be is taken away."""
    path = os.path.join(directory, wanted.digest)
    try:
        file = os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC), "rb")
    except FileNotFoundError:
        return None
    try:
        verify(file, path, digest=wanted.digest, size=wanted.size)
    except BaseException as fault:
        file.close()
        if not isinstance(fault, CorruptData):
            raise
        effects.unlink(path)
        return None
    return file


class Arriving:
    """A file on its way. One thread's at a time; `received` may be looked at from any.

    It begins with what an earlier process has left. Closed before it is whole, it leaves that for a later one.
    """

    def __init__(self, wanted: Wanted, directory: str, effects: Effects) -> None:
        self.wanted = wanted
        self._path = os.path.join(directory, wanted.digest)
        self._part = f"{self._path}.part"
        self._effects = effects
        self._fd = self._opened()
        self._hash = hashlib.sha256()
        self.received = self._read_again()
        self.is_resumed = self.received > 0
        """Some of it came in another try."""

    @property
    def is_whole(self) -> bool:
        return self.received == self.wanted.size

    def take(self, chunk: bytes) -> None:
        """Put bytes at its end, never more than it has."""
        chunk = chunk[: self.wanted.size - self.received]
        self._effects.write(self._fd, chunk)
        self._hash.update(chunk)
        self.received += len(chunk)

    def begin_anew(self) -> None:
        """Forget what has come."""
        os.close(self._fd)
        self._effects.unlink(self._part)
        self._fd = self._opened()
        self._hash = hashlib.sha256()
        self.received, self.is_resumed = 0, False

    def finish(self, uri: str) -> BinaryIO:
        """The whole file under its name, open at its beginning; CorruptData where it is another."""
        assert self.is_whole
        if self._hash.hexdigest() != self.wanted.digest:
            raise wrong_digest(uri, self._hash.hexdigest(), self.wanted.digest)
        self._effects.rename(self._part, self._path)
        os.lseek(self._fd, 0, os.SEEK_SET)
        fd, self._fd = self._fd, -1
        return os.fdopen(fd, "rb")

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _opened(self) -> int:
        try:
            return os.open(self._part, _OPEN)
        except FileNotFoundError:
            os.close(self._effects.create(self._part))
            return os.open(self._part, _OPEN)

    def _read_again(self) -> int:
        """Hash what is there; how much that is. What is longer than the file is none of it."""
        if os.fstat(self._fd).st_size > self.wanted.size:
            os.close(self._fd)
            self._effects.unlink(self._part)
            self._fd = self._opened()
        length = 0
        while chunk := os.read(self._fd, _READ_BYTES):
            self._hash.update(chunk)
            length += len(chunk)
        return length


def wrong_size(uri: str, found: str, wanted: Wanted) -> CorruptData:
    remedies = ["moss repo update", "use another mirror"]
    return CorruptData(f"has {found} bytes, the index says {wanted.size}", file=uri, remedies=remedies)
