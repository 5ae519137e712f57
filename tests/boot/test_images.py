"""A disk by `moss image disk`, and machines that come back by themselves: UEFI firmware, systemd-boot, Debian's kernel,
an initrd that a trigger made with dracut, systemd."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from moss.image.disk import MIB, ROOT_TYPES, DiskLayout, bytes_below, check_tools, new_root_id, write_disk
from moss.operations.booting import write_hooks
from tests.boot import disks
from tests.boot.test_debian_system import PROJECT, WANTED, moss
from tests.builders import Content, Link, metadata, write_package
from tests.debian.closure import AptUnavailable, closure

WORDS = "console=ttyS0 systemd.firstboot=no loglevel=4 rd.shell=0 rd.emergency=reboot"
REPORT = """\
[Unit]
Description=Say what runs, and end
Requires=boot-complete.target
After=boot-complete.target multi-user.target systemd-bless-boot.service

[Service]
Type=oneshot
StandardOutput=journal+console
ExecStart=/bin/sh -c 'echo "REPORT generation=$$(cat /usr/.stateID) version=$$(cat /usr/share/version)" \\
  "failed=[$$(systemctl --failed --no-legend --plain | cut -d" " -f1 | xargs)]" \\
  "entries=$$(ls /efi/loader/entries | xargs)"; sync'
ExecStartPost=/usr/bin/systemctl --no-block poweroff
"""
SICK = """\
[Unit]
Description=A check of this system's health
Before=boot-complete.target
FailureAction=reboot-force

[Service]
Type=oneshot
ExecStart=/bin/false
"""
NO_INIT = 'subscription "init" { default #true; paths "lib/systemd/systemd" "sbin/init" }'
UNITS = "lib/systemd/system"
OWN: dict[str, dict[str, Content]] = {
    "report-1": {
        f"{UNITS}/report.service": REPORT,
        f"{UNITS}/multi-user.target.wants/report.service": Link("../report.service"),
        "share/version": "one\n",
    },
    "report-2": {
        f"{UNITS}/report.service": REPORT,
        f"{UNITS}/multi-user.target.wants/report.service": Link("../report.service"),
        "share/version": "two\n",
    },
    "sick-1": {
        f"{UNITS}/sick.service": SICK,
        f"{UNITS}/boot-complete.target.requires/sick.service": Link("../sick.service"),
    },
}
_REPORT = rb"REPORT generation=[^\n]*\n"

pytestmark = [
    pytest.mark.boots,
    pytest.mark.skipif(os.geteuid() != 0, reason="only root can own all the files of a system"),
    pytest.mark.skipif(disks.missing() is not None, reason=str(disks.missing())),
]


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A root with one generation that boots and says what it is."""
    check_tools()
    try:
        debs = closure([*WANTED, "dracut-core"])
    except AptUnavailable as why:
        pytest.skip(str(why))
    folder = tmp_path_factory.mktemp("images")
    root, stones = folder / "root", folder / "stones"
    moss("convert", *debs, "-o", str(stones))
    write_hooks(str(folder / "hooks/usr"))
    moss("pack", str(folder / "hooks"), "--name", "moss-hooks", "--version", "1", "-o", str(stones))
    publish(stones, "report-1", "sick-1")
    moss("-D", str(root), "repo", "add", "debian", str(stones / "stone.index"), "--unsigned")
    shutil.copytree(PROJECT / "fixtures/triggers/debian", root / "etc/moss/triggers")
    moss("-D", str(root), "install", "-y", *WANTED, "dracut-core", "moss-hooks", "report")
    yield root
    shutil.rmtree(folder)


def publish(stones: Path, *labels: str) -> None:
    for label in labels:
        name, release = label.split("-")
        write_package(stones, metadata(name, "1", int(release)), OWN[label])
    moss("index", str(stones))


def copied(root: Path, place: Path) -> Path:
    """A system of one's own: hard links stay hard links."""
    subprocess.run(["cp", "-a", root, place], check=True)
    return place


def booted(disk: Path, variables: Path, *, keys: bytes = b"") -> dict[str, str]:
    """Let it run until it says what it is, however often it boots; what it says."""
    if not variables.exists():
        shutil.copy(disks.VARIABLES, variables)
    firmware = [
        *("-drive", f"if=pflash,format=raw,readonly=on,file={disks.FIRMWARE}"),
        *("-drive", f"if=pflash,format=raw,file={variables}"),
        *("-drive", f"if=none,id=d,file={disk},format=raw,cache=unsafe", "-device", "nvme,drive=d,serial=m"),
    ]
    machine = [word for word in disks._QEMU if word != "-no-reboot"]
    said = disks.run_machine([*machine, *firmware], until=_REPORT, keys=keys, kill_after=60)
    return dict(re.findall(r"(generation|version|failed|entries)=(.*?)(?= \w+=|$)", said))


