"""A repository on a server, and systems that use it: moss as whole processes, or in this one."""

import json
import os
import sys
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import NamedTuple

from moss.cli.main import main
from moss.indexing import index
from tests.builders import metadata, write_package
from tests.fetch.conftest import QUICK

PROJECT = Path(__file__).resolve().parents[2]


class Ended(NamedTuple):
    code: int
    out: str
    err: str

    @property
    def data(self) -> object:
        return json.loads(self.out)["data"]


def publish(folder: Path, *names: str, version: str = "1", bytes_each: int = 0) -> None:
    """Add packages, each with one file, and make the index anew."""
    for name in names:
        filling = os.urandom(bytes_each) if bytes_each else name.encode()
        write_package(folder / "pool", metadata(name, version), {f"share/{name}": filling})
    index(str(folder / "pool"))


def stone(folder: Path, name: str) -> Path:
    (found,) = folder.glob(f"pool/{name}-*.stone")
    return found


class Machine:
    """A root, and moss run on it: in this process, or (`command`) as one of its own."""

    def __init__(self, root: Path, manners: str = QUICK) -> None:
        self.root, self.manners = root, manners

    def command(self, *words: str) -> list[str]:
        return [sys.executable, "-m", "moss", "-D", str(self.root), *words]

    @property
    def environment(self) -> dict[str, str]:
        return os.environ | {"PYTHONPATH": str(PROJECT), "MOSS_FETCH": self.manners}

    def moss(self, *words: str, **more: str) -> Ended:
        out, err, before = StringIO(), StringIO(), dict(os.environ)
        os.environ |= {"MOSS_FETCH": self.manners} | more
        try:
            with redirect_stdout(out), redirect_stderr(err):
                code = main(["-D", str(self.root), *words])
        finally:
            os.environ.clear()
            os.environ.update(before)
        return Ended(code, out.getvalue(), err.getvalue())

    def must(self, *words: str, **more: str) -> Ended:
        ended = self.moss(*words, **more)
        assert ended.code == 0, ended
        return ended

    @property
    def downloads(self) -> list[str]:
        folder = self.root / ".moss/cache/downloads"
        return sorted(os.listdir(folder)) if folder.is_dir() else []
