"""Every durable effect: the only way in which moss changes anything on disk.

Names are absolute, or relative to the directory that `dir_fd` is open on. No method follows a symlink
in the last part of a name. Tests use `moss.observed_effects`, which tells each primitive effect before
and after it happens.

    primitive   mkdir create write link symlink unlink rmdir rename rename_no_replace exchange
                chmod chown setxattr fsync syncfs commit_point
    composed    write_new replace_file remove_tree           (made of primitives only)

**How faults of the world become messages.** The methods raise `OSError`, with `filename` made absolute
so that the place can be told. An operation (not each step of it) wraps its work once:

    with as_moss_error("make generation 7"):
        ...

and every `OSError` that leaves it is a `MossError` with the file and a remedy. Inside, code catches an
`OSError` only where it can do something about it.
"""

import errno
import os
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property

from moss.errors import CorruptData, MossError, NoSpace, PermissionRefused

PRIMITIVES = (
    *("mkdir", "create", "write", "link", "symlink", "unlink", "rmdir"),
    *("rename", "rename_no_replace", "exchange", "chmod", "chown", "setxattr"),
    *("fsync", "syncfs", "commit_point"),
)
COMPOSED = ("write_new", "replace_file", "remove_tree")

_RENAME_NO_REPLACE = 1
_RENAME_EXCHANGE = 2
_AT_FDCWD = -100
_DEEPEST_DESCENT = 64
_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_LOOK_INTO = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_REFER = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC

_Function = Callable[..., int]


