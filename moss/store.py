"""The store: each distinct file once, hard-linked into every tree that has it.

An asset is content and metadata together (`moss.db.packages.Asset`), since hard links share the
inode's owner and mode. Its name is the content's digest, followed by mode and owners unless they are
the usual ones, and by a digest of the extended attributes where there are any:

    assets/3f/3f5a…e1                       0644 root:root
    assets/3f/3f5a…e1.4755.0.0              setuid root
    assets/3f/3f5a…e1.755.0.0.9b01…77       with file capabilities

**Present means a row in the database, never a file here.** Files are written straight to their final
names; one `syncfs` makes them durable, and only then are their rows committed. So a file without a
row is left over from a crash and is replaced, not trusted. Files of zero length are not kept: they
are made where they are needed.

**An asset may be more than one inode.** A file system allows an inode so many links (ext4 65,000, ext2
32,000). When they are used up a copy takes the name in the store, and trees link to that one from then
on; the older inode lives on in the trees that have it. So another inode than the store's is no fault by
itself: its content and metadata decide.
"""

import errno
import os
from collections.abc import Iterable, Iterator
from hashlib import sha256
from types import TracebackType
from typing import TypedDict

from moss.db.packages import Asset
from moss.digest import EMPTY_CONTENT, ContentDigest, content_digest_of_file, content_hasher
from moss.effects import Effects, open_placed
from moss.errors import CorruptData
from moss.xattrs import attributes_in

_USUAL = (0o644, 0, 0)
_COMPARE_BYTES = 1 << 20


def asset_name(asset: Asset) -> str:
    """Where the asset is, relative to the store."""
    digest = asset.digest.hex()
    name = f"{digest[:2]}/{digest}"
    if (asset.permissions, asset.uid, asset.gid) == _USUAL and not asset.xattrs:
        return name
    name = f"{name}.{asset.permissions:o}.{asset.uid}.{asset.gid}"
    # SHA-256: whoever can make two sets with one digest could put one in the other's place.
    return f"{name}.{sha256(asset.xattrs).hexdigest()[:32]}" if asset.xattrs else name


class Store:
    """An open store. `fd` is its directory, for linking out of it."""

    def __init__(self, path: str, effects: Effects) -> None:
        self.path = path
        self.fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self._effects = effects

    def __enter__(self) -> "Store":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self.fd)

    def put(self, asset: Asset, content: bytes | Iterable[bytes | memoryview]) -> None:
        """Write an asset that the database has no row for; what a crash left at its name goes."""
        if asset.digest == EMPTY_CONTENT:
            for _ in content:  # a stream must be read to its end, where its digest is checked
                pass
            return
        name = asset_name(asset)
        try:
            self._write(name, asset, content)
        except FileExistsError:
            self._effects.unlink(name, dir_fd=self.fd)
            self._write(name, asset, content)

    def copy(self, source: Asset, target: Asset) -> None:
        """Write an asset whose content the store has under other metadata."""
        if target.digest == EMPTY_CONTENT:
            return
        with open(asset_name(source), "rb", opener=self._opener) as content:
            self.put(target, iter(lambda: content.read(_COMPARE_BYTES), b""))

    def replace(self, asset: Asset, content: Iterable[bytes | memoryview]) -> None:
        """Give an asset a new file, at once and durably; trees that link the old one keep that.

        CorruptData, and the old file stays, when the content is not the asset's.
        """
        self._effects.replace_file(
            self._made_directory(asset), _checked(content, asset.digest), dir_fd=self.fd, **_metadata(asset)
        )

    def adopt(self, asset: Asset, path: str) -> None:
        """Let an asset be the file at `path`, which was read and is exactly it. Durable after the caller's `syncfs`."""
        name = self._made_directory(asset)
        aside = f"{name}.moss-new"
        if os.access(aside, os.F_OK, dir_fd=self.fd, follow_symlinks=False):
            self._effects.unlink(aside, dir_fd=self.fd)
        self._effects.link(path, aside, dst_dir_fd=self.fd)
        self._effects.rename(aside, name, src_dir_fd=self.fd, dst_dir_fd=self.fd)

    def _made_directory(self, asset: Asset) -> str:
        """The asset's name, its directory made where it is missing."""
        name = asset_name(asset)
        if not os.access(name[:2], os.F_OK, dir_fd=self.fd):
            self._effects.mkdir(name[:2], 0o700, dir_fd=self.fd)
        return name

    def holds(self, asset: Asset, content: Iterable[bytes | memoryview]) -> bool:
        """Whether the store's asset is there with exactly this content.

        XXH3 finds faults, not attackers: two contents with one digest would silently become one file.
        """
        if asset.digest == EMPTY_CONTENT:
            return True
        try:
            with open(asset_name(asset), "rb", opener=self._opener) as stored:
                return all(stored.read(len(chunk)) == chunk for chunk in content) and not stored.read(1)
        except FileNotFoundError:
            return False

    def is_sound(self, asset: Asset) -> bool:
        """Whether the store's asset is there and its content is what its name says."""
        path = self.path_of(asset)
        return os.path.isfile(path) and content_digest_of_file(path) == asset.digest

    def path_of(self, asset: Asset) -> str:
        return os.path.join(self.path, asset_name(asset))

    def link(self, asset: Asset, name: str, directory: int) -> None:
        """Make `name` in an open directory a link to the asset."""
        source = asset_name(asset)
        try:
            self._effects.link(source, name, src_dir_fd=self.fd, dst_dir_fd=directory)
        except OSError as fault:
            if fault.errno != errno.EMLINK:
                raise
            self._renew(asset, source)
            self._effects.link(source, name, src_dir_fd=self.fd, dst_dir_fd=directory)

    def _renew(self, asset: Asset, name: str) -> None:
        """Give the asset another inode. Its row is there, so the copy is durable before it has the name."""
        with open(name, "rb", opener=self._opener) as content:
            chunks = iter(lambda: content.read(_COMPARE_BYTES), b"")
            self._effects.replace_file(name, chunks, dir_fd=self.fd, **_metadata(asset))

    def _write(self, name: str, asset: Asset, content: bytes | Iterable[bytes | memoryview]) -> None:
        try:
            self._effects.write_new(name, content, dir_fd=self.fd, **_metadata(asset))
        except FileNotFoundError:
            self._effects.mkdir(name[:2], 0o700, dir_fd=self.fd)
            self._effects.write_new(name, content, dir_fd=self.fd, **_metadata(asset))

    def _opener(self, name: str, flags: int) -> int:
        return open_placed(name, flags | os.O_NOFOLLOW, dir_fd=self.fd)


class _Metadata(TypedDict):
    mode: int
    uid: int
    gid: int
    xattrs: dict[str, bytes]


def _metadata(asset: Asset) -> _Metadata:
    return {
        "mode": asset.permissions,
        "uid": asset.uid,
        "gid": asset.gid,
        "xattrs": attributes_in(asset.xattrs),
    }


def _checked(content: Iterable[bytes | memoryview], digest: ContentDigest) -> Iterator[bytes | memoryview]:
    hasher = content_hasher()
    for chunk in content:
        hasher.update(chunk)
        yield chunk
    if hasher.digest() != digest:
        raise CorruptData("the content has another digest than it should", remedies=["moss verify"])


def create_store(path: str, effects: Effects) -> None:
    """Make the store's directory where there is none."""
    if not os.path.isdir(path):
        effects.mkdir(path, 0o700)
