"""What would change in /etc and /var, what stays as the admin has it, and why: values to show and to apply.

Paths are real and relative to the root, without a leading slash.
"""

from collections.abc import Mapping
from enum import Enum

from moss.local.made import Made
from moss.local.words import Notice
from solver.values import field, value

STAGE = "etc/.moss-new"
"""Where new things are made before they are renamed into place; only there while moss is at work."""


class Why(Enum):
    NEW = "new"
    NEEDED = "new, since something below it is"
    FOLLOWS = "nobody changed it, so it follows the new generation"
    ADJUSTED = "gets the owner and permissions that the generation says"
    WITHDRAWN = "nobody changed it, and the generation has it no longer"


class KeptBecause(Enum):
    CHANGED = "you changed it"
    BOTH_CHANGED = "you changed it, and the generation has another one now"
    WAS_THERE = "it was there before, and the generation has another one"
    DELETED = "you deleted it"
    LEFT_BEHIND = "you changed it; the generation has it no longer, so it is yours alone now"


@value
class Change:
    """`made` is what shall be there (None: nothing), `expected` what is there now: if that is no longer so
    when the change is applied, it is not.

    `source` is a file's content, or the host path of the file to copy.
    """

    path: str
    why: Why
    made: Made | None
    expected: Made | None
    source: bytes | str | None = None


@value
class Kept:
    """Something of the admin's that the generation says otherwise about."""

    path: str
    because: KeptBecause

    @property
    def is_news(self) -> bool:
        """Whether the difference came with this generation; an edit of the admin's alone is no news."""
        return self.because not in (KeptBecause.CHANGED, KeptBecause.DELETED)


@value
class Rewrite:
    """An account file with lines added. `before` is its content now, None when there is none."""

    path: str
    before: bytes | None
    after: bytes
    mode: int
    uid: int
    gid: int


@value
class LocalChanges:
    """`recorded` is what to record where nothing changes; applying the changes adds to it."""

    changes: tuple[Change, ...] = ()
    rewrites: tuple[Rewrite, ...] = ()
    users: tuple[tuple[str, int], ...] = ()
    """New users, with their ids."""
    groups: tuple[tuple[str, int], ...] = ()
    members: tuple[tuple[str, str], ...] = ()
    """(user, group) newly joined."""
    kept: tuple[Kept, ...] = ()
    notices: tuple[Notice, ...] = ()
    """Lines that are bad or were passed over."""
    recorded: Mapping[str, str] = field(default_factory=dict)
    has_leftovers: bool = False
    """An interrupted run left its stage."""
    owners_not_applied: bool = False
    """An ordinary user's root: everything belongs to that user, whatever the packages say."""

    @property
    def is_empty(self) -> bool:
        return not (self.changes or self.rewrites or self.has_leftovers)

    @property
    def warnings(self) -> tuple[str, ...]:
        """What the person should know: bad lines, and differences that came with this generation."""
        bad = [str(notice) for notice in self.notices if notice.bad]
        news = [kept for kept in self.kept if kept.is_news]
        return (*bad, *(f"/{kept.path} stays as it is: {kept.because.value}" for kept in news))