class Effects:
    """The effects themselves.

    With `apply_owners=False` (an ordinary user) owners and xattrs are asked for like always and not applied.
    """

    threads = 8
    """How many may be under way at once where their order means nothing (`moss.at_once`)."""

    def __init__(self, *, apply_owners: bool) -> None:
        self.apply_owners = apply_owners

    # Two calls that Python lacks. ctypes takes 1.5 ms to import, and who only looks never needs it.

    @cached_property
    def _renameat2(self) -> _Function | None:
        import ctypes

        return getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)

    @cached_property
    def _syncfs(self) -> _Function:
        import ctypes

        found: _Function = ctypes.CDLL(None, use_errno=True).syncfs
        return found

    # The hot ones come first, and are written out so that they cost what the system call costs.

    def link(
        self, source: str, target: str, /, *, src_dir_fd: int | None = None, dst_dir_fd: int | None = None
    ) -> None:
        try:
            os.link(source, target, src_dir_fd=src_dir_fd, dst_dir_fd=dst_dir_fd, follow_symlinks=False)
        except OSError as fault:
            raise _placed(fault, src_dir_fd, dst_dir_fd) from None

    def symlink(self, text: str, name: str, /, *, dir_fd: int | None = None) -> None:
        """Make `name` a symlink that says `text`."""
        try:
            os.symlink(text, name, dir_fd=dir_fd)
        except OSError as fault:
            fault.filename, fault.filename2 = name, None
            raise _placed(fault, dir_fd) from None

    def mkdir(self, name: str, mode: int = 0o755, /, *, dir_fd: int | None = None, exact: bool = True) -> None:
        """Make a directory with exactly these permissions, whatever the umask.

        `exact=False` takes what the file system gives: FAT has no permissions.
        """
        try:
            os.mkdir(name, mode, dir_fd=dir_fd)
            found = os.stat(name, dir_fd=dir_fd, follow_symlinks=False).st_mode
        except OSError as fault:
            raise _placed(fault, dir_fd) from None
        if exact and stat.S_IMODE(found) != mode:
            self.chmod(name, mode, dir_fd=dir_fd)

    def unlink(self, name: str, /, *, dir_fd: int | None = None) -> None:
        try:
            os.unlink(name, dir_fd=dir_fd)
        except OSError as fault:
            raise _placed(fault, dir_fd) from None

    def rmdir(self, name: str, /, *, dir_fd: int | None = None) -> None:
        try:
            os.rmdir(name, dir_fd=dir_fd)
        except OSError as fault:
            raise _placed(fault, dir_fd) from None

    # Files

    def create(self, name: str, mode: int = 0o600, /, *, dir_fd: int | None = None) -> int:
        """Make a new empty file and return a descriptor to write to; the caller closes it. The umask counts."""
        try:
            return os.open(name, _CREATE, mode, dir_fd=dir_fd)
        except OSError as fault:
            raise _placed(fault, dir_fd) from None

    def write(self, fd: int, content: bytes | bytearray | memoryview, /) -> None:
        """Write all of it."""
        rest = memoryview(content).cast("B")
        try:
            while rest:
                rest = rest[os.write(fd, rest) :]
        except OSError as fault:
            raise _placed(fault, fd) from None

    def write_new(
        self,
        name: str,
        content: bytes | Iterable[bytes | memoryview],
        /,
        *,
        mode: int | None = 0o644,
        uid: int = 0,
        gid: int = 0,
        xattrs: Mapping[str, bytes] | None = None,
        dir_fd: int | None = None,
        sync: bool = False,
    ) -> None:
        """Write a file that must not exist yet, its mode and owner exact; if that fails, none is left.

        With `mode=None` both are what the file system gives: FAT has none.
        """
        # What most files shall be they are from the beginning; to look whether is quicker than to set it again. Not
        # those of which a group may have more than all others: in some directories it is the directory's at first.
        is_usual = mode is not None and uid == gid == 0 and not xattrs and not mode >> 3 & ~mode & 7
        fd = self.create(name, (mode or 0) & 0o777 if is_usual else 0o600, dir_fd=dir_fd)
        try:
            for chunk in (content,) if isinstance(content, bytes) else content:
                self.write(fd, chunk)
            found = os.fstat(fd)
            if mode is not None and (found.st_uid, found.st_gid) != (uid, gid):
                self.chown(fd, uid, gid)  # clears setuid and capabilities, so it comes before both
            for attribute, value in (xattrs or {}).items():
                self.setxattr(fd, attribute, value)  # a mode may forbid even the owner to do this
            if mode is not None and (xattrs or stat.S_IMODE(found.st_mode) != mode):
                self.chmod(fd, mode)
            if sync:
                self.fsync(fd)
        except BaseException:  # also Ctrl-C: half a file is none
            self.unlink(name, dir_fd=dir_fd)
            raise
        finally:
            os.close(fd)

    def replace_file(
        self,
        name: str,
        content: bytes | Iterable[bytes | memoryview],
        /,
        *,
        mode: int = 0o644,
        uid: int = 0,
        gid: int = 0,
        xattrs: Mapping[str, bytes] | None = None,
        dir_fd: int | None = None,
    ) -> None:
        """Give `name` new content at once and durably: a reader sees the old file or the new one.

        A crash may leave the file written aside (`.NAME.moss-new`); the next replacement takes it away.
        """
        directory, _, last = name.rpartition("/")
        aside = f"{directory}/" if directory or name.startswith("/") else ""
        aside += f".{os.fsdecode(os.fsencode(last)[:200])}.moss-new"
        if os.access(aside, os.F_OK, dir_fd=dir_fd, follow_symlinks=False):
            self.unlink(aside, dir_fd=dir_fd)
        self.write_new(
            aside, content, mode=mode, uid=uid, gid=gid, xattrs=xattrs, dir_fd=dir_fd, sync=True
        )
        try:
            self.rename(aside, name, src_dir_fd=dir_fd, dst_dir_fd=dir_fd)
        except OSError:
            self.unlink(aside, dir_fd=dir_fd)
            raise
        self.fsync(directory or ("/" if name.startswith("/") else "."), dir_fd=dir_fd)

    # Names

    def rename(
        self, source: str, target: str, /, *, src_dir_fd: int | None = None, dst_dir_fd: int | None = None
    ) -> None:
        """Rename, replacing what `target` was."""
        try:
            os.rename(source, target, src_dir_fd=src_dir_fd, dst_dir_fd=dst_dir_fd)
        except OSError as fault:
            raise _placed(fault, src_dir_fd, dst_dir_fd) from None

    def rename_no_replace(
        self, source: str, target: str, /, *, src_dir_fd: int | None = None, dst_dir_fd: int | None = None
    ) -> None:
        """Rename; FileExistsError when there is a `target`."""
        self._rename_with(_RENAME_NO_REPLACE, source, target, src_dir_fd, dst_dir_fd)

    def exchange(
        self, one: str, other: str, /, *, src_dir_fd: int | None = None, dst_dir_fd: int | None = None
    ) -> None:
        """Let two names change places in one step. Both must exist, on one file system."""
        self._rename_with(_RENAME_EXCHANGE, one, other, src_dir_fd, dst_dir_fd)

    def _rename_with(
        self, flag: int, source: str, target: str, src_dir_fd: int | None, dst_dir_fd: int | None
    ) -> None:
        import ctypes

        number = errno.ENOSYS
        if self._renameat2 is not None:
            number = errno.EINTR
            while number == errno.EINTR:  # what Python does for the calls that it has
                if not self._renameat2(
                    _AT_FDCWD if src_dir_fd is None else src_dir_fd,
                    os.fsencode(source),
                    _AT_FDCWD if dst_dir_fd is None else dst_dir_fd,
                    os.fsencode(target),
                    flag,
                ):
                    return
                number = ctypes.get_errno()
        fault = _placed(OSError(number, os.strerror(number), source, None, target), src_dir_fd, dst_dir_fd)
        if number in (errno.ENOSYS, errno.EINVAL):
            raise MossError(
                f"{fault.filename} cannot be exchanged with or safely renamed to {fault.filename2}: "
                "this kernel or file system has no renameat2",
                remedies=["keep the root on ext4, xfs, btrfs or another file system that has it"],
            ) from fault
        raise fault

    # What a name carries

    def chmod(self, target: str | int, mode: int, /, *, dir_fd: int | None = None) -> None:
        """Set the permissions of a file or directory; the target is a name or a descriptor."""
        try:
            if isinstance(target, int):
                os.chmod(target, mode)
                return
            fd = os.open(target, _REFER, dir_fd=dir_fd)
            try:
                # There is no fchmodat that stops at symlinks; through O_PATH and /proc there is.
                os.chmod(f"/proc/self/fd/{fd}", mode)
            finally:
                os.close(fd)
        except OSError as fault:
            if not isinstance(target, int):
                fault.filename = target
            raise _placed(fault, dir_fd if isinstance(target, str) else target) from None

    def chown(self, target: str | int, uid: int, gid: int, /, *, dir_fd: int | None = None) -> None:
        """Set owner and group, of a symlink itself too; -1 leaves one. Nothing without `apply_owners`."""
        if not self.apply_owners:
            return
        try:
            if isinstance(target, int):
                os.chown(target, uid, gid)
            else:
                os.chown(target, uid, gid, dir_fd=dir_fd, follow_symlinks=False)
        except OSError as fault:
            raise _placed(fault, dir_fd if isinstance(target, str) else target) from None

    def setxattr(
        self, target: str | int, attribute: str, value: bytes, /, *, dir_fd: int | None = None
    ) -> None:
        """Set an extended attribute. Those only root may set are skipped without `apply_owners`."""
        if not self.apply_owners and not attribute.startswith("user."):
            return
        try:
            if isinstance(target, int):
                os.setxattr(target, attribute, value)
            else:
                place = target if dir_fd is None else os.path.join(f"/proc/self/fd/{dir_fd}", target)
                os.setxattr(place, attribute, value, follow_symlinks=False)
        except OSError as fault:
            if not isinstance(target, int):
                fault.filename = target
            raise _placed(fault, dir_fd if isinstance(target, str) else target) from None

    # Durability

    def fsync(self, target: str | int, /, *, dir_fd: int | None = None) -> None:
        """Make a file's content, or a directory's names, durable."""
        try:
            if isinstance(target, int):
                os.fsync(target)
                return
            fd = os.open(target, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=dir_fd)
            try:
                os.fsync(fd)
            finally:
                os.close(fd)
        except OSError as fault:
            if not isinstance(target, int):
                fault.filename = target
            raise _placed(fault, dir_fd if isinstance(target, str) else target) from None

    def syncfs(self, fd: int, /) -> None:
        """Make durable all of the file system that `fd` is on."""
        import ctypes

        while self._syncfs(fd):
            number = ctypes.get_errno()
            if number != errno.EINTR:
                raise _placed(OSError(number, os.strerror(number)), fd)

    def commit_point(self, name: str, /) -> None:
        """Mark a database commit, which is durable without passing through here."""

    # Trees

    def remove_tree(self, name: str, /, *, dir_fd: int | None = None) -> None:
        """Remove a directory and all below it, read-only directories too; never through a symlink.

        Nothing is removed when something is mounted in it. No name is fine: it is gone already.
        """
        try:
            top = self._open_to_empty(name, dir_fd)
        except FileNotFoundError:
            return
        try:
            _refuse_mounts_below(top)
            # Directories below the deepest descent move up to the top, so they need another round.
            while self._empty(top, top, 0):
                pass
        finally:
            os.close(top)
        self.rmdir(name, dir_fd=dir_fd)

    def _open_to_empty(self, name: str, dir_fd: int | None) -> int:
        """Open a directory to remove what is in it, made writable first where only root could."""
        try:
            mode = os.stat(name, dir_fd=dir_fd, follow_symlinks=False).st_mode
            if os.geteuid() != 0 and stat.S_ISDIR(mode) and mode & 0o700 != 0o700:
                self.chmod(name, stat.S_IMODE(mode) | 0o700, dir_fd=dir_fd)
            return os.open(name, _LOOK_INTO, dir_fd=dir_fd)
        except OSError as fault:
            raise _placed(fault, dir_fd) from None

    def _empty(self, directory: int, top: int, depth: int) -> bool:
        """Remove everything in an open directory; True when something deep was moved up to `top`."""
        moved = False
        with os.scandir(directory) as entries:
            found = [(entry.name, entry.is_dir(follow_symlinks=False), entry.inode()) for entry in entries]
        for name, is_directory, inode in found:
            if not is_directory:
                self.unlink(name, dir_fd=directory)
            elif depth == _DEEPEST_DESCENT:
                os.close(self._open_to_empty(name, directory))
                self.rename(name, f".moss-deep-{inode}", src_dir_fd=directory, dst_dir_fd=top)
                moved = True
            else:
                below = self._open_to_empty(name, directory)
                try:
                    moved |= self._empty(below, top, depth + 1)
                finally:
                    os.close(below)
                self.rmdir(name, dir_fd=directory)
        return moved


