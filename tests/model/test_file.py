"""The file of the system model: written, edited, followed, put back; whatever happens in between."""

import errno
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from moss.cli.main import main
from moss.effects import Effects
from moss.indexing import index
from tests.builders import metadata, write_package
from tests.crash.world import STOPPED, in_child, run, run_and_stop, stops_of
from tests.trees import differences

FILE = "etc/moss/system-model.kdl"
WRITING = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
STEP = 5 if os.environ.get("MOSS_SLOW") else 40


class Said(NamedTuple):
    """How a command ended, and what it printed."""

    returncode: int
    stdout: str
    stderr: str


class System:
    """A root with a repository."""

    def __init__(self, folder: Path) -> None:
        self.root, self.packages = folder / "root", folder / "packages"
        for name in ("vim", "nano", "gcc", "tool"):
            write_package(self.packages, metadata(name, provides=(f"binary({name})",)), {f"bin/{name}": name})
        index(str(self.packages))
        self.moss("repo", "add", "main", str(self.packages / "stone.index"), "--unsigned")

    def asked(self, *words: str, stdin: str = "") -> Said:
        """A command in a child of this process: a new interpreter would take most of the time."""
        given, out, err = (self.root.with_name(f"asked.{end}") for end in ("in", "out", "err"))
        given.write_text(stdin)

        def act() -> int:
            for path, number, flags in ((given, 0, os.O_RDONLY), (out, 1, WRITING)):
                os.dup2(os.open(path, flags), number)
            sys.stdin = os.fdopen(0, closefd=False)
            return main(["-D", str(self.root), *words])

        code = in_child(act, err)
        return Said(code, out.read_text(), err.read_text())

    def moss(self, *words: str, stdin: str = "") -> str:
        done = self.asked(*words, stdin=stdin)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    @property
    def file(self) -> Path:
        return self.root / FILE

    def edit(self, old: str, new: str) -> None:
        text = self.file.read_text()
        assert old in text
        self.file.write_text(text.replace(old, new))

    @property
    def programs(self) -> set[str]:
        return set(os.listdir(self.root / "usr/bin"))


@pytest.fixture
def system(tmp_path: Path) -> System:
    made = System(tmp_path)
    made.moss("install", "-y", "vim")
    return made


def test_it_is_written_with_the_first_generation_and_edited_with_every_change(system: System) -> None:
    assert '    vim\n' in system.file.read_text() and "unsigned #true" in system.file.read_text()
    assert (system.file.stat().st_mode & 0o777) == 0o644
    system.edit("    vim\n", "    vim // the one true editor\n\n    // nothing else\n")
    system.file.chmod(0o600)
    system.moss("install", "-y", "nano")
    text = system.file.read_text()
    assert "    vim // the one true editor\n\n    // nothing else\n    nano\n" in text
    assert (system.file.stat().st_mode & 0o777) == 0o600, "the admin's own"
    system.moss("hold", "-y", "nano")
    assert "nano hold=#true" in system.file.read_text()
    system.moss("remove", "-y", "vim")
    assert "true editor" not in system.file.read_text() and "// nothing else" in system.file.read_text()


def test_sync_follows_what_a_person_has_written(system: System) -> None:
    system.edit("    vim\n", '    "binary(tool)" { why "work" }\n    gcc "= 1.0-1"\n')
    seen = system.asked("sync", "-n").stdout
    assert "Edited" in seen and "+ binary(tool)" in seen and "- vim" in seen
    assert system.programs == {"vim"}
    system.moss("sync", "-y")
    assert system.programs == {"tool", "gcc"}
    assert '"binary(tool)" { why "work" }' in system.file.read_text()
    assert "work" in system.moss("why", "tool") or "binary(tool)" in system.moss("why", "tool")
    assert "Nothing to do" in system.moss("sync")
    assert differences(system.root) == []


def test_a_change_starts_from_what_was_edited(system: System) -> None:
    system.edit("    vim\n", "    vim\n    gcc\n")
    seen = system.moss("install", "-y", "nano")
    assert "Edited" in seen and "+ gcc" in seen
    assert system.programs == {"vim", "gcc", "nano"}


