"""Which paths of packages a generation leaves out.

A pattern is about a path as its package has it, relative to /usr: `*` stands for anything but `/`, `?` for
one character but `/`, `**` for anything. Where `**` is a whole part of the path it stands for any number of
directories, none included (`share/**/README` matches `share/README`), and at the end for all that is below
(`share/doc/**` matches `share/doc/vim` and not `share/doc`). Everything else stands for itself.

Patterns decide about files, symlinks, and directories with nothing below them. A directory that a package
states goes when all that the package has below it goes, whether a pattern matches it or not, and stays
while something below it stays.
"""

import re
from collections.abc import Callable, Container, Iterator, Sequence
from functools import lru_cache

from solver.values import value

_MOST_STARS = 8
"""In one pattern: what matching costs grows with each."""
_TOKENS = re.compile(r"\*\*|\*|\?|[^*?]+")
_REGEXES = {"**": ".*", "*": "[^/]*", "?": "[^/]"}


@value
class Omission:
    """What one subscription leaves out below /usr: paths that match `patterns` and none of `kept`."""

    subscription: str
    patterns: tuple[str, ...]
    kept: tuple[str, ...] = ()


PathFilter = tuple[Omission, ...]
"""A path is left out when any of these leaves it out; by the subscriptions' names."""

NOTHING_OMITTED: PathFilter = ()

Matcher = Callable[[str], int | None]
"""Which omission, by its place in the filter, leaves out a path that has nothing below it; None: it stays."""


def pattern_fault(pattern: str) -> str | None:
    """Why this cannot be a pattern, in a few words; None when it can."""
    if not pattern:
        return "it is empty"
    if pattern.startswith("/"):
        return "it starts with a slash: patterns are relative to /usr"
    if any(ord(character) < 32 or ord(character) == 127 for character in pattern):
        return "it holds a control character"
    if any(part in ("", ".", "..") for part in pattern.split("/")):
        return "it has an empty part, or one that is . or .."
    if pattern in ("*", "**") or set(pattern) <= set("*?/"):
        return "it leaves out whatever there is: say something of the path"
    if pattern.count("*") - pattern.count("**") > _MOST_STARS:
        return f"it has more than {_MOST_STARS} stars"
    return None


def as_plain(path_filter: PathFilter) -> list[dict[str, object]]:
    """As JSON has it."""
    return [
        {"subscription": one.subscription, "patterns": list(one.patterns), "kept": list(one.kept)}
        for one in path_filter
    ]


def from_plain(found: object) -> PathFilter:
    """The filter that `as_plain` would give this of. ValueError, in words, where there is none."""
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        raise ValueError("the omissions are no list of objects")
    made = tuple(_omission(one) for one in found)
    if as_plain(made) != found:
        raise ValueError("an omission says what no omission says")
    return made


def _omission(found: dict[str, object]) -> Omission:
    name, patterns, kept = found.get("subscription"), found.get("patterns"), found.get("kept")
    if not isinstance(name, str) or not isinstance(patterns, list) or not isinstance(kept, list):
        raise ValueError("an omission lacks its subscription, its patterns, or what is kept")
    for pattern in (*patterns, *kept):
        fault = pattern_fault(pattern) if isinstance(pattern, str) else "it is no text"
        if fault is not None:
            raise ValueError(f"{pattern!r} cannot be a pattern: {fault}")
    return Omission(name, tuple(patterns), tuple(kept))


@lru_cache(maxsize=8)
def matcher(path_filter: PathFilter) -> Matcher:
    """The filter as one function of a path; a quarter of a second for a whole system's 230,000."""
    if not any(one.patterns for one in path_filter):
        return lambda _: None
    found = re.compile("|".join(map(_alternative, path_filter)), re.DOTALL).match
    return lambda path: None if (match := found(path)) is None else (match.lastindex or 0) - 1


def left_out(entries: Sequence[tuple[str, bool]], omits: Matcher) -> Iterator[tuple[str, int]]:
    """Which of a package's paths go, each with the omission that takes it, by its place in the filter.

    `entries` are all paths of one package, each with whether it is a directory. A directory goes with the
    first of what is below it.
    """
    above_something: set[str] = set()
    for path, _ in entries:
        above_something.update(_above(path, above_something))
    above_staying: set[str] = set()
    above_going: dict[str, int] = {}
    for path, is_directory in entries:
        if is_directory and path in above_something:
            continue
        omission = omits(path)
        if omission is None:
            above_staying.update(_above(path, above_staying))
            continue
        yield path, omission
        for directory in _above(path, above_going):
            above_going[directory] = omission
    for path, is_directory in entries:
        if is_directory and path in above_going and path not in above_staying:
            yield path, above_going[path]


def _above(path: str, known: Container[str]) -> Iterator[str]:
    """The directories that lead to a path, innermost first, up to the first that is known with all above it."""
    directory = path.rpartition("/")[0]
    while directory and directory not in known:
        yield directory
        directory = directory.rpartition("/")[0]


def _alternative(omission: Omission) -> str:
    """One omission as a group of its own, so that the match says which it was."""
    if not omission.patterns:
        return r"((?!))"  # nothing: it keeps its number
    kept = rf"(?!(?:{'|'.join(map(_regex, omission.kept))})\Z)" if omission.kept else ""
    return rf"({kept}(?:{'|'.join(map(_regex, omission.patterns))})\Z)"


def _regex(pattern: str) -> str:
    parts = pattern.split("/")
    written = ""
    for number, part in enumerate(parts):
        if part == "**":
            written += ".+" if number == len(parts) - 1 else "(?:.*/)?"
        else:
            written += "".join(_REGEXES.get(token) or re.escape(token) for token in _TOKENS.findall(part))
            written += "/" if number < len(parts) - 1 else ""
    return written
