"""A root directory as a tar archive: sorted, owners by number, one time for all, extended attributes in pax headers."""

import os
import stat
import tarfile
from collections.abc import Callable, Collection
from typing import IO, Protocol, cast

from moss.xattrs import attributes_in, found_on


class Target(Protocol):
    def write(self, data: bytes, /) -> object: ...


def write_tar(
    root: str, target: Target, *, mtime: int, left_out: Collection[str] = (), told: Callable[[int], None] | None = None
) -> int:
    """Write every path below `root` but those `left_out` (relative), and all that is in them. Bytes of its files.

    Files that share an inode are written once. Devices, pipes and sockets are passed over.
    """
    stream = _Counted(target)
    file = cast(IO[bytes], stream)
    with tarfile.open(fileobj=file, mode="w|", format=tarfile.PAX_FORMAT) as archive:
        writer = _Writer(archive, root, mtime, frozenset(left_out), told)
        writer.write_below("")
    return writer.written


class _Counted:
    """What tarfile wants of a stream: it asks where it is."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._position = 0

    def write(self, data: bytes) -> int:
        self._target.write(data)
        self._position += len(data)
        return len(data)

    def tell(self) -> int:
        return self._position


class _Writer:
    def __init__(
        self,
        archive: tarfile.TarFile,
        root: str,
        mtime: int,
        left_out: frozenset[str],
        told: Callable[[int], None] | None,
    ) -> None:
        self._archive, self._root, self._mtime = archive, root, mtime
        self._left_out, self._told = left_out, told
        self._names: dict[tuple[int, int], str] = {}
        self.written = 0

    def write_below(self, directory: str) -> None:
        for name in sorted(os.listdir(os.path.join(self._root, directory))):
            path = os.path.join(directory, name)
            if path in self._left_out:
                continue
            status = os.lstat(os.path.join(self._root, path))
            self._write(path, status)
            if stat.S_ISDIR(status.st_mode):
                self.write_below(path)

    def _write(self, path: str, status: os.stat_result) -> None:
        place = os.path.join(self._root, path)
        about = tarfile.TarInfo(path)
        about.mode, about.uid, about.gid = stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid
        about.mtime = self._mtime
        if stat.S_ISDIR(status.st_mode):
            about.type = tarfile.DIRTYPE
        elif stat.S_ISLNK(status.st_mode):
            about.type, about.linkname = tarfile.SYMTYPE, os.readlink(place)
        elif not stat.S_ISREG(status.st_mode):
            return
        else:
            first = self._names.setdefault((status.st_dev, status.st_ino), path)
            if first != path:
                about.type, about.linkname = tarfile.LNKTYPE, first
                self._archive.addfile(about)
                return
            self._write_file(about, place, status)
            return
        self._archive.addfile(about)

    def _write_file(self, about: tarfile.TarInfo, place: str, status: os.stat_result) -> None:
        about.size = status.st_size
        about.pax_headers = {
            f"SCHILY.xattr.{name}": value.decode("utf-8", "surrogateescape")
            for name, value in attributes_in(found_on(place)).items()
        }
        with open(place, "rb") as file:
            self._archive.addfile(about, file)
        self.written += status.st_size
        if self._told is not None:
            self._told(self.written)
