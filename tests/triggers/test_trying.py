"""`moss try`: the command runs in what would come, sees the person's files, and nothing of it stays."""

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.builders import snapshot
from tests.cli.terminals import on_a_terminal
from tests.cli.test_json import judge
from tests.conftest import PROJECT
from tests.triggers.shells import needs_busybox
from tests.triggers.worlds import World

pytestmark = needs_busybox


def state(world: World) -> object:
    return snapshot(world.root, without=[".moss/db", ".moss/assets", ".moss/cache", ".moss/copy", ".moss/lock"])


SCRIPT = (
    "busybox cat /usr/share/all /etc/mine; echo new > /etc/mine; echo x > /usr/share/new;"
    " busybox rm /usr/share/items/one; busybox cat; exit 7"
)
TOLD_OF_SCRIPT = (
    "The command ended with exit code 7; the system is as before.",
    "It ran in what would be generation 2:", "Install   two 1.0-1  you asked for it",
    "It wrote 2 paths, of which nothing is kept:", "  /usr/share/new", "  /etc/mine",
    "It removed 1 path, which is there again:", "  /usr/share/items/one",
)  # fmt: skip

SLOW = """
name: slow
handlers:
    slow: {run: /usr/bin/sh, args: [-c, busybox sleep 0.6]}
paths:
    /usr/share/items/*: {handlers: [slow]}
"""


def test_the_command_runs_in_what_would_come_and_nothing_stays(world: World) -> None:
    (world.root / "etc/mine").write_text("my own\n")
    before = state(world)
    done = world.moss("try", "install", "two", "--", "/usr/bin/sh", "-c", SCRIPT, stdin="typed\n")
    assert done.returncode == 7, done.stderr
    assert done.stdout.splitlines() == ["1", "2", "my own", "typed", *TOLD_OF_SCRIPT]
    assert state(world) == before
    assert world.moss("verify").returncode == 0
    assert "two" not in world.moss("list", "installed").stdout
    assert (world.install("two").generation, world.read("share/all")) == (3, "1\n2\n")


def test_without_a_change_it_is_the_system_as_it_is(world: World) -> None:
    before = state(world)
    done = world.moss("--json", "try", "--", "/usr/bin/sh", "-c", "echo x > /usr/x")
    assert done.returncode == 0 and state(world) == before
    judge("try", json.loads(done.stdout))
    assert json.loads(done.stdout)["data"] == {
        "plan": None, "tried": {"exit_code": 0, "written": ["/usr/x"], "removed": []},
    }  # fmt: skip


@pytest.mark.parametrize("isolation", ["overlay", "copy"])
def test_what_was_below_a_directory_that_is_made_anew_is_removed(world: World, isolation: str) -> None:
    text = "cd /usr/share; busybox rm -r items moss; busybox mkdir -p items moss/triggers; echo x > moss/new"
    done = world.moss("--json", "--isolation", isolation, "try", "--", "/usr/bin/sh", "-c", text)
    assert json.loads(done.stdout)["data"]["tried"] == {
        "exit_code": 0,
        "written": ["/usr/share/moss/new"],
        "removed": ["/usr/share/items/one", "/usr/share/moss/triggers/tx.d"],
    }


def test_a_change_that_changes_nothing_is_tried_in_the_active_generation(world: World) -> None:
    done = world.moss("try", "install", "one", "--", "true")
    assert done.stdout.splitlines()[1:] == ["The change would change nothing: it ran in the active generation."]


@pytest.mark.parametrize("isolation", ["overlay", "copy"])
def test_progress_is_off_the_terminal_when_the_command_begins(world: World, isolation: str) -> None:
    world.publish("slow", {"share/moss/triggers/tx.d/slow.yaml": SLOW})
    world.refresh()
    change = ("try", "install", "slow", "--isolation", isolation)
    seen = on_a_terminal(("-D", str(world.root), *change, "--", "/usr/bin/sh", "-c", "echo MINE"))
    before, _, _ = seen.screen.partition("MINE")
    assert "running one trigger" in before, "there was progress"
    assert not before.rpartition("\r")[2].replace("\x1b[K", ""), repr(before[-200:])


