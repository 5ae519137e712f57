"""The documentation says what is true: the reference is current, and every command in it works."""

import re
import shlex
from collections.abc import Iterator

import pytest

from moss.cli.command import parse
from moss.cli.reference import reference
from moss.cli.verbs import Incomplete, find
from moss.errors import UsageError
from solver.preferences import FEWEST_REMOVALS, ORDERS, Measure
from tests.conftest import PROJECT

PAGES = sorted([PROJECT / "README.md", *(PROJECT / "docs").rglob("*.md")])


def test_the_reference_is_current() -> None:
    page = PROJECT / "docs" / "commands.md"
    assert page.read_text(encoding="utf-8") == reference(), "python -m moss.cli.reference > docs/commands.md"


def command_lines() -> Iterator[tuple[str, str]]:
    """What stands after `$ ` or on a line of its own in a block, and in backquotes in prose."""
    for page in PAGES:
        if not page.exists():
            continue
        text = page.read_text(encoding="utf-8")
        for block in re.findall(r"^```(?:console|sh|bash)\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
            for line in block.splitlines():
                command = _first_of_line(line)
                if command.startswith("moss "):
                    yield page.name, command
        for command in re.findall(
            r"`(moss [^`]+)`", re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
        ):
            if not re.search(r"[A-Z…]{2,}|…|COMMAND", command):
                yield page.name, _first_of_line(command)


def _first_of_line(line: str) -> str:
    """Without a comment, and without what a shell would do with it next."""
    return re.split(r" # | \| | && ", line.removeprefix("$ "))[0].strip()


@pytest.mark.parametrize(("page", "command"), sorted(set(command_lines())))
def test_a_command_in_the_documentation_is_one(page: str, command: str) -> None:
    """It is read as its parser reads it; test_walk of the system runs the README's for real."""
    try:
        found = find(shlex.split(command)[1:])
        if isinstance(found, Incomplete):
            assert found.asks_for or found.group
            return
        if len(found.arguments) > 0 or not found.verb.spelling:
            parse(found.verb, found.arguments)
    except UsageError as error:
        pytest.fail(f"{page}: `{command}`: {error.message}")


def test_every_measure_and_order_is_explained() -> None:
    page = (PROJECT / "docs" / "choosing.md").read_text(encoding="utf-8")
    names = {*ORDERS, *(measure.value for measure in Measure)}
    assert {name for name in names if not re.search(rf"`-?{re.escape(name)}[`,]|--prefer {name}", page)} == set()
    rows = re.findall(r"^\| `([a-z]+)` \| ", page, re.MULTILINE)
    assert rows == [measure.value for measure in FEWEST_REMOVALS]
