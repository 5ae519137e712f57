"""What went wrong, for a person and for a program.

error: foo 3.0-2 cannot be installed
  because  foo 3.0-2 needs soname(libbar.so.5(x86_64)), which only bar 5.1-7 provides
  and      you pinned bar to 4.8-3
These two alone conflict; nothing was changed. Either of these works:
  1. moss unpin bar && moss install foo      bar 4.8-3 → 5.1-7, nothing else changes
"""

from collections.abc import Sequence

from moss.cli.remedies import at
from moss.cli.text import Page, plain, width_of, wrapped
from moss.errors import MossError, Repair, Unsatisfiable

_INDENT = 11


class Declined(MossError):
    """The person was asked and did not say yes."""

    code = "DECLINED"
    exit_code = 1


def error_text(error: MossError, page: Page, directory: str | None = None) -> str:
    """The message, why, and what would help. Commands say `-D directory` where one is given."""
    label = "error: "
    first, *more = wrapped(plain(error.message), max(page.columns - len(label), 20))
    lines = [page.red("error:") + " " + first, *(" " * len(label) + line for line in more)]
    for position, reason in enumerate(error.because):
        lines += _reason("because" if position == 0 else "and", plain(at(directory, reason)), page)
    if isinstance(error, Unsatisfiable):
        lines += _repairs(error, page, directory)
    else:
        lines += _remedies([at(directory, remedy) for remedy in error.remedies], page)
    return "\n".join(lines) + "\n"


def error_data(error: MossError, directory: str | None = None) -> dict[str, object]:
    """What `error` of the JSON answer holds."""
    if isinstance(error, Unsatisfiable):
        suggestions = [
            {"command": at(directory, one.command), "outcome": one.outcome} for one in error.repairs
        ]
    else:
        suggestions = [_suggestion(at(directory, remedy)) for remedy in error.remedies]
    return {
        "code": error.code,
        "exit": error.exit_code,
        "message": error.message,
        "because": [at(directory, reason) for reason in error.because],
        "suggestions": suggestions,
    }


def _repairs(error: Unsatisfiable, page: Page, directory: str | None) -> list[str]:
    """Each with what it would do, beside it where there is room."""
    works = ("", "This works:", "Either of these works:", "Any of these works:")[min(len(error.repairs), 3)]
    closing = f"{plain(error.closing)} {works}".strip()
    lines = wrapped(closing, page.columns) if closing else []
    commands = [plain(at(directory, repair.command)) for repair in error.repairs]
    widest = max(map(width_of, commands), default=0)
    for number, (repair, command) in enumerate(zip(error.repairs, commands, strict=True), 1):
        beside = f"  {number}. {command}{' ' * (widest - width_of(command))}  {_outcome(repair)}".rstrip()
        if width_of(beside) <= page.columns:
            lines.append(beside)
        else:
            lines.append(f"  {number}. {command}")
            lines += (f"     {line}" for line in wrapped(_outcome(repair), max(page.columns - 5, 20)))
    return lines


def _outcome(repair: Repair) -> str:
    return plain(repair.outcome)


def _reason(word: str, reason: str, page: Page) -> list[str]:
    first, *more = wrapped(reason, max(page.columns - _INDENT, 20))
    return [
        f"  {page.bold(word)}{' ' * (_INDENT - 2 - len(word))}{first}",
        *(" " * _INDENT + line for line in more),
    ]


def _remedies(remedies: Sequence[str], page: Page) -> list[str]:
    """Never wrapped: they are there to be copied."""
    if not remedies:
        return []
    if len(remedies) == 1:
        return [f"  {page.bold('try')}{' ' * (_INDENT - 5)}{plain(remedies[0])}"]
    lines = ["Any of these may help:"]
    for number, remedy in enumerate(remedies, 1):
        lines.append(f"  {number}. {plain(remedy)}")
    return lines


def _suggestion(remedy: str) -> dict[str, str]:
    """A command that can be run as it stands, or advice in words."""
    return {"command": remedy} if remedy.startswith("moss ") else {"advice": remedy}