def absolute_name(name: str, dir_fd: int | None) -> str:
    """The absolute path of a name relative to an open directory; of what is open itself when it is empty."""
    if dir_fd is None or name.startswith("/"):
        return os.path.abspath(name) if name else ""
    try:
        directory = os.readlink(f"/proc/self/fd/{dir_fd}")
    except OSError:  # no /proc here: the name alone must do
        return name
    return os.path.join(directory, name) if name else directory


def open_placed(name: str, flags: int, *, dir_fd: int | None = None) -> int:
    """Open what is there, to read; a fault names it by its absolute path."""
    try:
        return os.open(name, flags | os.O_CLOEXEC, dir_fd=dir_fd)
    except OSError as fault:
        raise _placed(fault, dir_fd) from None


def _placed(fault: OSError, dir_fd: int | None, second_dir_fd: int | None = None) -> OSError:
    """The same fault, naming the file by its absolute path."""
    if isinstance(fault.filename, str | int | None):  # Python names a descriptor by its number
        name = fault.filename if isinstance(fault.filename, str) else ""
        fault.filename = absolute_name(name, dir_fd)
    if isinstance(fault.filename2, str):
        fault.filename2 = absolute_name(fault.filename2, second_dir_fd)
    return fault


def _refuse_mounts_below(directory: int) -> None:
    path = absolute_name("", directory)
    try:
        with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as mounts:
            points = [line.split(" ")[4].replace("\\040", " ") for line in mounts]
    except FileNotFoundError:
        return
    for point in points:
        if point.startswith(f"{path}/"):
            raise MossError(
                f"{path} cannot be removed: something is mounted on {point}",
                remedies=[f"unmount it: umount {point}"],
            )


