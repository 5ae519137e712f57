"""Patterns of paths: `?` is one character, `*` any number of them, neither across `/`; `**` is anything.

`(name:glob)` captures what its glob matches. Patterns are anchored at both ends; every other character
stands for itself. As upstream's triggers have them.
"""

import re
from collections.abc import Iterator, Mapping

from solver.values import value

_CAPTURE = re.compile(r"\(([A-Za-z_][A-Za-z0-9_-]*):([^()]*)\)")
_WILD = re.compile(r"\*\*|\*|\?")
_WRITTEN = {"**": ".*", "*": "[^/]*", "?": "[^/]"}
_NAMED = re.compile(r"\$\(([A-Za-z_][A-Za-z0-9_-]*)\)")


class PatternError(ValueError):
    """A text that is no pattern, in words for the person."""


@value
class Pattern:
    """A compiled pattern. `prefix` is what every path that matches begins with."""

    text: str
    expression: re.Pattern[str]
    names: tuple[str, ...]
    """Of its captures; `expression` has them as groups in this order."""
    prefix: str

    def captures(self, path: str) -> dict[str, str] | None:
        """What the captures hold where the path matches; None where it does not."""
        found = self.expression.fullmatch(path)
        return None if found is None else dict(zip(self.names, found.groups(), strict=True))


def parse_pattern(text: str) -> Pattern:
    """Raises PatternError for captures without end, in one another, or twice of one name."""
    if not text.startswith("/"):
        raise PatternError("it must begin with a slash: patterns are about whole paths")
    names: list[str] = []
    written: list[str] = []
    at = 0
    for found in _CAPTURE.finditer(text):
        name, glob = found.groups()
        if name in names:
            raise PatternError(f"it captures ({name}:…) twice")
        names.append(name)
        written += (_glob(text[at : found.start()]), "(", _glob(glob), ")")
        at = found.end()
    written.append(_glob(text[at:]))
    return Pattern(text, re.compile("".join(written), re.DOTALL), tuple(names), _prefix(text))


def filled_pattern(text: str, captures: Mapping[str, str]) -> re.Pattern[str]:
    """A pattern without captures of its own, in which `$(name)` is what a capture holds, to the letter.

    Raises PatternError for text that is none, KeyError for an unknown name.
    """
    if not text.startswith("/"):
        raise PatternError("it must begin with a slash: patterns are about whole paths")
    parts = _NAMED.split(text)  # text, name, text, name, … text
    written = (re.escape(captures[part]) if at % 2 else _glob(part) for at, part in enumerate(parts))
    return re.compile("".join(written), re.DOTALL)


def loose_pattern(text: str) -> Pattern:
    """A pattern that is matched by whatever one with captures filled in matches, and by all that is below that."""
    loose = _NAMED.sub("**", text)
    return Pattern(loose, re.compile(f"{_glob(loose)}(/.*)?", re.DOTALL), (), _prefix(loose))


def _glob(text: str) -> str:
    if "(" in text or ")" in text:
        raise PatternError("it has a bracket that belongs to no capture: write (name:glob)")
    written: list[str] = []
    at = 0
    for found in _WILD.finditer(text):
        written += (re.escape(text[at : found.start()]), _WRITTEN[found[0]])
        at = found.end()
    return "".join((*written, re.escape(text[at:])))


def _prefix(text: str) -> str:
    ends = [at for sign in "*?(" if (at := text.find(sign)) >= 0]
    return text[: min(ends)] if ends else text


def substituted(text: str, captures: Mapping[str, str]) -> str:
    """The text with every `$(name)` replaced by what that capture holds, where it is known."""
    return _NAMED.sub(lambda found: captures.get(found[1], found[0]), text)


def names_in(text: str) -> Iterator[str]:
    """The captures that a text wants."""
    return (found[1] for found in _NAMED.finditer(text))
