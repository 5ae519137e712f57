"""What of a package could not be carried over: said, never dropped in silence."""

from collections.abc import Iterable
from enum import Enum

from moss.errors import CorruptData
from solver.values import value


class NoticeKind(Enum):
    """Why something stayed behind; the value is the word that machines read."""

    OUTSIDE = "outside"
    DEVICE = "device"
    NAME = "name"
    SYSV = "sysv"
    ENABLEMENT = "enablement"
    SCRIPT = "script"
    TRIGGER = "trigger"
    CONFFILE = "conffile"
    XATTR = "xattr"
    RECIPE = "recipe"

    @property
    def of_many(self) -> str:
        """What it says of many packages, before their number."""
        return _TOGETHER[self]


_TOGETHER = {
    NoticeKind.OUTSIDE: "paths outside /usr, /etc, /boot and /var left out",
    NoticeKind.DEVICE: "devices, pipes and sockets left out",
    NoticeKind.NAME: "names that are no text left out",
    NoticeKind.SYSV: "SysV start scripts left out",
    NoticeKind.ENABLEMENT: "links that enable units left out",
    NoticeKind.SCRIPT: "maintainer scripts not run",
    NoticeKind.TRIGGER: "dpkg triggers without effect",
    NoticeKind.CONFFILE: "configuration that lies in /usr",
    NoticeKind.XATTR: "extended attributes left out",
    NoticeKind.RECIPE: "recipes of moss's that do not fit",
}

_SENTENCES = {
    NoticeKind.OUTSIDE: "left out, being outside /usr, /etc, /boot and /var",
    NoticeKind.DEVICE: "left out: a stone cannot hold devices, pipes and sockets",
    NoticeKind.NAME: "left out: the name is not UTF-8, or holds control characters",
    NoticeKind.SYSV: "left out: SysV start scripts and links; units start services here",
    NoticeKind.ENABLEMENT: "left out: links that enable units; presets do that",
    NoticeKind.CONFFILE: "marked as configuration, but lies in /usr, where updates replace it",
    NoticeKind.XATTR: "without some extended attributes, which a stone cannot hold",
}
_SHOWN = 3


@value
class Notice:
    """One thing that stayed behind, in a sentence; `paths` are all it is about, in the .deb's words."""

    kind: NoticeKind
    message: str
    paths: tuple[str, ...] = ()

    def __str__(self) -> str:
        return self.message


class Notices:
    """Notices being gathered: what is about paths is one notice of each kind."""

    def __init__(self) -> None:
        self._paths: dict[NoticeKind, dict[str, None]] = {}
        self._sayings: list[Notice] = []

    def path(self, kind: NoticeKind, path: str) -> None:
        self._paths.setdefault(kind, {})[f"/{path}"] = None

    def say(self, kind: NoticeKind, message: str) -> None:
        self._sayings.append(Notice(kind, message))

    def all(self) -> tuple[Notice, ...]:
        about_paths = [
            Notice(kind, f"{_listed(paths)} {_SENTENCES[kind]}", paths)
            for kind, paths in ((kind, _deepest(paths)) for kind, paths in self._paths.items())
        ]
        return tuple(sorted(about_paths, key=lambda notice: notice.kind.value)) + tuple(self._sayings)


def _deepest(paths: Iterable[str]) -> tuple[str, ...]:
    """Without the directories that others are in."""
    ordered = sorted(paths, key=lambda path: path.split("/"))
    return tuple(
        path
        for path, following in zip(ordered, [*ordered[1:], ""], strict=True)
        if not following.startswith(f"{path}/")
    )


def _listed(paths: tuple[str, ...]) -> str:
    more = len(paths) - _SHOWN
    return ", ".join(paths[:_SHOWN]) + (f" and {more} more:" if more > 0 else ":")


def damaged(file: str, message: str) -> CorruptData:
    """The error for a package whose parts contradict each other."""
    return CorruptData(message, file=file, remedies=["get the package again, or ask its maker to mend it"])