def test_how_it_ends(world: World) -> None:
    assert world.moss("try", "--", "/usr/bin/nobody").returncode == 127
    assert world.moss("try", "--", "/usr/bin/sh", "-c", "kill -9 $$").returncode == 137
    done = world.moss("try", "install", "two")
    assert done.returncode == 2 and "what to run is missing" in done.stderr
    assert world.moss("try", "two", "--", "true").returncode == 2
    assert world.moss("try", "install", "nothing-of-that-name", "--", "true").returncode == 3


def test_what_cannot_be_made_is_not_tried(world: World) -> None:
    (world.root / "etc/moss/triggers/tx.d").mkdir(parents=True)
    (world.root / "etc/moss/triggers/tx.d/bad.yaml").write_text("name: [\n")
    before = state(world)
    done = world.moss("try", "install", "two", "--", "/usr/bin/sh", "-c", "echo ran")
    assert done.returncode == 7 and "bad.yaml" in done.stderr and "ran" not in done.stdout
    assert state(world) == before


@pytest.mark.skipif(os.geteuid() != 0, reason="as an ordinary user nothing of the host's could be written anyway")
def test_the_host_is_out_of_reach(world: World, tmp_path: Path) -> None:
    target = tmp_path / "host"
    script = f"busybox mkdir -p {tmp_path}; echo x > {target}; busybox mount -t proc p /tmp && echo mounted"
    done = world.moss("try", "--", "/usr/bin/sh", "-c", script)
    assert not target.exists() and "mounted" not in done.stdout


@pytest.mark.skipif(os.geteuid() != 0, reason="an ordinary user makes namespaces without that capability")
def test_without_namespaces_nothing_is_tried(world: World) -> None:
    before = state(world)
    done = world.moss("try", "--", "/usr/bin/sh", "-c", "echo ran", before=("setpriv", "--bounding-set", "-sys_admin"))
    said = " ".join(done.stderr.split())
    assert done.returncode == 12 and "ran" not in done.stdout and state(world) == before
    assert "a command cannot be tried on this machine" in said and "copy: " in said and "not permitted" in said


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can change the root of a process")
def test_a_root_that_keeps_triggers_only_is_told(world: World) -> None:
    done = world.moss("try", "--isolation", "chroot", "--", "/usr/bin/sh", "-c", "echo ran")
    said = " ".join(done.stderr.split())
    assert done.returncode == 12 and "ran" not in done.stdout
    assert "chroot: it is for triggers only" in said and "without --isolation" in said


WITHOUT_OVERLAY = """
set -e
mount -t overlay moss {over} -o lowerdir={root},upperdir={work}/upper,workdir={work}/work
mkdir -p {over}/opt
mount -t tmpfs -o noexec noexec {over}/opt
printf '#!/usr/bin/sh\\necho ran what must not' > {over}/opt/run
chmod 755 {over}/opt/run
exec {moss} -D {over} try {words}
"""
"""The root lies on an overlay, where no other one can be written to."""


def without_overlay(world: World, place: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    for name in ("over", "work/upper", "work/work"):
        (place / name).mkdir(parents=True)
    script = WITHOUT_OVERLAY.format(
        over=place / "over", root=world.root, work=place / "work", moss=f"{sys.executable} -m moss",
        words=" ".join(map(shlex.quote, words)),
    )  # fmt: skip
    command = ["unshare", "--mount", "sh", "-c", script]
    return subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can put a root on an overlay")
def test_without_overlays_what_can_be_written_to_is_a_copy(world: World, tmp_path: Path) -> None:
    (world.root / "etc/mine").write_text("my own\n")
    (world.root / "var/mine").write_text("my own\n")
    os.mkfifo(world.root / "etc/pipe")
    (world.root / "var/tmp").mkdir(exist_ok=True)
    before = state(world)
    more = "/opt/run; echo x > /var/tmp/x; busybox cat /var/mine; (echo x > /var/mine); exit 7"
    script = SCRIPT.removesuffix("exit 7") + more
    done = without_overlay(world, tmp_path / "place", "install", "two", "--", "/usr/bin/sh", "-c", script)
    said = " ".join(done.stderr.split())
    assert done.returncode == 7 and "can't create /var/mine: Read-only file system" in said, said
    assert "/var/tmp" not in said and "ran what must not" not in done.stdout
    assert "the command runs over private copies of /usr and /etc" in said and "overlay: " in said
    assert done.stdout.splitlines() == ["1", "2", "my own", "my own", *TOLD_OF_SCRIPT]
    assert state(world) == before
    assert not (tmp_path / "place/work/upper/.moss/triggers").exists()
