"""How a line of tmpfiles.d or sysusers.d is read: its words, escapes and specifiers; notices about it."""

from collections.abc import Mapping

from solver.values import ordered_value

_SIMPLE_ESCAPES = {
    "a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v", "s": " ",
    "\\": "\\", '"': '"', "'": "'",
}
_DIGITS_OF_ESCAPE = {"x": 2, "u": 4, "U": 8}
_BLANKS = " \t\r\n"


class BadLine(ValueError):
    """A line that cannot be used: what is wrong with it, and what to do about it."""

    def __init__(self, message: str, remedy: str) -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy


class PassedOver(ValueError):
    """A line that is right and that moss leaves to someone else: why."""


@ordered_value
class Line:
    """One line of a configuration file: `file` is relative to the root, `number` counts from 1."""

    file: str
    number: int
    text: str


@ordered_value
class Notice:
    """What moss has to say about a line: either it is `bad`, or it was passed over for a reason."""

    file: str
    number: int
    message: str
    remedy: str = ""
    bad: bool = False

    @classmethod
    def about(cls, line: Line, fault: BadLine | PassedOver) -> "Notice":
        if isinstance(fault, BadLine):
            return cls(line.file, line.number, fault.message, fault.remedy, bad=True)
        return cls(line.file, line.number, str(fault))

    def __str__(self) -> str:
        return f"/{self.file}:{self.number}: {self.message}" + (f" ({self.remedy})" if self.remedy else "")


def split_words(text: str, most: int) -> tuple[list[str], str]:
    """Up to `most` words, unquoted and unescaped, and the text after them, untouched but for its ends."""
    words: list[str] = []
    at = 0
    while len(words) < most:
        while at < len(text) and text[at] in _BLANKS:
            at += 1
        if at == len(text):
            break
        word, at = _word_at(text, at)
        words.append(word)
    return words, text[at:].strip(_BLANKS)


def _word_at(text: str, at: int) -> tuple[str, int]:
    word: list[str] = []
    quote = ""
    while at < len(text):
        character = text[at]
        if character == "\\":
            piece, at = _escape_at(text, at)
            word.append(piece)
            continue
        at += 1
        if quote:
            if character == quote:
                quote = ""
            else:
                word.append(character)
        elif character in "\"'":
            quote = character
        elif character in _BLANKS:
            break
        else:
            word.append(character)
    if quote:
        raise BadLine(f"a quotation mark {quote} is never closed", "close it")
    return "".join(word), at


def unescape(text: str) -> str:
    """The text with its C escapes taken out."""
    pieces: list[str] = []
    at = 0
    while at < len(text):
        if text[at] == "\\":
            piece, at = _escape_at(text, at)
            pieces.append(piece)
        else:
            pieces.append(text[at])
            at += 1
    return "".join(pieces)


def _escape_at(text: str, at: int) -> tuple[str, int]:
    """What the escape beginning at `at` stands for, and where it ends."""
    letter = text[at + 1 : at + 2]
    if letter in _SIMPLE_ESCAPES:
        return _SIMPLE_ESCAPES[letter], at + 2
    try:
        if letter in _DIGITS_OF_ESCAPE:
            end = at + 2 + _DIGITS_OF_ESCAPE[letter]
            digits = text[at + 2 : end]
            number = int(digits, 16) if len(digits) == end - at - 2 and digits.isalnum() else 0
        else:
            end = at + 4
            digits = text[at + 1 : end]
            number = int(digits, 8) if len(digits) == 3 and digits.isdecimal() else 0
        if number and (letter != "x" and not letter.isdecimal()):
            return chr(number), end
        if 0 < number < 256:
            return bytes([number]).decode("utf-8", "surrogateescape"), end
    except (ValueError, OverflowError):
        pass
    raise BadLine(f"the escape {text[at : at + 4]!r} means nothing", r"write a backslash as \\")


class Specifiers:
    """What `%x` stands for. `known` are letters with their text; the rest belong to a running machine."""

    ALWAYS: Mapping[str, str] = {
        "%": "%", "S": "/var/lib", "C": "/var/cache", "L": "/var/log", "t": "/run",
        "T": "/tmp", "V": "/var/tmp", "h": "/root", "u": "root", "U": "0", "g": "root", "G": "0",
    }
    OF_THE_MACHINE: Mapping[str, str] = {
        "b": "boot id", "H": "host name", "l": "host name", "q": "host name", "v": "kernel",
        "a": "processor", "m": "machine id, and this root has none yet",
    }
    OF_OS_RELEASE: Mapping[str, str] = {
        "o": "ID", "w": "VERSION_ID", "W": "VARIANT_ID", "B": "BUILD_ID",
        "A": "IMAGE_VERSION", "M": "IMAGE_ID",
    }

    def __init__(self, machine_id: str | None = None, os_release: Mapping[str, str] | None = None) -> None:
        told = os_release or {}
        self.known = {
            **self.ALWAYS,
            **{letter: told.get(name, "") for letter, name in self.OF_OS_RELEASE.items()},
        }
        if machine_id:
            self.known["m"] = machine_id

    def expand(self, text: str) -> str:
        pieces = text.split("%")
        expanded = [pieces[0]]
        at = 1
        while at < len(pieces):
            letter = pieces[at][:1]
            if not letter and at + 1 < len(pieces):  # "%%"
                expanded.append("%" + pieces[at + 1])
                at += 2
                continue
            if letter in self.known:
                expanded.append(self.known[letter] + pieces[at][1:])
            elif letter in self.OF_THE_MACHINE:
                what = self.OF_THE_MACHINE[letter]
                raise PassedOver(f"%{letter} is the running machine's {what}: left to systemd at boot")
            else:
                raise BadLine(f"the specifier '%{letter}' is unknown", "write a percent sign as %%")
            at += 1
        return "".join(expanded)
