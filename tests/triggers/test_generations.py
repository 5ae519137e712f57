"""Triggers as part of generations: what they wrote is in the tree, on record, kept, changed and taken back with it."""

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from moss.db.generations import model_of, package_ids_of, selection_of
from moss.db.triggers import system_runs
from moss.errors import CorruptData, TriggerFailed
from moss.indexing import index
from moss.operations.activate import activate, propose_rollback
from moss.operations.queries import installed
from moss.operations.refreshing import update_repositories
from moss.operations.repositories import add_repository
from moss.operations.system_triggers import run_system_triggers
from moss.operations.transaction import Outcome
from moss.operations.upkeep import keep_house
from moss.operations.verbs import update_request
from moss.operations.verify import verify
from tests.builders import Content, File, Link, snapshot
from tests.cli.test_json import judge
from tests.conftest import PROJECT
from tests.trees import differences
from tests.triggers.shells import LONG, needs_busybox, shell_files, sleeps_on, wait_until
from tests.triggers.worlds import COUNT, FAILING, OTHER, TRIGGERS, World, failing, shared

pytestmark = needs_busybox


def reused(outcome: Outcome) -> dict[str, bool]:
    return {run.name: run.reused for run in outcome.triggers}


def test_what_triggers_write_is_part_of_the_generation(world: World) -> None:
    assert (world.read("share/all"), world.read("share/count")) == ("1\n", "1\n")
    assert world.read("share/own") is None, "nothing calls for the trigger 'other'"
    with world.open() as system:
        assert verify(system).is_clean
        assert len(package_ids_of(system.record, system.active)) == 5
        assert [one.metadata.name for one in installed(system)] == ["one", "shell", "triggers"]
        assert not list((world.root / ".moss").glob("triggers/*"))


def test_one_whose_program_no_package_has_waits_for_it(tmp_path: Path) -> None:
    world = World.begun(tmp_path)
    outcome = world.install("triggers", "one")
    assert {run.name: run.outcome for run in outcome.triggers} == dict.fromkeys(("list", "count", "other"), "inhibited")
    assert outcome.triggers[0].output == "no package of this generation has /usr/bin/sh"
    assert world.read("share/all") is None
    world.install("shell")
    assert (world.read("share/all"), world.read("share/count")) == ("1\n", "1\n")
    world.remove("shell")
    assert world.read("share/all") is None, "what it wrote goes with what made it"


def test_what_a_handler_lacks_that_nothing_calls_matters_to_nobody(world: World, tmp_path: Path) -> None:
    text = FAILING.replace("handlers: {", "handlers: {spare: {run: /usr/bin/nobody-has-this}, ")
    outcome = failing(world, tmp_path, text.replace("items", "none")).install("failing")
    assert {run.name: run.outcome for run in outcome.triggers}["failing"] == "done"


def test_they_run_again_where_what_they_are_about_has_changed(world: World) -> None:
    outcome = world.install("two")
    assert reused(outcome) == {"list": False, "count": False, "other": False}
    assert (world.read("share/all"), world.read("share/count")) == ("1\n2\n", "2\n")
    assert (world.read("share/others"), world.read("share/own")) == ("two\n", "x\n")
    outcome = world.remove("two")
    assert reused(outcome) == {"list": False, "count": False, "other": False}
    assert (world.read("share/all"), world.read("share/count"), world.read("share/own")) == ("1\n", "1\n", None)
    with world.open() as system:
        assert verify(system).is_clean


def test_what_waits_for_one_that_runs_again_runs_again_too(world: World, tmp_path: Path) -> None:
    text = FAILING.replace("echo half > /usr/share/half; echo what is wrong >&2; exit 4", "busybox cp all copy")
    text = text.replace("'busybox", "'cd /usr/share; busybox").replace("/usr/share/items/*", "/usr/share/moss/**")
    own = failing(world, tmp_path, f"{text}after: list\n")
    own.install("failing")
    assert own.read("share/copy") == "1\n"
    assert reused(own.install("unrelated"))["failing"]
    assert not reused(own.install("two"))["failing"] and own.read("share/copy") == "1\n2\n"


