"""The fall-backs for machines without overlays or namespaces: the same comes of triggers, and as little is in reach."""

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from moss.db.triggers import runs_of
from moss.digest import content_digest_of_file
from moss.operations.system import open_to_change
from moss.operations.verify import verify
from moss.triggers.confining import landlock_version
from moss.triggers.descendants import descendants
from moss.triggers.sandbox import PARTS, Sandbox
from moss.triggers.values import Isolation
from tests.builders import Content, snapshot
from tests.trees import differences
from tests.triggers.sandboxes import run, shell
from tests.triggers.shells import LONG, needs_busybox, shell_files, sleeps_on, write_files
from tests.triggers.worlds import World, shared

pytestmark = [
    needs_busybox,
    pytest.mark.skipif(os.geteuid() != 0, reason="only root can change the root of a process"),
]

HOST = Path("/tmp/moss-test-host")
BUSY = """
name: busy
after: [list, count]
handlers:
    away: {delete: [/usr/share/doc, /usr/share/gone/gone*]}
    write:
        run: /usr/bin/sh
        args:
            - -c
            - |
                set -e
                cd /usr/share
                echo mine >> items/one
                busybox rm kept/two
                busybox mv all kept/all
                test -e count
                busybox rm -r olds; echo file > olds
                busybox mkdir -p new/empty; busybox chmod 700 new/empty
                busybox ln -s ../items new/link
                busybox touch kept/one
                echo x > /etc/passwd; echo x > /var/x; echo x > /dev/null
                test ! -e /var/tmp/left
paths: {/usr/share/items/*: {handlers: [away, write]}}
"""
REACHES = """
name: reaches
handlers:
    tries:
        run: /usr/bin/sh
        args:
            - -c
            - |
                busybox mkdir -p /tmp; echo x > /tmp/moss-test-host
                test ! -e {root}/usr || echo sees the root
                busybox nc -w 1 127.0.0.1 {port} </dev/null 2>/dev/null && echo reaches the network
                busybox ifconfig lo >/dev/null 2>&1 && echo makes sockets
                busybox mount -t tmpfs x /tmp 2>/dev/null && echo mounts
                busybox mknod /usr/disk b 8 0 2>/dev/null && echo makes devices
                busybox chroot /tmp /x 2>&1 | busybox grep -q 'not permitted' || echo leaves its root
                busybox kill -9 {pid} 2>/dev/null && echo ends others
                busybox sleep {sleep} & (busybox setsid busybox sleep {sleep} &)
                exit 0
paths: {{/usr/share/items/*: {{handlers: tries}}}}
"""


