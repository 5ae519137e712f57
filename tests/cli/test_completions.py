"""Completions know what the table of verbs knows."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from moss.cli.verbs import VERBS
from tests.cli.conftest import Moss
from tests.conftest import PROJECT

_ASK = """
source /dev/stdin
COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
_moss
printf '%s\\n' "${COMPREPLY[@]}"
"""


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        (["moss", "inst"], {"install"}),
        (["moss", "-D", "/x", "roll"], {"rollback"}),
        (["moss", "-D", "st"], set()),
        (
            ["moss", "state", ""],
            {"list", "show", "diff", "activate", "keep", "unkeep", "remove", "prune", "verify", "export"},
        ),
        (["moss", "state", "act"], {"activate"}),
        (["moss", "pack", "--na"], {"--name"}),
        (["moss", "list", "updates", "--ch"], {"--check"}),
        (["moss", "list", "installed", "--ch"], set()),
        (["moss", "lu", "--ch"], {"--check"}),
        (["moss", "rollback", "--dr"], {"--dry-run"}),
    ],
)
def test_bash_completes(typed: list[str], offered: set[str], moss: Moss) -> None:
    script = moss("completions", "bash").out
    asked = subprocess.run(["bash", "-c", _ASK, "bash", *typed], input=script, capture_output=True, text=True)
    assert asked.stderr == ""
    assert set(asked.stdout.split()) == offered


@pytest.mark.parametrize(
    ("verb", "typed", "offered"),
    [
        ("subscribe", "", {"docs", "locale", "32bit"}),
        ("unsubscribe", "do", {"docs"}),
        ("subscriptions", "l", {"locale"}),
        ("subscribe", "--au", {"--auto"}),
        ("install", "do", set()),
    ],
)
def test_bash_asks_for_the_names_of_subscriptions(
    verb: str, typed: str, offered: set[str], moss: Moss, tmp_path: Path
) -> None:
    folder = tmp_path / "root/etc/moss/subscriptions"
    folder.mkdir(parents=True)
    (folder / "some.kdl").write_text(
        'subscription docs { default #true; paths "share/doc/**"; summary "a: on, $(touch evil)" }\n'
        'subscription locale { values "??"; paths "share/locale/{value}/**" keep=#true }\n'
        'subscription "32bit" { want "steam"; default #false }\n'
    )
    program = tmp_path / "moss"
    program.write_text(f'#!/bin/sh\nPYTHONPATH={PROJECT} exec {sys.executable} -m moss "$@"\n')
    program.chmod(0o755)
    script = moss("completions", "bash").out
    words = ["bash", "-c", _ASK, "bash", str(program), "-D", str(tmp_path / "root"), verb, typed]
    asked = subprocess.run(words, input=script, capture_output=True, text=True, cwd=tmp_path)
    assert asked.stderr == "" and set(asked.stdout.split()) == offered
    assert not (tmp_path / "evil").exists()


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_script_names_every_command(shell: str, moss: Moss) -> None:
    ended = moss("completions", shell)
    assert ended.exit_code == 0
    assert all(word in ended.out for verb in VERBS for word in (*verb.words, *verb.aliases))


@pytest.mark.parametrize(("shell", "judge"), [("bash", ["-n"]), ("zsh", ["-n"]), ("fish", ["--no-execute"])])
def test_a_script_is_one_for_its_shell(shell: str, judge: list[str], moss: Moss) -> None:
    if shutil.which(shell) is None and shell != "bash":
        return  # read by bash's parser or by eye only; nothing of moss's depends on it
    script = moss("completions", shell).out
    judged = subprocess.run([shell, *judge, "/dev/stdin"], input=script, capture_output=True, text=True)
    assert (judged.returncode, judged.stderr) == (0, "")