def test_what_nothing_has_touched_is_used_again(world: World) -> None:
    outcome = world.install("unrelated")
    assert reused(outcome) == {"list": True, "count": True, "other": True}
    assert (world.read("share/all"), world.read("share/count")) == ("1\n", "1\n")


def test_a_changed_trigger_and_a_changed_program_run_again(world: World, tmp_path: Path) -> None:
    own = World(tmp_path / "packages", world.root)
    shutil.copytree(world.packages, own.packages)
    changed = {**TRIGGERS, "share/moss/triggers/tx.d/other.yaml": OTHER.replace("echo x", "echo y")}
    own.publish("triggers", changed, release=2)
    index(own.packages)
    with own.open() as system:
        add_repository(system, "own", str(own.packages / "stone.index"), unsigned=True, priority=5)
        outcome = own.change(system, update_request(model_of(system.record, system.active)))
    assert reused(outcome) == {"list": True, "count": True, "other": False}
    files = shell_files()
    own.publish("shell", {**files, "bin/busybox": _longer(files["bin/busybox"])}, release=2)
    index(own.packages)
    with own.open() as system:
        update_repositories(system)
        outcome = own.change(system, update_request(model_of(system.record, system.active)))
    assert reused(outcome) == {"list": False, "count": False, "other": False}
    assert (own.read("share/all"), own.read("share/count")) == ("1\n", "1\n")


def _longer(program: Content) -> Content:
    assert isinstance(program, File)
    return File(program.content + b"\0", program.permissions)


def test_a_rollback_takes_them_back_and_upkeep_keeps_what_is_needed(world: World) -> None:
    world.install("two")
    with world.open() as system:
        activate(system, propose_rollback(system))
        keep_house(system)
        assert (world.read("share/all"), world.read("share/own")) == ("1\n", None)
        assert verify(system).is_clean
    outcome = world.install("two")
    assert (world.read("share/all"), world.read("share/own")) == ("1\n2\n", "x\n")
    with world.open() as system:
        for _ in range(3):
            keep_house(system, 2)
        assert verify(system).is_clean
        assert selection_of(system.record, outcome.generation)
    world.install("unrelated")
    assert world.read("share/own") == "x\n"


def test_by_difference_and_in_full_are_the_same(world: World, tmp_path: Path) -> None:
    with world.open() as system:
        keep_house(system, 2)
    for name in ("two", "unrelated"):
        world.install(name)
        with world.open() as system:
            keep_house(system, 2)
    world.remove("two")
    other = World(world.packages, tmp_path / "other")
    other.add("main")
    other.install("shell", "triggers", "one", "unrelated")
    trees = [snapshot(one.root / "usr") for one in (world, other)]
    assert [tree.pop(".stateID") for tree in trees] == [(0o100644, b"4\n"), (0o100644, b"1\n")]
    for tree in trees:  # when each was made
        tree.pop(".system-model.kdl")
    assert trees[0] == trees[1]
    assert differences(world.root) == []


def test_a_trigger_that_fails_stops_the_transaction(world: World, tmp_path: Path) -> None:
    own = failing(world, tmp_path)
    before = [(path, path.lstat().st_ino) for path in sorted((world.root / "usr").rglob("*"))]
    with pytest.raises(TriggerFailed) as fault:
        own.install("failing")
    assert "the trigger failing failed" in fault.value.message and "exit code 4" in fault.value.message
    assert "it printed: what is wrong" in fault.value.because
    assert "--ignore-trigger failing" in fault.value.remedies[0]
    assert [(path, path.lstat().st_ino) for path in sorted((world.root / "usr").rglob("*"))] == before
    assert not (world.root / ".moss/triggers").exists()
    done = own.moss("install", "-y", "failing", "--ignore-trigger", "failing")
    assert done.returncode == 0 and "Left out, as you said: failing; the next change runs them." in done.stdout
    assert "failing (ignored)" in own.moss("state", "show").stdout
    with pytest.raises(TriggerFailed):  # the next one tries again
        world.install("unrelated")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("name: a\nhandlers: 7\n", "line 2"),
        ("name: list\n", "there is already a trigger list"),
        ("name: failing\nafter: list\nbefore: list\n", "wait for one another"),
    ],
)
def test_a_broken_file_stops_the_transaction_before_anything_runs(
    world: World, tmp_path: Path, text: str, words: str
) -> None:
    own = failing(world, tmp_path, text)
    with pytest.raises(CorruptData) as fault:
        own.install("failing")
    assert "/usr/share/moss/triggers/tx.d/" in fault.value.message and words in fault.value.message
    own.install("failing", ignored=frozenset({"failing"}))


