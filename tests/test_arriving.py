"""Files that an interrupted command put into the store go with its undoing, or with the next command."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from moss.effects import Effects
from moss.observed_effects import Moment, ObservedEffects
from moss.operations.cache import orphans
from tests.builders import metadata
from tests.counting import CountingEffects
from tests.transactions import Repository, changing, crash_at, make

STEP = 1 if os.environ.get("MOSS_SLOW") else 6
FILES = {f"share/many/{number}": f"content {number}" for number in range(12)}


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    made = Repository(tmp_path / "packages")
    made.publish("one", metadata("one"), {"bin/one": "one", "share/same": "content 3"})
    made.publish("many", metadata("many"), dict(FILES))
    made.publish("more", metadata("more"), {f"share/more/{number}": f"more {number}" for number in range(50)})
    return made


def arriving(root: Path) -> Path:
    return root / ".moss/arriving"


def stored(root: Path) -> set[str]:
    return {path.name for path in (root / ".moss/assets").rglob("*") if path.is_file()}


def test_a_stop_anywhere_leaves_nothing_in_the_store_after_the_next_command(
    tmp_path: Path, repository: Repository
) -> None:
    template, root = tmp_path / "template", tmp_path / "root"
    make(template, repository, "one")
    seen: set[bool] = set()
    for point in range(0, 400, STEP):
        subprocess.run(["cp", "-a", str(template), str(root)], check=True)
        finished = crash_at(point, lambda effects: make(root, repository, "one", "many", effects=effects))
        seen.add(arriving(root).exists())
        with changing(root, repository) as system:
            assert list(orphans(system)) == [], f"crash at effect {point}"
            assert not arriving(root).exists()
        shutil.rmtree(root)
        if finished:
            break
    assert finished
    assert seen == {True, False}


class FailingOnce(ObservedEffects):
    """The disk is full when a file is written into the store for the fifth time."""

    def __init__(self) -> None:
        super().__init__(apply_owners=os.geteuid() == 0)
        self.count = 0
        self.listed: list[bool] = []

    def observe(self, moment: Moment, kind: str, target: str) -> None:
        if moment == "before" and kind == "create" and "/assets/" in target:
            self.count += 1
            self.listed.append(arriving(Path(target.partition("/.moss/")[0])).exists())
            if self.count == 5:
                raise OSError(28, os.strerror(28), target)


def test_a_command_that_fails_takes_its_files_away_itself(tmp_path: Path, repository: Repository) -> None:
    root = tmp_path / "root"
    make(root, repository, "one")
    before, effects = stored(root), FailingOnce()
    with pytest.raises(Exception, match="no space"):
        make(root, repository, "one", "many", effects=effects)
    assert all(effects.listed) and len(effects.listed) == 5, "what comes is on the list before it is there"
    assert stored(root) == before
    assert not arriving(root).exists()


def test_what_it_costs_follows_what_was_coming(tmp_path: Path, repository: Repository) -> None:
    """50 files of another package are in the store, and are not looked at."""
    root = tmp_path / "root"
    make(root, repository, "one", "more")

    def stopped(effects: Effects) -> None:
        make(root, repository, "one", "more", "many", effects=effects)

    class Stopping(CountingEffects):
        def observe(self, moment: Moment, kind: str, target: str) -> None:
            super().observe(moment, kind, target)
            if moment == "before" and kind == "syncfs":
                os._exit(7)

    child = os.fork()
    if child == 0:
        stopped(Stopping())
    os.waitpid(child, 0)
    came = 11  # one of the twelve contents is the store's already
    assert len(arriving(root).read_text().splitlines()) == came
    counting = CountingEffects()
    with changing(root, repository, counting):
        pass
    assert counting.by_kind["unlink"] == came + 1  # and the list
    assert counting.by_kind["syncfs"] == 1


def test_a_list_that_a_power_cut_brought_back_takes_nothing_away(tmp_path: Path, repository: Repository) -> None:
    root = tmp_path / "root"
    make(root, repository, "one", "many")
    before = stored(root)
    names = [f"{path.parent.name}/{path.name}" for path in (root / ".moss/assets").rglob("*") if path.is_file()]
    lines = [*names, "../db/moss.db", "ab/../../db/moss.db", "", "ab/nonsense"]
    arriving(root).write_text("".join(f"{line}\n" for line in lines))
    with changing(root, repository):
        pass
    assert stored(root) == before
    assert (root / ".moss/db/moss.db").exists()
    assert not arriving(root).exists()