def test_who_looks_is_told_what_was_edited(system: System) -> None:
    assert "Edited" not in system.moss("state", "show")
    system.edit("    vim\n", "    nano // not vim\n")
    assert "Edited + nano, - vim: moss sync follows it" in " ".join(system.moss("state", "show").split())
    assert json.loads(system.moss("state", "show", "--json"))["data"]["edited"] == ["+ nano", "- vim"]
    assert "was edited (+ nano, - vim)" in " ".join(system.asked("list", "pins").stderr.split())
    system.moss("sync", "-y")
    assert "Edited" not in system.moss("state", "show")
    system.edit("nano", "nano // and nothing else")
    assert "Edited" not in system.moss("state", "show"), "a comment changes nothing"


def test_what_moss_does_not_know_is_told_by_a_change(system: System) -> None:
    system.edit("    vim\n", '    vim colour="red"\n    nano\n')
    told = system.asked("sync", "-y").stderr
    assert "system-model.kdl:12:9: moss does not know 'colour'" in " ".join(told.split()), told


@pytest.mark.parametrize("content", [b"packages {\n", b"packages { vim 3 }\n", b"packages { \xff }\n"])
def test_what_cannot_be_read_stops_changes_and_loses_nothing(system: System, content: bytes) -> None:
    system.file.write_bytes(content)
    done = system.asked("install", "-y", "nano")
    assert done.returncode == 2 and f"{system.file}:1:" in done.stderr.replace("\n", ""), done.stderr
    assert system.programs == {"vim"} and system.file.read_bytes() == content
    assert system.asked("list", "installed").returncode == 0
    looked = system.asked("list", "pins")
    assert looked.returncode == 0 and "until that is corrected" in " ".join(looked.stderr.split())
    system.file.unlink()
    system.moss("install", "-y", "nano")
    assert "nano" in system.file.read_text(), "one that is gone is written anew"


def test_going_back_puts_the_text_back_unless_it_was_edited(system: System) -> None:
    first = system.file.read_text()
    system.moss("install", "-y", "nano")
    second = system.file.read_text()
    system.moss("rollback", "-y")
    assert system.file.read_text() == first
    system.moss("state", "activate", "2", "-y")
    assert system.file.read_text() == second
    system.edit("    vim\n", "    vim // comments alone are no edit of what it says\n")
    system.moss("rollback", "-y")
    assert "comments alone" in system.file.read_text() and "nano" not in system.file.read_text()
    system.edit("    vim", "    gcc\n    vim")
    edited = system.file.read_text()
    assert "was edited and stays" in system.moss("state", "activate", "2", "-y").replace("\n", " ").replace("  ", " ")
    assert system.file.read_text() == edited
    seen = system.asked("sync", "-n").stdout
    assert "+ gcc" in seen and "- nano" in seen, "before a rollback is undone it is shown"


def test_every_generation_keeps_its_text(system: System) -> None:
    system.moss("install", "-y", "nano")
    assert system.asked("state", "export").stdout == system.file.read_text()
    old = system.asked("state", "export", "1").stdout
    assert "nano" not in old
    (system.root.parent / "wanted").write_text(old.replace("    vim\n", "    tool // from elsewhere\n"))
    system.moss("sync", "--model", str(system.root.parent / "wanted"), "-y")
    assert system.programs == {"tool"} and "// from elsewhere" in system.file.read_text()
    system.moss("sync", "--model", "-", "-y", stdin=old)
    assert system.programs == {"vim"}


def test_upstreams_form_works_unchanged(tmp_path: Path) -> None:
    system = System(tmp_path)
    text = (
        f'repositories {{ main {{ description "…"; uri "file://{system.packages}/stone.index"; priority 0;'
        " unsigned #true } }\n"
        'packages     { vim; "binary(nano)"; gcc { why "bar" } }\n'
    )
    (tmp_path / "upstream.kdl").write_text(text)
    system.moss("sync", "--model", str(tmp_path / "upstream.kdl"), "-y")
    assert system.programs == {"vim", "nano", "gcc"}
    assert system.file.read_text() == text
    system.moss("remove", "-y", "gcc")
    assert system.file.read_text().splitlines()[1] == 'packages     { vim; "binary(nano)" }'


