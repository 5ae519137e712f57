"""A disk that is too small, media that cannot be written, pipes and devices."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.builders import metadata, snapshot, write_package
from tests.bundle.conftest import Moss, Pair, done
from tests.conftest import PROJECT
from tests.filesystems import mounted, needs_mounts
from tests.trees import differences


@needs_mounts
def test_a_disk_that_is_too_small_is_told_before_anything_is_written(
    pair: Pair, moss: Moss, tmp_path: Path
) -> None:
    folder, made = tmp_path / "large", tmp_path / "made"
    write_package(folder, metadata("large"), {"share/large": os.urandom(12 << 20)})
    done("index", folder, "-q")
    done("-D", made, "repo", "add", "large", folder / "stone.index", "--unsigned", "-q")
    done("-D", made, "install", "-y", "-q", "large")
    bundle = tmp_path / "bundle"
    assert moss("-D", made, "export", "-o", bundle).exit_code == 0
    small = tmp_path / "disk"
    small.mkdir()
    with mounted(small, "ext4", 10 << 20) as disk:
        root = disk / "root"
        done("-D", root, "sync", "--from", small_bundle(pair, moss), "-y", "--unsigned", "-q")
        before = snapshot(root, without=(".moss/db",))
        ended = moss("-D", root, "sync", "--from", bundle, "-y", "--unsigned")
        assert ended.exit_code == 9, ended
        assert "are free" in " ".join(ended.err.split()) and "state prune" in ended.err
        assert snapshot(root, without=(".moss/db",)) == before
        assert differences(root) == []
        # An export that does not fit leaves no part of a file.
        ended = moss("-D", made, "export", "-o", disk / "out")
        assert ended.exit_code == 9, ended
        assert sorted(path.name for path in disk.iterdir()) == ["lost+found", "root"]


def small_bundle(pair: Pair, moss: Moss) -> Path:
    file = pair.files / "small"
    assert moss("-D", pair.a, "export", "1", "-o", file).exit_code == 0
    return file


@needs_mounts
def test_a_medium_that_cannot_be_written_is_enough(pair: Pair, moss: Moss, tmp_path: Path) -> None:
    file = small_bundle(pair, moss)
    medium = tmp_path / "medium"
    medium.mkdir()
    subprocess.run(["mount", "--bind", str(pair.files), str(medium)], check=True)
    try:
        subprocess.run(["mount", "-o", "remount,bind,ro", str(medium)], check=True)
        done("-D", pair.b, "sync", "--from", medium / file.name, "-y", "--unsigned", "-q")
        assert differences(pair.b) == []
        done("-D", pair.b, "repo", "add", "stick", f"bundle:{medium / file.name}", "--unsigned", "-q")
        ended = moss("-D", pair.a, "export", "-o", medium / "new")
        assert ended.exit_code == 10 and "read-only" in " ".join(ended.err.split())
    finally:
        subprocess.run(["umount", str(medium)], check=True)


def test_a_named_pipe_stays_one(pair: Pair) -> None:
    """What is not a plain file is written to, not replaced."""
    pipe = pair.files / "pipe"
    os.mkfifo(pipe)
    command = [sys.executable, "-m", "moss", "-q", "-D"]
    export = subprocess.Popen([*command, pair.a, "export", "-o", pipe], stdout=subprocess.DEVNULL, cwd=PROJECT)
    sync = subprocess.run(
        [*command, pair.b, "sync", "--from", pipe, "-y", "--unsigned"], stdout=subprocess.DEVNULL, cwd=PROJECT
    )
    assert (export.wait(), sync.returncode) == (0, 0)
    assert pipe.is_fifo()
    assert differences(pair.b) == []


@pytest.mark.parametrize("command", ["export", "receipt"])
def test_json_and_the_file_cannot_share_standard_output(pair: Pair, moss: Moss, command: str) -> None:
    ended = moss("-D", pair.a, command, "-o", "-", "--json")
    assert ended.exit_code == 2 and "standard output" in ended.out
