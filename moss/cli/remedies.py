"""Commands that moss names work as they are printed: for the very system that they were printed about."""

import re
from functools import cache

_BEFORE = r"^|: +|&& |, or |; "
_ELSEWHERE = ("there: ", "there and here: ")
"""What is to be done on another machine, which has its root elsewhere."""


def at(directory: str | None, text: str) -> str:
    """The text, its commands of moss for the system in this directory; None: where they go anyway.

    A command begins the text, or comes after a colon, `&&`, a semicolon or ", or ".
    """
    if directory is None or "moss " not in text or " -D " in text:
        return text
    import shlex  # only where a command is named

    word = f"moss -D {shlex.quote(directory)} "

    def aimed(found: "re.Match[str]") -> str:
        elsewhere = text[: found.end(1)].endswith(_ELSEWHERE)
        return found[0] if elsewhere else f"{found[1]}{word}"

    return _commands().sub(aimed, text)


@cache
def _commands() -> "re.Pattern[str]":
    from moss.cli.verbs import VERBS  # only where a root is named

    words = sorted({word for verb in VERBS for word in (verb.words[0], *verb.aliases)})
    return re.compile(rf"({_BEFORE})moss (?=(?:{'|'.join(map(re.escape, words))})\b)")
