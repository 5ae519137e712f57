"""A stone's files in a directory of one's own: to look at them, not to run a system from them."""

import os
import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

from moss.effects import as_moss_error
from moss.errors import CorruptData, UsageError
from moss.layout import INSTALLABLE_KINDS, Entry, EntryKind
from moss.stone import Content, Stone
from moss.xattrs import applied, attributes_in
from solver.values import value

_LOOK_INTO = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_NEW_FILE = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_PERMISSIONS = 0o7777


@value
class Extracted:
    directory: str
    """The `usr` that was made."""
    entries: int
    bytes_written: int
    owners_applied: bool
    notes: tuple[str, ...]
    """Paths that were left out, and why."""


def extract(stone: Stone, directory: str) -> Extracted:
    """Make `directory/usr` with everything the stone holds; nothing outside of it is touched.

    Owners are applied when root asks. UsageError where `directory/usr` exists, or the stone is no
    package; CorruptData where the content is damaged, and then `usr` is removed again.
    """
    stone.metadata  # noqa: B018 - refuses what is no package
    usr = os.path.join(directory, "usr")
    with as_moss_error(f"extract {stone.name}"):
        os.makedirs(directory, exist_ok=True)
        try:
            os.mkdir(usr, 0o755)
        except FileExistsError as error:
            raise UsageError(
                f"{usr} is there already", remedies=["extract into a new directory: -o DIR", f"remove {usr}"]
            ) from error
        try:
            return _extract_into(stone, usr)
        except BaseException:  # also Ctrl-C: half a package is none
            shutil.rmtree(usr, ignore_errors=True)
            raise


def _extract_into(stone: Stone, usr: str) -> Extracted:
    layout = [entry for entry in stone.layout if entry.kind in INSTALLABLE_KINDS]
    notes = tuple(
        f"{entry.path} is a {entry.kind.name.lower().replace('_', ' ')}, which a stone cannot express"
        for entry in stone.layout
        if entry.kind not in INSTALLABLE_KINDS
    )
    owners = os.geteuid() == 0
    root = os.open(usr, _LOOK_INTO)
    try:
        os.fchmod(root, 0o755)
        written = _make_files(stone, layout, root, owners)
        for entry in layout:
            if entry.link_target is not None:
                _make_symlink(root, entry, entry.link_target, owners)
        # Deepest first: a directory may forbid its owner to enter it.
        directories = [entry for entry in layout if entry.kind is EntryKind.DIRECTORY]
        for entry in directories:
            with _directory(root, entry.path.split("/")):
                pass
        for entry in sorted(directories, key=lambda entry: entry.path, reverse=True):
            with _directory(root, entry.path.split("/")) as made:
                _apply(made, entry, owners)
    finally:
        os.close(root)
    return Extracted(usr, len(layout), written, owners, notes)


def _make_files(stone: Stone, layout: Sequence[Entry], root: int, owners: bool) -> int:
    by_digest: dict[bytes, list[Entry]] = {}
    for entry in layout:
        if entry.digest is not None:
            by_digest.setdefault(entry.digest, []).append(entry)
    written = 0
    for content in stone.contents():
        entries = by_digest[content.digest]
        _make_file_of(content, root, entries, owners)
        written += content.size * len(entries)
    return written


def _make_file_of(content: Content, root: int, entries: Sequence[Entry], owners: bool) -> None:
    """One content becomes a file at each of its paths: the first is written, the others copied from it."""
    first, *others = entries
    with _new_file(root, first) as original:
        _write_all(original, content.chunks())
        for entry in others:
            with _new_file(root, entry) as copy:
                _copy(original, copy, content.size)
                _apply(copy, entry, owners)
        _apply(original, first, owners)


@contextmanager
def _new_file(root: int, entry: Entry) -> Iterator[int]:
    *above, name = entry.path.split("/")
    with _directory(root, above) as parent:
        descriptor = os.open(name, _NEW_FILE, 0o600, dir_fd=parent)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _write_all(descriptor: int, chunks: Iterable[memoryview]) -> None:
    for chunk in chunks:
        while chunk:
            chunk = chunk[os.write(descriptor, chunk) :]


def _copy(original: int, copy: int, size: int) -> None:
    offset = 0
    while offset < size:
        sent = os.sendfile(copy, original, offset, size - offset)
        if not sent:
            raise CorruptData("a file being extracted was cut short by somebody else")
        offset += sent


def _make_symlink(root: int, entry: Entry, link_target: str, owners: bool) -> None:
    *above, name = entry.path.split("/")
    with _directory(root, above) as parent:
        os.symlink(link_target, name, dir_fd=parent)
        if owners:
            os.chown(name, entry.uid, entry.gid, dir_fd=parent, follow_symlinks=False)


def _apply(descriptor: int, entry: Entry, owners: bool) -> None:
    # The owner first: a change of owner clears the set-id bits and capabilities.
    if owners:
        os.fchown(descriptor, entry.uid, entry.gid)
    for name, text in attributes_in(applied(entry.xattrs, all_of_them=owners)).items():
        os.setxattr(descriptor, name, text)
    os.fchmod(descriptor, entry.mode & _PERMISSIONS)


@contextmanager
def _directory(root: int, parts: Sequence[str]) -> Iterator[int]:
    """A directory below the root, made where it is missing; no symlink on the way is followed."""
    current = os.dup(root)
    try:
        for part in parts:
            try:
                below = os.open(part, _LOOK_INTO, dir_fd=current)
            except FileNotFoundError:
                os.mkdir(part, 0o755, dir_fd=current)
                below = os.open(part, _LOOK_INTO, dir_fd=current)
                os.fchmod(below, 0o755)
            os.close(current)
            current = below
        yield current
    finally:
        os.close(current)
