"""The tour: the README's first command."""

import json
import os
import subprocess
import tempfile
import time
from pathlib import Path

import pytest

from moss.cli import tour
from tests.cli.conftest import Moss
from tests.cli.terminals import command, environment
from tests.cli.test_json import judge

ORDER = [
    "$ moss -D system install -y hello",
    "needed by hello",
    "Generation 1 is active",
    "Hello, world!",
    "hello 1.0-1 → 1.1-1  newer version",
    "How nice that you are here.",
    "$ moss -D system install -y grump",
    "hello 1.1-1 → 2.0-1",
    "$ moss -D system rollback -y",
    "Generation 2 is active",
    "How nice that you are here.",
    "$ moss -D system state list",
    "The scratch directory is gone again",
]


def as_somebody_else() -> list[str]:
    """How to run something as an ordinary user: root becomes one, where the kernel lets it."""
    become = ["unshare", "--user", "--map-user=1000", "--map-group=1000"]
    if os.geteuid() == 0 and subprocess.run([*become, "true"], capture_output=True).returncode == 0:
        return become
    return []


def test_the_tour_shows_an_ordinary_user_what_it_says_and_leaves_nothing(tmp_path: Path) -> None:
    started = time.monotonic()
    ended = subprocess.run(
        [*as_somebody_else(), *command("tour")],
        env=environment(TMPDIR=str(tmp_path), MOSS_ROOT="/ignored"),
        capture_output=True,
        text=True,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert time.monotonic() - started < 60, "it is said to take about ten seconds on an idle machine"
    position = 0
    for text in ORDER:
        position = ended.stdout.index(text, position) + len(text)
    assert "grump" in ended.stderr and "greeting" in ended.stderr
    assert "greeting-2/greet.sh" in ended.stderr, "the broken update is really broken"
    assert os.listdir(tmp_path) == []


def test_the_tour_tells_a_program_too_and_keeps_what_it_made(tmp_path: Path) -> None:
    ended = subprocess.run(
        command("tour", "--json", "--keep"),
        env=environment(TMPDIR=str(tmp_path)),
        capture_output=True,
        text=True,
    )
    assert ended.returncode == 0
    answer = json.loads(ended.stdout)
    judge("tour", answer)
    scratch = Path(answer["data"]["directory"])
    assert scratch.parent == tmp_path
    hello = subprocess.run(
        [scratch / "system" / "usr" / "bin" / "hello", "you"], capture_output=True, text=True
    )
    assert hello.stdout == "Hello, you!\nHow nice that you are here.\n"
    assert [step["exit_code"] for step in answer["data"]["steps"] if "grump" in step["command"]][-1] == 4


def test_a_tour_that_fails_says_where_its_remains_are(
    tmp_path: Path, moss: Moss, monkeypatch: pytest.MonkeyPatch
) -> None:
    scratch = str(tmp_path / "scratch")
    monkeypatch.setattr(tempfile, "mkdtemp", lambda prefix: os.mkdir(scratch) or scratch)
    monkeypatch.setattr(tour, "STEPS", (tour.Step("This cannot work.", ("false",)),))
    ended = moss("tour")
    assert ended.exit_code == 1
    assert f"rm -r {scratch}" in ended.err
    assert os.listdir(scratch)
    assert moss("tour").exit_code == 1, "the scratch directory cannot be made a second time"
