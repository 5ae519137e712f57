"""The file of the system model, /etc/moss/system-model.kdl: looked at, and written by the transaction under way.

    written   what moss wrote there last             the file may be that, or what a person made of it,
    taken     an edited text that was followed       or be gone
    next      what shall be there

`next` takes the place of the other two and of nothing else: what somebody has edited stays, whatever is under way.
It is written before the record says that the transaction is done, as /etc follows: a crash before leaves the
journal's row, and the next command does it again.
"""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager

from moss.db import generations
from moss.db import model_file as record
from moss.db.connection import Database
from moss.db.model_file import ModelFile
from moss.db.repositories import repositories
from moss.effects import Effects, moss_error_of, open_placed
from moss.errors import MossError, PermissionRefused
from moss.root import GenerationId, Root
from solver.values import replace, value

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
_LARGEST = 4 << 20


@value
class FoundFile:
    """The file as it is."""

    content: bytes
    mode: int
    uid: int
    gid: int


@value
class Settled:
    """What came of writing it."""

    warning: str | None = None
    """What the person should know."""
    is_due: bool = False
    """It could not be written."""

    @property
    def warnings(self) -> tuple[str, ...]:
        return () if self.warning is None else (self.warning,)


def found_file(root: Root) -> FoundFile | None:
    """The file as it is; None where there is none. OSError, and MossError where something else stands there."""
    with _directory(root) as directory:
        return None if directory is None else _found(root, directory)


def check_writable(root: Root) -> None:
    """PermissionRefused where the file could not be written, before anything else is changed."""
    directory = os.path.dirname(root.model_file)
    while not os.path.lexists(directory):
        directory = os.path.dirname(directory)
    # Whoever may write in its directory may replace a file, unless that is immutable.
    is_fixed = os.geteuid() == 0 and os.path.exists(root.model_file) and not os.access(root.model_file, os.W_OK)
    if is_fixed or not os.access(directory, os.W_OK | os.X_OK):
        raise PermissionRefused(
            f"moss may not write {root.model_file}",
            because=[f"{root.model_file if is_fixed else directory} is read-only or immutable, or another user's"],
            remedies=[f"look at it: ls -ld {directory}; lsattr -d {directory}; findmnt -T {directory}"],
        )


def settle(root: Root, said: ModelFile, effects: Effects) -> Settled:
    """Write what is to be written, if that is not there yet. The caller then records it.

    A file that cannot be written stops nothing, least of all a rollback: the next change writes it.
    """
    if said.next is None:
        return Settled()
    content = said.next.encode()
    try:
        there = found_file(root)
        if there is not None and there.content == content:
            return Settled()
        if there is not None and there.content not in _replaceable(said):
            return Settled(
                f"{root.model_file} was edited and stays as it is, though generation and file now differ:"
                " moss sync shows what it would change, and follows it",
            )
        _write(root, content, there, effects)
    except (OSError, MossError) as fault:
        told = fault if isinstance(fault, MossError) else moss_error_of(fault, "write the system model")
        return Settled(
            f"{told.message}; so {root.model_file} does not say what is active now;"
            f" the next change writes it, or: moss state export > {root.model_file}",
            is_due=True,
        )
    return Settled()


def text_of(database: Database, generation: GenerationId | None) -> str:
    """The text that says what a generation is, naming the repositories there are now."""
    text = generations.model_text_of(database, generation)
    if text is not None and generation is not None and generations.has_these_repositories(database, generation):
        return text
    from moss.model_text import as_stated, with_repositories, written  # parsing: where repositories have changed

    stated = [as_stated(repository) for repository in repositories(database)]
    if text is None:
        return written(generations.model_of(database, generation), stated)
    return with_repositories(text, stated)


def put_back(database: Database, generation: GenerationId, *, taken: str | None = None) -> ModelFile:
    """What is to be written when a generation becomes the active one that was made before."""
    known = record.recorded(database)
    return replace(known, next=text_of(database, generation), taken=taken or known.taken, settles=True)


def _replaceable(said: ModelFile) -> set[bytes]:
    return {text.encode() for text in (said.written, said.taken) if text is not None}


def _write(root: Root, content: bytes, there: FoundFile | None, effects: Effects) -> None:
    top = open_placed(root.path, _DIRECTORY & ~os.O_NOFOLLOW)
    try:
        etc = _made(top, "etc", effects)
        try:
            directory = _made(etc, "moss", effects)
        finally:
            os.close(etc)
        try:
            effects.replace_file(
                os.path.basename(root.model_file), content, dir_fd=directory,
                mode=0o644 if there is None else there.mode,
                uid=0 if there is None else there.uid, gid=0 if there is None else there.gid,
            )  # fmt: skip
        finally:
            os.close(directory)
    finally:
        os.close(top)


def _made(above: int, name: str, effects: Effects) -> int:
    """A directory, made where it is missing, open."""
    try:
        return open_placed(name, _DIRECTORY, dir_fd=above)
    except FileNotFoundError:
        effects.mkdir(name, 0o755, dir_fd=above)
        effects.fsync(above)
        return open_placed(name, _DIRECTORY, dir_fd=above)


@contextmanager
def _directory(root: Root) -> Iterator[int | None]:
    """/etc/moss, reached through no symlink; None where it is not there."""
    opened: list[int] = []
    try:
        try:
            opened.append(open_placed(root.path, _DIRECTORY & ~os.O_NOFOLLOW))
            for name in ("etc", "moss"):
                opened.append(open_placed(name, _DIRECTORY, dir_fd=opened[-1]))
        except FileNotFoundError:
            yield None
            return
        yield opened[-1]
    finally:
        for fd in opened:
            os.close(fd)


def _found(root: Root, directory: int) -> FoundFile | None:
    name = os.path.basename(root.model_file)
    try:
        # Not blocking: what stands there may be a pipe.
        fd = open_placed(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=directory)
    except FileNotFoundError:
        return None
    with open(fd, "rb") as file:
        status = os.fstat(fd)
        if not stat.S_ISREG(status.st_mode):
            raise MossError(
                f"{root.model_file} is not a file", remedies=["move it away; moss writes it anew with the next change"]
            )
        content = file.read(_LARGEST + 1)
    if len(content) > _LARGEST:
        raise MossError(f"{root.model_file} is larger than {_LARGEST >> 20} MiB", remedies=["look at what is in it"])
    return FoundFile(content, stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid)