@contextmanager
def as_moss_error(doing: str) -> Iterator[None]:
    """Say an `OSError` that leaves the block in the user's words: `doing` completes "cannot …"."""
    try:
        yield
    except OSError as fault:
        raise moss_error_of(fault, doing) from fault


def moss_error_of(fault: OSError, doing: str) -> MossError:
    """What an `OSError` of the world means to the person, with its file and a remedy."""
    file = os.fsdecode(fault.filename) if isinstance(fault.filename, str | bytes) else None
    other = f" -> {fault.filename2}" if fault.filename2 else ""
    place = f": {file}{other}" if file else ""
    said = f"cannot {doing}{place}"
    number = fault.errno
    if number == errno.ENOSPC:
        return NoSpace(
            f"{said}: no space (or no inodes) left on the file system",
            remedies=["moss state prune", "moss cache clean", "look with: df -h and df -i"],
        )
    if number == errno.EDQUOT:
        return NoSpace(f"{said}: the disk quota is used up", remedies=["moss state prune", "look with: quota"])
    if number == errno.EROFS:
        return PermissionRefused(
            f"{said}: it is on a read-only file system", remedies=["remount it writable: mount -o remount,rw"]
        )
    if number in (errno.EACCES, errno.EPERM):
        return PermissionRefused(
            f"{said}: {os.strerror(number)}",
            remedies=["run moss as root, or with a root folder of your own (-D)"],
        )
    if number == errno.EIO:
        return CorruptData(
            f"cannot {doing}: the device reports a read or write error",
            file=f"{file}{other}" if file else None,
            remedies=["look at the kernel's messages: dmesg"],
        )
    return MossError(f"{said}: {fault.strerror or fault}", remedies=_REMEDIES.get(number or 0, ()))


_REMEDIES: dict[int, tuple[str, ...]] = {
    errno.EMFILE: ("raise the limit of open files: ulimit -n 4096",),
    errno.ENFILE: ("the machine has too many open files: see fs.file-max",),
    errno.EXDEV: ("keep /usr and /.moss on one file system",),
    errno.EBUSY: ("unmount or stop what uses it: see findmnt and fuser",),
    errno.ENOTSUP: ("use a file system that keeps extended attributes, such as ext4, xfs or btrfs",),
    errno.EMLINK: ("the file system allows no more hard links to this file: moss state prune",),
    errno.ENOTEMPTY: ("look at what is in it, and move it away",),
    errno.EEXIST: ("look at what is there, and move it away",),
    errno.ELOOP: ("a symlink stands where a file or directory was expected: look at it",),
    errno.ENAMETOOLONG: ("use a shorter path for the root",),
}