ON_AN_OVERLAY = """
set -e; cd {place}; mkdir over upper work
mount -t overlay moss over -o lowerdir=root,upperdir=upper,workdir=work
PYTHONPATH=$OLDPWD {moss} -D over -y --json install {names}
cp -a over seen
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("isolation")
    world = World.begun(folder)
    files: dict[str, Content] = {
        f"share/{path}": path for path in ("gone/gone1", "gone/here", "kept/one", "kept/two", "olds/a", "olds/b/c")
    }
    world.publish("files", files)
    world.publish("busy", {"share/moss/triggers/tx.d/busy.yaml": BUSY})
    world.refresh()
    return folder


def world_in(folder: Path, place: Path) -> World:
    shutil.copytree(folder / "root", place / "root", symlinks=True)
    return World(folder / "packages", place / "root")


ALL_STEPS = (("shell", "triggers", "one", "files", "unrelated", "busy"), ("two",))
STEPS = ALL_STEPS if os.environ.get("MOSS_SLOW") else ALL_STEPS[:1]


@pytest.mark.slow_too
@pytest.mark.parametrize("isolation", [pytest.param(Isolation.COPY, marks=pytest.mark.slow), Isolation.CHROOT])
def test_the_same_comes_of_it(folder: Path, tmp_path: Path, isolation: Isolation) -> None:
    trees = []
    for kind in (Isolation.OVERLAY, isolation):
        world = world_in(folder, tmp_path / kind.value)
        for names in STEPS:
            done = world.moss("install", "-y", *names, "--isolation", kind.value, "--json")
            assert done.returncode == 0, done.stderr
            runs = {run["name"]: run for run in json.loads(done.stdout)["data"]["outcome"]["triggers"]}
            assert runs["busy"]["isolation"] == kind.value and "warning" not in done.stderr
        check(world, len(STEPS))
        trees.append(snapshot(world.root / "usr"))
        del trees[-1][".system-model.kdl"]  # has the command and the time
    assert trees[0] == trees[1]


def check(world: World, items: int) -> None:
    """It is as recorded, nothing was written through a link, and `busy` did what it should."""
    assert differences(world.root) == []
    with world.open() as system:
        assert verify(system).is_clean
    for path in (world.root / ".moss/assets").glob("*/*"):
        assert content_digest_of_file(str(path)).hex() == path.name[:32]
    assert not (world.root / ".moss/triggers").exists()
    text = "".join(f"{number}\n" for number in range(1, items + 1))
    assert shared(world) == {"share/gone/here": "gone/here", "share/kept/one": "kept/one", "share/kept/all": text}
    assert (world.root / "usr/share/new/empty").is_dir() and (world.root / "usr/share/olds").read_text() == "file\n"


def test_a_root_on_an_overlay_gets_a_copy(folder: Path, tmp_path: Path) -> None:
    world = world_in(folder, tmp_path)
    script = ON_AN_OVERLAY.format(place=tmp_path, moss=f"{sys.executable} -m moss", names=" ".join(ALL_STEPS[0]))
    done = subprocess.run(["unshare", "--mount", "sh", "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert "over a private copy of the new tree; overlay: " in told["warnings"][0]
    runs = {run["name"]: run for run in told["data"]["outcome"]["triggers"]}
    assert {run["isolation"] for run in runs.values()} == {"", "copy"}
    world.root = tmp_path / "seen"
    check(world, 1)


def test_the_best_that_there_is_is_taken_and_what_is_missing_is_told(folder: Path, tmp_path: Path) -> None:
    world = world_in(folder, tmp_path)
    without = ("setpriv", "--bounding-set", "-sys_admin")
    done = world.moss("install", "-y", "shell", "triggers", "one", before=without)
    assert done.returncode == 0, done.stderr
    assert "without namespaces" in done.stderr and "overlay: " in done.stderr and "not permitted" in done.stderr
    assert world.read("share/count") == "1\n"
    shown = world.moss("state", "show", "1")
    assert "list (by chroot)" in shown.stdout
    with world.open() as system:
        assert {run.isolation for run in runs_of(system.record, system.active).values()} == {"", "chroot"}
    nothing = ("setpriv", "--bounding-set", "-sys_admin,-sys_chroot")
    done = world.moss("install", "-y", "two", before=nothing)
    assert done.returncode == 12 and "cannot be kept from the rest" in done.stderr and "chroot: " in done.stderr
    assert world.read("share/count") == "1\n" and not (world.root / ".moss/triggers").exists()
    done = world.moss("install", "-y", "two", "--isolation", "overlay", before=without)
    assert done.returncode == 12 and "let moss choose" in done.stderr


def test_what_a_trigger_in_a_chroot_cannot_reach(folder: Path, tmp_path: Path) -> None:
    world = world_in(folder, tmp_path)
    listener = subprocess.Popen(
        [sys.executable, "-c", "import socket,sys; s=socket.create_server(('127.0.0.1',0));"
         "print(s.getsockname()[1],flush=True); s.accept()"], stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    other = subprocess.Popen(["sleep", "97"])
    try:
        assert listener.stdout is not None
        text = REACHES.format(root=world.root, port=listener.stdout.readline().strip(), pid=other.pid, sleep=LONG)
        world.packages = tmp_path / "packages"
        shutil.copytree(folder / "packages", world.packages)
        own = {"share/moss/triggers/tx.d/reaches.yaml": text}
        world.publish("reaches", own)
        with open_to_change(str(world.root), command="test", isolation=Isolation.CHROOT) as system:
            from moss.indexing import index
            from moss.operations.repositories import add_repository

            index(world.packages)
            add_repository(system, "own", str(world.packages / "stone.index"), unsigned=True, priority=5)
        done = world.moss("install", "-y", "shell", "reaches", "one", "--isolation", "chroot", "--json")
        assert done.returncode == 0, done.stderr
        (run,) = (one for one in json.loads(done.stdout)["data"]["outcome"]["triggers"] if one["name"] == "reaches")
        told = set(run["output"].splitlines())
        if landlock_version() < 6:
            told -= {"ends others"}
        assert told == set(), told
        assert other.poll() is None and not HOST.exists()
        assert not sleeps_on(), "what it left running was ended"
    finally:
        for one in (listener, other):
            one.kill()
            one.wait()


def test_a_time_that_is_up_ends_what_was_started(tmp_path: Path) -> None:
    tree = tmp_path / "copy/usr"
    write_files(shell_files(), tree)
    for part in PARTS:
        (tmp_path / "scratch" / part).mkdir(parents=True)
    place = Sandbox(str(tmp_path), "tree", (), "scratch", Isolation.CHROOT, "copy/usr")
    begun = time.monotonic()
    end = run(place, shell(f"(busybox setsid busybox sleep {LONG} &); busybox sleep {LONG}"), timeout=0.5)
    assert end.failure == "it took longer than 0.5 s" and time.monotonic() - begun < 10
    assert not sleeps_on() and not descendants(os.getpid())
