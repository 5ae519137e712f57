"""Values as KDL text, written as a person would."""

import re

from moss.kdl.parse import parse
from moss.kdl.values import KdlError, Plain

_ESCAPED = re.compile('["\\\\\x00-\x1f\x7f\x85\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]')
_NAMED = {'"': '\\"', "\\": "\\\\", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t"}


def as_string(text: str) -> str:
    """The text as KDL: bare where it can be, else quoted."""
    if text and re.fullmatch(r"[A-Za-z_][A-Za-z0-9_.+-]*", text):
        try:
            parse(text)
        except KdlError:  # true, inf and their like
            pass
        else:
            return text
    return quoted(text)


def quoted(text: str) -> str:
    """The text between quotes."""
    return f'"{_ESCAPED.sub(_escape, text)}"'


def _escape(found: re.Match[str]) -> str:
    return _NAMED.get(found[0]) or f"\\u{{{ord(found[0]):x}}}"


def as_value(value: Plain) -> str:
    """A value as KDL. Strings are quoted, as arguments are by custom."""
    match value:
        case None:
            return "#null"
        case True:
            return "#true"
        case False:
            return "#false"
        case str():
            return quoted(value)
        case float() if value != value:
            return "#nan"
        case float() if value in (float("inf"), float("-inf")):
            return "#inf" if value > 0 else "#-inf"
        case _:
            return repr(value)
