"""Lines that set owner and permissions of what other lines, or programs, have made."""

from moss.local.made import Made, MadeKind
from moss.local.tmpfiles import Action, TmpfilesLine
from moss.local.view import matches_pattern
from solver.values import replace, value


@value
class Adjustment:
    """A line of type e, z, m or Z, its owners known by number (None: stays)."""

    line: TmpfilesLine
    uid: int | None
    gid: int | None

    @property
    def goes_below(self) -> bool:
        return self.line.action is Action.ADJUST_BELOW

    def covers(self, path: str) -> bool:
        """Whether the line's pattern, taken as text, means this path."""
        parts, patterns = path.split("/"), self.line.path.split("/")
        enough = len(parts) >= len(patterns) if self.goes_below else len(parts) == len(patterns)
        return enough and all(map(matches_pattern, parts, patterns))

    def adjusted(self, made: Made) -> Made:
        """The same thing with the owner and permissions that the line says."""
        wanted = MadeKind.DIRECTORY if self.line.action is Action.ADJUST_DIRECTORY else MadeKind.FILE
        if made.kind not in (MadeKind.DIRECTORY, wanted):
            return made
        mode = self.line.mode
        if mode is None:
            mode = made.mode
        elif self.line.masked:
            mode = _masked(mode, made)
        return replace(
            made,
            mode=mode,
            uid=made.uid if self.uid is None else self.uid,
            gid=made.gid if self.gid is None else self.gid,
        )


def _masked(mode: int, now: Made) -> int:
    """`~` of tmpfiles.d: no read, write or execute permission that nobody had before."""
    for bits in (0o111, 0o222, 0o444):
        if not now.mode & bits:
            mode &= ~bits
    return mode if now.kind is MadeKind.DIRECTORY else mode & 0o777
