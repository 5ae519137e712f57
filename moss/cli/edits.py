"""What a person has edited in the system model and nothing has followed yet, told by commands that only look."""

from moss.cli.session import Session
from moss.errors import MossError
from moss.operations.stated import unfollowed
from moss.operations.system import System


def edits(session: Session, system: System) -> tuple[str, ...]:
    """In few words each; a warning where the file cannot be followed."""
    try:
        return unfollowed(system)
    except MossError as fault:
        session.warning(f"{fault.message}; until that is corrected, no command changes this system")
        return ()


def warn_of_edits(session: Session, system: System) -> None:
    """For who shows what is active, where the file says something else."""
    found = edits(session, system)
    if found:
        session.warning(
            f"{system.root.model_file} was edited ({', '.join(found)}), and nothing has followed it yet: moss sync"
        )