def test_triggers_that_write_the_same_differently_must_say_who_is_first(world: World, tmp_path: Path) -> None:
    text = FAILING.replace("echo half > /usr/share/half; echo what is wrong >&2; exit 4", "echo mine > /usr/share/all")
    own = failing(world, tmp_path, text)
    with pytest.raises(TriggerFailed) as fault:
        own.install("failing")
    assert "trigger(failing)" in fault.value.message and "trigger(list)" in fault.value.message
    own = failing_again(own, tmp_path, text + "after: list\n")
    own.install("failing")
    assert own.read("share/all") == "mine\n"
    with own.open() as system:
        assert verify(system).is_clean
    own.remove("failing")
    assert own.read("share/all") == "1\n"


def failing_again(own: World, tmp_path: Path, text: str) -> World:
    own.publish("failing", {"share/moss/triggers/tx.d/failing.yaml": text}, release=2)
    own.refresh()
    return own


def test_what_a_package_has_gives_way_to_what_a_trigger_writes(world: World, tmp_path: Path) -> None:
    text = FAILING.replace("exit 4", "echo mine > /usr/share/items/one")
    own = failing(world, tmp_path, text)
    own.install("failing")
    assert own.read("share/items/one") == "mine\n"
    with own.open() as system:
        assert verify(system).is_clean
    own.remove("failing")
    assert own.read("share/items/one") == "1\n"


def test_what_a_trigger_removes_or_replaces_is_on_record_and_told(world: World, tmp_path: Path) -> None:
    text = """
name: failing
handlers:
    away: {delete: [/usr/share/doc, /usr/share/$(what)/gone*]}
    write: {run: /usr/bin/sh, args: [-c, 'cd /usr/share; echo mine > kept/one; busybox rm kept/two; test ! -e doc']}
paths:
    /usr/share/(what:gon?)/*: {handlers: [away, write]}
"""
    own = failing(world, tmp_path, text)
    files: dict[str, Content] = {f"share/{path}": path for path in ("gone/gone1", "gone/here", "kept/one", "kept/two")}
    own.publish("files", files)
    own.refresh()
    outcome = own.install("failing", "files", "unrelated")
    (run,) = (one for one in outcome.triggers if one.name == "failing")
    assert [(one.path, one.package, one.removed) for one in run.changed] == [
        ("share/doc/unrelated", "unrelated", True), ("share/gone/gone1", "files", True),
        ("share/kept/one", "files", False), ("share/kept/two", "files", True),
    ]  # fmt: skip
    made = {"share/gone/here": "gone/here", "share/kept/one": "mine\n"}
    assert shared(own) == made
    with own.open() as system:
        assert verify(system).is_clean
        keep_house(system, 2)
    assert differences(own.root) == []
    assert reused(own.install("two"))["failing"] and shared(own) == made
    own.publish("files", files | {"share/gone/gone2": ""}, release=2)
    own.publish("unrelated", {"share/doc/unrelated": "y"}, release=2)
    own.refresh()
    assert not reused(own.install("files >= 1.0-2"))["failing"], "what it deletes has come"
    assert shared(own) == made
    with own.open() as system:
        keep_house(system, 2)
    assert not reused(own.install("unrelated >= 1.0-2"))["failing"], "what it removed is another file now"
    assert differences(own.root) == [] and shared(own) == made
    for release, name in ((3, "kept/one"), (4, "kept/two")):
        files[f"share/{name}"] = "changed"
        own.publish("files", files | {"share/gone/gone2": ""}, release=release)
        own.refresh()
        done = reused(own.install(f"files >= 1.0-{release}"))
        assert not done["failing"] and done["list"], "what its program replaced or removed is another file now"
        assert shared(own) == made
    own.remove("failing")
    assert shared(own) == {path: str(text) for path, text in files.items()} | {
        "share/gone/gone2": "", "share/doc/unrelated": "y",
    }  # fmt: skip
    with own.open() as system:
        activate(system, propose_rollback(system))
        assert verify(system).is_clean
    assert shared(own) == made and differences(own.root) == []


