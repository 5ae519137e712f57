"""Recipes applied to a package's layout."""

from collections.abc import Iterator
from typing import assert_never

from moss.foreign import tmpfiles
from moss.foreign.notices import NoticeKind, Notices
from moss.foreign.placing import FACTORY, Placed
from moss.foreign.recipes import (
    RECIPES,
    Accounts,
    Alternative,
    Capabilities,
    Concatenation,
    Copy,
    Directory,
    Link,
    NameList,
    Recipe,
    Text,
    TriggerFile,
)
from moss.layout import Entry, EntryKind, regular, symlink
from moss.resources import debian_trigger
from moss.stone.spool import ContentSpool
from moss.xattrs import CAPABILITY, attributes_in, capability_value, xattrs_of

_TRIGGERS = "share/moss/triggers"


def cook(package: str, placed: Placed, spool: ContentSpool, notices: Notices) -> None:
    """Add to `placed` what the recipes of the package say; contents that they make go to `spool`."""
    for recipe in RECIPES.get(package, ()):
        problem = _Cooking(package, placed, spool).make(recipe)
        if problem:
            notices.say(NoticeKind.RECIPE, f"moss's recipe for {package} does not fit: {problem}")


class _Cooking:
    def __init__(self, package: str, placed: Placed, spool: ContentSpool) -> None:
        self._package = package
        self._placed = placed
        self._spool = spool

    def make(self, recipe: Recipe) -> str | None:
        """Why it cannot be made, in a few words; None when it is."""
        match recipe:
            case Copy(source, to):
                return self._copy(source, to)
            case Concatenation(directory, suffix, to):
                files = list(self._files(directory, suffix))
                if not files:
                    return f"the package has no files *{suffix} in {directory}"
                self._write(to, b"".join(chunk for one in files for chunk in self._read(one)))
            case NameList(directory, suffix, to):
                top = f"{_below_usr(directory)}/"
                names = [one.path.removeprefix(top) for one in self._files(directory, suffix)]
                if names:  # else the package's other recipe has said so
                    self._write(to, "".join(f"{name}\n" for name in names).encode())
            case Text(to, text):
                self._write(to, text.encode())
            case Link(to, target):
                self._add_line(tmpfiles.link(to, target))
            case Directory(to, permissions, gid):
                self._add_line(tmpfiles.directory(to, permissions, 0, gid))
            case Alternative(link, path):
                return self._alternative(link, path)
            case Capabilities(path, permitted):
                return self._capabilities(path, permitted)
            case Accounts(lines):
                path = f"lib/sysusers.d/moss-{self._package}.conf"
                self._add_file(path, "".join(f"{line}\n" for line in lines).encode())
            case TriggerFile(file):
                self._add_file(f"{_TRIGGERS}/{file}", debian_trigger(file))
            case _:
                assert_never(recipe)
        return None

    def _copy(self, source: str, to: str) -> str | None:
        if FACTORY + to in self._placed.entries:
            return None
        entry = self._placed.entries.get(_below_usr(source))
        if entry is None or entry.digest is None:
            return f"the package has no file {source}"
        if to.startswith(("/etc/", "/var/")):
            self._placed.entries[FACTORY + to] = entry._replace(path=FACTORY + to)
            self._add_line(tmpfiles.copy(to))
        else:
            self._add_line(tmpfiles.copy(to, source))
        return None

    def _write(self, to: str, content: bytes) -> None:
        self._add_file(FACTORY + to, content)
        self._add_line(tmpfiles.copy(to))

    def _alternative(self, link: str, path: str) -> str | None:
        inside, name = _below_usr(link), link.rsplit("/", 1)[-1]
        if inside in self._placed.entries:
            return None
        if _below_usr(path) not in self._placed.entries:
            return f"the package has no file {path}"
        self._placed.entries[inside] = symlink(inside, f"/etc/alternatives/{name}")
        self._add_line(tmpfiles.link(f"/etc/alternatives/{name}", path))
        return None

    def _capabilities(self, path: str, permitted: int) -> str | None:
        entry = self._placed.entries.get(_below_usr(path))
        if entry is None or entry.digest is None:
            return f"the package has no file {path}"
        if CAPABILITY not in attributes_in(entry.xattrs):
            own = attributes_in(entry.xattrs) | {CAPABILITY: capability_value(permitted)}
            self._placed.entries[entry.path] = entry._replace(xattrs=xattrs_of(own))
        return None

    def _add_file(self, path: str, content: bytes) -> None:
        if path not in self._placed.entries:
            self._placed.entries[path] = regular(path, self._spool.add(content)[0])

    def _add_line(self, line: tmpfiles.Line) -> None:
        """What the package itself says of a path stays."""
        if all(other.path != line.path for other in self._placed.lines):
            self._placed.lines.add(line)

    def _files(self, directory: str, suffix: str) -> Iterator[Entry]:
        start = f"{_below_usr(directory)}/"
        for path, entry in sorted(self._placed.entries.items()):
            if path.startswith(start) and path.endswith(suffix) and entry.kind is EntryKind.REGULAR:
                yield entry

    def _read(self, entry: Entry) -> Iterator[bytes]:
        assert entry.digest is not None
        return self._spool.open(entry.digest).chunks()


def _below_usr(path: str) -> str:
    assert path.startswith("/usr/")
    return path.removeprefix("/usr/")
