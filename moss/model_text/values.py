"""What the text of a system model says."""

from moss.model import SystemModel
from solver.values import value


@value
class StatedRepository:
    """A repository as the text has it: the URI of an index, or a versioned repository below a base."""

    name: str
    uri: str = ""
    base_uri: str = ""
    channel: str = ""
    version: str = ""
    """Such as `stream/volatile`; with a base only."""
    description: str = ""
    priority: int = 0
    enabled: bool = True
    unsigned: bool = False
    """Nothing needs to vouch for its content."""
    trust: str = ""
    """Its pinned root, as `repo add --trust` takes it."""
    max_staleness: int = 0
    """Days for which what was signed is still taken after it has expired."""


@value
class ModelText:
    """What a text says. Its pins and holds were said at 0: no text tells when."""

    model: SystemModel
    repositories: tuple[StatedRepository, ...] | None
    """None where it does not speak of repositories at all."""
    warnings: tuple[str, ...] = ()
    """What moss does not know and leaves as it is, each with its place."""
