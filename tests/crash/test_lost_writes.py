"""A sample of `python -m tests.crash.lost_writes`, and that its disk loses what it may and nothing else."""

import os
import random
from pathlib import Path

import pytest

from tests.crash.losing import Disk, Event, events_of, lose, read_disk, unsafe, write_out
from tests.crash.lost_writes import first_break, record, some_states, sync_sites, without
from tests.crash.recording import Done, Recording
from tests.crash.sweep import scratch


def test_a_power_cut_leaves_the_old_or_the_new() -> None:
    with scratch() as folder:
        story = record("by difference", folder)
        assert [found for _, found in some_states(story, 25) if found] == []
        (site,) = [site for site in sync_sites() if site.startswith("moss.switch:exchange")][:1]
        assert first_break(story, without(story.events, site), site, tries=30) is not None


def test_a_power_cut_leaves_a_menu_that_boots() -> None:
    for name in ("boot menu", "menu after a crash"):
        with scratch() as folder:
            story = record(name, folder)
            assert [found for _, found in some_states(story, 12) if found] == []
    (site,) = [site for site in sync_sites() if site.startswith("moss.boot.carry_out:_delete")]
    with scratch() as folder:
        story = record("boot menu", folder)
        assert first_break(story, without(story.events, site), site, tries=30) is not None


def test_every_sync_of_moss_is_known() -> None:
    names = {site.partition("+")[0] for site in sync_sites()}
    assert {"moss.switch:exchange", "moss.effects:write_new", "moss.operations.trees:complete_tree"} <= names


class Effects(Recording):
    """Notes without a file."""

    def __init__(self) -> None:
        super().__init__(Path(os.devnull), Path("nowhere"))
        self.done: list[Done] = []

    def note(self, kind: str, *paths: str, value: object = None, site: str = "") -> None:
        self.done.append(Done(kind, paths, value, site))


def lost_all(top: Path, start: Disk, effects: Effects) -> set[str]:
    """The names that are left when all is lost that may be."""
    events: list[Event] = list(events_of(start.copy(), top, effects.done))
    left = top.with_name("left")
    left.mkdir()
    write_out(lose(start, events, lambda _: True, random.Random(0)), left)
    return {f"{path.relative_to(left)}={path.stat().st_size}" for path in left.rglob("*")}


@pytest.mark.parametrize(
    ("synced", "left"),
    [
        ("", set()),
        ("file", set()),
        ("directory", {"d=dir", "d/f=part"}),
        ("parent", {"d=dir"}),
        ("file and directory", {"d=dir", "d/f=4"}),
        ("all", {"d=dir", "d/f=4"}),
    ],
)
def test_what_is_not_synced_may_go(tmp_path: Path, synced: str, left: set[str]) -> None:
    top = tmp_path / "top"
    top.mkdir()
    effects = Effects()
    start = read_disk(top, without=())
    effects.mkdir(str(top / "d"))
    fd = effects.create(str(top / "d/f"))
    effects.write(fd, b"text")
    if "file" in synced:
        effects.fsync(fd)
    if "directory" in synced:
        effects.fsync(str(top / "d"))
    if synced not in ("", "file"):
        effects.fsync(str(top))
    if synced == "all":
        effects.syncfs(fd)
    os.close(fd)
    found = lost_all(top, start, effects)
    assert {name.partition("=")[0] for name in found} == {name.partition("=")[0] for name in left}
    assert ("d/f=4" in found) == ("d/f=4" in left) or "d/f=part" in left


def test_a_rename_between_directories_is_safe_when_both_are_synced(tmp_path: Path) -> None:
    top = tmp_path / "top"
    (top / "a").mkdir(parents=True)
    (top / "b").mkdir()
    (top / "a/f").write_text("x")
    start = read_disk(top, without=())
    effects = Effects()
    effects.rename(str(top / "a/f"), str(top / "b/f"))
    effects.fsync(str(top / "b"))
    events = list(events_of(start.copy(), top, effects.done))
    assert unsafe(events) == [0]
    effects.fsync(str(top / "a"))
    assert unsafe(list(events_of(start.copy(), top, effects.done))) == []


def test_what_builds_on_something_lost_is_lost_with_it(tmp_path: Path) -> None:
    top = tmp_path / "top"
    top.mkdir()
    (top / "f").write_text("old")
    start = read_disk(top, without=())
    effects = Effects()
    effects.rename(str(top / "f"), str(top / "g"))
    effects.mkdir(str(top / "f"))
    events = list(events_of(start.copy(), top, effects.done))
    left = lose(start, events, lambda number: number == 0, random.Random(0))
    assert set(left.nodes[0].entries) == {"f"}
    assert left.find("f") == start.find("f")
