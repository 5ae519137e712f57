"""sysusers.d lines: text to values.

    u NAME ID GECOS HOME SHELL      a user, and a group of its name
    g NAME ID                       a group
    m USER GROUP                    a user in a group
    r -    FIRST-LAST               where ids are taken from
"""

import re

from moss.local.words import BadLine, Line, Specifiers, split_words
from solver.values import value

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,30}")
_RESERVED_IDS = frozenset({0xFFFF, 0xFFFF_FFFF})


@value
class UserLine:
    """A user. At most one of `uid` and `id_path` (whose owner gives the id); neither: take a free id.

    `group` is a number or a name when the line says which group is its own; None: one of its own name.
    """

    line: Line
    name: str
    uid: int | None = None
    id_path: str | None = None
    group: int | str | None = None
    gecos: str = ""
    home: str = "/"
    shell: str | None = None
    locked: bool = False


@value
class GroupLine:
    line: Line
    name: str
    gid: int | None = None
    id_path: str | None = None


@value
class MemberLine:
    line: Line
    user: str
    group: str


@value
class RangeLine:
    """Ids from `first` to `last`, both included."""

    line: Line
    first: int
    last: int


SysusersLine = UserLine | GroupLine | MemberLine | RangeLine


def parse_sysusers_line(line: Line, specifiers: Specifiers) -> SysusersLine:
    """Raises `BadLine`, or `PassedOver` for what only a running machine can say."""
    words, rest = split_words(line.text, 6)
    if rest:
        raise BadLine(f"there is more after the last field: {rest!r}", "put fields with blanks in quotes")
    if len(words) < 2:
        raise BadLine("a line needs at least a type and a name", "see sysusers.d(5)")
    kind, *fields = words
    fields = [specifiers.expand(field) if field != "-" else "" for field in fields]
    name, number, gecos, home, shell = fields + [""] * (5 - len(fields))
    if kind not in ("u", "u!", "g", "m", "r"):
        raise BadLine(f"the type {kind!r} is unknown", "use one of u, u!, g, m, r")
    if kind in ("g", "m", "r") and (gecos or home or shell):
        raise BadLine(f"a line of type {kind} has only a name and an id", "take the other fields away")
    if kind == "r":
        return _range(line, name, number)
    _check_name(name)
    if kind == "m":
        _check_name(number)
        return MemberLine(line, name, number)
    if kind == "g":
        gid, path = _id_or_path(number)
        return GroupLine(line, name, gid, path)
    uid, path, group = _user_id(number)
    _check_user_fields(gecos, home, shell)
    return UserLine(line, name, uid, path, group, gecos, home or "/", shell or None, kind == "u!")


def _range(line: Line, name: str, text: str) -> RangeLine:
    if name:
        raise BadLine("a range has no name", "write r - FIRST-LAST")
    first, dash, last = text.partition("-")
    low, high = _number(first), _number(last if dash else first)
    if low > high:
        raise BadLine(f"the range {text!r} is empty", "write r - FIRST-LAST")
    return RangeLine(line, low, high)


def _user_id(text: str) -> tuple[int | None, str | None, int | str | None]:
    """uid, path, and group of the id field of a user."""
    if text.startswith("/"):
        return None, text, None
    first, colon, second = text.partition(":")
    uid = _number(first) if first not in ("", "-") else None
    if not colon:
        return uid, None, None
    if second.isdecimal():
        return uid, None, _number(second)
    _check_name(second)
    return uid, None, second


def _id_or_path(text: str) -> tuple[int | None, str | None]:
    if text.startswith("/"):
        return None, text
    return (_number(text) if text else None), None


def _number(text: str) -> int:
    if not text.isascii() or not text.isdecimal() or len(text) > 10 or int(text) > 0xFFFF_FFFF:
        raise BadLine(f"{text!r} is not an id", "write a number, a path, or - for any free id")
    if int(text) in _RESERVED_IDS:
        raise BadLine(f"the id {text} is reserved", "use another, or - for any free id")
    return int(text)


def _check_name(name: str) -> None:
    if not _NAME.fullmatch(name):
        raise BadLine(
            f"{name!r} is not a name for a user or group",
            "use up to 31 letters, digits, _ and -, not beginning with a digit",
        )


def _check_user_fields(gecos: str, home: str, shell: str) -> None:
    for what, text in (("description", gecos), ("home", home), ("shell", shell)):
        if ":" in text or any(ord(character) < 32 for character in text):
            raise BadLine(f"the {what} {text!r} holds a colon or control character", "take it away")
    for what, text in (("home", home), ("shell", shell)):
        if text and not text.startswith("/"):
            raise BadLine(f"the {what} {text!r} is not an absolute path", "begin it with /")
