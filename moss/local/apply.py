"""Make proposed changes to /etc and /var.

Everything new is made in a stage first, with owner and permissions, synced, and then renamed into place:

    account files replaced -> stage made, synced -> withdrawn things removed -> renamed into place -> synced

So at each path a crash leaves what was there or what shall be there, and the next proposal, with the old
record, finds the one or the other and goes on. No path leads through a symlink: where one has come up
since the proposal, or something else has changed, the change is left out and shows up in the next one.
"""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager

from moss.digest import content_hasher
from moss.effects import Effects, open_placed
from moss.errors import CorruptData, MossError
from moss.local.changes import STAGE, Change, LocalChanges, Rewrite, Why
from moss.local.made import Made, MadeKind, made_at

_DIRECTORY = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_CHUNK = 1 << 20


def apply_local_changes(changes: LocalChanges, root: str, effects: Effects) -> dict[str, str]:
    """Apply, durably; returns what is to be recorded and given to the next `propose_local_changes`."""
    recorded = dict(changes.recorded)
    if changes.is_empty:
        return recorded
    root_fd = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        applying = _Applying(root, root_fd, effects)
        applying.clear_stage()
        for rewrite in changes.rewrites:
            applying.rewrite(rewrite)
        applying.change_all(changes.changes, recorded)
        effects.syncfs(root_fd)
    finally:
        os.close(root_fd)
    return recorded


