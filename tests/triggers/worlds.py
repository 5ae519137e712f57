"""Roots with triggers, and a repository of packages for them; everything runs for real."""

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import pytest

from moss.db.generations import model_of
from moss.indexing import index
from moss.operations.commit import commit
from moss.operations.propose import propose
from moss.operations.queries import installed
from moss.operations.refreshing import update_repositories
from moss.operations.repositories import add_repository
from moss.operations.system import System, open_to_change
from moss.operations.transaction import Outcome
from moss.operations.verbs import install_request, remove_request
from moss.problem import ChangeRequest
from tests.builders import Content, metadata, write_package
from tests.conftest import PROJECT
from tests.triggers.shells import shell_files

LIST = """
name: list
handlers:
    list: {run: /usr/bin/sh, args: [-c, 'cd /usr/share/items && busybox cat * > ../all; echo listed']}
paths:
    /usr/share/items/*: {handlers: [list]}
"""
COUNT = """
name: count
after: list
handlers:
    count: {run: /usr/bin/sh, args: [-c, 'busybox wc -l < /usr/share/all > /usr/share/count']}
paths:
    /usr/share/all: {handlers: [count]}
    /usr/share/items/*: {handlers: [count]}
"""
OTHER = """
name: other
handlers:
    other: {run: /usr/bin/sh, args: [-c, 'echo $(name) >> /usr/share/others; echo x > /usr/share/own']}
paths:
    /usr/share/other/(name:*): {handlers: [other]}
"""
TRIGGERS: dict[str, Content] = {
    f"share/moss/triggers/tx.d/{name}.yaml": text for name, text in (("list", LIST), ("count", COUNT), ("other", OTHER))
}
FAILING = """
name: failing
handlers: {fail: {run: /usr/bin/sh, args: [-c, 'echo half > /usr/share/half; echo what is wrong >&2; exit 4']}}
paths: {/usr/share/items/*: {handlers: [fail]}}
"""


@dataclass
class World:
    """A repository, a root, and moss's own functions."""

    packages: Path
    root: Path

    @classmethod
    def begun(cls, folder: Path) -> "World":
        """With packages for triggers, and a root that has none yet."""
        world = cls(folder / "packages", folder / "root")
        world.publish("shell", shell_files())
        world.publish("triggers", TRIGGERS)
        world.publish("one", {"share/items/one": "1\n"})
        world.publish("two", {"share/items/two": "2\n", "share/other/two": ""})
        world.publish("unrelated", {"share/doc/unrelated": "x"})
        world.add("main")
        return world

    def add(self, name: str) -> None:
        """What was published is offered to the root."""
        index(self.packages)
        with self.open() as system:
            add_repository(system, name, str(self.packages / "stone.index"), unsigned=True)

    def publish(self, name: str, files: dict[str, Content], release: int = 1) -> None:
        write_package(self.packages, metadata(name, release=release), files)

    def open(self, ignored: frozenset[str] = frozenset()) -> AbstractContextManager[System]:
        return open_to_change(str(self.root), command="test", ignored_triggers=ignored)

    def refresh(self) -> None:
        index(self.packages)
        with self.open() as system:
            update_repositories(system)

    def change(self, system: System, request: ChangeRequest) -> Outcome:
        return commit(system, propose(system, request))

    def install(self, *names: str, ignored: frozenset[str] = frozenset()) -> Outcome:
        with self.open(ignored) as system:
            return self.change(system, install_request(model_of(system.record, system.active), names))

    def remove(self, *names: str) -> Outcome:
        with self.open() as system:
            there = [one.metadata.name for one in installed(system)]
            return self.change(system, remove_request(model_of(system.record, system.active), names, there))

    def moss(
        self, *words: str, stdin: str = "", before: Sequence[str] = (), **environment: str
    ) -> "subprocess.CompletedProcess[str]":
        """`before`: the words of a command that runs moss."""
        return subprocess.run(
            [*before, sys.executable, "-m", "moss", "-D", str(self.root), *words],
            cwd=PROJECT, capture_output=True, text=True, check=False, input=stdin, env={**os.environ, **environment},
        )  # fmt: skip

    def read(self, path: str) -> str | None:
        place = self.root / "usr" / path
        return place.read_text() if place.exists() else None


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("world")
    World.begun(folder).install("shell", "triggers", "one")
    yield folder


@pytest.fixture
def world(tmp_path: Path, made: Path) -> World:
    """A generation with triggers and one item."""
    subprocess.run(["cp", "-a", made / "root", tmp_path / "root"], check=True)  # hard links stay hard links
    return World(made / "packages", tmp_path / "root")


def failing(
    world: World, tmp_path: Path, text: str = FAILING, name: str = "failing", scope: str = "tx"
) -> World:
    """The root with a repository more, of a package `failing` that has this trigger."""
    own = World(tmp_path / "packages", world.root)
    own.publish("failing", {f"share/moss/triggers/{scope}.d/{name}.yaml": text})
    own.add("own")
    return own


def shared(world: World) -> dict[str, str]:
    usr = world.root / "usr"
    tops = [usr / "share" / name for name in ("gone", "kept", "doc")]
    found = [path for top in tops for path in sorted(top.rglob("*")) if path.is_file()]
    assert all(top.exists() == any(path.is_relative_to(top) for path in found) for top in tops), "no empty directory"
    return {str(path.relative_to(usr)): path.read_text() for path in found}
