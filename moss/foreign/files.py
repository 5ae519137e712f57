"""The data member of a .deb: reads every file once and keeps its content in a spool."""

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from moss.digest import ContentDigest
from moss.foreign import tarstream
from moss.foreign.mapping import Place, place_of
from moss.foreign.notices import NoticeKind, Notices
from moss.foreign.tarstream import TarEntry, TarStream
from moss.layout import EntryKind, path_fault
from moss.stone.spool import ContentSpool
from moss.xattrs import NO_XATTRS, Xattrs, is_kept, xattrs_fault, xattrs_of
from solver.values import value

_ORDINARY = re.compile(rb"\./[!-~]{1,255}")
_DOUBTFUL = re.compile(rb"//|/\.{1,2}(?:/|$)")
_SMALL = 1 << 18


@value
class Limits:
    """How much a .deb may ask of the machine."""

    entries: int = 1_000_000
    growth: int = 400
    """Unpacked bytes for each byte of the .deb, beyond `free_bytes`. Real packages stay below 30."""
    free_bytes: int = 1 << 28

    def of(self, deb_bytes: int) -> "Bounds":
        return Bounds(self.entries, self.free_bytes + self.growth * deb_bytes)


class Bounds(NamedTuple):
    """`Limits`, for a .deb of a certain size."""

    entries: int
    unpacked_bytes: int


class Shipped(NamedTuple):
    """One path of the package that is carried over, by its path in the .deb."""

    path: str
    kind: EntryKind
    permissions: int
    uid: int
    gid: int
    digest: ContentDigest | None = None
    link: str | None = None
    xattrs: Xattrs = NO_XATTRS


_KINDS = {
    tarstream.REGULAR: EntryKind.REGULAR,
    tarstream.HARD_LINK: EntryKind.REGULAR,
    tarstream.SYMLINK: EntryKind.SYMLINK,
    tarstream.DIRECTORY: EntryKind.DIRECTORY,
    tarstream.CHARACTER: EntryKind.CHARACTER_DEVICE,
    tarstream.DEVICE: EntryKind.BLOCK_DEVICE,
    tarstream.FIFO: EntryKind.FIFO,
}
_LEFT_BEHIND = {
    Place.OUTSIDE: NoticeKind.OUTSIDE,
    Place.SYSV: NoticeKind.SYSV,
    Place.ENABLEMENT: NoticeKind.ENABLEMENT,
}


def read_files(
    tar: TarStream, spool: ContentSpool, notices: Notices, bounds: Bounds, md5: Mapping[str, str]
) -> dict[str, Shipped]:
    """Every path that is carried over, in the order of the archive, contents in the spool.

    CorruptData where a path leaves the root, comes twice, where there is more than `bounds` allow, or
    where a content is not what `md5` (hexadecimal, by path) says of it.
    """
    return _Reading(tar, spool, notices, bounds, md5).read()


