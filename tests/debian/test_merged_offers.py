"""Several enabled repositories are kept as one universe, which is never another than theirs."""

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from moss.db.repositories import repositories
from moss.model_text import StatedRepository
from moss.observed_effects import Moment, ObservedEffects
from moss.offers import open_universes
from moss.operations import following
from moss.operations.beginning import begin
from moss.operations.machine_sources import Source
from moss.operations.refreshing import update_repositories
from moss.operations.repositories import add_repository, remove_repository, set_enabled, set_priority
from moss.operations.system import System, open_to_change
from tests.cli.conftest import Moss
from tests.cli.conftest import moss as moss
from tests.debian.indexes import Packaged, mirror

OLD = (Packaged("tool", "1.0-1", fields="Depends: lib (>= 1)\n"), Packaged("lib", "1.0-1"), Packaged("only-old"))
NEW = (Packaged("tool", "2.0-1", fields="Depends: lib (>= 2)\n"), Packaged("lib", "2.0-1"), Packaged("lib", "1.0-1"))


class Merges(ObservedEffects):
    """Which merged universes were written."""

    def __init__(self) -> None:
        super().__init__(apply_owners=os.geteuid() == 0)
        self.written: list[str] = []

    def observe(self, moment: Moment, kind: str, target: str) -> None:
        name = os.path.basename(target)
        if moment == "after" and kind == "rename" and name.startswith("+"):
            self.written.append(name)


@pytest.fixture
def merges() -> Merges:
    return Merges()


@pytest.fixture
def system(tmp_path: Path, merges: Merges) -> Iterator[System]:
    """With two repositories enabled."""
    for name, packages in (("old", OLD), ("new", NEW)):
        mirror(tmp_path / name, packages, with_pool=False)
    with open_to_change(str(tmp_path / "root"), command="test", effects=merges) as system:
        for name in ("old", "new"):
            add_repository(system, name, f"apt+file:{tmp_path / name}")
        yield system


def kept(system: System) -> list[Path]:
    return [file for file in Path(system.root.universes).iterdir() if file.name.startswith("+")]


def offered(system: System) -> tuple[int, list[str]]:
    """In how many universes, and what they offer, in their order."""
    universes = open_universes(system.root, system.offers, repositories(system.record))
    every = [one.package(number) for one in universes for number in range(len(one))]
    return len(universes), [f"{one.name} {one.version} {one.repository}" for one in every]


MERGED = ["lib 2.0-1 new", "lib 1.0-1 new", "only-old 1.0-1 old", "tool 2.0-1 new", "tool 1.0-1 old"]


def test_what_several_repositories_offer_is_one_universe(system: System) -> None:
    assert offered(system) == (1, MERGED)
    (file,) = kept(system)
    assert not update_repositories(system)[0].changed
    assert kept(system) == [file], "nothing has changed"


def test_what_is_merged_follows_every_change(system: System, tmp_path: Path) -> None:
    (before,) = kept(system)
    set_priority(system, "new", 5)  # which leaves their order as it was
    assert kept(system) != [before]
    (universe,) = open_universes(system.root, system.offers, repositories(system.record))
    assert sorted(universe.priorities) == [0, 5]
    set_priority(system, "new", 0)
    assert kept(system) == [before]
    set_priority(system, "old", 5)
    assert offered(system)[1][-2:] == ["tool 1.0-1 old", "tool 2.0-1 new"]
    (after,) = kept(system)
    assert after != before

    mirror(tmp_path / "new", [*NEW, Packaged("fresh")], with_pool=False)
    update_repositories(system, ["new"])
    assert offered(system)[0] == 1 and "fresh 1.0-1 new" in offered(system)[1]
    assert len(kept(system)) == 1 and kept(system) != [after]

    set_enabled(system, "new", enabled=False)
    assert offered(system)[0] == 1 and "fresh 1.0-1 new" not in offered(system)[1] and not kept(system)
    set_enabled(system, "new", enabled=True)
    assert len(kept(system)) == 1 and "fresh 1.0-1 new" in offered(system)[1]
    remove_repository(system, "old")
    assert not kept(system)


def test_a_model_that_is_followed_merges_once_at_its_end(system: System, merges: Merges, tmp_path: Path) -> None:
    fresh = [
        StatedRepository(name, uri=f"apt+file:{mirror(tmp_path / name, [Packaged(name)])}") for name in ("one", "two")
    ]
    following.follow(
        system,
        following.RepositoryChanges(
            add=(*fresh, StatedRepository("off", uri=fresh[0].uri, enabled=False)),
            remove=("old",),
            adjust=(StatedRepository("new", priority=5),),
        ),
    )
    assert len(merges.written) == 2, "one was there before"
    assert [file.name for file in kept(system)] == merges.written[1:]
    every = ["lib 2.0-1 new", "lib 1.0-1 new", "one 1.0-1 one", "tool 2.0-1 new", "two 1.0-1 two"]
    assert offered(system) == (1, every)
    following.follow(system, following.RepositoryChanges(remove=("one", "two", "off")))
    assert not kept(system) and offered(system)[0] == 1


def test_a_root_that_begins_with_several_merges_once(merges: Merges, tmp_path: Path) -> None:
    sources = [
        Source(name, f"apt+file:{mirror(tmp_path / name, [Packaged(name)], with_pool=False)}")
        for name in ("one", "two", "three")
    ]
    with open_to_change(str(tmp_path / "root"), command="test", effects=merges) as system:
        assert begin(system, sources)
        assert [file.name for file in kept(system)] == merges.written
        assert begin(system, sources) and len(merges.written) == 1, "nothing has changed"


@pytest.mark.parametrize("fault", ["gone", "cut", "of another format"])
def test_without_what_was_merged_there_are_the_universes_themselves(system: System, fault: str) -> None:
    (file,) = kept(system)
    content = file.read_bytes()
    if fault == "gone":
        file.unlink()
    else:
        file.write_bytes(content[:-5] if fault == "cut" else b"another " + content[8:])
    count, every = offered(system)
    assert count == 2 and sorted(set(every)) == sorted({*MERGED, "lib 1.0-1 old"})
    update_repositories(system)
    assert kept(system) == [file] and file.read_bytes() == content


def test_a_command_says_the_same_with_and_without_it(tmp_path: Path, moss: Moss) -> None:
    root = ("-D", str(tmp_path / "root"))
    for name, packages in (("old", OLD), ("new", NEW)):
        mirror(tmp_path / name, packages)
        assert moss(*root, "repo", "add", name, f"apt+file:{tmp_path / name}").exit_code == 0
    lines = [("install", "tool", "--dry-run"), ("install", "only-old", "tool", "--dry-run", "-v"), ("check",)]
    lines += [("install", "tool (= 3)", "--dry-run")]
    (file,) = (tmp_path / "root/.moss/cache/universes").glob("+*")

    def told() -> list[str]:
        return [re.sub(r"\d+ ms|free after [\d.]+ \w+", "", str(moss(*root, *line))) for line in lines]

    with_it = told()
    file.unlink()
    assert told() == with_it
    assert "tool 2.0-1" in with_it[0] and "4 packages" not in with_it[2]