class _Applying:
    def __init__(self, root: str, root_fd: int, effects: Effects) -> None:
        self.root, self.root_fd, self.effects = root, root_fd, effects

    def clear_stage(self) -> None:
        with self._parent(STAGE) as (parent, name):
            if parent is not None:
                self.effects.remove_tree(name, dir_fd=parent)

    def rewrite(self, rewrite: Rewrite) -> None:
        self._make_etc()
        with self._parent(rewrite.path) as (parent, name):
            if parent is None or _content_at(name, parent) != rewrite.before:
                raise MossError(
                    f"{self.root}/{rewrite.path} was changed by someone else in this moment",
                    remedies=["run the command again"],
                )
            self.effects.replace_file(
                name, rewrite.after, mode=rewrite.mode, uid=rewrite.uid, gid=rewrite.gid, dir_fd=parent
            )

    def change_all(self, changes: tuple[Change, ...], recorded: dict[str, str]) -> None:
        staged = [change for change in changes if _is_staged(change)]
        if staged:
            self._make_etc()
            with self._parent(STAGE) as (parent, name):
                assert parent is not None
                self.effects.mkdir(name, 0o700, dir_fd=parent)
                stage = open_placed(name, os.O_RDONLY | _DIRECTORY & ~os.O_PATH, dir_fd=parent)
        else:
            stage = os.dup(self.root_fd)
        try:
            for number, change in enumerate(staged):
                self._build(change, str(number), stage)
            if staged:
                self.effects.syncfs(stage)
            for change in changes:
                if change.why is Why.WITHDRAWN:
                    self._withdraw(change)
            numbers = {change.path: str(number) for number, change in enumerate(staged)}
            for change in changes:
                if change.made is None or not self._put(change, numbers.get(change.path), stage):
                    continue
                if change.why in (Why.NEW, Why.FOLLOWS):
                    recorded[change.path] = str(change.made)
        finally:
            os.close(stage)
        self.clear_stage()

    def _make_etc(self) -> None:
        etc = made_at("etc", dir_fd=self.root_fd)
        if etc is None:
            self.effects.mkdir("etc", 0o755, dir_fd=self.root_fd)
        elif etc.kind is not MadeKind.DIRECTORY:
            raise MossError(
                f"{self.root}/etc is not a directory", remedies=["put a directory there, with its files"]
            )

    # In the stage

    def _build(self, change: Change, name: str, directory: int) -> None:
        made = change.made
        assert made is not None
        match made.kind:
            case MadeKind.DIRECTORY:
                self.effects.mkdir(name, made.mode, dir_fd=directory)
                self.effects.chown(name, made.uid, made.gid, dir_fd=directory)
            case MadeKind.LINK:
                self.effects.symlink(made.content, name, dir_fd=directory)
                self.effects.chown(name, made.uid, made.gid, dir_fd=directory)
            case MadeKind.FILE:
                content = _checked(change.source, made)
                self.effects.write_new(
                    name, content, mode=made.mode, uid=made.uid, gid=made.gid, dir_fd=directory
                )
            case MadeKind.OTHER:
                raise AssertionError("moss makes no devices")

    # Into place

    def _put(self, change: Change, staged_name: str | None, stage: int) -> bool:
        """Whether what shall be there is there."""
        made = change.made
        assert made is not None
        with self._parent(change.path) as (parent, name):
            if parent is None:
                return False
            found = made_at(name, dir_fd=parent)
            if found != change.expected:
                return found is not None and found.is_same(made, owners=self.effects.apply_owners)
            if staged_name is None:
                self.effects.chown(name, made.uid, made.gid, dir_fd=parent)
                self.effects.chmod(name, made.mode, dir_fd=parent)
                return True
            try:
                return self._move(change, staged_name, stage, parent, name)
            except OSError as fault:
                if fault.errno != errno.EXDEV:
                    raise
            # Another file system is mounted here: make it next to its place instead.
            aside = f".{name[:200]}.moss-new"
            if made_at(aside, dir_fd=parent) is not None:
                self._discard(aside, parent)
            self._build(change, aside, parent)
            return self._move(change, aside, parent, parent, name)

    def _move(self, change: Change, staged_name: str, stage: int, parent: int, name: str) -> bool:
        assert change.made is not None
        if change.expected is None:
            try:
                self.effects.rename_no_replace(staged_name, name, src_dir_fd=stage, dst_dir_fd=parent)
            except FileExistsError:
                return False
        elif MadeKind.DIRECTORY not in (change.expected.kind, change.made.kind):
            self.effects.rename(staged_name, name, src_dir_fd=stage, dst_dir_fd=parent)
        elif change.expected.kind is MadeKind.DIRECTORY and _has_entries(name, parent):
            return False
        else:
            self.effects.exchange(staged_name, name, src_dir_fd=stage, dst_dir_fd=parent)
            self._discard(staged_name, stage)
        return True

    def _withdraw(self, change: Change) -> None:
        with self._parent(change.path) as (parent, name):
            if parent is None or made_at(name, dir_fd=parent) != change.expected:
                return
            assert change.expected is not None
            if change.expected.kind is not MadeKind.DIRECTORY or not _has_entries(name, parent):
                self._discard(name, parent)

    def _discard(self, name: str, directory: int) -> None:
        found = made_at(name, dir_fd=directory)
        if found is not None and found.kind is MadeKind.DIRECTORY:
            self.effects.rmdir(name, dir_fd=directory)
        else:
            self.effects.unlink(name, dir_fd=directory)

    @contextmanager
    def _parent(self, path: str) -> Iterator[tuple[int | None, str]]:
        """The directory that a path is in, open, and the path's name there; None where there is none."""
        *parents, name = path.split("/")
        directory = os.dup(self.root_fd)
        opened: int | None = directory
        try:
            for part in parents:
                try:
                    below = open_placed(part, _DIRECTORY, dir_fd=directory)
                except (FileNotFoundError, NotADirectoryError):
                    opened = None
                    break
                os.close(directory)
                opened = directory = below
            yield opened, name
        finally:
            os.close(directory)


def _is_staged(change: Change) -> bool:
    """Whether the thing is made anew; a directory that is there gets its owner and permissions in place."""
    if change.made is None or change.why is Why.ADJUSTED:
        return False
    directory = MadeKind.DIRECTORY
    return change.expected is None or not (change.made.kind is directory is change.expected.kind)


def _checked(source: bytes | str | None, made: Made) -> Iterator[bytes]:
    """The content to write; raises when it is not what was proposed."""
    assert source is not None
    if isinstance(source, bytes):
        yield source
        return
    hasher = content_hasher()
    fd = open_placed(source, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        while chunk := os.read(fd, _CHUNK):
            hasher.update(chunk)
            yield chunk
    finally:
        os.close(fd)
    if hasher.digest().hex() != made.content:
        raise CorruptData("changed while it was copied", file=source, remedies=["run the command again"])


def _content_at(name: str, dir_fd: int) -> bytes | None:
    try:
        fd = open_placed(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=dir_fd)
    except FileNotFoundError:
        return None
    with open(fd, "rb") as file:
        return file.read()


def _has_entries(name: str, dir_fd: int) -> bool:
    fd = open_placed(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=dir_fd)
    try:
        return bool(os.listdir(fd))
    finally:
        os.close(fd)
