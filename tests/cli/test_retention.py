"""What stays and what goes: keeping, removing and pruning generations, and cleaning caches."""

import json
import os
import stat
from pathlib import Path

import pytest

from tests.builders import snapshot
from tests.cli.conftest import Moss, Place
from tests.machine import Machine
from tests.trees import differences


@pytest.fixture
def used(place: Place, moss: Moss) -> Place:
    """Generations 1 to 4; 4 is active, rollback goes to 3."""
    for words in (["remove", "hello"], ["install", "hello"], ["remove", "hello"]):
        assert moss("-D", place.root, *words, "-y").exit_code == 0
    return place


def archives(place: Place) -> set[str]:
    return set(os.listdir(place.root / ".moss/root"))


def stored(place: Place) -> dict[str, int]:
    return {str(path): path.stat().st_size for path in (place.root / ".moss/assets").rglob("*") if path.is_file()}


def answer(moss: Moss, place: Place, *words: str) -> dict[str, object]:
    ended = moss("-D", place.root, *words, "--json")
    assert ended.exit_code == 0, ended
    data: dict[str, object] = json.loads(ended.out)["data"]
    return data


def test_pruning_keeps_the_newest_and_where_rollback_goes(used: Place, moss: Moss) -> None:
    assert moss("-D", used.root, "rollback", "-y").exit_code == 0  # 3 is active, rollback goes to 4
    assert moss("-D", used.root, "state", "activate", "1", "-y").exit_code == 0  # 1 is active, rollback goes to 3
    ended = moss("-D", used.root, "state", "prune", "--keep", "1", "-y")
    assert ended.exit_code == 0
    assert archives(used) == {"3", "4"}
    assert "rollback goes there" in ended.out and "generation 1 is active" in ended.out
    assert differences(used.root) == []


def test_what_is_said_to_come_free_comes_free(used: Place, moss: Moss) -> None:
    before = stored(used)
    plan = answer(moss, used, "state", "remove", "1", "3", "-n")["plan"]
    assert stored(used) == before and archives(used) == {"1", "2", "3"}
    done = answer(moss, used, "state", "remove", "1", "3", "-y")
    after = stored(used)
    gone = before.keys() - after.keys()
    assert isinstance(plan, dict) and isinstance(done["outcome"], dict)
    assert gone and plan["files"] == len(gone)
    assert plan["bytes"] == done["outcome"]["freed_bytes"] == sum(before[path] for path in gone)
    assert plan["loses_rollback"] is True
    assert archives(used) == {"2"}
    assert differences(used.root, 2, used.root / ".moss/root/2/usr") == []


@pytest.mark.parametrize(
    ("numbers", "exit_code", "said"),
    [(["4"], 1, "generation 4 is active"), (["1", "9"], 3, "no generation 9"), (["2", "4"], 1, "kept as first")],
)
def test_removing_what_cannot_go_removes_nothing(
    used: Place, moss: Moss, numbers: list[str], exit_code: int, said: str
) -> None:
    assert moss("-D", used.root, "state", "keep", "2", "first").exit_code == 0
    before = snapshot(used.root, without=[".moss/db", ".moss/lock"])
    ended = moss("-D", used.root, "state", "remove", "-y", *numbers)
    assert ended.exit_code == exit_code and said in ended.err
    assert snapshot(used.root, without=[".moss/db", ".moss/lock"]) == before


def test_a_tree_that_somebody_is_in_is_not_removed(used: Place, moss: Moss) -> None:
    held = os.open(used.root / ".moss/root/1/usr/bin", os.O_RDONLY)
    try:
        ended = moss("-D", used.root, "state", "remove", "-y", "1")
        assert ended.exit_code == 1 and "in use by process" in ended.err
        assert "in use by process" in moss("-D", used.root, "state", "prune", "-y", "--keep", "1").out
        assert archives(used) == {"1", "3"}
    finally:
        os.close(held)


def test_what_is_kept_stays_until_it_is_not_kept(used: Place, moss: Moss) -> None:
    root = ("-D", used.root)
    assert moss(*root, "state", "keep", "1", "before the move").out == "Generation 1 is kept as before the move.\n"
    assert "kept as before the move" in moss(*root, "state", "list").out
    assert moss(*root, "state", "keep", "2", "before the move").exit_code == 2
    assert moss(*root, "state", "keep", "2", " ").exit_code == 2
    assert moss(*root, "state", "keep", "9").exit_code == 3
    assert moss(*root, "state", "prune", "--keep", "1", "-y").exit_code == 0
    assert archives(used) == {"1", "3"}
    assert moss(*root, "state", "unkeep", "3").exit_code == 3
    assert "before the move" in moss(*root, "state", "unkeep", "1").out
    assert moss(*root, "state", "prune", "--keep", "1", "-y").exit_code == 0
    assert archives(used) == {"3"}