def test_nothing_is_left_of_triggers_when_moss_was_killed(world: World, tmp_path: Path) -> None:
    own = failing(world, tmp_path, FAILING.replace("exit 4", f"busybox sleep {LONG}"))
    command = [sys.executable, "-m", "moss", "-D", str(own.root), "install", "-y", "failing"]
    moss = subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_until(sleeps_on)
    moss.kill()
    moss.wait()
    assert (own.root / ".moss/triggers/failing/upper/share/half").exists()
    (own.root / ".moss/image/root").mkdir(parents=True)
    wait_until(lambda: not sleeps_on())
    with own.open() as system:
        assert system.recovered is not None and "nothing of it remains" in system.recovered and system.active == 1
    assert not (own.root / ".moss/triggers").exists() and not (own.root / ".moss/image").exists()


def test_a_link_of_a_package_is_no_place_for_a_directory(world: World, tmp_path: Path) -> None:
    does = "cd /usr/share; DO; echo > link/b"
    text = FAILING.replace("echo half > /usr/share/half; echo what is wrong >&2; exit 4", does)
    own = failing(world, tmp_path, text.replace("DO; ", "busybox rm link; busybox mkdir link; "))
    own.publish("linked", {"share/real/a": "a", "share/link": Link("real")})
    own.refresh()
    with pytest.raises(TriggerFailed, match="made a directory of /usr/share/link, which is a link") as fault:
        own.install("linked", "failing")
    assert "--ignore-trigger failing" in fault.value.remedies[0]
    assert differences(own.root) == [] and own.read("share/link") is None
    own.publish("failing", {"share/moss/triggers/tx.d/failing.yaml": text.replace("DO; ", "")}, release=2)
    own.refresh()
    own.install("linked", "failing")
    assert own.read("share/real/b") == "\n" and differences(own.root) == [], "what goes through it stays"


def test_an_admin_replaces_a_trigger_or_takes_it_away(world: World) -> None:
    admins = world.root / "etc/moss/triggers/tx.d"
    admins.mkdir(parents=True)
    (admins / "other.yaml").symlink_to("/dev/null")
    (admins / "count.yaml").write_text(COUNT.replace("busybox wc -l <", "busybox head -n 1"))
    outcome = world.install("two")
    assert reused(outcome) == {"list": False, "count": False}
    assert (world.read("share/own"), world.read("share/count")) == (None, "1\n")


def test_inhibitors_hold(world: World, tmp_path: Path) -> None:
    own = failing(world, tmp_path, FAILING + "inhibitors: {environment: [chroot]}\n")
    outcome = own.install("failing")
    assert {run.name: (run.outcome, run.output) for run in outcome.triggers}["failing"] == (
        "inhibited", "the environment is chroot",
    )  # fmt: skip


