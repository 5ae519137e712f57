"""Disks that moss filled are booted: by firmware, systemd-boot and Debian's kernel, in QEMU."""

import os
from pathlib import Path

import pytest

from moss.operations.activate import activate, propose_rollback
from tests.boot import disks
from tests.boot.disks import COMMAND_LINE, Disk
from tests.boot.menus import Machine
from tests.debian.closure import AptUnavailable

DOWN, ENTER = b"\x1b[B", b"\r"

pytestmark = [
    pytest.mark.boots,
    pytest.mark.skipif(os.geteuid() != 0, reason="a root's files must belong to root"),
    pytest.mark.skipif(disks.missing() is not None, reason=str(disks.missing())),
]


@pytest.fixture(scope="module")
def materials(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, tuple[str, bytes], bytes]:
    """A folder to work in, Debian's kernel, a static busybox."""
    folder = tmp_path_factory.mktemp("materials")
    try:
        return folder, disks.debian_kernel(folder), disks.static_busybox(folder)
    except AptUnavailable as fault:
        pytest.skip(str(fault))


def made(place: Path, materials: tuple[Path, tuple[str, bytes], bytes], **how: str) -> Disk:
    """A disk with generations 1 and 2, 2 the active one."""
    _, kernel, busybox = materials
    goods = disks.stock(place / "packages", kernel, busybox, disks.initrd(place, busybox, **how))
    machine = Machine(place, goods)
    (machine.root / "etc/kernel").mkdir(parents=True)
    (machine.root / "etc/kernel/cmdline").write_text(COMMAND_LINE)
    machine.begin()
    for label in ("tool-1", "tool-2"):
        machine.make("base-1", "linux-6", "loader-1", label)
    for name in ("dev", "proc", "sys"):
        (machine.root / name).mkdir(exist_ok=True)
    (machine.boot / "loader/loader.conf").write_text("timeout 20\n")
    disk = Disk(place / "disk.img", machine)
    disk.write()
    return disk


def recovered(disk: Disk) -> tuple[int | None, str | None]:
    """What moss makes of the disk after it was switched off: the active generation, and what it says."""
    disk.read()
    with disk.machine.open() as system:
        return system.active, system.recovered


def test_a_generation_chosen_at_the_menu_runs_and_stays(
    tmp_path: Path, materials: tuple[Path, tuple[str, bytes], bytes]
) -> None:
    disk = made(tmp_path, materials)
    assert disk.boot(keys=ENTER) == "BOOTED generation=2 tool=two"
    assert disk.boot(keys=DOWN + ENTER) == "BOOTED generation=1 tool=one"
    assert recovered(disk) == (1, "/usr is generation 1, the record said 2; the record follows")
    assert disk.machine.menu() == [1, 2]
    disk.write()  # as the machine's own moss has left it now
    assert disk.boot(keys=ENTER) == "BOOTED generation=1 tool=one"
    assert disk.boot(keys=DOWN + ENTER) == "BOOTED generation=2 tool=two"
    assert recovered(disk)[0] == 2


def words(generation: int, more: str = "rw") -> str:
    return f"root=/dev/nvme0n1p2 init=/usr/lib/test-init loglevel=4 moss.fstx={generation} {more}"


def test_what_runs_after_a_rollback_or_an_update_is_what_moss_said(
    tmp_path: Path, materials: tuple[Path, tuple[str, bytes], bytes]
) -> None:
    disk = made(tmp_path, materials)
    with disk.machine.open() as system:
        activate(system, propose_rollback(system))
    disk.write()
    assert disk.boot(keys=ENTER) == "BOOTED generation=1 tool=one"
    assert recovered(disk) == (1, None)
    disk.machine.make("base-1", "linux-6", "loader-1", "tool-3")
    disk.write()
    assert disk.boot(keys=ENTER) == "BOOTED generation=3 tool=three"


def test_an_unknown_generation_leaves_the_machine_as_it_is_and_a_read_only_root_is_switched_too(
    tmp_path: Path, materials: tuple[Path, tuple[str, bytes], bytes]
) -> None:
    disk = made(tmp_path, materials)
    said = b"there is no generation 77; staying with generation 2.*?BOOTED [^\\n]*\\n"
    assert disk.start(words(77), until=b"(?s)" + said).endswith("BOOTED generation=2 tool=two")
    assert disk.start(words(1, "ro")) == "BOOTED generation=1 tool=one"
    assert recovered(disk)[0] == 1


SLOW_MV = """\
#!/bin/sh
echo "MOVING $*"
busybox sync
busybox sleep 3
exec busybox mv "$@"
"""


@pytest.mark.parametrize("method", ["exchange", "rename"])
@pytest.mark.parametrize("next_boot", [1, 2])
def test_a_power_cut_within_the_switch_is_mended_by_the_next_boot(
    tmp_path: Path, materials: tuple[Path, tuple[str, bytes], bytes], method: str, next_boot: int
) -> None:
    disk = made(tmp_path, materials, method=method, mv=SLOW_MV)
    # By exchange the trees have changed places when the first mv begins; by renames, nothing stands at /usr
    # when the second one does.
    cut = b"MOVING" if method == "exchange" else b"(?s)MOVING.*MOVING"
    disk.start(words(1), until=cut, kill_after=0.5)
    tool = {1: "one", 2: "two"}[next_boot]
    assert disk.start(words(next_boot)) == f"BOOTED generation={next_boot} tool={tool}"
    assert recovered(disk)[0] == next_boot
    assert disk.machine.menu() == [next_boot, 3 - next_boot]
    assert set(os.listdir(disk.machine.root / ".moss/root")) == {str(3 - next_boot)}
