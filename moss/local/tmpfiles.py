"""tmpfiles.d lines: text to values. What moss does with them is said in docs/etc-and-var.md.

    Type Path Mode User Group Age Argument
"""

import base64
import binascii
from enum import Enum

from moss.layout import path_fault
from moss.local.words import BadLine, Line, PassedOver, Specifiers, split_words, unescape
from solver.values import value


class Action(Enum):
    """What a line asks for, as far as moss does it."""

    DIRECTORY = "make a directory"
    FILE = "make a file"
    LINK = "make a symlink"
    COPY = "copy from the factory"
    ADJUST_DIRECTORY = "set owner and permissions of a directory"
    ADJUST = "set owner and permissions"
    ADJUST_BELOW = "set owner and permissions of a whole tree"


_ACTIONS = {
    **dict.fromkeys("dDvqQ", Action.DIRECTORY),
    **dict.fromkeys("fF", Action.FILE),
    "L": Action.LINK, "C": Action.COPY, "e": Action.ADJUST_DIRECTORY,
    "z": Action.ADJUST, "m": Action.ADJUST, "Z": Action.ADJUST_BELOW,
}
_LEFT_TO_OTHERS = {
    "w": "writing into files that something else made is left to systemd at boot",
    **dict.fromkeys("xX", "cleaning is left to systemd: nothing to exclude from it here"),
    **dict.fromkeys("rR", "removing is left to systemd at boot"),
    **dict.fromkeys("tT", "extended attributes are left to systemd at boot"),
    **dict.fromkeys("aA", "access control lists are left to systemd at boot"),
    **dict.fromkeys("hH", "file attributes are left to systemd at boot"),
    "p": "fifos are left to systemd at boot",
    **dict.fromkeys("bc", "moss makes no device nodes"),
}
_MODIFIERS = "!-+=~^?$"


@value
class TmpfilesLine:
    """One usable line. `path` is relative to the root; None is "-", the default of the action.

    `initial` (a mode or owner after ":") says that mode and owner are for what is newly made only;
    `only_if_source` (L?) that nothing is made where the link would lead nowhere.
    """

    line: Line
    action: Action
    path: str
    mode: int | None = None
    user: str | None = None
    group: str | None = None
    argument: str | None = None
    content: bytes = b""
    masked: bool = False
    """Mode after "~": permissions that what is there does not have for anyone are not given to it."""
    initial: bool = False
    only_if_source: bool = False


def parse_tmpfiles_line(line: Line, specifiers: Specifiers) -> TmpfilesLine:
    """Raises `BadLine`, or `PassedOver` for what moss leaves to systemd."""
    words, rest = split_words(line.text, 6)
    if len(words) < 2:
        raise BadLine("a line needs at least a type and a path", "see tmpfiles.d(5)")
    kind, modifiers = words[0][0:1], words[0][1:]
    words += ["-"] * (6 - len(words))
    _check_type(words[0], kind, modifiers)
    action = _ACTIONS[kind]
    mode, masked, initial_mode = _mode(words[2])
    user, initial_user = _owner(words[3], specifiers)
    group, initial_group = _owner(words[4], specifiers)
    argument = None if rest in ("", "-") else rest
    content = _content(argument, "~" in modifiers, specifiers) if action is Action.FILE else b""
    if argument is not None and action in (Action.LINK, Action.COPY):
        argument = specifiers.expand(argument)
    return TmpfilesLine(
        line,
        action,
        _path(specifiers.expand(words[1])),
        mode,
        user,
        group,
        argument,
        content,
        masked,
        initial_mode or initial_user or initial_group,
        "?" in modifiers,
    )


def _check_type(word: str, kind: str, modifiers: str) -> None:
    unknown = [modifier for modifier in modifiers if modifier not in _MODIFIERS]
    if unknown or (kind not in _ACTIONS and kind not in _LEFT_TO_OTHERS):
        raise BadLine(f"the type {word!r} is unknown", "see tmpfiles.d(5) for the types")
    if "?" in modifiers and kind != "L":
        raise BadLine(f"the type {word!r} is unknown: '?' goes with L only", "take the '?' away")
    if kind in _LEFT_TO_OTHERS:
        raise PassedOver(_LEFT_TO_OTHERS[kind])
    if "!" in modifiers:
        raise PassedOver("marked with '!': only safe at boot, left to systemd")
    if "^" in modifiers:
        raise PassedOver("its content is a credential of the running machine: left to systemd at boot")


def _path(text: str) -> str:
    if not text.startswith("/"):
        raise BadLine(f"the path {text!r} is not absolute", "begin it with /")
    parts = [part for part in text.split("/") if part not in ("", ".")]
    if not parts:
        raise PassedOver("the root directory itself is not changed")
    path = "/".join(parts)
    fault = path_fault(path)
    if fault is not None:
        raise BadLine(f"the path {text!r} cannot be used: {fault}", "correct the path")
    return path


def _mode(word: str) -> tuple[int | None, bool, bool]:
    """The mode, whether it is masked, and whether it is only for what is new."""
    if word in ("-", ""):
        return None, False, False
    digits = word.lstrip("~:")
    prefix = word[: len(word) - len(digits)]
    if digits == "-" and prefix:
        return None, False, ":" in prefix
    if not digits or not digits.isascii() or any(digit not in "01234567" for digit in digits):
        raise BadLine(f"the mode {word!r} is not an octal number", "write it like 0755")
    mode = int(digits, 8)
    if mode > 0o7777:
        raise BadLine(f"the mode {word!r} is greater than 7777", "write it like 0755")
    return mode, "~" in prefix, ":" in prefix


def _owner(word: str, specifiers: Specifiers) -> tuple[str | None, bool]:
    initial = word.startswith(":")
    name = word.removeprefix(":")
    return (None if name in ("-", "") else specifiers.expand(name)), initial


def _content(argument: str | None, encoded: bool, specifiers: Specifiers) -> bytes:
    if argument is None:
        return b""
    if not encoded:
        return specifiers.expand(unescape(argument)).encode("utf-8", "surrogateescape")
    try:
        return base64.b64decode(argument, validate=True)
    except binascii.Error as fault:
        raise BadLine(f"the argument is not base64: {fault}", "encode it with base64") from fault