SYSTEM = """
name: cache
handlers:
    write:
        run: /usr/bin/sh
        args: [-c, 'busybox cat /usr/share/items/* > /etc/cache; echo said; exit $(code)']
paths: {'/usr/share/items/**': {handlers: [write]}}
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can run programs in another root")
def test_what_the_system_s_own_triggers_do_lies_outside_usr(world: World, tmp_path: Path) -> None:
    text = SYSTEM.replace("$(code)", "0")
    own = failing(world, tmp_path, FAILING.replace("exit 4", "exit 0"))
    own.publish("cache", {"share/moss/triggers/sys.d/cache.yaml": text})
    own.refresh()
    outcome = own.install("cache")
    assert outcome.due is not None and not (own.root / "etc/cache").exists(), "not before the answer"

    def run() -> tuple[str, ...]:
        with own.open() as system:
            return run_system_triggers(system)

    assert run() == () and (own.root / "etc/cache").read_text() == "1\n"
    (own.root / "etc/cache").unlink()
    assert run() == () and not (own.root / "etc/cache").exists(), "nothing has changed"
    own.install("two")
    assert run() == () and (own.root / "etc/cache").read_text() == "1\n2\n"
    with own.open() as system:
        activate(system, propose_rollback(system))
    assert run() == () and (own.root / "etc/cache").read_text() == "1\n", "a rollback is a change too"
    text = SYSTEM.replace("$(code)", "3")
    own.publish("cache", {"share/moss/triggers/sys.d/cache.yaml": text}, release=2)
    own.refresh()
    own.install("cache >= 1.0-2")
    (warning,) = run()
    assert "the trigger cache failed" in warning and "it printed: said" in warning
    assert len(run()) == 1, "it is due until it is done"
    shown = [own.moss(*words, "state", "show") for words in ((), ("--json",))]
    assert "On the system  cache (failed)" in shown[0].stdout
    judge("state-show", told := json.loads(shown[1].stdout))
    before = own.moss("state", "show", "1")
    assert before.returncode == 0 and "On the system" not in before.stdout
    (said,) = told["data"]["system_triggers"]
    assert (said["name"], said["outcome"], said["output"]) == ("cache", "failed", "said\n")
    own.remove("cache")
    assert run() == ()
    with own.open() as system:
        assert system_runs(system.record) == {}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can run programs in another root")
def test_a_trigger_of_the_system_s_cannot_write_to_usr_or_the_store(world: World, tmp_path: Path) -> None:
    text = SYSTEM.replace("echo said; exit $(code)", "echo x >> /usr/share/items/one; echo x > /.moss/x; exit 3")
    own = failing(world, tmp_path, text, scope="sys")
    for name, before, why in (
        ("failing", (), "Read-only file system"),
        ("two", ("setpriv", "--bounding-set", "-sys_admin"), "Permission denied"),  # it has no namespaces
    ):
        done = own.moss("install", "-y", name, before=before)
        told = " ".join(done.stderr.split())
        assert done.returncode == 0 and "the trigger cache failed" in told
        assert all(f"can't create {path}: {why}" in told for path in ("/usr/share/items/one", "/.moss/x")), told
    assert not (own.root / ".moss/x").exists() and (own.root / "etc/cache").read_text() == "1\n2\n"
    with own.open() as system:
        assert verify(system).is_clean


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can run programs in another root")
def test_what_a_trigger_of_the_system_s_leaves_running_is_ended(world: World, tmp_path: Path) -> None:
    text = SYSTEM.replace("echo said; exit $(code)", f"busybox sleep {LONG} & (busybox setsid busybox sleep {LONG} &)")
    own = failing(world, tmp_path, text, scope="sys")
    own.install("failing")
    begun = time.monotonic()
    with own.open() as system:
        assert run_system_triggers(system) == ()
    assert time.monotonic() - begun < 10, "they hold what it prints to"
    assert (own.root / "etc/cache").read_text() == "1\n" and not sleeps_on()


def test_a_broken_trigger_of_the_system_s_stops_before_the_switch(world: World, tmp_path: Path) -> None:
    own = failing(world, tmp_path)
    own.publish("cache", {"share/moss/triggers/sys.d/cache.yaml": "name: [\n"})
    own.refresh()
    with pytest.raises(CorruptData) as fault:
        own.install("cache")
    assert "sys.d/cache.yaml" in fault.value.message
