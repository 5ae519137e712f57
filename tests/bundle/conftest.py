"""What the tests of bundles share: systems with generations, and moss as whole commands in this process."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from moss.cli.main import main
from tests.builders import Dir, File, Link, metadata, write_package


class Ended(NamedTuple):
    """How a command ended, and what it printed."""

    exit_code: int
    out: str
    err: str


Moss = Callable[..., Ended]


class Pair(NamedTuple):
    """Machine `a`, which exports generations 1 and 2; `b` has nothing yet."""

    a: Path
    b: Path
    packages: Path
    files: Path
    """Where bundles and receipts go."""


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MOSS_ROOT", "COLUMNS", "NO_COLOR", "TERM"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def moss(capfd: pytest.CaptureFixture[str]) -> Moss:
    """Run a command line in this process, without a terminal."""

    def run(*arguments: object) -> Ended:
        capfd.readouterr()
        exit_code = main([str(argument) for argument in arguments])
        out, err = capfd.readouterr()
        return Ended(exit_code, out, " ".join(err.split()))  # where it is folded goes with the length of paths

    return run


@pytest.fixture(scope="session")
def _made_pair(tmp_path_factory: pytest.TempPathFactory) -> Pair:
    base = tmp_path_factory.mktemp("pair")
    pair = Pair(base / "a", base / "b", base / "packages", base / "files")
    publish_first(pair.packages)
    root = ["-D", str(pair.a), "-q"]
    done("index", pair.packages, "-q")
    done(*root, "repo", "add", "main", pair.packages / "stone.index", "--unsigned")
    done(*root, "install", "-y", "tool")
    publish_second(pair.packages)
    done("index", pair.packages, "-q")
    done(*root, "update", "-y")
    done(*root, "key", "make")
    return pair


@pytest.fixture
def pair(_made_pair: Pair, tmp_path: Path) -> Iterator[Pair]:
    """A copy of it, to do with as one likes."""
    os.system(f"cp -a {_made_pair.a} {tmp_path}/a")
    (tmp_path / "files").mkdir()
    yield Pair(tmp_path / "a", tmp_path / "b", _made_pair.packages, tmp_path / "files")


def publish_first(folder: Path) -> None:
    write_package(
        folder,
        metadata("tool", "1", depends=["library"]),
        {
            "bin/tool": text("tool", 1),
            "bin/plain": File(b"one content, two modes", 0o644),
            "bin/setuid": File(b"one content, two modes", 0o4755),
            "share/tool/empty": "",
            "share/tool/large": text("large", 1) * 40,
            "share/tool/gone": "goes with version 1",
        },
    )
    write_package(
        folder,
        metadata("library", "1"),
        {"lib/library.so.1": text("library", 1), "lib/library.so": Link("library.so.1"), "share/own": Dir(0o700)},
    )
    write_package(folder, metadata("other"), {"bin/other": "other", "share/tool/same": text("large", 1) * 40})


def publish_second(folder: Path) -> None:
    write_package(
        folder,
        metadata("tool", "2", depends=["library", "extra"]),
        {
            "bin/tool": text("tool", 2),
            "bin/plain": File(b"one content, two modes", 0o600),
            "bin/setuid": File(b"one content, two modes", 0o4755),
            "share/tool/empty": "",
            "share/tool/large": text("large", 1) * 40 + "a little more",
            "share/tool/new": text("new", 2),
        },
    )
    write_package(folder, metadata("extra"), {"share/extra": text("extra", 1), "share/copy": text("library", 1)})


def text(word: str, number: int) -> str:
    """About 4 KiB that compress, but not to nothing."""
    return "".join(f"{word} {number}: line {at} of {at * at * 7919 % 10007}\n" for at in range(250))


def done(*arguments: object) -> None:
    assert main([str(argument) for argument in arguments]) == 0
