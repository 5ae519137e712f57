"""Disks by `moss image disk`: they boot, are updated by moss within them, go back and forth, and fall back unattended.

UEFI firmware, systemd-boot, Debian's kernel and systemd, initrds that a trigger made.
"""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from moss.image.disk import MIB, ROOT_TYPES, DiskLayout, bytes_below, new_root_id, write_disk
from tests.boot import disks, machines, power_cuts
from tests.boot.machines import PROJECT, WORDS, ImageMachine, goods, offer, states
from tests.debian.test_walk import moss_ok

NO_INIT = 'subscription "init" { default #true; paths "lib/systemd/systemd" "sbin/init" }'
SAY_AND_END = "state; end poweroff\n"
LIFE = r"""
step=$(cat /var/step 2>/dev/null || echo 1); echo $((step + 1)) >/var/step
entry() { ls /efi/loader/entries | grep -- "-$1[.+]"; }
state
case $step in
1)  moss repo remove debian
    moss repo add goods /mnt/packages/stone.index --unsigned
    moss update -y
    state
    systemctl reboot;;
2)  bootctl set-oneshot "$(entry 1)" || state
    systemctl reboot;;
3)  moss state keep 1 first; moss state keep 1 first
    state
    bootctl set-oneshot "$(entry 2)"
    systemctl reboot;;
4)  moss state keep 2 second; moss state keep 2 second
    state
    end poweroff;;
esac
"""
"""Updated; then the entry of generation 1 is chosen for one boot, and moss changes something in it; then that of 2."""

pytestmark = [
    pytest.mark.boots,
    pytest.mark.skipif(machines.why_not() is not None, reason=str(machines.why_not())),
]


def copied(root: Path, place: Path) -> Path:
    """A system of one's own: hard links stay hard links."""
    subprocess.run(["cp", "-a", "--sparse=always", root, place], check=True)
    return place


