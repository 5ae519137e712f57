"""The store: each distinct file once, hard-linked into every tree that has it.

An asset is content and metadata together (`moss.db.packages.Asset`), since hard links share the
inode's owner and mode. Its name is the content's digest, followed by mode and owners unless they are
the usual ones:

    assets/3f/3f5a…e1              0644 root:root
    assets/3f/3f5a…e1.4755.0.0     setuid root

**Present means a row in the database, never a file here.** Files are written straight to their final
names; one `syncfs` makes them durable, and only then are their rows committed. So a file without a
row is left over from a crash and is replaced, not trusted. Files of zero length are not kept: they
are made where they are needed.
"""

import os
from collections.abc import Iterable
from types import TracebackType

from moss.db.packages import Asset
from moss.digest import EMPTY_CONTENT
from moss.effects import Effects
from moss.errors import CorruptData

_USUAL = (0o644, 0, 0)
_COMPARE_BYTES = 1 << 20


def asset_name(asset: Asset) -> str:
    """Where the asset is, relative to the store."""
    digest = asset.digest.hex()
    name = f"{digest[:2]}/{digest}"
    if (asset.permissions, asset.uid, asset.gid) == _USUAL:
        return name
    return f"{name}.{asset.permissions:o}.{asset.uid}.{asset.gid}"


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

    def compare(self, asset: Asset, content: Iterable[bytes | memoryview]) -> None:
        """Check that the store's asset has exactly this content.

        XXH3 finds faults, not attackers: two contents with one digest would silently become one file.
        CorruptData when they differ.
        """
        if asset.digest == EMPTY_CONTENT:
            return
        name = asset_name(asset)
        try:
            with open(name, "rb", opener=self._opener) as stored:
                same = all(stored.read(len(chunk)) == chunk for chunk in content) and not stored.read(1)
        except FileNotFoundError:
            same = False
        if not same:
            raise CorruptData(
                "the store's file differs from a package's file with the same digest",
                file=os.path.join(self.path, name),
                remedies=["put the store's file back from a backup", "look at the disk's health: dmesg"],
            )

    def _write(self, name: str, asset: Asset, content: bytes | Iterable[bytes | memoryview]) -> None:
        try:
            self._effects.write_new(
                name, content, mode=asset.permissions, uid=asset.uid, gid=asset.gid, dir_fd=self.fd
            )
        except FileNotFoundError:
            self._effects.mkdir(name[:2], 0o700, dir_fd=self.fd)
            self._effects.write_new(
                name, content, mode=asset.permissions, uid=asset.uid, gid=asset.gid, dir_fd=self.fd
            )

    def _opener(self, name: str, flags: int) -> int:
        return os.open(name, flags | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=self.fd)


def create_store(path: str, effects: Effects) -> None:
    """Make the store's directory where there is none."""
    if not os.path.isdir(path):
        effects.mkdir(path, 0o700)
