"""The strings of KDL: escapes, lines and their indentation. Each function gets what is between the quotes."""

import re

from moss.kdl.values import NEWLINE, KdlError

SPACES = "\t \xa0\u1680\u2000-\u200a\u202f\u205f\u3000"
_NEWLINES = "\r\n\x85\x0b\x0c\u2028\u2029"
_ESCAPE = re.compile(rf"\\(?:u\{{([0-9A-Fa-f]{{1,6}})\}}|([\"\\bfnrts])|([{SPACES}{_NEWLINES}]+)|())")
_ANY_ESCAPE = re.compile(rf"\\(?:([{SPACES}{_NEWLINES}]+)|(.))", re.DOTALL)
_ONLY_SPACES = re.compile(f"[{SPACES}]*")
_MEANS = {'"': '"', "\\": "\\", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "s": " "}


def unescaped(body: str, text: str, offset: int) -> str:
    """What a quoted string says. `body` stands at `offset` of `text`, for errors."""
    if "\\" not in body:
        return body

    def meaning(found: re.Match[str]) -> str:
        code, letter, _, nothing = found.groups()
        if nothing is not None:
            raise KdlError("this escape means nothing in KDL; write \\\\ for a backslash", text, offset + found.start())
        if code is None:
            return _MEANS[letter] if letter else ""
        number = int(code, 16)
        if number > 0x10FFFF or 0xD800 <= number <= 0xDFFF:
            raise KdlError(f"there is no character {code}", text, offset + found.start())
        return chr(number)

    return _ESCAPE.sub(meaning, body)


def dedented(body: str, text: str, offset: int, *, raw: bool) -> str:
    """What a multi-line string says: its lines without the indentation of the closing one.

    Escaped whitespace goes before that, other escapes are read after it, as the specification says.
    """
    joined = body if raw else _ANY_ESCAPE.sub(lambda found: "" if found[1] else found[0], body)
    first, *lines = NEWLINE.split(joined)
    if first:
        raise KdlError('the text begins on the line after """', text, offset)
    if not lines or not _ONLY_SPACES.fullmatch(lines[-1]):
        raise KdlError('the closing """ stands on a line of its own', text, offset + len(body))
    *lines, indentation = lines
    plain = []
    for line in lines:
        if _ONLY_SPACES.fullmatch(line):
            plain.append("")
        elif line.startswith(indentation):
            plain.append(line[len(indentation) :])
        else:
            raise KdlError('each line is indented at least like the closing """', text, offset + len(body))
    said = "\n".join(plain)
    return said if raw else unescaped(said, text, offset)
