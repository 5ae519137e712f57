"""Extract: from a stone to plain files below a directory, without a system.

DIRECTORY/.usr-XXXX   made first: directories and files, symlinks last, then modes
DIRECTORY/usr         its name when all of it is there and verified
"""

import os
import shutil
import stat
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from typing import BinaryIO

from moss.digest import EMPTY_CONTENT, ContentDigest
from moss.effects import as_moss_error
from moss.errors import UsageError
from moss.layout import INSTALLABLE_KINDS, Entry, EntryKind
from moss.merge import merge
from moss.reporter import Reporter, Silence
from moss.stone import Stone, open_stone


@dataclass(frozen=True, slots=True)
class Extracted:
    """What was extracted, and what could not be."""

    usr: str
    stone: Stone
    entries: int
    notes: tuple[str, ...]


def extract(file: BinaryIO, name: str, directory: str, reporter: Reporter | None = None) -> Extracted:
    """Unpack a stone's content into `directory`/usr, which must not be there yet.

    As root owners are applied; anyone else gets files of their own, without set-id bits. CorruptData
    and every other fault leave nothing behind. `name` is what errors call the file.
    """
    stone = open_stone(file, name)
    package = stone.metadata.name
    usr = os.path.join(directory, "usr")
    layout = merge([(package, stone.layout)]).entries
    with as_moss_error(f"extract {name}"):
        os.makedirs(directory, exist_ok=True)
        if os.path.lexists(usr):
            raise UsageError(f"{usr} is there already", remedies=["give another directory with -o"])
        making = tempfile.mkdtemp(prefix=".usr-", dir=directory)
        try:
            _fill(making, stone, layout, reporter or Silence())
            os.rename(making, usr)
        except BaseException:  # also Ctrl-C: half a tree is of no use
            shutil.rmtree(making)
            raise
    left_out = [entry for entry in layout if entry.kind not in INSTALLABLE_KINDS]
    notes = tuple(f"usr/{entry.path} was left out: it is a {entry.kind.name.lower()}" for entry in left_out)
    return Extracted(usr, stone, len(layout) - len(left_out), notes)


def _fill(top: str, stone: Stone, layout: list[Entry], reporter: Reporter) -> None:
    """Symlinks last, so that nothing is written through one; a merged layout has nothing below them."""
    for entry in layout:
        if entry.kind in INSTALLABLE_KINDS:
            here = entry.path if entry.kind is EntryKind.DIRECTORY else os.path.dirname(entry.path)
            os.makedirs(os.path.join(top, here), exist_ok=True)
    _write_contents(top, stone, layout, reporter)
    for entry in layout:
        if entry.kind is EntryKind.SYMLINK:
            assert entry.link_target is not None
            os.symlink(entry.link_target, os.path.join(top, entry.path))
    _apply_modes(top, layout)


def _write_contents(top: str, stone: Stone, layout: list[Entry], reporter: Reporter) -> None:
    places: dict[ContentDigest, list[str]] = {EMPTY_CONTENT: []}
    for entry in layout:
        if entry.digest is not None:
            places.setdefault(entry.digest, []).append(os.path.join(top, entry.path))
    for path in places.pop(EMPTY_CONTENT):
        _write(path, ())
    reporter.stage(f"extracting {stone.metadata.label}")
    done = 0
    for content in stone.contents():
        paths = places.get(content.digest, [])
        if paths:
            _write(paths[0], content.chunks())
        for path in paths[1:]:
            shutil.copyfile(paths[0], path)
        done += content.size
        reporter.progress(done, stone.content_size, "bytes")


def _write(path: str, chunks: Iterable[memoryview]) -> None:
    with open(path, "xb", buffering=0) as target:
        for chunk in chunks:
            rest = memoryview(chunk)
            while rest:
                rest = rest[target.write(rest) :]


def _apply_modes(top: str, layout: list[Entry]) -> None:
    """Deepest first, so that a directory is closed after what is in it."""
    as_root = os.geteuid() == 0
    os.chmod(top, 0o755)
    for entry in reversed(layout):
        if entry.kind not in INSTALLABLE_KINDS:
            continue
        path = os.path.join(top, entry.path)
        if as_root:
            os.chown(path, entry.uid, entry.gid, follow_symlinks=False)
        if entry.kind is not EntryKind.SYMLINK:
            os.chmod(path, stat.S_IMODE(entry.mode) if as_root else entry.mode & 0o777)
