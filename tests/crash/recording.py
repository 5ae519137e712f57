"""Every durable effect of a command, with its data, and where in moss each sync stands.

A command runs in a child with `Recording` effects; what it did is read back as plain values. The record
(SQLite's files) is copied whenever it has changed: what SQLite has committed it has synced itself.
"""

import os
import pickle
import stat
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

from moss.effects import Effects, absolute_name
from tests.crash.world import Ended, run

DATABASES = ("moss.db", "moss.db-wal", "repositories.db", "repositories.db-wal")


@dataclass(frozen=True)
class Done:
    """One effect that happened. Paths are absolute, as they were then."""

    kind: str
    paths: tuple[str, ...] = ()
    value: Any = None
    """Written bytes, a mode, owners, an xattr, a link's text, a commit's name."""
    site: str = ""
    """Of a sync: `module:function+line`, the line counted from the function's first."""
    database: int = 0
    """Which copy of the record was current just before this effect."""


BY_SQLITE = ("/.moss/copy/",)
"""Where SQLite writes what nobody reads unless the record is lost: it makes that durable by itself."""


class Recording(Effects):
    """Does everything, and writes it down."""

    def __init__(self, log: Path, databases: Path) -> None:
        super().__init__(apply_owners=os.geteuid() == 0)
        self._log = open(log, "ab", buffering=0)  # noqa: SIM115
        self._databases = databases
        self._seen: tuple[tuple[int, int, int], ...] = ()

    def note(self, kind: str, *paths: str, value: Any = None, site: str = "") -> None:
        if any(part in f"{path}/" for path in paths for part in BY_SQLITE):
            return
        self._log.write(pickle.dumps(Done(kind, paths, value, site, self._copied())))

    def _copied(self) -> int:
        """The number of the newest copy of the record, made now if it has changed."""
        now = tuple(_state(self._databases / name) for name in DATABASES)
        folder = Path(f"{self._log.name}.databases")
        folder.mkdir(exist_ok=True)
        number = len(os.listdir(folder))
        if number == 0 or now != self._seen:
            self._seen = now
            content = {name: _content(self._databases / name) for name in DATABASES}
            if number == 0 or content != pickle.loads((folder / str(number - 1)).read_bytes()):
                (folder / str(number)).write_bytes(pickle.dumps(content))
                number += 1
        return number - 1

    def link(self, source: str, target: str, /, **fds: Any) -> None:
        super().link(source, target, **fds)
        self._note_two("link", source, target, fds)

    def rename(self, source: str, target: str, /, **fds: Any) -> None:
        super().rename(source, target, **fds)
        self._note_two("rename", source, target, fds)

    def rename_no_replace(self, source: str, target: str, /, **fds: Any) -> None:
        super().rename_no_replace(source, target, **fds)
        self._note_two("rename", source, target, fds)

    def exchange(self, one: str, other: str, /, **fds: Any) -> None:
        super().exchange(one, other, **fds)
        self._note_two("exchange", one, other, fds)

    def _note_two(self, kind: str, one: str, other: str, fds: dict[str, Any]) -> None:
        self.note(kind, absolute_name(one, fds.get("src_dir_fd")), absolute_name(other, fds.get("dst_dir_fd")))

    def symlink(self, text: str, name: str, /, *, dir_fd: int | None = None) -> None:
        super().symlink(text, name, dir_fd=dir_fd)
        self.note("symlink", absolute_name(name, dir_fd), value=text)

    def mkdir(self, name: str, mode: int = 0o755, /, *, dir_fd: int | None = None, exact: bool = True) -> None:
        # The system call's own part first: what `Effects.mkdir` does after it is an effect of its own.
        umask = os.umask(0)
        os.umask(umask)
        self._making = (absolute_name(name, dir_fd), mode & ~umask)
        super().mkdir(name, mode, dir_fd=dir_fd, exact=exact)
        if self._making is not None:
            self._note_made()

    _making: tuple[str, int] | None = None

    def _note_made(self) -> None:
        assert self._making is not None
        path, mode = self._making
        self._making = None
        self.note("mkdir", path, value=mode)

    def unlink(self, name: str, /, *, dir_fd: int | None = None) -> None:
        path = absolute_name(name, dir_fd)
        super().unlink(name, dir_fd=dir_fd)
        self.note("unlink", path)

    def rmdir(self, name: str, /, *, dir_fd: int | None = None) -> None:
        path = absolute_name(name, dir_fd)
        super().rmdir(name, dir_fd=dir_fd)
        self.note("rmdir", path)

    def create(self, name: str, mode: int = 0o600, /, *, dir_fd: int | None = None) -> int:
        fd = super().create(name, mode, dir_fd=dir_fd)
        self.note("create", absolute_name(name, dir_fd), value=stat.S_IMODE(os.fstat(fd).st_mode))
        return fd

    def write(self, fd: int, content: bytes | bytearray | memoryview, /) -> None:
        super().write(fd, content)
        self.note("write", absolute_name("", fd), value=bytes(content))

    def chmod(self, target: str | int, mode: int, /, *, dir_fd: int | None = None) -> None:
        if self._making is not None:
            self._note_made()
        super().chmod(target, mode, dir_fd=dir_fd)
        self.note("chmod", _path(target, dir_fd), value=mode)

    def chown(self, target: str | int, uid: int, gid: int, /, *, dir_fd: int | None = None) -> None:
        super().chown(target, uid, gid, dir_fd=dir_fd)
        if self.apply_owners:
            self.note("chown", _path(target, dir_fd), value=(uid, gid))

    def setxattr(self, target: str | int, attribute: str, value: bytes, /, *, dir_fd: int | None = None) -> None:
        super().setxattr(target, attribute, value, dir_fd=dir_fd)
        if self.apply_owners or attribute.startswith("user."):
            self.note("setxattr", _path(target, dir_fd), value=(attribute, value))

    def fsync(self, target: str | int, /, *, dir_fd: int | None = None) -> None:
        super().fsync(target, dir_fd=dir_fd)
        self.note("fsync", _path(target, dir_fd), site=_site(sys._getframe(1)))

    def syncfs(self, fd: int, /) -> None:
        super().syncfs(fd)
        self.note("syncfs", site=_site(sys._getframe(1)))

    def commit_point(self, name: str, /) -> None:
        self.note("commit", value=name)


