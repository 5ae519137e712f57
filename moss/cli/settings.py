"""What the global options say, as a value."""

from enum import StrEnum

from solver.values import value


class Colour(StrEnum):
    AUTO = "auto"
    ALWAYS = "always"
    NEVER = "never"


class IsolationSaid(StrEnum):
    """As moss.triggers.values.Isolation, which nobody loads who runs no trigger."""

    OVERLAY = "overlay"
    COPY = "copy"
    CHROOT = "chroot"


@value
class Settings:
    directory: str = "/"
    """The root of the system that the command is about."""
    yes: bool = False
    dry_run: bool = False
    json: bool = False
    offline: bool = False
    wait: float = 0.0
    """Seconds to wait for another moss to finish."""
    colour: Colour = Colour.AUTO
    verbose: int = 0
    quiet: bool = False
    progress: bool = True
    progress_fd: int | None = None
    """A file descriptor that gets one JSON event a line."""
    facts_file: str | None = None
    """Where the facts of the machine are that the system is planned for."""
    ignored_triggers: frozenset[str] = frozenset()
    """Triggers that the person does without, this time."""
    isolation: IsolationSaid | None = None
    """What is to keep triggers from the rest of the system."""
