"""A machine with a history, for tests of what damages it and what mends it."""

import shutil
import sqlite3
import stat
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from moss.cli.main import main
from moss.operations.system import open_to_change
from moss.operations.verify import verify
from tests.builders import Content, Dir, File, Link, metadata, write_package
from tests.trees import differences

TOOL: dict[str, Content] = {
    "bin/tool": "one", "bin/suid": File(b"secret", 0o4755), "bin/plain": File(b"secret", 0o755),
    "share/tool/notes": "text of the notes", "share/tool/link": Link("notes"), "share/tool/empty": File(b"", 0o600),
    "lib/own": Dir(0o700), "lib/deep/er/file": "deep", "share/big": "big" * 50_000,
}  # fmt: skip


@dataclass
class Machine:
    """A root with three generations, 3 active; tool 1 in 1 and 2, tool 2 in 3, other in 2 and 3."""

    root: Path
    packages: Path

    @classmethod
    def made(cls, folder: Path) -> "Machine":
        made = cls(folder / "root", folder / "packages")
        write_package(made.packages, metadata("tool", "1"), TOOL)
        write_package(made.packages, metadata("other"), {"bin/other": "other", "share/same": "text of the notes"})
        made.index()
        made.moss("repo", "add", "main", str(made.packages / "stone.index"), "--unsigned")
        made.moss("install", "tool", "-y")
        made.moss("install", "other", "-y")
        write_package(made.packages, metadata("tool", "2"), {**TOOL, "bin/tool": "two"})
        made.index()
        made.moss("update", "-y")
        return made

    def index(self) -> None:
        assert main(["index", str(self.packages)]) == 0

    def moss(self, *words: str, exit_code: int = 0) -> None:
        assert main(["-D", str(self.root), *words]) == exit_code

    def stored(self, path: str, generation: str = "usr") -> Path:
        """The store's file that a path of a tree is a link to."""
        inode = (self.root / generation / path).stat().st_ino
        (found,) = [one for one in (self.root / ".moss/assets").rglob("*") if one.stat().st_ino == inode]
        return found

    @property
    def usr(self) -> Path:
        return self.root / "usr"

    def archive(self, number: int) -> Path:
        return self.root / ".moss/root" / str(number) / "usr"

    def forget_repositories(self) -> None:
        shutil.rmtree(self.packages)

    def check_whole(self) -> None:
        assert differences(self.root) == []
        for number in (1, 2):
            assert differences(self.root, number, self.archive(number)) == []
        with open_to_change(str(self.root), command="moss test") as system:
            assert system.recovered is None
            assert verify(system).is_clean
        assert {one.name for one in (self.root / ".moss/root").iterdir()} == {"1", "2"}


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Machine:
    return Machine.made(tmp_path_factory.mktemp("machine"))


@pytest.fixture
def machine(template: Machine, tmp_path: Path) -> Machine:
    return copied(template, tmp_path / "machine")


def copied(machine: Machine, folder: Path) -> Machine:
    """With its hard links, and repositories that lie where they lay."""
    folder.mkdir()
    subprocess.run(["cp", "-a", machine.root, folder / "root"], check=True)
    return Machine(folder / "root", machine.packages)


def flip(path: Path) -> None:
    """Another content under the same inode, as a bad disk or a program that writes through a link makes it."""
    mode = path.stat().st_mode
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.chmod(0o600)
    path.write_bytes(content)
    path.chmod(stat.S_IMODE(mode))


def hide(machine: Machine) -> None:
    """Let the repositories be somewhere that is not there."""
    with sqlite3.connect(machine.root / ".moss/db/moss.db") as record:
        record.execute("UPDATE repository SET uri = 'file:///nowhere/stone.index'")
    record.close()
