"""The four roles of a signed repository, and what is said of each."""

from enum import StrEnum

from moss.trust import PublicKey
from solver.values import value

FOLDER = "tuf"
"""Where a repository's metadata lie, beside its index."""
TARGETS_FOLDER = "targets"
"""Below it: the index under the name that the metadata give it, its SHA-256 before it."""
INDEX = "stone.index"
"""The one target of a moss repository: the index, which has the SHA-256 of every stone."""
NEXT_ROOT = "next.root.json"
"""A root that is still to be signed by more keys."""
MOST_ROOTS = 256
"""Roots that a system follows in one refresh."""
ROOT_LIMIT = 512_000
"""Bytes of a root."""


class Role(StrEnum):
    """Who signs what. The order is that in which they are trusted."""

    ROOT = "root"
    """Which keys there are. Its own keys are for the strongbox."""
    TARGETS = "targets"
    """Which index is the repository's."""
    SNAPSHOT = "snapshot"
    """Which targets belong together."""
    TIMESTAMP = "timestamp"
    """Which snapshot is the newest. Its key signs most often."""


USUAL_DAYS = {Role.ROOT: 730, Role.TARGETS: 365, Role.SNAPSHOT: 30, Role.TIMESTAMP: 30}
"""For how long what a role signs is good."""


@value
class RoleState:
    """A role as the newest root and the newest metadata have it."""

    role: Role
    keys: tuple[PublicKey | str, ...]
    """A key that is no Ed25519 key is named by its key id."""
    threshold: int
    """So many of the keys must sign."""
    days: int
    version: int
    """0 where the role has signed nothing yet."""
    expires_at: int | None


@value
class NextRoot:
    """A root that waits for signatures."""

    version: int
    signed_by: int
    """How many keys have signed it."""
    lacking: tuple[str, ...]
    """What stands against its publication, in sentences."""


@value
class Signed:
    """What the metadata of a repository say."""

    folder: str
    root_version: int
    fingerprint: str
    """SHA-256 of the newest root's file."""
    roles: tuple[RoleState, ...]
    next_root: NextRoot | None = None

    @property
    def expires_at(self) -> int | None:
        """When the first of its roles expires; None while one has signed nothing."""
        moments = [role.expires_at for role in self.roles if role.expires_at is not None]
        return min(moments) if len(moments) == len(self.roles) else None
