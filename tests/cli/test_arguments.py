"""The quick reader of command lines and typer's parser say the same, or the quick one says nothing."""

import random
from enum import Enum

import pytest

from moss.cli.arguments import read
from moss.cli.command import function_of
from moss.cli.parameters import GLOBAL_OPTIONS, REQUIRED, Option, Parameter, parameters_of
from moss.cli.parser import read_with_typer
from moss.cli.verbs import VERBS, Verb
from moss.errors import UsageError

WORDS = ("vim", "a b", "3", "0", "-1", "2.5", "007", "1_0", "", "-", "--", "auto", "bash", "=", "vim < 9", "ä", " 4")


def by_typer(verb: Verb, line: list[str]) -> dict[str, object] | None:
    try:
        return read_with_typer(verb, function_of(verb), line)
    except UsageError:
        return None


def quickly(verb: Verb, line: list[str]) -> dict[str, object] | None:
    return read((*parameters_of(function_of(verb)), *GLOBAL_OPTIONS), line)


def random_line(parameters: list[Parameter], chance: random.Random) -> list[str]:
    line: list[str] = []
    options = [one for one in parameters if isinstance(one.says, Option)]
    for _ in range(chance.randrange(5)):
        if chance.random() < 0.5:
            line.append(chance.choice(WORDS))
            continue
        says = chance.choice(options).says
        assert isinstance(says, Option)
        spelling, value = chance.choice(says.spellings), chance.choice(WORDS)
        ways = ([spelling], [spelling, value], [f"{spelling}={value}"], [spelling + value], [spelling + "n"])
        line += chance.choice(ways)
    for one in parameters:
        if one.default is REQUIRED and chance.random() < 0.9:
            text = next(iter(one.type)).value if issubclass(one.type, Enum) else "7"
            spelling = list(one.says.spellings[:1]) if isinstance(one.says, Option) else []
            line[:0] = [*spelling, text]
    return line


@pytest.mark.parametrize("verb", VERBS, ids=lambda verb: verb.spelling)
def test_what_is_read_quickly_typer_reads_alike(verb: Verb, monkeypatch: pytest.MonkeyPatch) -> None:
    chance = random.Random(verb.spelling)
    parameters = [*parameters_of(function_of(verb)), *GLOBAL_OPTIONS]
    both = 0
    for _ in range(60):
        monkeypatch.setenv("MOSS_ROOT", chance.choice(("", "/elsewhere")))
        line = random_line(parameters, chance)
        quick = quickly(verb, line)
        if quick is not None:
            careful = by_typer(verb, line)
            assert careful is not None, line
            assert repr(quick) == repr({name: careful[name] for name in quick}), line
            both += 1
    assert both > 3


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (("install",), "vim emacs"),
        (("install",), "-D /r -ny --json vim -- -x"),
        (("update",), ""),
        (("update",), "--wait 3 --color=never -vvq --no-progress --progress-fd 1"),
        (("state", "activate"), "4 -y"),
        (("state", "diff"), "4 5"),
        (("repo", "add"), "--suite a --suite=b -D/r debian apt+file:/x --priority -3 --unsigned"),
        (("pack",), "DIR --name a --version 1 -oout --license MIT --license BSD"),
        (("completions",), "bash"),
    ],
)
def test_usual_lines_are_read_quickly(words: tuple[str, ...], line: str) -> None:
    (verb,) = (verb for verb in VERBS if verb.words == words)
    quick = quickly(verb, line.split())
    assert quick is not None and quick == by_typer(verb, line.split())


@pytest.mark.parametrize(
    "line",
    ["", "--nonsense vim", "-Z vim", "vim --help", "-h", "vim -D", "vim --json=yes", "vim --wait soon", "--wait nan"],
)
def test_what_is_wrong_is_left_to_typer(line: str) -> None:
    assert quickly(VERBS[0], line.split()) is None
