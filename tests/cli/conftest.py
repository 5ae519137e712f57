"""What the tests of the command line share: moss run in this process, and a small system of its own."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from moss.cli.main import main
from moss.resources import tour_directory


class Ended(NamedTuple):
    """How a command ended, and what it printed."""

    exit_code: int
    out: str
    err: str


Moss = Callable[..., Ended]


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MOSS_ROOT", "COLUMNS", "NO_COLOR", "TERM"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TZ", "UTC")


@pytest.fixture
def moss(capfd: pytest.CaptureFixture[str]) -> Moss:
    """Run a command line in this process, without a terminal."""

    def run(*arguments: str) -> Ended:
        capfd.readouterr()
        exit_code = main([str(argument) for argument in arguments])
        out, err = capfd.readouterr()
        return Ended(exit_code, out, err)

    return run


class Place(NamedTuple):
    """A directory with package trees, a repository of some of them, and room for a system."""

    trees: Path
    repository: Path
    root: Path

    @property
    def index(self) -> str:
        return str(self.repository / "stone.index")


def _pack(place: Place, name: str, version: str, *more: str) -> None:
    tree = str(place.trees / f"{name}-{version}")
    command = ["pack", tree, "--name", name, "--version", version, *more, "-q", "-o", str(place.repository)]
    assert main(command) == 0


def publish(place: Place, name: str, version: str, *more: str) -> None:
    """Add a package of the tour to the repository."""
    _pack(place, name, version, *more)
    assert main(["index", str(place.repository)]) == 0


@pytest.fixture(scope="session")
def _installed_place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """Generation 1 holds hello 1.0 and greeting; hello 1.1 is on offer, and grump, which conflicts."""
    base = tmp_path_factory.mktemp("place")
    place = Place(base / "trees", base / "repository", base / "root")
    shutil.copytree(tour_directory(), place.trees)
    publish(place, "greeting", "1.0", "--summary", "A polite library")
    publish(place, "hello", "1.0", "--depends", "greeting", "--summary", "Says hello")
    publish(place, "grump", "1.0", "--conflicts", "greeting")
    root = ["-D", str(place.root)]
    assert main([*root, "repo", "add", "tour", place.index, "--unsigned"]) == 0
    assert main([*root, "install", "-y", "hello"]) == 0
    publish(place, "hello", "1.1", "--depends", "greeting", "--summary", "Says hello, and means it")
    assert main([*root, "repo", "update"]) == 0
    return place


@pytest.fixture
def place(_installed_place: Place, tmp_path: Path) -> Place:
    """A copy of it, to do with as one likes."""
    root = tmp_path / "root"
    shutil.copytree(_installed_place.root, root, symlinks=True)
    return _installed_place._replace(root=root)


@pytest.fixture
def read_only_place(_installed_place: Place) -> Place:
    """The one that all tests share, to look at only."""
    return _installed_place


@pytest.fixture
def in_directory(tmp_path: Path) -> Iterator[Path]:
    before = Path.cwd()
    os.chdir(tmp_path)
    yield tmp_path
    os.chdir(before)
