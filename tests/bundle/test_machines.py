"""Two machines: A has real Debian packages and three generations, B is never online.

B's commands run in a network namespace of their own, which has no way out.
"""

import json
import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import zstandard

from moss.layout import EntryKind
from tests.builders import metadata, write_package
from tests.bundle.machines import PROGRAM, Machine, machine_a, publish_newer
from tests.conftest import PROJECT
from tests.debian.closure import AptUnavailable
from tests.trees import differences, found_tree

STONES = PROJECT.parent / "shared" / "stones"
OWNERS = os.geteuid() == 0
OFFLINE = ["unshare", "-n"]
MEMORY = 200 << 20

needs_namespaces = pytest.mark.skipif(
    subprocess.run([*OFFLINE, "true"], capture_output=True).returncode != 0 if shutil.which("unshare") else True,
    reason="needs unshare -n",
)


class Pair(NamedTuple):
    a: Machine
    b: Path
    files: Path


def run(root: Path, *words: object, offline: bool = False, **options: Any) -> str:
    command = [*(OFFLINE if offline else []), *PROGRAM, "-q", "-D", str(root), *map(str, words)]
    ended = subprocess.run(command, capture_output=True, text=True, cwd=PROJECT, **options)
    assert ended.returncode == 0, ended.stderr[-3000:]
    return ended.stdout


def on_b(pair: Pair, *words: object, **options: Any) -> str:
    return run(pair.b, *words, offline=True, **options)


def seen(root: Path) -> dict[str, object]:
    found: dict[str, object] = dict(found_tree(root / "usr", owners=OWNERS))
    found.pop(".stateID")
    found.pop(".system-model.kdl")
    return found


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    folder = tmp_path_factory.mktemp("machines")
    try:
        a = machine_a(folder)
    except AptUnavailable as fault:
        pytest.skip(str(fault))
    run(a.root, "key", "make")
    yield Pair(a, folder / "b", folder)
    shutil.rmtree(folder)


@pytest.mark.slow
@needs_namespaces
def test_a_machine_that_is_never_online_follows_one_that_is(pair: Pair, capsys: pytest.CaptureFixture[str]) -> None:
    a, files = pair.a, pair.files
    assert a.packages >= 200
    full = files / "full.bundle"
    run(a.root, "export", "-o", full)
    stones = sum(stone.stat().st_size for stone in a.stones.glob("*.stone") if not stone.name.startswith("tmux-"))
    tar = files / "usr.tar.zst"
    subprocess.run(f"tar -C {a.root} -c usr | zstd -q -3 -o {tar}", shell=True, check=True)
    say(capsys, f"full bundle {full.stat().st_size:,} bytes; the stones {stones:,}; tar --zstd {tar.stat().st_size:,}")
    assert full.stat().st_size <= min(stones, tar.stat().st_size)
    tar.unlink()

    # An empty root becomes the same generation.
    pair.b.mkdir()
    on_b(pair, "repo", "add", "own", "--unsigned", own_repository(files))
    repositories = on_b(pair, "repo", "list", "--json")
    on_b(pair, "key", "pin", "office", run(a.root, "key", "show").strip())
    on_b(pair, "sync", "--from", full, "-y")
    assert seen(pair.b) == seen(a.root)
    assert differences(pair.b) == []

    # An update, for what B has.
    on_b(pair, "receipt", "-o", files / "b.receipt")
    assert (files / "b.receipt").stat().st_size < 20_000
    publish_newer(a)
    run(a.root, "update", "-y")
    run(a.root, "install", "-y", "tmux")
    lacking = files / "lacking.bundle"
    run(a.root, "export", "--for", files / "b.receipt", "-o", lacking)
    held = json.loads(run(a.root, "bundle", "inspect", lacking, "--json"))["data"]
    carried = sorted(one["name"] for one in held["packages"] if one["carried"])
    assert carried and len(carried) < 40
    changed = compressed(lacking_of(pair))
    size = lacking.stat().st_size
    say(capsys, f"for the receipt {size:,} bytes, {held['deltas']} patches; changed files compressed {changed:,}")
    assert held["deltas"] > 0
    assert size <= 1.3 * changed

    # A further package out of the bundle, before anything else of it.
    on_b(pair, "repo", "add", "stick", f"bundle:{lacking}")
    on_b(pair, "install", "-y", "tmux")
    assert differences(pair.b) == []
    assert (pair.b / "usr/bin/tmux").exists()
    on_b(pair, "repo", "remove", "stick")

    before = seen(pair.b)
    on_b(pair, "sync", "--from", lacking, "-y")
    assert seen(pair.b) == seen(a.root)
    assert differences(pair.b) == []
    on_b(pair, "rollback", "-y")
    assert seen(pair.b) == before
    on_b(pair, "rollback", "-y")
    assert seen(pair.b) == seen(a.root)
    assert strip(on_b(pair, "repo", "list", "--json")) == strip(repositories)


