"""tour: the real commands, one after the other, in a scratch directory with small packages of our own."""

import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from functools import partial
from typing import Annotated, NamedTuple

from moss.cli.parameters import Option
from moss.cli.session import Answer, Session
from moss.cli.text import Page, wrapped
from moss.effects import as_moss_error
from moss.errors import MossError
from moss.resources import tour_directory


class Step(NamedTuple):
    """A sentence, and the command lines that show what it says."""

    sentence: str
    commands: tuple[str, ...]
    exit_code: int | None = 0
    """What the last command is expected to end with; None for anything but 0."""


class Shown(NamedTuple):
    """A command line that was run."""

    sentence: str
    command: str
    exit_code: int
    output: str
    """What it printed, where that was caught."""


_PACK_HELLO = "moss pack hello-{0} --name hello --version {0} --depends greeting -o repo"

STEPS = (
    Step(
        "A package is made of a directory tree. Here are three small ones: a library, a program that "
        "needs it, and one that cannot stand the library.",
        (
            "moss pack greeting-1.0 --name greeting --version 1.0 -o repo",
            _PACK_HELLO.format("1.0"),
            "moss pack grump-1.0 --name grump --version 1.0 --conflicts greeting -o repo",
        ),
    ),
    Step(
        "A directory of packages with an index is a repository. We use it for a system that is as empty "
        "as the directory it will live in.",
        ("moss index repo", "moss -D system repo add tour repo/stone.index --unsigned"),
    ),
    Step(
        "We ask for the program. moss finds what it needs, proves that no better choice exists, says what "
        "it is going to do and why, and makes generation 1.",
        ("moss -D system install -y hello", "system/usr/bin/hello"),
    ),
    Step(
        "The program's maker publishes a new version. An update makes a new generation beside the old "
        "one and exchanges the two in one step.",
        (_PACK_HELLO.format("1.1"), "moss index repo", "moss -D system update -y", "system/usr/bin/hello"),
    ),
    Step(
        "What cannot be is explained, and nothing is changed.",
        ("moss -D system install -y grump",),
        exit_code=4,
    ),
    Step(
        "Then comes a bad day: the next version does not work.",
        (_PACK_HELLO.format("2.0"), "moss index repo", "moss -D system update -y", "system/usr/bin/hello"),
        exit_code=None,
    ),
    Step(
        "Every generation is still there, whole. We go back to the one that worked.",
        ("moss -D system rollback -y", "system/usr/bin/hello"),
    ),
    Step(
        "This is what the system remembers.",
        ("moss -D system state list", "moss -D system history"),
    ),
)


def tour(
    session: Session,
    keep: Annotated[
        bool, Option("--keep", help="Leave the scratch directory there, to look around.")
    ] = False,
) -> Answer:
    """Packs, installs, updates, breaks and rolls back a system of its own, in about ten seconds. Needs
    no rights and changes nothing else."""
    with as_moss_error("make a scratch directory"):
        scratch = tempfile.mkdtemp(prefix="moss-tour-")
    session.when_interrupted(lambda: "nothing is left of the tour")
    try:
        shown = _walk(session, scratch)
    except MossError:
        keep = True  # to look at what went wrong
        raise
    finally:
        if not keep:
            shutil.rmtree(scratch)
    return Answer(
        lambda page: _farewell(scratch if keep else None, page),
        lambda: {"directory": scratch if keep else None, "steps": [step._asdict() for step in shown]},
    )


def _walk(session: Session, scratch: str) -> list[Shown]:
    source = tour_directory()
    for name in sorted(os.listdir(source)):
        if os.path.isdir(os.path.join(source, name)):
            shutil.copytree(os.path.join(source, name), os.path.join(scratch, name))
    _make_executable(scratch)
    shown: list[Shown] = []
    for step in STEPS:
        session.show(partial(_sentence, step.sentence))
        for number, command in enumerate(step.commands, 1):
            session.show(partial(_prompt, command))
            done = _run(command, scratch, caught=session.settings.json)
            shown.append(Shown(step.sentence, command, done.returncode, done.stdout or ""))
            expected = step.exit_code if number == len(step.commands) else 0
            if done.returncode != expected and (expected is not None or done.returncode == 0):
                raise _unexpected(command, done.returncode, scratch)
    return shown


def _make_executable(scratch: str) -> None:
    """An installed moss may have lost these bits."""
    for directory, _, names in os.walk(scratch):
        if os.path.basename(directory) == "bin":
            for name in names:
                os.chmod(os.path.join(directory, name), 0o755)


def _run(command: str, scratch: str, *, caught: bool) -> "subprocess.CompletedProcess[str]":
    words = shlex.split(command)
    if words[0] == "moss":
        words = [sys.executable, "-m", *words]
    return subprocess.run(
        words,
        cwd=scratch,
        env=_environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE if caught else None,
        stderr=subprocess.STDOUT if caught else None,
        text=True,
        check=False,
    )


def _environment() -> Mapping[str, str]:
    """This very moss, wherever it lies, and no root that the person may have set."""
    import moss

    home = os.path.dirname(os.path.dirname(os.path.abspath(moss.__file__)))
    others = {name: value for name, value in os.environ.items() if name != "MOSS_ROOT"}
    path = os.pathsep.join(part for part in (home, os.environ.get("PYTHONPATH", "")) if part)
    return others | {"PYTHONPATH": path}


def _unexpected(command: str, exit_code: int, scratch: str) -> MossError:
    return MossError(
        f"the tour stops here: '{command}' ended with {exit_code}",
        because=[f"what it worked on is left in {scratch}"],
        remedies=[f"look at it, then remove it: rm -r {shlex.quote(scratch)}"],
    )


def _sentence(sentence: str, page: Page) -> str:
    return "\n" + "".join(f"{line}\n" for line in wrapped(sentence, min(page.columns, 100))) + "\n"


def _prompt(command: str, page: Page) -> str:
    return page.bold(f"$ {command}") + "\n"


def _farewell(kept: str | None, page: Page) -> str:
    if kept is None:
        end = "That was moss. The scratch directory is gone again; with --keep it stays."
    else:
        end = f"That was moss. All of it is in {kept}; look around, and remove it when you like."
    return _sentence(end, page)