def test_repositories_are_said_there_too(system: System, tmp_path: Path) -> None:
    other = tmp_path / "other"
    write_package(other, metadata("extra"), {"bin/extra": "x"})
    index(str(other))
    system.moss("repo", "add", "more", str(other / "stone.index"), "--unsigned", "--priority", "5")
    assert f'uri "file://{other}/stone.index"' in system.file.read_text() and "priority 5" in system.file.read_text()
    system.moss("repo", "disable", "more")
    assert "enabled #false" in system.file.read_text()
    system.moss("repo", "remove", "more")
    assert "more" not in system.file.read_text()
    assert "Nothing to do" in system.moss("sync"), "none of this is an edit"
    more = f'more {{ uri "file://{other}/stone.index"; unsigned #true }}'
    system.edit("repositories {\n", f"repositories {{\n    {more}\n")
    system.edit("    vim\n", "    vim\n    extra\n")
    assert "+ more" in system.moss("sync", "-y")
    assert system.programs == {"vim", "extra"}
    system.edit("unsigned #true }\n", "}\n")
    done = system.asked("sync", "-y")
    assert done.returncode == 2 and "another trust" in done.stderr


@pytest.mark.parametrize("words", [("install", "extra"), ("remove", "nano"), ("pin", "nano < 9"), ("sync",)])
def test_every_change_follows_the_repositories_that_a_person_names(
    system: System, tmp_path: Path, words: tuple[str, ...]
) -> None:
    system.moss("install", "-y", "nano")
    write_package(tmp_path / "more", metadata("extra"), {"bin/extra": "extra"})
    index(str(tmp_path / "more"))
    more = f'    more {{ uri "file://{tmp_path}/more/stone.index"; unsigned #true }}\n'
    system.edit("repositories {\n", f"repositories {{\n{more}")
    system.edit("    vim\n", "    vim\n    extra\n")
    dry = system.asked(*words, "-n")
    assert "names other repositories: + more; a dry run goes by those there are" in " ".join(dry.stderr.split())
    told = system.moss(*words, "-y")
    assert "names other repositories: + more" in told
    assert "extra" in system.programs, "what is edited is followed in the same change"
    assert '"more"' in system.moss("repo", "list", "--json")
    assert "names other" not in system.moss("sync", "-n")


@pytest.mark.slow_too
def test_a_crash_anywhere_leaves_the_old_text_or_the_new_one(tmp_path: Path) -> None:
    system = System(tmp_path)
    system.moss("install", "-y", "vim")
    old = system.file.read_text()
    words = ("install", "-y", "nano")
    copy = tmp_path / "measured"
    subprocess.run(["cp", "-a", system.root, copy], check=True)
    _, stops = stops_of(copy, words)
    assert any("system-model.kdl" in stop.target for stop in stops), "the file is written under observation"
    new = (copy / FILE).read_text()
    every = [stop for number, stop in enumerate(stops) if "system-model" in stop.target or number % STEP == 0]
    for stop in every:
        place = tmp_path / f"at-{stop.number}"
        subprocess.run(["cp", "-a", system.root, place], check=True)
        assert run_and_stop(place, words, stop.number).code == STOPPED
        assert (place / FILE).read_text() in (old, new)
        run(place, "repo", "remove", "nobody")
        active = (place / "usr/.stateID").read_text().strip()
        assert (place / FILE).read_text() == (old if active == "1" else new), stop
        subprocess.run(["rm", "-rf", place], check=True)


class _NoRoomInEtc(Effects):
    """All room is used up where the file of the model is."""

    def rename(self, source: str, target: str, /, **options: int | None) -> None:  # type: ignore[override]
        if target == os.path.basename(FILE):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), target)
        super().rename(source, target, **options)


@pytest.mark.parametrize("edited", [False, True])
def test_what_could_not_be_written_is_written_by_a_later_change_and_is_no_edit(system: System, edited: bool) -> None:
    if edited:
        system.edit("    vim\n", "    vim // the editor\n    tool\n")
    before = system.file.read_text()
    for name in ("nano", "gcc"):  # the second finds what the first has left due, and cannot write it either
        ended = run(system.root, "install", "-y", name, effects=lambda: _NoRoomInEtc(apply_owners=os.geteuid() == 0))
        assert ended.code == 0
        assert "the next change writes it" in " ".join(ended.said.split())
        assert system.file.read_text() == before
    wanted = {"vim", "nano", "gcc", *(["tool"] if edited else [])}
    assert system.programs == wanted
    said = system.moss("remove", "-y", "vim")
    assert "edited" not in said
    assert system.programs == wanted - {"vim"}
    text = system.file.read_text()
    assert "nano" in text and "gcc" in text and "    vim" not in text and ("    tool" in text) is edited
    assert "Nothing to do" in system.moss("sync", "-y")
