"""What a trigger file says."""

from enum import Enum
from typing import TypeAlias

from moss.layout import EntryKind
from moss.triggers.pattern import substituted
from solver.values import value


class Scope(Enum):
    """When triggers run; the words are those of their directories."""

    TRANSACTION = "tx"
    """Over the new tree, before anything is switched; what they write belongs to the generation."""
    SYSTEM = "sys"
    """On the running system, after the switch."""


class Isolation(Enum):
    """What keeps triggers over the new tree from everything else, the best first."""

    OVERLAY = "overlay"
    """Namespaces of their own, in which an overlay keeps what they write apart."""
    COPY = "copy"
    """Namespaces of their own, and a private copy of the tree."""
    CHROOT = "chroot"
    """A private copy of the tree in a root of its own, without namespaces: Landlock and a filter of system calls."""


class PathType(Enum):
    """What a path must be to count."""

    DIRECTORY = "directory"
    SYMLINK = "symlink"

    @property
    def kind(self) -> EntryKind:
        return EntryKind.DIRECTORY if self is PathType.DIRECTORY else EntryKind.SYMLINK


@value
class Run:
    """A program with its arguments; `$(name)` stands for what a pattern's capture of that name holds."""

    program: str
    arguments: tuple[str, ...] = ()

    def __str__(self) -> str:
        return " ".join((self.program, *self.arguments))


@value
class Delete:
    """Paths that go: patterns without captures, in which `$(name)` stands for one, to the letter."""

    paths: tuple[str, ...]
    captures: tuple[tuple[str, str], ...] = ()
    """What they hold, by name; empty as long as nothing has called for it."""

    def __str__(self) -> str:
        return " ".join(("delete", *(substituted(path, dict(self.captures)) for path in self.paths)))


Handler: TypeAlias = Run | Delete


@value
class Watch:
    """Paths that a trigger is about, and which of its handlers they call."""

    pattern: str
    """Absolute: /usr/lib/modules/(version:*)/kernel. See `moss.triggers.pattern`."""
    handlers: tuple[str, ...]
    type: PathType | None = None
    """None: whatever the path is."""


@value
class Inhibitors:
    """Where one of these holds, the trigger does not run."""

    paths: tuple[str, ...] = ()
    """Absolute; one that exists inhibits."""
    environment: tuple[str, ...] = ()
    """`chroot`: the root is not the running system's; `live`: a live medium; `container`."""


@value
class Trigger:
    """One trigger file. `before` and `after` name triggers of the same scope."""

    name: str
    scope: Scope
    description: str = ""
    before: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    inhibitors: Inhibitors = Inhibitors()
    watches: tuple[Watch, ...] = ()
    handlers: tuple[tuple[str, Handler], ...] = ()
    """By name, in the order of the file."""
    file: str = ""
    """Where it was read from, below /usr."""

    def handler(self, name: str) -> Handler:
        """The handler of this name; a trigger that was read has every one that its watches name."""
        return next(handler for known, handler in self.handlers if known == name)

    @property
    def called(self) -> tuple[Handler, ...]:
        """The handlers that its watches name: a file may have others."""
        names = {name for watch in self.watches for name in watch.handlers}
        return tuple(handler for name, handler in self.handlers if name in names)