def recorded(root: Path, words: Sequence[str], log: Path) -> tuple[Ended, list[Done], int]:
    """Run a command to its end; what it did, and the number of the record's copy at the end."""
    size = log.stat().st_size if log.exists() else 0
    recording = Recording(log, root / ".moss/db")
    ended = run(root, *words, effects=lambda: recording)
    last = recording._copied()
    recording._log.close()
    with open(log, "rb") as file:
        file.seek(size)
        return ended, list(_loaded(file)), last


def database_copy(log: Path, number: int) -> dict[str, bytes | None]:
    content: dict[str, bytes | None] = pickle.loads(Path(f"{log}.databases", str(number)).read_bytes())
    return content


def _loaded(file: Any) -> Iterator[Done]:
    while True:
        try:
            yield pickle.load(file)
        except EOFError:
            return


def _path(target: str | int, dir_fd: int | None) -> str:
    return absolute_name("", target) if isinstance(target, int) else absolute_name(target, dir_fd)


def _site(frame: FrameType) -> str:
    code = frame.f_code
    return f"{frame.f_globals['__name__']}:{code.co_name}+{frame.f_lineno - code.co_firstlineno}"


def _state(path: Path) -> tuple[int, int, int]:
    try:
        status = path.stat()
    except FileNotFoundError:
        return (0, 0, 0)
    return (status.st_ino, status.st_size, status.st_mtime_ns)


def _content(path: Path) -> bytes | None:
    return path.read_bytes() if path.exists() else None
