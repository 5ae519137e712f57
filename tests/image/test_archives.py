"""Roots as archives: what is in them, always the same bytes, and taken by others."""

import json
import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from moss.errors import NoSpace, NotFound
from moss.image.disk import MIB, DiskLayout, bytes_below, check_tools, new_root_id, write_disk
from tests.conftest import PROJECT
from tests.triggers.shells import needs_busybox
from tests.triggers.worlds import World, made, world

__all__ = ["made", "world"]

AS_ROOT = os.geteuid() == 0
pytestmark = needs_busybox


def moss(root: Path, *words: str) -> str:
    command = [sys.executable, "-m", "moss", "-D", str(root), *words]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_tar_archive_is_a_root_that_runs(world: World, tmp_path: Path) -> None:
    moss(world.root, "image", "tar", "-o", str(tmp_path / "a.tar"))
    moss(world.root, "image", "tar", "-o", str(tmp_path / "b.tar"))
    assert (tmp_path / "a.tar").read_bytes() == (tmp_path / "b.tar").read_bytes()
    assert not (world.root / ".moss/image").exists()
    with tarfile.open(tmp_path / "a.tar") as archive:
        members = {one.name: one for one in archive.getmembers()}
        names = list(members)
        assert names == sorted(names, key=lambda name: name.split("/"))
        assert members["bin"].linkname == "usr/bin" and members["usr/bin/busybox"].mode == 0o755
        assert members["usr/share/items/one"].linkname == "usr/share/all", "one file of the store is written once"
        assert {one.uid for one in members.values()} <= {0, os.geteuid()}
        read = archive.extractfile("usr/share/all")
        assert read is not None and read.read() == b"1\n", "what a trigger wrote is there"
        assert not members.keys() & {"usr/.stateID", "usr/.system-model.kdl"}
        assert not any(name.startswith(".moss") for name in names)
        archive.extractall(tmp_path / "root", filter="tar")
    if AS_ROOT:
        said = subprocess.run(
            ["chroot", tmp_path / "root", "/bin/sh", "-c", "busybox cat /usr/share/count /etc/machine-id"],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        assert said.stdout == "1\nuninitialized\n"


def test_an_older_generation_and_standard_output(world: World, tmp_path: Path) -> None:
    world.install("two")
    command = [sys.executable, "-m", "moss", "-D", str(world.root), "-q", "image", "tar", "1", "-o", "-"]
    with open(tmp_path / "x.tar", "wb") as target:
        subprocess.run(command, cwd=PROJECT, stdout=target, check=True)
    with tarfile.open(tmp_path / "x.tar") as archive:
        assert "usr/share/items/two" not in archive.getnames()
    moss(world.root, "image", "tar", "-o", str(tmp_path / "y.tar"))
    with tarfile.open(tmp_path / "y.tar") as archive:
        assert "usr/share/items/two" in archive.getnames()


def test_an_oci_image_is_what_its_specification_says(world: World, tmp_path: Path) -> None:
    words = ("--name", "world:1", "--command", "/bin/sh -c 'echo hello'")
    told = json.loads(moss(world.root, "--json", "image", "oci", "-o", str(tmp_path / "x.oci"), *words))["data"]
    layout = tmp_path / "layout"
    with tarfile.open(tmp_path / "x.oci") as archive:
        archive.extractall(layout, filter="data")
    assert json.loads((layout / "oci-layout").read_text()) == {"imageLayoutVersion": "1.0.0"}
    for blob in (layout / "blobs/sha256").iterdir():
        assert blob.name == subprocess.run(["sha256sum", blob], capture_output=True, text=True, check=True).stdout[:64]
    (index,) = json.loads((layout / "index.json").read_text())["manifests"]
    assert index["digest"] == told["digest"]
    manifest = json.loads((layout / "blobs" / index["digest"].replace(":", "/")).read_text())
    config = json.loads((layout / "blobs" / manifest["config"]["digest"].replace(":", "/")).read_text())
    assert config["config"]["Cmd"] == ["/bin/sh", "-c", "echo hello"] and config["os"] == "linux"
    (layer,) = manifest["layers"]
    packed = layout / "blobs" / layer["digest"].replace(":", "/")
    assert packed.stat().st_size == layer["size"]
    plain = subprocess.run(["sh", "-c", f"zcat < {packed} | sha256sum"], capture_output=True, text=True, check=True)
    assert config["rootfs"]["diff_ids"] == [f"sha256:{plain.stdout[:64]}"]


@pytest.mark.skipif(shutil.which("skopeo") is None, reason="skopeo is not installed")
@pytest.mark.skipif(shutil.which("umoci") is None, reason="umoci is not installed")
def test_others_take_an_oci_image(world: World, tmp_path: Path) -> None:
    made = json.loads(moss(world.root, "--json", "image", "oci", "-o", str(tmp_path / "x.oci"), "--name", "one"))
    inspect = ["skopeo", "inspect", f"oci-archive:{tmp_path}/x.oci"]
    told = json.loads(subprocess.run(inspect, capture_output=True, text=True, check=True).stdout)
    assert told["Digest"] == made["data"]["digest"] and told["Os"] == "linux" and len(told["Layers"]) == 1
    copy = ["skopeo", "--insecure-policy", "copy", f"oci-archive:{tmp_path}/x.oci", f"oci:{tmp_path}/copied:one"]
    subprocess.run(copy, capture_output=True, check=True)
    unpack = ["umoci", "unpack", *([] if AS_ROOT else ["--rootless"]), "--image", f"{tmp_path}/copied:one"]
    subprocess.run([*unpack, str(tmp_path / "bundle")], capture_output=True, check=True)
    assert (tmp_path / "bundle/rootfs/usr/share/all").read_text() == "1\n"
    if AS_ROOT:
        run = ["chroot", str(tmp_path / "bundle/rootfs"), "/bin/sh", "-c", "echo runs"]
        assert subprocess.run(run, capture_output=True, text=True, check=True).stdout == "runs\n"


def _tools_are_here() -> bool:
    try:
        check_tools()
    except NotFound:
        return False
    return True


@pytest.mark.skipif(not _tools_are_here(), reason="the tools that make disks are not installed")
def test_a_disk_holds_what_it_was_given(tmp_path: Path) -> None:
    root, esp = tmp_path / "root", tmp_path / "esp"
    (root / "etc").mkdir(parents=True)
    (root / "etc/one").write_text("one")
    os.link(root / "etc/one", root / "etc/two")
    (esp / "loader/entries").mkdir(parents=True)
    (esp / "loader/entries/a.conf").write_text("title a\n")
    layout = DiskLayout(64 * MIB, 16 * MIB, "4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709", new_root_id())
    disk = tmp_path / "disk.img"
    write_disk(str(disk), layout, str(root), str(esp))
    assert disk.stat().st_size == layout.size
    assert disk.stat().st_blocks * 512 < layout.size // 4, "what is free takes no room"
    table = json.loads(
        subprocess.run(["sfdisk", "--json", disk], capture_output=True, text=True, check=True).stdout
    )["partitiontable"]["partitions"]
    assert [one["name"] for one in table] == ["ESP", "root"]
    assert table[1]["uuid"].lower() == layout.root_id and table[1]["start"] * 512 == layout.root_start
    listed = subprocess.run(["mdir", "-b", "-/", "-i", f"{disk}@@{MIB}"], capture_output=True, text=True, check=True)
    assert "::/loader/entries/a.conf" in listed.stdout
    image = tmp_path / "root.img"
    with open(disk, "rb") as whole, open(image, "wb") as part:
        whole.seek(layout.root_start)
        part.write(whole.read(layout.root))
    subprocess.run(["e2fsck", "-fn", image], capture_output=True, check=True)
    said = subprocess.run(["debugfs", "-R", "ls -l /etc", image], capture_output=True, text=True, check=True).stdout
    inodes = [line.split()[0] for line in said.splitlines() if line.endswith((" one", " two"))]
    assert len(inodes) == 2 and len(set(inodes)) == 1, "hard links stay hard links"
    (root / "big").write_bytes(os.urandom(20 * MIB))
    disk.unlink()
    with pytest.raises(NoSpace) as fault:
        write_disk(str(disk), layout, str(root), str(esp))
    assert "--size" in fault.value.remedies[0]
    assert bytes_below(str(root)) > 20 * MIB