def disk_of(root: Path, place: Path) -> Path:
    """A disk of a system with all its generations: `image disk` makes one of a single generation."""
    esp, disk, root_id = place / "esp", place / "disk.img", new_root_id()
    esp.mkdir()
    (root / "etc/kernel").mkdir(exist_ok=True)
    (root / "etc/kernel/cmdline").write_text(f"root=PARTUUID={root_id} rw {WORDS}\n")
    moss_ok("boot", "sync", "--esp", esp, "-y", root=root)
    size = -(-(bytes_below(str(root)) * 5 // 4 + 256 * MIB) // MIB) * MIB
    write_disk(str(disk), DiskLayout(160 * MIB, size, ROOT_TYPES["x86_64"], root_id), str(root), str(esp))
    return disk


@pytest.mark.boots(minutes=3)
def test_a_disk_by_moss_boots_is_updated_and_boots_the_generation_that_is_chosen(
    machine_disk: Path, tmp_path: Path
) -> None:
    offer(tmp_path / "packages", "tool-2")
    machine = ImageMachine(copied(machine_disk, tmp_path / "disk.img"))
    said = machine.run(goods(tmp_path / "goods", LIFE, tmp_path / "packages"))
    assert [(one["generation"], one["version"], one["active"]) for one in said] == [
        ("1", "1", "1"), ("2", "2", "2"),
        ("2", "2", "2"),
        ("1", "1", "1"), ("1", "1", "1"),
        ("2", "2", "2"), ("2", "2", "2"),
    ]  # fmt: skip
    assert {one["failed"] for one in said} == {"[]"}
    assert re.fullmatch(r"debian-[^+ ]*-1\.conf", said[0]["entries"]), "it has blessed itself"
    assert re.fullmatch(r"debian-\S*-1\.conf debian-\S*-2\+3\.conf", said[1]["entries"]), "a new one is on trial"
    assert re.fullmatch(r"debian-\S*-1\.conf debian-[^+ ]*-2\.conf", said[2]["entries"]), "and has come up"
    machine.read(tmp_path / "root")
    listed = asked(tmp_path / "root", "state", "list").stdout.splitlines()
    assert [line.split()[0] for line in listed if " active" in line] == ["2"]
    assert asked(tmp_path / "root", "verify").returncode == 0


def test_an_initrd_by_initramfs_tools_boots_the_generation_that_is_chosen(machine_root: Path, tmp_path: Path) -> None:
    root = copied(machine_root, tmp_path / "root")
    moss_ok("remove", "-y", "dracut-core", root=root)
    moss_ok("install", "-y", "initramfs-tools-core", root=root)
    (modules,) = (root / "usr/lib/modules").iterdir()
    assert {path.name for path in modules.glob("initrd*")} == {"initrd.img"}
    offer(tmp_path / "packages", "tool-2")
    moss_ok("repo", "add", "more", tmp_path / "packages/stone.index", "--unsigned", root=root)
    moss_ok("update", "-y", root=root)
    assert (root / "usr/.stateID").read_text().strip() == "4"
    disk = disk_of(root, tmp_path)
    said = started(root, tmp_path / "esp", disk, goods(tmp_path / "goods", SAY_AND_END), generation=3)
    assert (said["generation"], said["version"], said["active"], said["failed"]) == ("3", "1", "3", "[]")


def started(root: Path, esp: Path, disk: Path, second: Path, *, generation: int) -> dict[str, str]:
    """By the kernel and the initrd of a generation's entry, which saves the firmware's time."""
    (entry,) = (esp / "loader/entries").glob(f"*-{generation}[.+]*conf")
    fields = dict(line.split(None, 1) for line in entry.read_text().splitlines() if not line.startswith("#"))
    console = disks.console_of(
        [
            *disks._QEMU,
            *("-drive", f"if=none,id=d,file={disk},format=raw,cache=unsafe", "-device", "nvme,drive=d,serial=m"),
            *("-drive", f"if=none,id=e,file={second},format=raw", "-device", "nvme,drive=e,serial=n"),
            *("-kernel", str(esp / fields["linux"].lstrip("/")), "-initrd", str(esp / fields["initrd"].lstrip("/"))),
            *("-append", fields["options"].strip()),
        ],
        until=machines.ENDED,
        kill_after=60,
        seconds=400,
    )
    (said,) = states(console)
    return said


@pytest.mark.boots(minutes=4)
def test_a_generation_whose_health_check_fails_gives_way(machine_root: Path, tmp_path: Path) -> None:
    root = copied(machine_root, tmp_path / "root")
    offer(tmp_path / "packages", "sick-1")
    moss_ok("repo", "add", "more", tmp_path / "packages/stone.index", "--unsigned", root=root)
    moss_ok("install", "-y", "sick", root=root)
    machine = ImageMachine(disk_of(root, tmp_path))
    (said,) = machine.run(goods(tmp_path / "goods", SAY_AND_END))
    assert (said["generation"], said["active"], said["failed"]) == ("1", "1", "[]")
    spent, good = sorted(said["entries"].split(), key=lambda name: "+0-3" not in name)
    assert re.fullmatch(r"debian-.*-2\+0-3\.conf", spent) and re.fullmatch(r"debian-[^+]*-1\.conf", good)
    follow(root, machine, tmp_path)


@pytest.mark.boots(minutes=4)
def test_a_generation_without_an_init_gives_way(machine_root: Path, tmp_path: Path) -> None:
    root = copied(machine_root, tmp_path / "root")
    (root / "etc/moss/subscriptions").mkdir()
    (root / "etc/moss/subscriptions/init.kdl").write_text(NO_INIT)
    moss_ok("unsubscribe", "-y", "init", root=root)
    assert not (root / "usr/lib/systemd/systemd").exists()
    (said,) = ImageMachine(disk_of(root, tmp_path)).run(goods(tmp_path / "goods", SAY_AND_END))
    assert said["generation"] == "1" and "-2+0-3.conf" in said["entries"]


@pytest.mark.boots(minutes=9)
def test_power_cuts_during_updates_leave_a_machine_that_boots_to_a_recorded_generation(
    machine_disk: Path, tmp_path: Path
) -> None:
    """Twenty of them: python -m tests.boot.power_cuts"""
    results = list(power_cuts.cuts_of(copied(machine_disk, tmp_path / "disk.img"), tmp_path, 3))
    assert len(results) == 3
    print(*results, sep="\n")


def follow(root: Path, machine: ImageMachine, work: Path) -> None:
    """Read the disk back, as the machine left it, and ask moss: it agrees with what runs, and says why."""
    machine.read(root)
    shutil.rmtree(work / "esp")
    machine.read_esp(work / "esp")
    told = "generation 2 was tried 3 times and did not come up, so the machine went back to generation 1"
    assert told in " ".join(asked(root, "list", "installed").stderr.split())
    followed = asked(root, "update", "-y")
    assert followed.returncode == 13 and told in " ".join(followed.stderr.split())
    listed = asked(root, "state", "list")
    assert "did not come up" in listed.stdout and "active" in listed.stdout


def asked(root: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "moss", "-D", str(root), *words]
    return subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False)
