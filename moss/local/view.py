"""A root as it will be: with the generation's /usr in place, and with what is planned but not made yet.

Paths are relative to the root, without a leading slash. A *real* path has no symlink in it but for its
last part ("x/." is what x leads to); no symlink, absolute or with "..", leads out of the root.
"""

import errno
import os
import stat
from collections import deque
from collections.abc import Iterator
from fnmatch import fnmatchcase

from moss.local.made import Made, MadeKind, made_at
from moss.local.words import BadLine, Line, Notice, PassedOver, Specifiers

_MOST_LINKS = 40
_CONFIGURATION_DIRECTORIES = ("etc", "run", "usr/local/lib", "usr/lib")
"""The first one that has a file of some name wins."""
_PASSING = (errno.EMFILE, errno.ENFILE, errno.ENOMEM)
"""What says nothing of a file: the next look may find it well."""


class UnsafePath(PassedOver):
    """A path that an ordinary user of the machine could bend to lead somewhere else."""


class RootView:
    """Looks and never writes. `usr` is the tree to see at /usr, wherever it is now."""

    def __init__(self, root: str, usr: str) -> None:
        self.root = root
        self._usr = usr
        self.planned: dict[str, Made] = {}
        self._planned_in: dict[str, set[str]] = {}
        self._trusted = {0, os.stat(root).st_uid}
        self._wary = os.geteuid() == 0

    def plan(self, real: str, made: Made) -> None:
        """See this at the path from now on."""
        directory, _, name = real.rpartition("/")
        self.planned[real] = made
        self._planned_in.setdefault(directory, set()).add(name)

    def host_path(self, real: str) -> str:
        """Where a real path is for the running system."""
        if real == "usr" or real.startswith("usr/"):
            return self._usr + real[3:]
        return os.path.join(self.root, real)

    def real(self, path: str) -> str:
        """The real path that `path` is, whether or not it exists.

        Raises `UnsafePath` where it goes through what an ordinary user owns to what others own.
        """
        parts = deque(path.split("/"))
        at: list[str] = []
        owners = [0]  # of the root and of each part of `at`
        links = 0
        while parts:
            part = parts.popleft()
            if part in ("", "."):
                continue
            if part == "..":
                if at:
                    at.pop()
                    owners.pop()
                continue
            here = "/".join([*at, part])
            owner, target = self._owner_and_target(here)
            if owner is not None and owners[-1] != owner and any(parts):
                self._refuse_bendable(path, "/".join(at), owners[-1])
            if target is not None and any(parts):
                self._refuse_bendable(path, here, owner)
                links += 1
                if links > _MOST_LINKS:
                    raise UnsafePath(f"/{path} goes through too many symlinks")
                if target.startswith("/"):
                    at, owners = [], [0]
                parts.extendleft(reversed(target.split("/")))
                continue
            at.append(part)
            owners.append(owners[-1] if owner is None else owner)
        return "/".join(at)

    def _refuse_bendable(self, path: str, through: str, owner: int | None) -> None:
        if self._wary and owner not in self._trusted:
            raise UnsafePath(f"/{path} goes through /{through}, which user {owner} could bend elsewhere")

    def _owner_and_target(self, real: str) -> tuple[int | None, str | None]:
        planned = self.planned.get(real)
        if planned is not None:
            return planned.uid, planned.content if planned.kind is MadeKind.LINK else None
        host = self.host_path(real)
        try:
            found = os.lstat(host)
        except (FileNotFoundError, NotADirectoryError):
            return None, None
        return found.st_uid, os.readlink(host) if stat.S_ISLNK(found.st_mode) else None

    def found(self, real: str) -> Made | None:
        """What is at a real path now; what is planned does not count."""
        return made_at(self.host_path(real))

    def has_other_links(self, real: str) -> bool:
        return os.lstat(self.host_path(real)).st_nlink > 1

    def exists(self, real: str) -> bool:
        return real in self.planned or os.path.lexists(self.host_path(real))

    def names_in(self, real: str) -> list[str]:
        """Sorted names in a directory, planned ones too; none when there is no such directory."""
        planned = self._planned_in.get(real, set())
        try:
            return sorted(planned.union(os.listdir(self.host_path(real))))
        except (FileNotFoundError, NotADirectoryError):
            return sorted(planned)

    def read(self, path: str) -> bytes | None:
        """A regular file's content, through symlinks inside the root; None when there is none to trust."""
        for _ in range(_MOST_LINKS):
            try:
                path = self.real(path)
            except UnsafePath:
                return None
            host = self.host_path(path)
            try:
                found = os.lstat(host)
            except (FileNotFoundError, NotADirectoryError):
                return None
            if not stat.S_ISLNK(found.st_mode):
                break
            target = os.readlink(host)
            path = target if target.startswith("/") else f"{os.path.dirname(path)}/{target}"
        if not stat.S_ISREG(found.st_mode):
            return None
        with open(host, "rb") as file:
            return file.read()

    def matches(self, pattern: str) -> list[str]:
        """Real paths of what exists and matches a shell pattern, symlinks in between followed."""
        if not any(character in pattern for character in "*?["):
            real = self.real(pattern)
            return [real] if self.exists(real) else []
        return sorted(set(self._matching([""], pattern.split("/"))))

    def _matching(self, bases: list[str], parts: list[str]) -> Iterator[str]:
        part, *rest = parts
        for base in bases:
            directory = self.real(f"{base}/.") if base else ""
            for name in self.names_in(directory):
                if not matches_pattern(name, part):
                    continue
                path = f"{directory}/{name}".lstrip("/")
                if rest:
                    yield from self._matching([path], rest)
                else:
                    yield path


