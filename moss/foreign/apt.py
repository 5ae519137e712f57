"""Finding and reading the Packages indexes of an apt repository in a directory.

    DIR/dists/SUITE/COMPONENT/binary-ARCH/Packages[.lz4|.zst|.gz|.xz]             a mirror
    DIR/HOST_PATH_dists_SUITE_COMPONENT_binary-ARCH_Packages[.lz4|.zst|.gz|.xz]   apt's own lists

Where a mirror's Release says what the index must be, it is held to that.
"""

import hashlib
import lzma
import os
import re
import zlib
from collections.abc import Iterator
from typing import BinaryIO

import lz4.frame

from moss.debian.source import AptSource
from moss.errors import CorruptData, NotFound, UsageError
from moss.foreign.compression import XZ_MEMORY_BYTES, Decompressor, Gzip
from moss.stone.streams import decompress_frame, zstd_faults
from solver.values import value

_PIECE = 1 << 18
"""Bytes: what is made of a piece is still in the processor's cache when it is asked for."""
_ZSTD_PIECE = 1 << 12
"""Small: of a frame, zstd hands out all that a piece holds, however much that is."""
_ENDINGS = ("", ".lz4", ".zst", ".gz", ".xz")
"""The quickest to read first."""
_IN_LISTS = re.compile(r"(?P<site>.+)_dists_(?P<suite>.+)_(?P<component>[^_]+)_binary-(?P<arch>[^_]+)_Packages")
_REMEDY = "fetch the index anew: apt-get update, or mirror it again"


@value
class IndexFile:
    """A Packages index: its file, and SHA-256 and size where a Release vouches for them."""

    path: str
    vouched: tuple[str, int] | None = None


def index_files(source: AptSource) -> list[IndexFile]:
    """The indexes that a source means, in order. NotFound says which are missing, and what there is."""
    if source.transport != "file":
        raise UsageError(
            f"{source}: moss cannot fetch over '{source.transport}' yet",
            remedies=["use a mirror on this machine: apt+file:DIR", "use apt's lists: apt+file:DIR of them"],
        )
    if not os.path.isdir(source.place):
        raise NotFound(f"{source.place} is not a directory", remedies=["look whether the medium is mounted"])
    if os.path.isdir(os.path.join(source.place, "dists")):
        return _of_mirror(source)
    return _of_lists(source)


def digest_of(files: list[IndexFile]) -> str:
    """SHA-256 that stands for these files as they are. CorruptData where one is not what its Release says."""
    whole = hashlib.sha256()
    for index in files:
        with open(index.path, "rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
            size = file.tell()
        if index.vouched is not None and index.vouched != (found, size):
            wanted, wanted_size = index.vouched
            raise CorruptData(
                f"has {size} bytes and SHA-256 {found}, its Release says {wanted_size} and {wanted}",
                file=index.path,
                remedies=[_REMEDY],
            )
        whole.update(f"{os.path.basename(index.path)} {found}\n".encode())
    return whole.hexdigest()


def plain_pieces(path: str) -> Iterator[bytes]:
    """What an index holds, in pieces of bounded size. CorruptData where its compression is damaged."""
    with open(path, "rb") as file:
        try:
            match os.path.splitext(path)[1]:
                case ".lz4":
                    yield from _streamed(file, path, lz4.frame.LZ4FrameDecompressor())
                case ".xz":
                    yield from _streamed(file, path, lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=XZ_MEMORY_BYTES))
                case ".gz":
                    yield from _streamed(file, path, Gzip())
                case ".zst":
                    yield from _zstd(file, path)
                case _:
                    yield from iter(lambda: file.read(_PIECE), b"")
        except (lzma.LZMAError, zlib.error, RuntimeError, zstd_faults) as fault:  # lz4's are RuntimeErrors
            raise CorruptData(
                f"the compressed index is damaged ({fault})", file=path, offset=file.tell(), remedies=[_REMEDY]
            ) from fault


def _streamed(file: BinaryIO, path: str, stream: Decompressor) -> Iterator[bytes]:
    while not stream.eof:
        data = file.read(_PIECE) if stream.needs_input else b""
        if stream.needs_input and not data:
            raise CorruptData(
                "the compressed index is cut short", file=path, offset=file.tell(), remedies=[_REMEDY]
            )
        if plain := stream.decompress(data, _PIECE):
            yield plain
    if stream.unused_data or file.read(1):
        raise CorruptData("bytes follow the compressed index", file=path, remedies=[_REMEDY])