def disk_of(root: Path, place: Path) -> Path:
    """A disk of a system with all its generations: `image disk` makes one of a single generation."""
    esp, disk, root_id = place / "esp", place / "disk.img", new_root_id()
    esp.mkdir()
    (root / "etc/kernel").mkdir(exist_ok=True)
    (root / "etc/kernel/cmdline").write_text(f"root=PARTUUID={root_id} rw {WORDS}\n")
    moss("-D", str(root), "boot", "sync", "--esp", str(esp), "-y")
    size = -(-(bytes_below(str(root)) * 5 // 4 + 256 * MIB) // MIB) * MIB
    write_disk(str(disk), DiskLayout(160 * MIB, size, ROOT_TYPES["x86_64"], root_id), str(root), str(esp))
    return disk


def test_a_disk_by_moss_boots_and_blesses_itself(system: Path, tmp_path: Path) -> None:
    disk = tmp_path / "disk.img"
    moss("-D", str(system), "image", "disk", "-o", str(disk), "--cmdline", WORDS)
    said = booted(disk, tmp_path / "vars")
    assert (said["generation"], said["version"], said["failed"]) == ("1", "one", "[]")
    assert re.fullmatch(r"debian-[^+ ]*-1\.conf", said["entries"].strip()), said


def test_a_generation_whose_health_check_fails_gives_way(system: Path, tmp_path: Path) -> None:
    root = copied(system, tmp_path / "root")
    moss("-D", str(root), "install", "-y", "sick")
    said = booted(disk_of(root, tmp_path), tmp_path / "vars")
    assert (said["generation"], said["failed"]) == ("1", "[]")
    spent, good = sorted(said["entries"].split(), key=lambda name: "+0-3" not in name)
    assert re.fullmatch(r"debian-.*-2\+0-3\.conf", spent) and re.fullmatch(r"debian-[^+]*-1\.conf", good)
    follow(root, tmp_path / "disk.img", tmp_path)


def test_a_generation_without_an_init_gives_way(system: Path, tmp_path: Path) -> None:
    root = copied(system, tmp_path / "root")
    (root / "etc/moss/subscriptions").mkdir()
    (root / "etc/moss/subscriptions/init.kdl").write_text(NO_INIT)
    moss("-D", str(root), "unsubscribe", "-y", "init")
    assert not (root / "usr/lib/systemd/systemd").exists()
    said = booted(disk_of(root, tmp_path), tmp_path / "vars")
    assert said["generation"] == "1" and "-2+0-3.conf" in said["entries"]


def follow(root: Path, disk: Path, work: Path) -> None:
    """Read the disk back, as the machine left it, and ask moss: it agrees with what runs, and says why."""
    shutil.rmtree(root)
    root.mkdir()
    start, size = 161 * MIB, os.path.getsize(disk) - 162 * MIB
    image, esp = work / "root.img", work / "esp"
    subprocess.run(
        ["dd", f"if={disk}", f"of={image}", "bs=1M", f"skip={start // MIB}", f"count={size // MIB}", "conv=sparse"],
        check=True, capture_output=True,
    )  # fmt: skip
    subprocess.run(["e2fsck", "-fp", image], check=False, capture_output=True)
    subprocess.run(["debugfs", "-R", f"rdump / {root}", image], check=True, capture_output=True)
    shutil.rmtree(esp / "loader")
    environment = {**os.environ, "MTOOLS_SKIP_CHECK": "1"}
    subprocess.run(["mcopy", "-s", "-i", f"{disk}@@{MIB}", "::/loader", esp], check=True, env=environment)
    told = "generation 2 was tried 3 times and did not come up, so the machine went back to generation 1"
    assert told in asked(root, "list", "installed").stderr
    followed = asked(root, "update", "-y")
    assert followed.returncode == 13 and told in " ".join(followed.stderr.split())
    listed = asked(root, "state", "list")
    assert "did not come up" in listed.stdout and "active" in listed.stdout


def asked(root: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "moss", "-D", str(root), *words]
    return subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False)
