"""Makes .debs for tests, sound ones and others, with the standard library's tarfile and an ar of its own."""

import gzip
import io
import lzma
import tarfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import zstandard

from moss.foreign.deb import Converted, convert
from moss.layout import Entry
from moss.stone import Stone, Strictness, open_stone

COMPRESSIONS: dict[str, Callable[[bytes], bytes]] = {
    "": bytes,
    ".gz": lambda plain: gzip.compress(plain, mtime=0),
    ".xz": lambda plain: lzma.compress(plain, preset=0),
    ".zst": lambda plain: zstandard.ZstdCompressor().compress(plain),
}


@dataclass(frozen=True)
class Item:
    """One entry of a tar: a file unless it says otherwise."""

    name: str
    content: bytes = b""
    type: bytes = tarfile.REGTYPE
    mode: int = 0o644
    uid: int = 0
    gid: int = 0
    link: str = ""
    pax: Mapping[str, str] = field(default_factory=dict)
    """More pax records; bytes as tarfile reads them, by surrogates. They need PAX_FORMAT."""

    def header(self) -> tarfile.TarInfo:
        header = tarfile.TarInfo(self.name)
        header.type, header.mode, header.uid, header.gid = self.type, self.mode, self.uid, self.gid
        header.linkname, header.size = self.link, len(self.content)
        header.pax_headers = dict(self.pax)
        return header


def folder(name: str, mode: int = 0o755, uid: int = 0, gid: int = 0) -> Item:
    return Item(name, type=tarfile.DIRTYPE, mode=mode, uid=uid, gid=gid)


def link(name: str, target: str) -> Item:
    return Item(name, type=tarfile.SYMTYPE, mode=0o777, link=target)


def hard_link(name: str, first: str) -> Item:
    return Item(name, type=tarfile.LNKTYPE, link=first)


def tar(items: Sequence[Item], form: int = tarfile.GNU_FORMAT) -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w", format=form, errors="surrogateescape") as archive:
        for item in items:
            archive.addfile(item.header(), io.BytesIO(item.content))
    return made.getvalue()


def ar(members: Sequence[tuple[str, bytes]]) -> bytes:
    made = b"!<arch>\n"
    for name, content in members:
        made += b"%-16s%-12d%-6d%-6d%-8o%-10d`\n" % (name.encode(), 0, 0, 0, 0o100644, len(content))
        made += content + b"\n" * (len(content) % 2)
    return made


CONTROL = """\
Package: tool
Version: 1.0-1
Architecture: amd64
Maintainer: Nobody <nobody@example.org>
Description: a tool
"""


@dataclass(frozen=True)
class Deb:
    """What a .deb is made of; its parts can be replaced by others that are wrong."""

    files: Sequence[Item] = ()
    fields: str = ""
    """More lines of the control file, or all of it when it names the package."""
    control: Mapping[str, str] = field(default_factory=dict)
    """More files of the control member."""
    compression: str = ".xz"
    form: int = tarfile.GNU_FORMAT
    top: bool = True

    def control_text(self) -> str:
        return self.fields if "Package:" in self.fields else CONTROL + self.fields

    def control_tar(self) -> bytes:
        files = {"control": self.control_text(), **self.control}
        return tar([folder("./"), *(Item(f"./{name}", text.encode()) for name, text in files.items())])

    def data_tar(self) -> bytes:
        return tar([*([folder("./")] if self.top else []), *self.files], self.form)

    def members(self) -> list[tuple[str, bytes]]:
        compress = COMPRESSIONS[self.compression]
        return [
            ("debian-binary", b"2.0\n"),
            (f"control.tar{self.compression}", compress(self.control_tar())),
            (f"data.tar{self.compression}", compress(self.data_tar())),
        ]

    def bytes(self) -> bytes:
        return ar(self.members())

    def write(self, directory: Path, name: str = "tool.deb") -> str:
        path = directory / name
        path.write_bytes(self.bytes())
        return str(path)


class Read(NamedTuple):
    """A stone, whole: contents by path below /usr."""

    stone: Stone
    entries: dict[str, Entry]
    contents: dict[str, bytes]

    def lines(self, package: str = "tool") -> list[str]:
        """The package's own lines of tmpfiles.d."""
        text = self.contents.get(f"lib/tmpfiles.d/moss-{package}.conf", b"").decode()
        return [line for line in text.splitlines() if not line.startswith("#")]


def read_stone(path: str) -> Read:
    """Read and verify everything."""
    with open(path, "rb") as file:
        stone = open_stone(file, path, strictness=Strictness.CHECK)
        by_digest = {
            content.digest: b"".join(bytes(c) for c in content.chunks()) for content in stone.contents()
        }
    return Read(
        stone,
        {entry.path: entry for entry in stone.layout},
        {entry.path: by_digest[entry.digest] for entry in stone.layout if entry.digest is not None},
    )


def converted(deb: Deb, directory: Path) -> tuple[Converted, Read]:
    """Convert it in `directory`, and read what came out."""
    done = convert(deb.write(directory), str(directory / "stones"))
    return done, read_stone(done.stone)
