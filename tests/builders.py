"""Small packages and systems for the tests, made with moss's own writer."""

import os
import stat
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from moss.capability import Capability
from moss.digest import PackageDigest
from moss.layout import Entry, directory, regular, symlink
from moss.package import Metadata, Relations
from moss.stone import ContentSpool, write_stone_file
from moss.xattrs import xattrs_of


@dataclass(frozen=True)
class Link:
    """A symlink in a package's files."""

    target: str


@dataclass(frozen=True)
class File:
    """A file in a package's files, with more than the usual metadata."""

    content: bytes
    permissions: int = 0o644
    uid: int = 0
    gid: int = 0
    xattrs: Mapping[str, bytes] = field(default_factory=dict)


@dataclass(frozen=True)
class Dir:
    """A directory that a package states."""

    permissions: int = 0o755
    uid: int = 0
    gid: int = 0


Content = bytes | str | Link | File | Dir


def metadata(
    name: str,
    version: str = "1.0",
    release: int = 1,
    *,
    depends: Sequence[str] = (),
    provides: Sequence[str] = (),
    conflicts: Sequence[str] = (),
    relations: Relations | None = None,
) -> Metadata:
    return Metadata(
        name=name,
        version=version,
        release=release,
        build_release=1,
        architecture="x86_64",
        summary=f"{name}, for a test",
        description=f"{name} does nothing in particular.",
        homepage="https://example.org",
        source_id=name,
        licenses=("Apache-2.0",),
        depends=tuple(map(Capability.parse, depends)),
        provides=tuple(map(Capability.parse, provides)),
        conflicts=tuple(map(Capability.parse, conflicts)),
        rich_relations=relations,
    )


def write_package(folder: Path, about: Metadata, files: Mapping[str, Content]) -> tuple[Path, PackageDigest]:
    """Write a stone with these files (paths below /usr) into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / about.file_name
    with ContentSpool(str(folder)) as spool:
        layout = [_entry(path, content, spool) for path, content in sorted(files.items())]
        digest = write_stone_file(str(target), about, layout, spool)
    return target, digest


def _entry(path: str, content: Content, spool: ContentSpool) -> Entry:
    match content:
        case Link(target):
            return symlink(path, target)
        case Dir(permissions, uid, gid):
            return directory(path, permissions, uid, gid)
        case File(data, permissions, uid, gid, xattrs):
            digest, _ = spool.add([data])
            return regular(path, digest, permissions, uid, gid, xattrs_of(xattrs))
        case str() | bytes():
            data = content.encode() if isinstance(content, str) else content
            digest, _ = spool.add([data])
            permissions = 0o755 if path.startswith(("bin/", "sbin/")) else 0o644
            return regular(path, digest, permissions)


def snapshot(top: Path, *, without: Sequence[str] = ()) -> dict[str, object]:
    """Everything below a directory: kind, mode, content or target, by path; for "nothing changed"."""
    found: dict[str, object] = {}
    for folder, subfolders, files in os.walk(top):
        relative = os.path.relpath(folder, top)
        subfolders[:] = [name for name in subfolders if os.path.join(relative, name) not in without]
        for name in [*subfolders, *files]:
            path = os.path.join(folder, name)
            status = os.lstat(path)
            if stat.S_ISLNK(status.st_mode):
                what: object = os.readlink(path)
            elif stat.S_ISREG(status.st_mode):
                what = Path(path).read_bytes()
            else:
                what = None
            found[os.path.normpath(os.path.join(relative, name))] = (status.st_mode, what)
    return found
