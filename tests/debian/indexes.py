"""Makes Debian mirrors for tests: packages that exist, indexes that say so, and others."""

import gzip
import hashlib
import lzma
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import lz4.frame
import zstandard

from tests.foreign.debmaker import Deb, Item, folder

ENDINGS: dict[str, Callable[[bytes], bytes]] = {
    "": bytes,
    ".lz4": lz4.frame.compress,
    ".gz": gzip.compress,
    ".xz": lzma.compress,
    ".zst": lambda plain: zstandard.ZstdCompressor().compress(plain),
}


@dataclass(frozen=True)
class Packaged:
    """A package of a mirror: its control file's lines, and its .deb."""

    name: str
    version: str = "1.0-1"
    architecture: str = "amd64"
    fields: str = ""
    scripts: tuple[str, ...] = ()
    """Names of maintainer scripts, each a line long."""

    @property
    def filename(self) -> str:
        return f"pool/main/{self.name}_{self.version.replace(':', '%3a')}_{self.architecture}.deb"

    @property
    def control(self) -> str:
        return (
            f"Package: {self.name}\nVersion: {self.version}\nArchitecture: {self.architecture}\n"
            f"{self.fields}Description: {self.name} for tests\n"
        )

    def deb(self) -> bytes:
        program = Item(f"./usr/share/{self.name}/{self.version}", self.version.encode())
        return Deb(
            (folder("./usr/"), folder("./usr/share/"), folder(f"./usr/share/{self.name}/"), program),
            fields=self.control,
            control=dict.fromkeys(self.scripts, "#!/bin/sh\ntrue\n"),
            compression=".gz",
        ).bytes()

    def paragraph(self) -> str:
        deb = self.deb()
        return (
            f"{self.control}Filename: {self.filename}\nSize: {len(deb)}\n"
            f"SHA256: {hashlib.sha256(deb).hexdigest()}\n"
        )


def mirror(
    directory: Path,
    packages: Iterable[Packaged],
    *,
    suite: str = "stable",
    component: str = "main",
    ending: str = ".gz",
    with_pool: bool = True,
) -> Path:
    """Write them below `directory`, which is a mirror's root then."""
    packages = list(packages)
    if with_pool:
        write_pool(directory, packages)
    write_index(directory, "\n".join(one.paragraph() for one in packages), suite, component, ending)
    return directory


def write_pool(directory: Path, packages: Iterable[Packaged]) -> None:
    """Their .debs."""
    for one in packages:
        path = directory / one.filename
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(one.deb())


def write_index(
    directory: Path,
    text: str,
    suite: str = "stable",
    component: str = "main",
    ending: str = ".gz",
    architecture: str = "amd64",
) -> Path:
    """An index that says `text`; the path of its file."""
    folder_of_it = directory / "dists" / suite / component / f"binary-{architecture}"
    folder_of_it.mkdir(parents=True, exist_ok=True)
    path = folder_of_it / f"Packages{ending}"
    path.write_bytes(ENDINGS[ending](text.encode()))
    return path
