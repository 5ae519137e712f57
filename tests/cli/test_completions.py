"""Completions know what the table of verbs knows."""

import shutil
import subprocess

import pytest

from moss.cli.verbs import VERBS
from tests.cli.conftest import Moss

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