@pytest.mark.slow
@needs_namespaces
def test_memory_stays_bounded_through_pipes(pair: Pair) -> None:
    """Of each process by itself, the one that packs and the one that makes a system of it."""
    other = pair.files / "piped"
    export = subprocess.Popen(
        [*PROGRAM, "-q", "-D", str(pair.a.root), "export", "-o", "-"], stdout=subprocess.PIPE, cwd=PROJECT
    )
    command = [*OFFLINE, *PROGRAM, "-q", "-D", str(other), "sync", "--from", "-", "-y", "--unsigned"]
    sync = subprocess.Popen(command, stdin=export.stdout, stdout=subprocess.DEVNULL, cwd=PROJECT)
    assert export.stdout is not None
    export.stdout.close()
    peaks = {"export": 0, "sync": 0}
    while sync.poll() is None or export.poll() is None:
        for name, process in (("export", export), ("sync", sync)):
            peaks[name] = max(peaks[name], peak_so_far(process.pid))
        time.sleep(0.02)
    assert (export.returncode, sync.returncode) == (0, 0)
    assert min(peaks.values()) > 0 and max(peaks.values()) <= MEMORY, peaks
    assert differences(other) == []


def peak_so_far(process: int) -> int:
    """The most memory that a process has had, in bytes; 0 when it is gone. What `wait4` says begins with that of
    whoever started it."""
    try:
        status = Path(f"/proc/{process}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    found = re.search(r"^VmHWM:\s+([0-9]+) kB", status, re.MULTILINE)
    return int(found[1]) * 1024 if found else 0


@pytest.mark.skipif(not STONES.exists(), reason="needs the real stones beside the project")
def test_nano_goes_from_8_2_to_8_4(tmp_path: Path) -> None:
    """A real update of AerynOS, carried as what is lacking. What nano needs is a stand-in."""
    folder, a, b = tmp_path / "stones", tmp_path / "a", tmp_path / "b"
    needs = ["interpreter(/usr/lib/ld-linux-x86-64.so.2(x86_64))", "soname(libc.so.6(x86_64))"]
    needs += ["soname(libmagic.so.1(x86_64))", "soname(libncursesw.so.6(x86_64))"]
    write_package(folder, metadata("base", provides=needs), {"share/base": "stands in"})
    for stone in STONES.glob("nano-8.2-*.stone"):
        shutil.copy(stone, folder)
    run(a, "index", folder)
    run(a, "repo", "add", "aeryn", folder / "stone.index", "--unsigned")
    run(a, "install", "-y", "nano")
    run(a, "export", "-o", tmp_path / "full")
    run(b, "sync", "--from", tmp_path / "full", "-y", "--unsigned")
    run(b, "receipt", "-o", tmp_path / "receipt")
    for stone in STONES.glob("nano-8.4-*.stone"):
        shutil.copy(stone, folder)
    run(a, "index", folder)
    run(a, "update", "-y")
    run(a, "export", "--for", tmp_path / "receipt", "-o", tmp_path / "update")
    assert (tmp_path / "update").stat().st_size < 0.7 * (folder / "nano-8.4-35-1-x86_64.stone").stat().st_size
    run(b, "sync", "--from", tmp_path / "update", "-y", "--unsigned")
    assert seen(b) == seen(a)
    assert differences(b) == []
    assert "8.4-35" in run(b, "list", "installed")
    run(b, "rollback", "-y")
    assert "8.2-29" in run(b, "list", "installed")
    assert differences(b) == []


def own_repository(files: Path) -> Path:
    """A repository of B's own, which is to stay as it was."""
    write_package(files / "own", metadata("mine"), {"share/mine": "mine"})
    run(files, "index", files / "own")
    return files / "own" / "stone.index"


def lacking_of(pair: Pair) -> list[bytes]:
    """Contents that A's /usr has and B's has not: looked up in the trees, without moss's record."""
    here = {what[-1] for what in found_tree(pair.b / "usr", owners=False).values() if what[0] == EntryKind.REGULAR}
    lacking = {}
    for path, what in found_tree(pair.a.root / "usr", owners=False).items():
        if what[0] == EntryKind.REGULAR and what[-1] not in here:
            lacking[what[-1]] = (pair.a.root / "usr" / path).read_bytes()
    return list(lacking.values())


def compressed(contents: list[bytes]) -> int:
    """Each by itself, at the level that bundles have."""
    packer = zstandard.ZstdCompressor(level=3)
    return sum(len(packer.compress(content)) for content in contents)


def strip(listed: str) -> list[tuple[str, str, int]]:
    return [(one["name"], one["uri"], one["priority"]) for one in json.loads(listed)["data"]]


def say(capsys: pytest.CaptureFixture[str], text: str) -> None:
    with capsys.disabled():
        print(f"\n{text}")
