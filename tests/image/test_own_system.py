"""The system on a disk has what triggers wrote for the generation that it is made of: they need not run again."""

import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from moss.db.bundles import pinned_keys
from moss.db.repositories import repositories
from moss.db.triggers import runs_of
from moss.operations.imaging import find_generation, make_own_system
from moss.operations.system import open_to_change
from moss.operations.verify import verify
from moss.reporter import Silence
from moss.root import GenerationId
from tests.builders import snapshot
from tests.trees import differences
from tests.triggers.shells import needs_busybox
from tests.triggers.worlds import World, failing, made, world

__all__ = ["made", "world"]

pytestmark = needs_busybox

ONCE = """
name: once
after: count
handlers:
    write:
        run: /usr/bin/sh
        args:
            - -c
            - |
                set -e; cd /usr/share; busybox cat /proc/sys/kernel/random/uuid > {uuid}
                busybox touch empty; busybox cp {uuid} set; busybox chmod 4755 set; busybox rm doc/unrelated
paths: {/usr/share/items/*: {handlers: [write]}}
"""
LATER = ONCE.replace("{uuid}", "uuid2").replace("busybox rm doc/unrelated", "true")
LATER = LATER.replace("name: once", "name: later").replace("after: count", "after: once")
ONCE = ONCE.replace("{uuid}", "uuid")
SICK = """
name: sick
handlers: {fail: {run: /usr/bin/sh, args: [-c, exit 3]}}
paths: {/usr/share/items/*: {handlers: [fail]}}
"""


@pytest.fixture
def own(world: World, tmp_path: Path) -> World:
    own = failing(world, tmp_path, ONCE, "once")
    own.publish("later", {"share/moss/triggers/tx.d/later.yaml": LATER})
    own.refresh()
    own.install("failing", "later", "unrelated")
    return own


def on_a_disk(
    own: World, place: Path, number: GenerationId | None = None, *, still: Sequence[str] = ()
) -> tuple[Path, dict[str, bool]]:
    """The root of a disk, and which of its triggers have written what they wrote for the active generation. All but
    those that are `still` have run, here or there."""
    place.mkdir()
    root = place / "root"
    with own.open() as system:
        make_own_system(system, find_generation(system, number), str(place), str(root), "quiet")
    assert differences(root) == []
    with open_to_change(str(root), command="test") as system:
        assert verify(system).is_clean and system.active == 1
        ran = runs_of(system.record, system.active)
    assert all(run.isolation or name in {"other", *still} for name, run in ran.items())
    return root, {name: read(root, name) == read(own.root, name) for name in ("uuid", "uuid2")}


def read(root: Path, name: str) -> str | None:
    path = root / "usr/share" / name
    return path.read_text() if path.exists() else None


def test_what_triggers_wrote_goes_onto_the_disk(own: World, tmp_path: Path) -> None:
    root, same = on_a_disk(own, tmp_path / "disk")
    assert same == {"uuid": True, "uuid2": True}
    trees = [snapshot(one / "usr") for one in (root, own.root)]
    for tree in trees:
        del tree[".stateID"], tree[".system-model.kdl"]
    assert trees[0] == trees[1]


def test_an_older_generation_gets_what_was_written_for_it(own: World, tmp_path: Path) -> None:
    own.install("two")
    root, same = on_a_disk(own, tmp_path / "disk", GenerationId(2))
    assert same == {"uuid": False, "uuid2": False}
    assert read(root, "uuid") == read(own.root / ".moss/root/2", "uuid")
    assert read(root, "all") == "1\n" != read(own.root, "all")


def test_a_trigger_that_says_something_else_by_now_runs_and_so_does_what_waits_for_it(
    own: World, tmp_path: Path
) -> None:
    admins = own.root / "etc/moss/triggers/tx.d"
    admins.mkdir(parents=True)
    (admins / "once.yaml").write_text(ONCE.replace("busybox touch empty", "echo new > empty"))
    root, same = on_a_disk(own, tmp_path / "disk")
    assert same == {"uuid": False, "uuid2": False} and read(root, "empty") == "new\n"


def test_one_that_runs_there_sees_what_others_wrote_here(own: World, tmp_path: Path) -> None:
    admins = own.root / "etc/moss/triggers/tx.d"
    admins.mkdir(parents=True)
    (admins / "later.yaml").write_text(LATER.replace("busybox touch empty", "busybox cp uuid seen; busybox rm empty"))
    root, same = on_a_disk(own, tmp_path / "disk")
    assert same == {"uuid": True, "uuid2": False}
    assert read(root, "seen") == read(own.root, "uuid") and read(root, "empty") is None


def test_what_waits_for_one_that_does_not_run_there_runs_again(world: World, tmp_path: Path) -> None:
    own = failing(world, tmp_path, ONCE + "inhibitors: {paths: [/etc/kernel/cmdline]}\n", "once")
    own.publish("later", {"share/moss/triggers/tx.d/later.yaml": LATER})
    own.refresh()
    own.install("failing", "later", "unrelated")
    root, same = on_a_disk(own, tmp_path / "disk", still=("once",))
    assert same == {"uuid": False, "uuid2": False}
    assert read(root, "uuid") is None and read(root, "uuid2") is not None


@pytest.mark.skipif(os.geteuid() != 0, reason="an ordinary user's setuid files are their own")
def test_what_is_damaged_here_is_made_anew(own: World, tmp_path: Path) -> None:
    with open(own.root / "usr/share/uuid2", "r+b") as file:
        file.write(b"X")
    root, same = on_a_disk(own, tmp_path / "disk")
    assert same == {"uuid": True, "uuid2": False} and not (read(root, "uuid2") or "X").startswith("X")


def test_it_knows_what_this_system_knows(own: World, tmp_path: Path) -> None:
    assert own.moss("key", "pin", "friend", f"moss-key-1:{'ab' * 32}").returncode == 0
    (own.root / ".moss/trust/main").mkdir(parents=True)
    (own.root / ".moss/trust/main/timestamp.json").write_text("{}")
    sick = own.root / "etc/moss/triggers/sys.d/sick.yaml"
    sick.parent.mkdir(parents=True)
    sick.write_text(SICK)
    told = Told()
    root = tmp_path / "disk/root"
    root.parent.mkdir()
    with open_to_change(str(own.root), told, command="test") as system:
        make_own_system(system, find_generation(system, None), str(root.parent), str(root), "quiet")
    with open_to_change(str(root), command="test") as system:
        assert [one.name for one in repositories(system.record)] == ["main", "own"]
        assert [key.name for key in pinned_keys(system.record)] == ["friend"]
    assert (root / ".moss/trust/main/timestamp.json").read_text() == "{}"
    assert (root / "etc/moss/triggers/sys.d/sick.yaml").read_text() == SICK
    assert (root / "etc/kernel/cmdline").read_text() == "quiet\n"
    assert any("the trigger sick failed" in text for text in told.warnings) or os.geteuid() != 0


class Told(Silence):
    def __init__(self) -> None:
        self.warnings: list[str] = []

    def warning(self, text: str) -> None:
        self.warnings.append(text)
