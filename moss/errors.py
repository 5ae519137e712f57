"""The tree of errors, each with the exit code that the command line answers with.

    MossError                     1  FAILURE
    ├─ NeedsConfirmation          2  NEEDS_CONFIRMATION   a person must say yes, and nobody can be asked
    ├─ UsageError                 2  USAGE
    ├─ NotFound                   3  NOT_FOUND
    ├─ Unsatisfiable              4  SOLVE_CONFLICT
    ├─ NetworkFailure             5  NETWORK
    ├─ TrustFailure               6  TRUST
    ├─ CorruptData                7  CORRUPT
    ├─ Locked                     8  LOCKED
    ├─ NoSpace                    9  NO_SPACE
    ├─ PermissionRefused         10  PERMISSION
    ├─ FormatTooNew              11  FORMAT_TOO_NEW
    ├─ TriggerFailed             12  TRIGGER_FAILED
    ├─ Recovered                 13  RECOVERED            an interrupted transaction was recovered; run again
    └─ Interrupted              130  INTERRUPTED          Ctrl-C
       └─ Terminated            143  TERMINATED           asked to end, by SIGTERM or SIGHUP

Exit code 0 is success and 100 means "updates are available" (`list updates --check`); neither is an
error. The numbers are documented in docs/exit-codes.md and are never given a new meaning.

The world's faults are `MossError`s; moss's own faults are `assert`s and tracebacks.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from solver.values import value

_Said = TypeVar("_Said")
_T = TypeVar("_T")


class MossError(Exception):
    """A fault of the world, told in the user's words.

    `message` says what was wanted and what was found. `because` holds further lines of the reason,
    `remedies` commands or actions that would work, most useful first.
    """

    code = "FAILURE"
    exit_code = 1

    def __init__(self, message: str, *, because: Sequence[str] = (), remedies: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.because = tuple(because)
        self.remedies = tuple(remedies)


class UsageError(MossError):
    code = "USAGE"
    exit_code = 2


class NeedsConfirmation(MossError):
    code = "NEEDS_CONFIRMATION"
    exit_code = 2


class NotFound(MossError):
    code = "NOT_FOUND"
    exit_code = 3


@value
class Repair:
    """A command that was tried on the solver and works, and what it would do."""

    command: str
    outcome: str


class Unsatisfiable(MossError):
    """What is asked for cannot be had: `because` is a minimal conflict, sentence by sentence."""

    code = "SOLVE_CONFLICT"
    exit_code = 4

    def __init__(
        self, message: str, *, because: Iterable[str], closing: str = "", repairs: Sequence[Repair] = ()
    ) -> None:
        super().__init__(message, because=tuple(because), remedies=[repair.command for repair in repairs])
        self.closing = closing
        self.repairs = tuple(repairs)


class NetworkFailure(MossError):
    code = "NETWORK"
    exit_code = 5


class TrustFailure(MossError):
    code = "TRUST"
    exit_code = 6


class CorruptData(MossError):
    """Data that is not what it says it is: `file` and, where known, the byte `offset` in it."""

    code = "CORRUPT"
    exit_code = 7

    def __init__(
        self,
        message: str,
        *,
        file: str | None = None,
        offset: int | None = None,
        because: Sequence[str] = (),
        remedies: Sequence[str] = (),
    ) -> None:
        place = "" if file is None else f"{file}: " if offset is None else f"{file}: at byte {offset}: "
        super().__init__(place + message, because=because, remedies=remedies)
        self.file = file
        self.offset = offset


class Locked(MossError):
    code = "LOCKED"
    exit_code = 8


class NoSpace(MossError):
    code = "NO_SPACE"
    exit_code = 9


class PermissionRefused(MossError):
    code = "PERMISSION"
    exit_code = 10


class FormatTooNew(MossError):
    code = "FORMAT_TOO_NEW"
    exit_code = 11


class FormatTooOld(MossError):
    code = "FORMAT_TOO_OLD"
    exit_code = 11


class TriggerFailed(MossError):
    code = "TRIGGER_FAILED"
    exit_code = 12


class Recovered(MossError):
    code = "RECOVERED"
    exit_code = 13


class Interrupted(MossError):
    code = "INTERRUPTED"
    exit_code = 130


class Terminated(Interrupted):
    code = "TERMINATED"
    exit_code = 143


class EndRequested(KeyboardInterrupt):
    """SIGTERM or SIGHUP has come: what is done about Ctrl-C is done about it."""


def read_each(read: Callable[[_Said], _T], texts: Iterable[_Said]) -> tuple[_T, ...]:
    """What `read` makes of every text; one UsageError tells of all that cannot be read."""
    found: list[_T] = []
    faults: list[UsageError] = []
    for text in texts:
        try:
            found.append(read(text))
        except UsageError as fault:
            faults.append(fault)
    if faults:
        first = faults[0]
        because = [fault.message for fault in faults[1:]]
        raise UsageError(first.message, because=because, remedies=first.remedies) from first
    return tuple(found)
