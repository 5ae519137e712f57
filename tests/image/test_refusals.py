"""Images that cannot be made: said at once, with what helps; and the one time of an archive."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from moss.errors import MossError, NotFound, UsageError
from moss.image.disk import check_tools
from moss.operations.imaging import find_generation, write_disk_image
from tests.builders import Content
from tests.conftest import PROJECT
from tests.triggers.shells import needs_busybox
from tests.triggers.worlds import World, made, world

__all__ = ["made", "world"]

LOADER: dict[str, Content] = {
    "lib/systemd/boot/efi/systemd-bootx64.efi": b"MZ #### LoaderInfo: systemd-boot 252 ####\0"
}

pytestmark = needs_busybox


def tools_are_here() -> bool:
    try:
        check_tools()
    except NotFound:
        return False
    return os.geteuid() == 0


makes_disks = pytest.mark.skipif(not tools_are_here(), reason="only root makes disks, with tools of Debian's")


def refused(world: World, path: Path, size: int | None = None) -> MossError:
    with world.open() as system, pytest.raises(MossError) as fault:
        write_disk_image(system, find_generation(system, None), str(path), size=size, words="")
    assert not (world.root / ".moss/image").exists()
    return fault.value


@makes_disks
def test_what_a_disk_lacks_is_said_before_it_is_made(world: World, tmp_path: Path) -> None:
    taken, disk = tmp_path / "taken", tmp_path / "disk"
    taken.write_text("mine")
    assert f"rm {taken}" in refused(world, taken).remedies and taken.read_text() == "mine"
    assert refused(world, tmp_path / "no/disk").remedies == (f"mkdir -p {tmp_path}/no",)
    assert "has no kernel" in refused(world, disk).message
    world.publish("linux", {"lib/modules/6/vmlinuz": b"MZ kernel"})
    world.publish("systemd-boot-efi", LOADER)
    world.refresh()
    world.install("linux")
    fault = refused(world, disk)
    assert "has no boot loader" in fault.message and "moss install systemd-boot-efi" in fault.remedies[0]
    world.install("systemd-boot-efi")
    fault = refused(world, disk, 20 << 20)
    assert isinstance(fault, UsageError) and "20 MiB is too small" in fault.message
    assert fault.remedies[0].startswith("--size ") and not disk.exists()


@makes_disks
def test_a_disk_for_which_the_file_system_has_no_room_is_not_begun(world: World, tmp_path: Path) -> None:
    world.publish("linux", {"lib/modules/6/vmlinuz": b"MZ kernel"})
    world.publish("loader", LOADER)
    world.refresh()
    world.install("linux", "loader")
    small = tmp_path / "small"
    small.mkdir()
    command = f"mount -t tmpfs -o size=1m small {small} && exec {sys.executable} -m moss -D {world.root} image disk -o"
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", f"{command} {small}/disk"],
        cwd=PROJECT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 9 and f"and {small} has 1 MiB free" in " ".join(done.stderr.split()), done.stderr
    assert "the kernel 6 has no initrd" in " ".join(done.stderr.split())


def test_a_full_file_system_is_not_the_roots(world: World) -> None:
    done = world.moss("image", "tar", "-o", "/dev/full")
    assert done.returncode == 9 and "cannot write /dev/full: its file system is full" in done.stderr
    assert "another file system" in done.stderr and "prune" not in done.stderr
    assert not (world.root / ".moss/image").exists()


def test_builds_that_must_be_reproducible_say_the_time(world: World, tmp_path: Path) -> None:
    for name in ("a", "b"):
        assert world.moss("image", "tar", "-o", str(tmp_path / name), SOURCE_DATE_EPOCH="86400").returncode == 0
        world.install("two")
        world.remove("two")  # another generation with the same packages
    assert world.moss("image", "tar", "-o", str(tmp_path / "c"), SOURCE_DATE_EPOCH="").returncode == 0
    a, b, c = ((tmp_path / name).read_bytes() for name in "abc")
    assert a == b != c
    done = world.moss("image", "tar", "-o", str(tmp_path / "d"), SOURCE_DATE_EPOCH="today")
    assert done.returncode == 2 and "SOURCE_DATE_EPOCH" in done.stderr