class _Reading:
    def __init__(
        self, tar: TarStream, spool: ContentSpool, notices: Notices, bounds: Bounds, md5: Mapping[str, str]
    ) -> None:
        self._tar = tar
        self._spool = spool
        self._notices = notices
        self._bounds = bounds
        self._md5 = md5
        self._found: dict[str, Shipped] = {}
        self._left_out: set[str] = set()

    def read(self) -> dict[str, Shipped]:
        for count, entry in enumerate(self._tar):
            if count >= self._bounds.entries:
                raise self._tar.fault(f"the package has more than {self._bounds.entries} files")
            if self._tar.position + entry.size > self._bounds.unpacked_bytes:
                raise self._tar.fault(
                    f"it unpacks to more than {self._bounds.unpacked_bytes} bytes, "
                    "far more than its size makes likely"
                )
            path = self._path(entry.name)
            if path:
                self._take(path, entry)
        return self._found

    def _path(self, raw: bytes) -> str | None:
        """The path without `./` and slashes at its ends; empty for the root, None when it has no name."""
        if _ORDINARY.fullmatch(raw) and not _DOUBTFUL.search(raw):
            return raw[2:].decode("ascii")
        shown = raw.decode("utf-8", "backslashreplace")
        parts = [part for part in raw.split(b"/") if part not in (b"", b".")]
        if b".." in parts:
            raise self._tar.fault(f"the path {shown!r} leads out of the package")
        try:
            path = b"/".join(parts).decode()
        except UnicodeDecodeError:
            self._leave(NoticeKind.NAME, b"/".join(parts).decode("utf-8", "backslashreplace"))
            return None
        fault = path_fault(path) if path else None
        if fault is not None and "control" in fault:
            self._leave(NoticeKind.NAME, repr(path)[1:-1])
            return None
        if fault is not None:
            raise self._tar.fault(f"the path {shown[:80]!r} cannot be one: {fault}")
        return path

    def _leave(self, kind: NoticeKind, path: str) -> None:
        self._notices.path(kind, path)
        self._left_out.add(path)

    def _take(self, path: str, entry: TarEntry) -> None:
        path = path.rstrip("/")
        kind = _KINDS[entry.kind]
        place = place_of(path, kind)
        if place in _LEFT_BEHIND:
            if place is Place.OUTSIDE or kind is not EntryKind.DIRECTORY:
                self._leave(_LEFT_BEHIND[place], path)
        elif place is not Place.SKELETON:
            shipped = self._shipped(path, entry)
            if shipped is None:
                return
            known = self._found.get(path)
            if known is not None and not known.kind is shipped.kind is EntryKind.DIRECTORY:
                raise self._tar.fault(f"the path '{path}' comes twice")
            self._found[path] = shipped

    def _shipped(self, path: str, entry: TarEntry) -> Shipped | None:
        permissions, uid, gid = entry.permissions, entry.uid, entry.gid
        if uid > 0xFFFFFFFE or gid > 0xFFFFFFFE:
            raise self._tar.fault(f"'{path}' belongs to {uid}:{gid}, which is beyond every bound")
        if entry.attributes and entry.kind in (tarstream.DIRECTORY, tarstream.SYMLINK):
            self._lose(path, entry.attributes.keys())
        match entry.kind:
            case tarstream.REGULAR:
                digest = self._content(path, entry.size)
                xattrs = self._xattrs(path, entry) if entry.attributes else NO_XATTRS
                return Shipped(path, EntryKind.REGULAR, permissions, uid, gid, digest, None, xattrs)
            case tarstream.DIRECTORY:
                return Shipped(path, EntryKind.DIRECTORY, permissions, uid, gid)
            case tarstream.SYMLINK:
                return self._symlink(path, entry)
            case tarstream.HARD_LINK:
                return self._hard_link(path, entry)
            case _:
                self._leave(NoticeKind.DEVICE, path)
                return None

    def _content(self, path: str, size: int) -> ContentDigest:
        wanted = self._md5.get(path)
        if wanted is not None:
            return self._compared(path, wanted)
        if size <= _SMALL:
            return self._spool.add(b"".join(self._tar.content()))[0]
        return self._spool.add(self._tar.content())[0]

    def _compared(self, path: str, wanted: str) -> ContentDigest:
        hasher = hashlib.md5(usedforsecurity=False)

        def hashed() -> Iterator[memoryview]:
            for piece in self._tar.content():
                hasher.update(piece)
                yield piece

        digest, _ = self._spool.add(hashed())
        if hasher.hexdigest() != wanted:
            raise self._tar.fault(f"'{path}' is not what the package's md5sums say")
        return digest

    def _xattrs(self, path: str, entry: TarEntry) -> Xattrs:
        kept = {name: value for name, value in entry.attributes.items() if is_kept(name)}
        if fault := xattrs_fault(kept):
            raise self._tar.fault(f"'{path}': {fault}")
        self._lose(path, entry.attributes.keys() - kept.keys())
        return xattrs_of(kept)

    def _lose(self, path: str, names: Iterable[str]) -> None:
        if set(names) - {"security.selinux"}:
            self._notices.path(NoticeKind.XATTR, path)

    def _symlink(self, path: str, entry: TarEntry) -> Shipped | None:
        try:
            target = entry.link.decode()
        except UnicodeDecodeError:
            self._leave(NoticeKind.NAME, path)
            return None
        if not target:
            raise self._tar.fault(f"the symlink '{path}' leads nowhere: its text is empty")
        if len(entry.link) > 4095 or any(
            ord(character) < 32 or ord(character) == 127 for character in target
        ):
            self._leave(NoticeKind.NAME, path)
            return None
        return Shipped(path, EntryKind.SYMLINK, 0o777, entry.uid, entry.gid, None, target)

    def _hard_link(self, path: str, entry: TarEntry) -> Shipped | None:
        """The same file once more: content, mode and owners are the first one's."""
        target = self._path(entry.link)
        first = self._found.get(target) if target else None
        if first is not None and first.kind in (EntryKind.REGULAR, EntryKind.SYMLINK):
            return first._replace(path=path)
        if target in self._left_out:
            self._leave(NoticeKind.OUTSIDE, path)
            return None
        raise self._tar.fault(f"'{path}' is a hard link to '{target}', which is no file before it")
