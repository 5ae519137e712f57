"""What went wrong, for a person and for a program."""

import pytest

from moss import errors
from moss.cli.faults import error_data, error_text
from moss.cli.remedies import at
from moss.cli.text import Page
from moss.errors import CorruptData, MossError, NotFound, Repair, Unsatisfiable

CONFLICT = Unsatisfiable(
    "foo 3.0-2 cannot be installed",
    because=[
        "foo 3.0-2 needs soname(libbar.so.5(x86_64)), which only bar 5.1-7 provides",
        "you pinned bar to 4.8-3 (moss pin bar, 2026-09-02)",
    ],
    closing="These two alone conflict; nothing was changed.",
    repairs=[
        Repair("moss unpin bar && moss install foo", "bar 4.8-3 → 5.1-7, nothing else changes"),
        Repair("moss install 'foo < 3'", "foo 2.9-8 works with bar 4.8-3"),
    ],
)


def test_an_error_names_reasons_and_ways_out() -> None:
    assert (
        error_text(CONFLICT, Page(120))
        == """\
error: foo 3.0-2 cannot be installed
  because  foo 3.0-2 needs soname(libbar.so.5(x86_64)), which only bar 5.1-7 provides
  and      you pinned bar to 4.8-3 (moss pin bar, 2026-09-02)
These two alone conflict; nothing was changed. Either of these works:
  1. moss unpin bar && moss install foo  bar 4.8-3 → 5.1-7, nothing else changes
  2. moss install 'foo < 3'              foo 2.9-8 works with bar 4.8-3
"""
    )


def test_an_error_at_60_columns_wraps_in_its_columns_and_leaves_commands_whole() -> None:
    assert (
        error_text(CONFLICT, Page(60))
        == """\
error: foo 3.0-2 cannot be installed
  because  foo 3.0-2 needs soname(libbar.so.5(x86_64)),
           which only bar 5.1-7 provides
  and      you pinned bar to 4.8-3 (moss pin bar,
           2026-09-02)
These two alone conflict; nothing was changed. Either of
these works:
  1. moss unpin bar && moss install foo
     bar 4.8-3 → 5.1-7, nothing else changes
  2. moss install 'foo < 3'
     foo 2.9-8 works with bar 4.8-3
"""
    )


def test_commands_name_the_root_that_was_named() -> None:
    text = error_text(CONFLICT, Page(120), "/my root")
    assert "1. moss -D '/my root' unpin bar && moss -D '/my root' install foo " in text
    assert error_data(NotFound("x", remedies=["moss list installed"]), "/r")["suggestions"] == [
        {"command": "moss -D /r list installed"}
    ]
    assert error_data(NotFound("x", remedies=["moss -D /r up --yes"]), "/r")["suggestions"] == [
        {"command": "moss -D /r up --yes"}
    ]
    assert error_data(NotFound("x", remedies=["make room"]), "/r")["suggestions"] == [{"advice": "make room"}]


@pytest.mark.parametrize(
    ("text", "aimed"),
    [
        ("Mend it: moss verify --fix", "Mend it: moss -D /r verify --fix"),
        ("To drop it:     moss state activate 3", "To drop it:     moss -D /r state activate 3"),
        ("moss unpin a && moss install a", "moss -D /r unpin a && moss -D /r install a"),
        ("leave one out: moss remove a, or moss rm b", "leave one out: moss -D /r remove a, or moss -D /r rm b"),
        ("it comes; moss unsubscribe kde stops that", "it comes; moss -D /r unsubscribe kde stops that"),
        ("a new one: moss receipt -o F; and there: moss export --for F",
         "a new one: moss -D /r receipt -o F; and there: moss export --for F"),
        ("you pinned bar (moss pin bar, 2026-01-01)", "you pinned bar (moss pin bar, 2026-01-01)"),
        ("moss -D /other verify", "moss -D /other verify"),
        ("FILE: moss reads version 1", "FILE: moss reads version 1"),
        ("run moss as root", "run moss as root"),
    ],
)  # fmt: skip
def test_commands_in_sentences_name_the_root_too(text: str, aimed: str) -> None:
    assert at("/r", text) == aimed
    assert at(None, text) == text


def test_several_remedies_are_numbered() -> None:
    error = NotFound("there is no package viim", remedies=["moss install vim", "moss search viim"])
    assert error_text(error, Page(80)) == (
        "error: there is no package viim\n"
        "Any of these may help:\n"
        "  1. moss install vim\n"
        "  2. moss search viim\n"
    )  # fmt: skip


def test_a_single_remedy_needs_no_list() -> None:
    error = NotFound("there is no package viim", remedies=["moss install vim"])
    assert error_text(error, Page(80)) == "error: there is no package viim\n  try      moss install vim\n"


def test_what_a_file_is_called_cannot_act_on_the_terminal() -> None:
    error = CorruptData("is bad\x1b[2J", file="evil\x1b]0;x\x07", because=["\x9b"], remedies=["rm 'a\nb'"])
    assert not set(error_text(error, Page(80))) & set("\x1b\x07\x9b")


def test_a_program_gets_code_reasons_and_commands() -> None:
    assert error_data(CONFLICT) == {
        "code": "SOLVE_CONFLICT",
        "exit": 4,
        "message": "foo 3.0-2 cannot be installed",
        "because": list(CONFLICT.because),
        "suggestions": [
            {
                "command": "moss unpin bar && moss install foo",
                "outcome": "bar 4.8-3 → 5.1-7, nothing else changes",
            },
            {"command": "moss install 'foo < 3'", "outcome": "foo 2.9-8 works with bar 4.8-3"},
        ],
    }


def test_advice_is_not_called_a_command() -> None:
    assert error_data(MossError("x", remedies=["make room"]))["suggestions"] == [{"advice": "make room"}]


def _classes(base: type[MossError]) -> list[type[MossError]]:
    return [base, *(one for child in base.__subclasses__() for one in _classes(child))]


@pytest.mark.parametrize("error", _classes(MossError), ids=lambda error: error.__name__)
def test_every_exit_code_is_documented(error: type[MossError]) -> None:
    from tests.conftest import PROJECT

    page = (PROJECT / "docs" / "exit-codes.md").read_text(encoding="utf-8")
    assert f"| {error.exit_code} | `{error.code}` |" in page


def test_exit_codes_keep_their_meaning() -> None:
    codes = {one.code: one.exit_code for one in _classes(MossError) if one.__module__ == errors.__name__}
    assert codes == {
        "FAILURE": 1,
        "USAGE": 2,
        "NEEDS_CONFIRMATION": 2,
        "NOT_FOUND": 3,
        "SOLVE_CONFLICT": 4,
        "NETWORK": 5,
        "TRUST": 6,
        "CORRUPT": 7,
        "LOCKED": 8,
        "NO_SPACE": 9,
        "PERMISSION": 10,
        "FORMAT_TOO_NEW": 11,
        "FORMAT_TOO_OLD": 11,
        "TRIGGER_FAILED": 12,
        "RECOVERED": 13,
        "INTERRUPTED": 130,
        "TERMINATED": 143,
    }
