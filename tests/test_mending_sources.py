"""What no copy here can mend comes from the download cache, from bundles, from repositories: in this order."""

import hashlib
import os
import shutil
from pathlib import Path

import pytest

from moss.cli.main import main
from tests.builders import metadata, write_package
from tests.foreign.debmaker import Deb, Item, folder
from tests.machine import TOOL, Machine, flip, hide
from tests.machine import machine as machine
from tests.machine import template as template

BIG = "share/big"


def cached(machine: Machine, file: Path, name: str | None = None) -> Path:
    """A file in the download cache, by its digest."""
    downloads = machine.root / ".moss/cache/downloads"
    downloads.mkdir(exist_ok=True)
    place = downloads / (name or hashlib.sha256(file.read_bytes()).hexdigest())
    shutil.copy(file, place)
    return place


def stone(machine: Machine) -> Path:
    (found,) = machine.packages.glob("tool-2-*.stone")
    return found


def damage(machine: Machine) -> None:
    flip(machine.stored(BIG))


def test_a_stone_in_the_download_cache_mends(machine: Machine, capfd: pytest.CaptureFixture[str]) -> None:
    hide(machine)
    cached(machine, stone(machine))
    damage(machine)
    machine.moss("verify", "--fix", "-y")
    assert "→ from tool 2-1 in the download cache" in capfd.readouterr().out
    machine.check_whole()


def test_a_stone_in_the_cache_that_is_not_what_it_is_named_after_mends_nothing(
    machine: Machine, capfd: pytest.CaptureFixture[str]
) -> None:
    place = cached(machine, stone(machine))
    flip(place)
    damage(machine)
    machine.moss("verify", "--fix", "-y")
    machine.check_whole()  # by the repository
    hide(machine)
    damage(machine)
    capfd.readouterr()
    machine.moss("verify", "--fix", "-y", exit_code=7)
    assert "stays damaged" in capfd.readouterr().out


def test_a_deb_in_the_download_cache_mends(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    machine = Machine.__new__(Machine)
    machine.root, machine.packages = tmp_path / "root", tmp_path / "packages"
    note = Item("./usr/share/note", b"a note of some length")
    deb = Path(Deb([folder("./usr"), folder("./usr/share"), note]).write(tmp_path))
    assert main(["convert", str(deb), "-o", str(machine.packages)]) == 0
    machine.index()
    machine.moss("repo", "add", "main", str(machine.packages / "stone.index"), "--unsigned")
    machine.moss("install", "tool", "-y")
    machine.moss("repo", "remove", "main")
    cached(machine, deb)
    flip(machine.stored("share/note"))
    machine.moss("verify", "--fix", "-y")
    assert "in the download cache" in capfd.readouterr().out
    assert (machine.usr / "share/note").read_text() == "a note of some length"
    assert not (machine.root / ".moss/cache/converted").exists()


def test_a_repository_that_is_a_bundle_mends(
    machine: Machine, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    bundle = tmp_path / "state.bundle"
    machine.moss("export", "-o", str(bundle))
    machine.moss("repo", "remove", "main")
    damage(machine)
    machine.moss("verify", "--fix", "-y", exit_code=7)
    machine.moss("repo", "add", "stick", f"bundle:{bundle}", "--unsigned")
    capfd.readouterr()
    machine.moss("verify", "--fix", "-y")
    assert f"→ from the bundle {bundle}" in capfd.readouterr().out
    machine.check_whole()
    damage(machine)
    bundle.unlink()
    machine.moss("verify", "--fix", "-y", exit_code=7)
    assert f"{bundle} is not there" in capfd.readouterr().out


@pytest.mark.parametrize("is_pinned", [True, False])
def test_a_bundle_in_the_cache_mends_where_somebody_vouches_for_it(
    machine: Machine, tmp_path: Path, is_pinned: bool, capfd: pytest.CaptureFixture[str]
) -> None:
    machine.moss("key", "make")
    machine.moss("export", "-o", str(machine.root / ".moss/cache/state.bundle"))
    if not is_pinned:
        machine.moss("key", "remove", "own", "-y")
    hide(machine)
    damage(machine)
    capfd.readouterr()
    machine.moss("verify", "--fix", "-y", exit_code=0 if is_pinned else 7)
    out = capfd.readouterr().out
    if is_pinned:
        assert f"→ from the bundle {machine.root}/.moss/cache/state.bundle" in out
        machine.check_whole()
    else:
        assert "stays damaged" in out


def test_a_bundle_that_carries_a_difference_mends_with_what_it_builds_on(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Made for a receipt, so that the new big file is carried as a patch on the old one."""
    machine = Machine.__new__(Machine)
    machine.root, machine.packages = tmp_path / "root", tmp_path / "packages"
    noise = os.urandom(200_000).hex()
    write_package(machine.packages, metadata("tool", "1"), {**TOOL, BIG: noise})
    machine.index()
    machine.moss("repo", "add", "main", str(machine.packages / "stone.index"), "--unsigned")
    machine.moss("install", "tool", "-y")
    machine.moss("receipt", "-o", str(tmp_path / "receipt"))
    write_package(machine.packages, metadata("tool", "2"), {**TOOL, BIG: f"{noise}!"})
    machine.index()
    machine.moss("update", "-y")
    bundle = tmp_path / "state.bundle"
    machine.moss("export", "--for", str(tmp_path / "receipt"), "-o", str(bundle))
    assert bundle.stat().st_size < 100_000, "the big file is not carried whole"
    machine.moss("repo", "remove", "main")
    machine.moss("repo", "add", "stick", f"bundle:{bundle}", "--unsigned")
    damage(machine)
    capfd.readouterr()
    machine.moss("verify", "--fix", "-y")
    assert f"→ from the bundle {bundle}" in capfd.readouterr().out
    assert (machine.usr / BIG).read_text() == f"{noise}!"
    damage(machine)
    flip(machine.root / ".moss/root/1/usr" / BIG)
    machine.moss("verify", "--fix", "-y", exit_code=7)
    assert "stays damaged" in capfd.readouterr().out