def _zstd(file: BinaryIO, path: str) -> Iterator[bytes]:
    """One frame: zstd's stream reader would take a cut one for its end."""
    frame = decompress_frame()
    while not frame.eof:
        data = file.read(_ZSTD_PIECE)
        if not data:
            raise CorruptData(
                "the compressed index is cut short", file=path, offset=file.tell(), remedies=[_REMEDY]
            )
        if plain := frame.decompress(data):
            yield plain
    if frame.unused_data or file.read(1):
        raise CorruptData("bytes follow the compressed index", file=path, remedies=[_REMEDY])


def _of_mirror(source: AptSource) -> list[IndexFile]:
    dists = os.path.join(source.place, "dists")
    suites = source.suites or tuple(_suites(dists))
    if not source.suites and len(suites) != 1:
        raise UsageError(
            f"{dists} holds several suites: {', '.join(suites)}" if suites else f"{dists} holds no suite",
            remedies=[f"--suite {suite}" for suite in suites[:3]],
        )
    found = []
    for suite in suites:
        directory = os.path.join(dists, suite)
        if not os.path.isdir(directory):
            there = ", ".join(_suites(dists)) or "none"
            raise NotFound(f"{dists} has no suite {suite}", because=[f"there are: {there}"], remedies=["--suite NAME"])
        vouched = _release(directory)
        binary = f"binary-{source.wanted_architecture}"
        components = source.components or tuple(
            name for name in sorted(os.listdir(directory)) if os.path.isdir(os.path.join(directory, name, binary))
        )
        if not components:
            raise NotFound(f"{directory} has no component for {source.wanted_architecture}", remedies=["--arch NAME"])
        for component in components:
            stem = f"{component}/{binary}/Packages"
            path = _first_there(os.path.join(directory, stem))
            if path is None:
                raise NotFound(
                    f"{directory}/{component} has no index for {source.wanted_architecture}",
                    because=[f"{stem} is there in none of the forms that moss reads: plain, lz4, zst, gz, xz"],
                    remedies=["--component NAME", "--arch NAME"],
                )
            found.append(IndexFile(path, vouched.get(os.path.relpath(path, directory))))
    return found


def _of_lists(source: AptSource) -> list[IndexFile]:
    there: dict[tuple[str, str, str, str], str] = {}
    for name in os.listdir(source.place):
        stem = name if name.endswith("_Packages") else name.rpartition(".")[0]
        parts = _IN_LISTS.fullmatch(stem)
        if parts is not None:
            there[parts["suite"], parts["component"], parts["arch"], parts["site"]] = stem
    wanted = source.wanted_architecture
    suites = [suite.replace("/", "_") for suite in source.suites]
    chosen = {
        key: stem
        for key, stem in sorted(there.items())
        if key[2] == wanted
        and (not suites or key[0] in suites)
        and (not source.components or key[1] in source.components)
    }
    for asked, position in ((suites, 0), (source.components, 1)):
        if missing := [word for word in asked if word not in {key[position] for key in chosen}]:
            raise _not_in_lists(source, f"{', '.join(missing)} for {wanted}", there)
    if not chosen:
        raise _not_in_lists(source, f"for {wanted}", there)
    paths = [_first_there(os.path.join(source.place, stem)) for stem in chosen.values()]
    return [IndexFile(path) for path in paths if path is not None]


def _not_in_lists(source: AptSource, what: str, there: dict[tuple[str, str, str, str], str]) -> NotFound:
    shown = sorted({f"{suite} {component} {arch}" for suite, component, arch, _ in there})
    return NotFound(
        f"{source.place} has no Packages index {what}",
        because=[f"there are: {', '.join(shown)}"]
        if shown
        else ["it has no dists/, so it is no mirror, and no file *_Packages, so it is not where apt keeps its lists"],
        remedies=["apt-get update", "name the mirror's root, the directory that holds dists/"],
    )


def _first_there(stem: str) -> str | None:
    return next((stem + ending for ending in _ENDINGS if os.path.isfile(stem + ending)), None)


def _suites(dists: str) -> list[str]:
    """The directories that a Release is in; a link to one is another name of it."""
    found = [name for name in sorted(os.listdir(dists)) if os.path.isdir(os.path.join(dists, name))]
    return [name for name in found if not os.path.islink(os.path.join(dists, name))]


def _release(directory: str) -> dict[str, tuple[str, int]]:
    """What the suite's Release says of each of its files: SHA-256 and size."""
    for name in ("InRelease", "Release"):
        try:
            with open(os.path.join(directory, name), encoding="utf-8", errors="replace") as file:
                _, _, listed = file.read(64 << 20).partition("\nSHA256:")
        except FileNotFoundError:
            continue
        lines = re.findall(r"^ +([0-9a-f]{64}) +([0-9]+) +(\S+)$", listed, re.MULTILINE)
        return {path: (digest, int(size)) for digest, size, path in lines}
    return {}