def test_upkeep_keeps_as_many_as_the_person_has_set(used: Place, moss: Moss) -> None:
    root = ("-D", used.root)
    assert moss(*root, "state", "prune", "--keep", "3", "-y").exit_code == 0
    assert moss(*root, "install", "hello", "-y").exit_code == 0
    assert archives(used) == {"2", "3", "4"}, "without --remember it was for once"
    assert moss(*root, "state", "prune", "--keep", "2", "--remember", "-y").exit_code == 0
    assert moss(*root, "remove", "hello", "-y").exit_code == 0
    assert archives(used) == {"5", "spare"}
    assert moss(*root, "state", "prune", "--remember", "-y").exit_code == 2


def test_nothing_to_prune_is_said(place: Place, moss: Moss) -> None:
    ended = moss("-D", place.root, "state", "prune")
    assert (ended.exit_code, ended.out) == (0, "Nothing to do: no generation is there to give up.\n")


def test_what_stays_all_the_same_is_told_where_nothing_goes(used: Place, moss: Moss) -> None:
    root = ("-D", used.root)
    assert moss(*root, "state", "prune", "--keep", "2", "-y").exit_code == 0
    assert moss(*root, "install", "hello", "-y").exit_code == 0  # 5 is active, rollback goes to 4
    held = os.open(used.root / ".moss/root/3/usr", os.O_RDONLY)
    try:
        ended = moss(*root, "state", "prune", "--keep", "2", "-y")
    finally:
        os.close(held)
    assert f"generation 3 is in use by process {os.getpid()}" in ended.out
    assert "Nothing to do: no generation is there to give up." in ended.out and archives(used) == {"3", "4"}


def test_cleaning_takes_what_can_be_made_again_and_nothing_else(used: Place, moss: Moss) -> None:
    root = ("-D", used.root)
    assert moss(*root, "state", "prune", "--keep", "2", "--remember", "-y").exit_code == 0
    assert moss(*root, "install", "hello", "-y").exit_code == 0
    orphan = used.root / ".moss/assets/00"
    orphan.mkdir(exist_ok=True)
    (orphan / ("00" * 16)).write_bytes(b"left over")
    before = stored(used)
    assert "spare" in archives(used)
    plan = answer(moss, used, "cache", "clean", "-n")["plan"]
    assert isinstance(plan, dict) and plan["orphans"] == 1 and plan["orphan_bytes"] == 9
    assert stored(used) == before
    done = answer(moss, used, "cache", "clean", "-y")["outcome"]
    assert isinstance(done, dict)
    assert done["freed_bytes"] == plan["cached_bytes"] + 9 + plan["spare_bytes"]
    assert archives(used) == {"4"}
    assert not [path for path in (used.root / ".moss/cache").rglob("*") if Path(path).is_file()]
    assert differences(used.root) == [] == differences(used.root, 4, used.root / ".moss/root/4/usr")
    assert moss(*root, "remove", "hello", "-y").exit_code == 0, "universes are compiled again"


def test_what_a_tree_still_links_to_frees_nothing(used: Place, moss: Moss) -> None:
    """Counted are the inodes that go: by how much the files of the root really become less."""
    orphan = used.root / ".moss/assets/00"
    orphan.mkdir(exist_ok=True)
    os.link(used.root / "usr/.stateID", orphan / ("00" * 16))
    (orphan / ("01" * 16)).write_bytes(b"x" * 5000)
    before = taken(used.root)
    plan = answer(moss, used, "cache", "clean", "-n")["plan"]
    done = answer(moss, used, "cache", "clean", "-y")["outcome"]
    assert isinstance(plan, dict) and plan["orphans"] == 2 and plan["orphan_bytes"] == 5000
    assert isinstance(done, dict) and done["freed_bytes"] == before - taken(used.root)


def test_what_generations_share_comes_free_with_the_last_of_them(tmp_path: Path, moss: Moss) -> None:
    """In a root with its hard links: tool 1 is in generations 1 and 2."""
    machine = Machine.made(tmp_path)
    place = Place(tmp_path, machine.packages, machine.root)
    freed = []
    for number in ("1", "2"):
        before = taken(place.root)
        # A tree's .stateID and .system-model.kdl are nobody else's.
        own = len(f"{number}\n") + (place.root / f".moss/root/{number}/usr/.system-model.kdl").stat().st_size
        plan = answer(moss, place, "state", "remove", number, "-n")["plan"]
        done = answer(moss, place, "state", "remove", number, "-y")["outcome"]
        assert isinstance(plan, dict) and isinstance(done, dict)
        assert plan["bytes"] == done["freed_bytes"] == before - taken(place.root) - own
        freed.append(plan["bytes"])
    assert freed == [0, len("one")], "tool 2 has all files of tool 1 but one"


def taken(root: Path) -> int:
    """Bytes of all regular files, each inode once; the record and its copy aside."""
    inodes: dict[int, int] = {}
    for folder, _, names in os.walk(root):
        if folder.endswith(("/.moss/db", "/.moss/copy", "/.moss")):
            continue
        for name in names:
            status = os.lstat(os.path.join(folder, name))
            if stat.S_ISREG(status.st_mode):  # links are the trees' own
                inodes[status.st_ino] = status.st_size
    return sum(inodes.values())
