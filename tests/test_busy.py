"""Who uses a tree is found with real processes, whatever namespace they are in."""

import mmap
import os
import signal
import subprocess
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from moss.busy import user_of
from moss.operations.upkeep import keep_house
from tests.builders import Content, metadata, snapshot
from tests.processes import doing, needs_namespaces, thread_in, with_mounts
from tests.transactions import Repository, changing, make


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """An archived tree below a root of its own."""
    usr = tmp_path / "root/.moss/root/1/usr"
    (usr / "share/deep").mkdir(parents=True)
    (usr / "share/file").write_bytes(b"text")
    (tmp_path / "root/usr").mkdir()
    (tmp_path / "point").mkdir()
    (tmp_path / "lower").mkdir()
    return usr


Way = Callable[[Path], AbstractContextManager[int]]


def elsewhere(tree: Path) -> Path:
    return tree.parents[4] / "point"


def live(tree: Path) -> Path:
    return tree.parents[3] / "usr"


OVERLAY = 'mount -t overlay none -o "lowerdir=$1:$3" "$2"'
WAYS: dict[str, tuple[Way, str]] = {
    "a root": (lambda tree: doing(lambda: os.chroot(tree)), "root"),
    "a working directory": (lambda tree: doing(lambda: os.chdir(tree / "share/deep")), "working directory"),
    "a thread's working directory": (
        lambda tree: doing(lambda: thread_in(tree / "share")), "working directory",
    ),
    "an open directory": (lambda tree: doing(lambda: os.open(tree / "share", os.O_RDONLY)), "open directory"),
    "an open path": (lambda tree: doing(lambda: os.open(tree / "share", os.O_PATH)), "open directory"),
    "a mount elsewhere": (lambda tree: with_mounts('mount --bind "$1" "$2"', tree, elsewhere(tree)), "mount"),
    "a mount of a part": (
        lambda tree: with_mounts('mount --bind "$1" "$2"', tree / "share", elsewhere(tree)), "mount",
    ),
    "a mount on a part": (lambda tree: with_mounts('mount -t tmpfs none "$1"', tree / "share/deep"), "mount on it"),
    "a working directory under another name": (
        lambda tree: with_mounts('mount --bind "$1" "$2"; cd "$2/1/usr/share"', tree.parents[1], elsewhere(tree)),
        "working directory",
    ),
    "an overlay": (
        lambda tree: with_mounts(OVERLAY, tree, elsewhere(tree), elsewhere(tree).with_name("lower")),
        "overlay",
    ),
    "an overlay made while it was live": (
        lambda tree: with_mounts(OVERLAY, live(tree), elsewhere(tree), elsewhere(tree).with_name("lower")),
        "overlay",
    ),
}  # fmt: skip


@needs_namespaces
@pytest.mark.parametrize("way", WAYS)
def test_who_uses_a_tree_is_found(tree: Path, way: str) -> None:
    start, how = WAYS[way]
    assert user_of(str(tree)) is None
    with start(tree) as pid:
        user = user_of(str(tree))
        assert user is not None
        assert (user.pid, user.how) == (pid, how)
        assert user_of(str(tree.parents[1])) is not None, "what contains it is used too"
        assert user_of(str(live(tree))) is None or "live" in way
    assert user_of(str(tree)) is None


@needs_namespaces
def test_a_process_that_sees_no_mounts_hides_nobody_elses(tree: Path) -> None:
    """The first process of the namespace is in a jail, from where the mount cannot be seen."""
    jail = tree.parents[4] / "jail"
    jail.mkdir()
    script = (
        "import os, subprocess, sys, time\n"
        "subprocess.run(['mount', '--bind', *sys.argv[1:3]], check=True)\n"
        "subprocess.Popen(['sleep', '1000'])\n"
        "os.chroot(sys.argv[3])\n"
        "print('ready', flush=True)\n"
        "time.sleep(1000)\n"
    )
    command = ["unshare", "-m", "python3", "-c", script, str(tree / "share"), str(elsewhere(tree)), str(jail)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, start_new_session=True) as process:
        try:
            assert process.stdout is not None and process.stdout.readline() == b"ready\n"
            user = user_of(str(tree))
            assert user is not None
            assert (user.name, user.how) == ("sleep", "mount")
        finally:
            os.killpg(process.pid, signal.SIGKILL)


@needs_namespaces
def test_the_same_name_in_another_namespace_is_another_place(tree: Path) -> None:
    script = 'mount -t tmpfs none "$1"; mkdir -p "$2"; cd "$2"'
    with with_mounts(script, tree.parents[3], tree / "share/deep"):
        assert user_of(str(tree)) is None


def test_open_and_mapped_files_do_not_count(tree: Path) -> None:
    def hold() -> object:
        file = os.open(tree / "share/file", os.O_RDONLY)
        return mmap.mmap(file, 4, prot=mmap.PROT_READ)

    with doing(hold):
        assert user_of(str(tree)) is None


def test_what_lies_beside_a_tree_is_not_in_it(tree: Path) -> None:
    beside = tree.with_name("usr-more")
    beside.mkdir()
    with doing(lambda: os.chdir(beside)):
        assert user_of(str(tree)) is None


@needs_namespaces
def test_a_spare_whose_holder_is_somebodys_root_is_not_used(tmp_path: Path) -> None:
    repository, root = Repository(tmp_path / "packages"), tmp_path / "root"
    for number in range(4):
        repository.publish(f"tool-{number}", metadata("tool", str(number)), {"bin/tool": f"{number}"})
    for number in range(2):
        make(root, repository, f"tool-{number}")
    with doing(lambda: os.chroot(root / ".moss/root/1")) as pid:
        make(root, repository, "tool-2")
        with changing(root, repository) as system:
            keep_house(system, keep=1)
        make(root, repository, "tool-3")
        assert Path(f"/proc/{pid}/root/usr/bin/tool").read_text() == "0"


@needs_namespaces
def test_a_spare_that_is_mounted_elsewhere_stays_as_it_is(tmp_path: Path) -> None:
    """A sandbox that has bind-mounted /usr keeps seeing what it saw, through updates and retention."""
    repository, root = Repository(tmp_path / "packages"), tmp_path / "root"
    for number in range(6):
        files: dict[str, Content] = {"bin/tool": f"{number}", f"lib/{number}": ""}
        repository.publish(f"tool-{number}", metadata("tool", str(number)), files)
    make(root, repository, "tool-0")
    (tmp_path / "point").mkdir()
    with with_mounts('mount --bind "$1" "$2"', root / "usr", tmp_path / "point") as pid:
        seen = snapshot(Path(f"/proc/{pid}/root{tmp_path}/point"))
        assert (seen["bin/tool"], "lib/0" in seen) == ((0o100755, b"0"), True)
        for number in range(1, 6):
            make(root, repository, f"tool-{number}")
            with changing(root, repository) as system:
                keep_house(system, keep=1)
        assert snapshot(Path(f"/proc/{pid}/root{tmp_path}/point")) == seen
    make(root, repository, "tool-0")
    with changing(root, repository) as system:
        assert 1 in keep_house(system, keep=1).given_up
