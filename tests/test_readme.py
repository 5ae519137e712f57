"""The README's examples do what it says; its two commands are CI's own stages."""

import os
import re
import subprocess
import sys
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]


def blocks_below(heading: str) -> list[str]:
    """The command blocks of a section, in order."""
    text = (PROJECT / "README.md").read_text(encoding="utf-8")
    section = re.split(r"^## ", text.split(f"## {heading}\n", 1)[1], maxsplit=1, flags=re.MULTILINE)[0]
    return re.findall(r"^```\n(.*?)^```$", section, flags=re.MULTILINE | re.DOTALL)


def shell(folder: Path, commands: str) -> subprocess.CompletedProcess[str]:
    """Run a block in a folder, with `moss` on the path; it goes on after a failure, as a person would."""
    programs = folder / ".bin"
    programs.mkdir()
    (programs / "moss").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m moss "$@"\n')
    (programs / "moss").chmod(0o755)
    environment = {**os.environ, "PATH": f"{programs}:{os.environ['PATH']}", "PYTHONPATH": str(PROJECT)}
    environment.pop("MOSS_ROOT", None)
    return subprocess.run(
        ["bash", "-c", commands], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


def test_packages_of_ones_own_are_made_and_installed_as_the_readme_says(tmp_path: Path) -> None:
    (commands,) = blocks_below("Packages of one's own")
    done = shell(tmp_path, commands)
    assert "Generation 1 is active" in done.stdout, done.stderr
    greeting = subprocess.run([tmp_path / "system/usr/bin/greet"], capture_output=True, text=True, check=True)
    assert greeting.stdout == "hello\n"
    # "The last command answers that there is nothing to go back to."
    assert done.returncode == 3
    assert "there is no generation to go back to" in done.stderr
    assert done.stderr.count("error:") == 1


def test_what_a_system_is_for_brings_and_leaves_out_what_the_readme_says(tmp_path: Path) -> None:
    (commands,) = blocks_below("What a system is for")
    done = shell(tmp_path, commands)
    assert done.returncode == 0 and "error:" not in done.stderr, done.stderr
    told = " ".join(done.stdout.split())
    assert "driver-32bit 1.0-1 the subscription 32bit-graphics wants it" in told
    assert "the subscription 32bit-graphics wants driver-32bit" in told
    assert "docs: off, you turned it off; by itself it would be on leaves out paths of packages: saves" in told
    assert "driver-32bit 1.0-1 the subscription 32bit-graphics no longer wants it: steam is gone" in told
    assert [path.name for path in (tmp_path / "pc/usr").iterdir() if path.is_dir()] == []
    text = (tmp_path / "pc/etc/moss/system-model.kdl").read_text()
    assert "docs #false" in text and "steam" not in text


def test_the_two_commands_are_those_that_ci_runs() -> None:
    readme = (PROJECT / "README.md").read_text(encoding="utf-8")
    assert re.findall(r"^python3 tests/run\.py (.*)$", readme, flags=re.MULTILINE) == ["moss tour", "pytest -n auto"]
    script = (PROJECT / ".ci" / "run").read_text(encoding="utf-8")
    assert "tests/run.py moss tour" in script
    assert "in_venv pytest -q -n auto" in script
