"""What went wrong, for a person and for a program."""

from collections.abc import Sequence

from moss.cli.text import Page, plain, wrapped
from moss.errors import MossError

_INDENT = 11


class Declined(MossError):
    """The person was asked and did not say yes."""

    code = "DECLINED"
    exit_code = 1


def error_text(error: MossError, page: Page) -> str:
    """The message, why, and what would help; see docs/design of errors in `moss.errors`."""
    label = "error: "
    first, *more = wrapped(plain(error.message), max(page.columns - len(label), 20))
    lines = [page.red("error:") + " " + first, *(" " * len(label) + line for line in more)]
    for position, reason in enumerate(error.because):
        lines += _reason("because" if position == 0 else "and", plain(reason), page)
    lines += _remedies(error.remedies, page)
    return "\n".join(lines) + "\n"


def error_data(error: MossError) -> dict[str, object]:
    """What `error` of the JSON answer holds."""
    return {
        "code": error.code,
        "exit": error.exit_code,
        "message": error.message,
        "because": list(error.because),
        "suggestions": [_suggestion(remedy) for remedy in error.remedies],
    }


def _reason(word: str, reason: str, page: Page) -> list[str]:
    first, *more = wrapped(reason, max(page.columns - _INDENT, 20))
    return [
        f"  {page.bold(word)}{' ' * (_INDENT - 2 - len(word))}{first}",
        *(" " * _INDENT + line for line in more),
    ]


def _remedies(remedies: Sequence[str], page: Page) -> list[str]:
    if not remedies:
        return []
    if len(remedies) == 1:
        return _reason("try", plain(remedies[0]), page)
    lines = ["Any of these may help:"]
    for number, remedy in enumerate(remedies, 1):
        lines.append(f"  {number}. {plain(remedy)}")
    return lines


def _suggestion(remedy: str) -> dict[str, str]:
    """A command that can be run as it stands, or advice in words."""
    return {"command": remedy} if remedy.startswith("moss ") else {"advice": remedy}
