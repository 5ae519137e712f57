"""Which command a command line names, and what its parser then gets."""

import re

import pytest

from moss.cli.command import function_of, parse
from moss.cli.overview import GLOBAL_OPTIONS, overview
from moss.cli.parameters import global_options
from moss.cli.parser import parser_of
from moss.cli.settings import Colour
from moss.cli.verbs import SECTIONS, VALUED_LETTERS, VALUED_OPTIONS, VERBS, Incomplete, Named, Verb, find
from moss.errors import UsageError
from tests.cli.conftest import Moss


def named(*arguments: str) -> tuple[str, list[str]]:
    found = find(arguments)
    assert isinstance(found, Named)
    return found.verb.spelling, found.arguments


@pytest.mark.parametrize(
    ("line", "verb", "arguments"),
    [
        ("install vim", "install", "vim"),
        ("install up", "install", "up"),
        ("install install", "install", "install"),
        ("it vim", "install", "vim"),
        ("add vim", "install", "vim"),
        ("rm vim", "remove", "vim"),
        ("up", "update", ""),
        ("upgrade -y", "update", "-y"),
        ("li", "list installed", ""),
        ("la", "list available", ""),
        ("lu --check", "list updates", "--check"),
        ("sr word", "search", "word"),
        ("wp binary(git)", "provides", "binary(git)"),
        ("-D /root update -y", "update", "-D /root -y"),
        ("-D install list installed", "list installed", "-D install"),
        ("-D/root li", "list installed", "-D/root"),
        ("-nD /root up", "update", "-nD /root"),
        ("-Dn up", "update", "-Dn"),
        ("--directory=/root up", "update", "--directory=/root"),
        ("--directory /root --wait 3 up", "update", "--directory /root --wait 3"),
        ("--json state list", "state list", "--json"),
        ("state --json list -v", "state list", "--json -v"),
        ("-y state -D /root activate 3", "state activate", "-y -D /root 3"),
        ("help install", "install", "--help"),
        ("help state list", "state list", "--help"),
        ("-- update", "update", ""),
    ],
)
def test_a_command_line_names_a_verb(line: str, verb: str, arguments: str) -> None:
    assert named(*line.split()) == (verb, arguments.split())


@pytest.mark.parametrize(
    ("line", "group", "asks_for"),
    [
        ("", None, ""),
        ("--help", None, "help"),
        ("-h", None, "help"),
        ("help", None, "help"),
        ("-v --version", None, "version"),
        ("state", "state", ""),
        ("state --help", "state", "help"),
        ("help repo", "repo", "help"),
    ],
)
def test_a_line_without_a_verb_asks_for_help(line: str, group: str | None, asks_for: str) -> None:
    assert find(line.split()) == Incomplete(group, asks_for)


@pytest.mark.parametrize(
    ("line", "meant"),
    [
        ("instal vim", "moss install"),
        ("stat", "moss state"),
        ("state lst", "moss state list"),
        ("rollbck", "moss rollback"),
    ],
)
def test_a_slip_of_the_pen_is_answered_with_what_was_meant(line: str, meant: str) -> None:
    with pytest.raises(UsageError) as error:
        find(line.split())
    assert meant in error.value.remedies


def test_nonsense_is_answered_with_help() -> None:
    with pytest.raises(UsageError) as error:
        find(["xyzzy"])
    assert error.value.remedies == ("moss --help",)


def test_no_two_commands_share_a_name() -> None:
    names = [name for verb in VERBS for name in (verb.spelling, *verb.aliases)]
    assert len(names) == len(set(names))
    assert not {verb.words[0] for verb in VERBS if len(verb.words) > 1} & {verb.spelling for verb in VERBS}


@pytest.mark.parametrize("verb", VERBS, ids=lambda verb: verb.spelling)
def test_every_command_has_a_parser_with_help(verb: Verb, moss: Moss) -> None:
    ended = moss(*verb.words, "--help")
    assert ended.exit_code == 0 and ended.err == ""
    assert ended.out.startswith(f"Usage: moss {verb.spelling} ")
    assert verb.summary in ended.out
    assert function_of(verb).__doc__, "the docstring is the help's second paragraph"


def test_values_of_global_options_are_known_to_the_table() -> None:
    """The table must know which options take a value, or it takes the value for a verb."""
    parser = parser_of(VERBS[0], function_of(VERBS[0]), lambda **_: None)
    valued = {
        option
        for parameter in parser.params
        if parameter.name in global_options.__annotations__ and parameter.param_type_name == "option"
        if not parameter.is_flag and not parameter.count
        for option in parameter.opts
    }
    assert valued == VALUED_OPTIONS | {f"-{letter}" for letter in VALUED_LETTERS}


def test_help_explains_every_global_option() -> None:
    parser = parser_of(VERBS[0], function_of(VERBS[0]), lambda **_: None)
    known = {
        option for one in parser.params if one.name in global_options.__annotations__ for option in one.opts
    }
    said = {
        word
        for option, _ in GLOBAL_OPTIONS
        for word in re.findall(r"(?<!\S)--?[a-z-]+", option, re.IGNORECASE)
    }
    assert said == known | {"--help", "-h", "--version"}


def test_the_overview_fits_80_columns_and_names_every_command() -> None:
    text = overview()
    assert max(map(len, text.splitlines())) <= 80
    assert all(verb.spelling in text for _, verbs in SECTIONS for verb in verbs)


def test_global_options_work_before_and_after() -> None:
    for line in ("-D /r -y -n --json -v -q update", "update -D /r -y -n --json -v -q"):
        found = find(line.split())
        assert isinstance(found, Named)
        parsed = parse(found.verb, found.arguments)
        assert parsed is not None
        settings = parsed.settings
        assert (settings.directory, settings.yes, settings.dry_run, settings.json) == ("/r", True, True, True)
        assert (settings.verbose, settings.quiet, settings.colour) == (1, True, Colour.AUTO)


def test_the_root_may_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOSS_ROOT", "/from/environment")
    found = find(["li"])
    assert isinstance(found, Named)
    parsed = parse(found.verb, found.arguments)
    assert parsed is not None and parsed.settings.directory == "/from/environment"
    parsed = parse(found.verb, ["-D", "/said"])
    assert parsed is not None and parsed.settings.directory == "/said"


@pytest.mark.parametrize(
    "line",
    [
        "install",
        "install --nonsense vim",
        "state activate many",
        "state activate 0",
        "update --color maybe",
        "update --wait soon",
        "update --wait -1",
        "update -D",
        "rollback now",
        "completions csh",
    ],
)
def test_a_wrong_command_line_ends_with_2_and_says_where_help_is(line: str, moss: Moss) -> None:
    ended = moss(*line.split())
    assert ended.exit_code == 2
    assert ended.out == ""
    assert ended.err.startswith("error: ")
    assert "--help" in ended.err
