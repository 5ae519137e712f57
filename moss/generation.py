"""Generations: numbered, complete states of /usr, and what each consists of."""

from enum import Enum
from typing import NewType

from moss.digest import PackageDigest
from moss.model import SystemModel
from moss.package import Metadata
from moss.root import GenerationId
from solver.values import value

PackageId = NewType("PackageId", int)
"""A package's row in the record."""

FilterId = NewType("FilterId", int)
"""A path filter's row in the record."""

NO_FILTER = FilterId(1)
"""The filter that leaves nothing out."""


class Status(Enum):
    """How far a generation has come; the words are those of the database."""

    STAGED = "staged"
    COMPLETE = "complete"
    REMOVED = "removed"


@value
class Reason:
    """Why a package was chosen: a wish of the person's, what another package needs, or a subscription wants."""

    wish: str | None = None
    package: str | None = None
    needs: str | None = None
    """Of the package, or what the subscription wants."""
    subscription: str | None = None

    @property
    def is_wish(self) -> bool:
        return self.wish is not None


@value
class Selected:
    """A package of a generation, with the reason it is there."""

    package: PackageId
    metadata: Metadata
    digest: PackageDigest
    candidate_key: str
    repository: str
    stone_size: int
    installed_size: int
    reason: Reason


@value
class Generation:
    """A generation without its packages."""

    id: GenerationId
    created_at: int
    """Seconds since 1970, UTC."""
    parent: GenerationId | None
    command: str
    status: Status
    model: SystemModel


@value
class JournalEntry:
    """A transaction, over or under way."""

    id: int
    operation: str
    command: str
    from_generation: GenerationId | None
    to_generation: GenerationId | None
    phase: str
    started_at: int
    finished_at: int | None

    @property
    def under_way(self) -> bool:
        return self.finished_at is None