def matches_pattern(name: str, pattern: str) -> bool:
    """As the shell does: a leading dot is only matched by a dot."""
    if name.startswith(".") and not pattern.startswith("."):
        return False
    return fnmatchcase(name, pattern.replace("[^", "[!"))


def specifiers_of(view: RootView) -> Specifiers:
    """What the specifiers stand for in this root."""
    machine_id = (view.read("etc/machine-id") or b"").decode("ascii", "replace").strip()
    release: dict[str, str] = {}
    content = view.read("etc/os-release") or view.read("usr/lib/os-release") or b""
    for line in content.decode("utf-8", "replace").splitlines():
        name, equals, value = line.strip().partition("=")
        if equals and not name.startswith("#"):
            release[name] = value.strip("\"'")
    return Specifiers(None if machine_id == "uninitialized" else machine_id, release)


def configuration_lines(view: RootView, kind: str) -> tuple[list[Line], list[Notice]]:
    """The lines of all files of a kind ("tmpfiles.d"), in the order of the files' names.

    A file of the same name in an earlier directory stands in for a later one; a link to /dev/null masks.
    """
    notices: list[Notice] = []
    chosen: dict[str, str] = {}
    for directory in _CONFIGURATION_DIRECTORIES:
        try:
            real = view.real(f"{directory}/{kind}/.")
        except UnsafePath as fault:
            bad = BadLine(str(fault), "let it belong to root")
            notices.append(Notice.about(Line(f"{directory}/{kind}", 0, ""), bad))
            continue
        for name in view.names_in(real):
            if name.endswith(".conf"):
                chosen.setdefault(name, f"{real}/{name}")
    lines: list[Line] = []
    for _, path in sorted(chosen.items()):
        for number, raw in enumerate(_content_of(view, path, notices).splitlines(), 1):
            try:
                text = raw.decode("utf-8").strip()
            except UnicodeDecodeError:
                bad = BadLine("the line is not UTF-8", "write it in UTF-8")
                notices.append(Notice.about(Line(path, number, ""), bad))
                continue
            if text and not text.startswith("#"):
                lines.append(Line(path, number, text))
    return lines, notices


def _content_of(view: RootView, path: str, notices: list[Notice]) -> bytes:
    try:
        content = view.read(path)
    except OSError as fault:
        if fault.errno in _PASSING:
            raise
        bad = BadLine(f"the file cannot be read: {fault.strerror}", "look at it, or link it to /dev/null to mask it")
        notices.append(Notice.about(Line(path, 0, ""), bad))
        return b""
    return content or b""
