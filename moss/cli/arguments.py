"""Reading a command line that is plainly right, without typer, whose import takes 25 ms.

Whatever is not plainly right (an option that is unknown or lacks its value, a number that is none, an
argument missing or too many, a wish for help) is left to typer, which knows what to say of it. A test
holds the two against each other: what is read here, typer reads alike.
"""

import os
from collections.abc import Sequence
from enum import Enum
from typing import Any

from moss.cli.parameters import REQUIRED, Option, Parameter


class _NotPlain(Exception):
    """The line is typer's."""


def read(parameters: Sequence[Parameter], line: Sequence[str]) -> dict[str, Any] | None:
    """The value of every parameter, by its name; None where typer must have a look."""
    try:
        options, words = _split(parameters, list(line))
        values = {one.name: _option(one, options.get(one.name, ())) for one in parameters if _is_option(one)}
        return values | _arguments([one for one in parameters if not _is_option(one)], words)
    except (_NotPlain, ValueError):
        return None


def _is_option(parameter: Parameter) -> bool:
    return isinstance(parameter.says, Option)


def _split(parameters: Sequence[Parameter], line: list[str]) -> tuple[dict[str, list[str]], list[str]]:
    """What each option was given (a switch an empty text), and the words that belong to none."""
    by_spelling = {
        spelling: one for one in parameters if isinstance(one.says, Option) for spelling in one.says.spellings
    }
    given: dict[str, list[str]] = {}
    words: list[str] = []
    line.reverse()
    while line:
        word = line.pop()
        if word == "--":
            words += reversed(line)
            break
        if word == "-" or not word.startswith("-"):
            words.append(word)
            continue
        if word.startswith("--"):
            spelling, equals, rest = word.partition("=")
        else:
            spelling, equals, rest = word[:2], "", word[2:]
        parameter = by_spelling.get(spelling)
        if parameter is None:
            raise _NotPlain
        text = ""
        if _is_switch(parameter):
            if equals or rest.startswith("-"):
                raise _NotPlain
            if rest:  # `-nq`: the other letters are options too
                line.append(f"-{rest}")
        elif equals or rest:
            text = rest
        elif line:
            text = line.pop()
        else:
            raise _NotPlain
        given.setdefault(parameter.name, []).append(text)
    return given, words


def _is_switch(parameter: Parameter) -> bool:
    return isinstance(parameter.says, Option) and (parameter.type is bool or parameter.says.count)


def _option(parameter: Parameter, texts: Sequence[str]) -> Any:
    says = parameter.says
    assert isinstance(says, Option)
    if not texts and says.envvar and (text := os.environ.get(says.envvar)):
        texts = (text,)
    if not texts:
        return _default(parameter)
    if says.count:
        return len(texts)
    if parameter.type is bool:
        return True
    return [_value(parameter, text) for text in texts] if parameter.many else _value(parameter, texts[-1])


def _arguments(parameters: Sequence[Parameter], words: list[str]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for at, parameter in enumerate(parameters):
        if parameter.many:
            assert at == len(parameters) - 1, "several values come last"
            mine, words = words, []
            values[parameter.name] = [_value(parameter, text) for text in mine] or _default(parameter)
        elif words:
            values[parameter.name] = _value(parameter, words.pop(0))
        else:
            values[parameter.name] = _default(parameter)
    if words:
        raise _NotPlain
    return values


def _default(parameter: Parameter) -> Any:
    if parameter.default is REQUIRED:
        raise _NotPlain
    return parameter.default


def _value(parameter: Parameter, text: str) -> Any:
    """ValueError where the text is none."""
    if issubclass(parameter.type, Enum):
        return parameter.type(text)
    if issubclass(parameter.type, str):
        return text
    number = parameter.type(text)
    lowest = parameter.says.min
    if lowest is not None and not number >= lowest:
        raise _NotPlain
    return number
