"""Machines by `moss image disk`: small Debian systems with moss in them, booted in QEMU, that do as a second disk says.

    built(folder)           a root with one generation: kernel, systemd, moss, an initrd that a trigger made
    goods(place, script)    the second disk: packages, and a script that the machine runs each time it has come up
    ImageMachine            firmware and disks; runs, and is read back
"""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from moss.image.disk import MIB
from moss.operations.booting import write_hooks
from tests.boot import disks
from tests.builders import Content, Link, metadata, write_package
from tests.debian.closure import closure
from tests.debian.test_walk import PROJECT, moss_ok, publish

WORDS = "console=ttyS0 systemd.firstboot=no loglevel=4 rd.shell=0 rd.emergency=reboot"
NAMES = (
    "base-files", "base-passwd", "libc-bin", "bash", "dash", "coreutils", "sed", "grep", "gzip", "findutils", "mawk",
    "util-linux", "mount", "login", "passwd", "procps", "kmod", "e2fsprogs", "systemd", "systemd-sysv",
    "systemd-boot", "systemd-boot-efi", "udev", "dbus", "linux-image-cloud-amd64", "zstd", "busybox-static",
    "python3-minimal", "libpython3.11-stdlib", "libstdc++6",
)  # fmt: skip
MAKERS = ("dracut-core", "initramfs-tools-core")
"""Of initrds; the first one is installed."""
PYTHON = (3, 11)
"""Debian's, for which moss's own modules must be made."""
MODULES = (
    *("apsw", "lz4", "pycard", "pysat", "pysolvers", "typer", "urllib3", "xxhash", "yaml", "_yaml", "zstandard"),
    *("typing_extensions", "shellingham"),
)
_LEFT_OUT = shutil.ignore_patterns("__pycache__", "tests", "sqlite_extra*", "*_tool*")
_MOSS = "#!/usr/bin/python3\nfrom moss.cli.main import run\n\nrun()\n"
_UNITS = "lib/systemd/system"
_WORKER = """\
[Unit]
Description=Do what the second disk says
Requires=boot-complete.target
After=boot-complete.target multi-user.target systemd-bless-boot.service

[Service]
Type=oneshot
StandardOutput=journal+console
StandardError=journal+console
ExecStart=/bin/sh -c 'mount -r -L goods /mnt && exec sh /mnt/do'
"""
_SICK = """\
[Unit]
Description=A check of this system's health
Before=boot-complete.target
FailureAction=reboot-force

[Service]
Type=oneshot
ExecStart=/bin/false
"""


def why_not() -> str | None:
    """Why no such machine can be had here."""
    if sys.version_info[:2] != PYTHON:
        return "moss's own modules here are for another Python than Debian's"
    return disks.missing() or (None if os.geteuid() == 0 else "only root can own all the files of a system")


def built(folder: Path) -> Path:
    """A root whose generation 1 has version 1. `folder`/packages offers what it was made of, and another maker of
    initrds. AptUnavailable where there are no packages."""
    root, packages = folder / "root", folder / "packages"
    publish(packages, closure([*NAMES, *MAKERS]))
    write_hooks(str(folder / "hooks/usr"))
    moss_ok("pack", folder / "hooks", "--name", "moss-hooks", "--version", "1", "-o", packages)
    _pack_moss(folder / "moss", packages)
    worker: dict[str, Content] = {
        f"{_UNITS}/worker.service": _WORKER,
        f"{_UNITS}/multi-user.target.wants/worker.service": Link("../worker.service"),
    }
    write_package(packages, metadata("worker", "1"), worker)
    offer(packages, "tool-1")
    moss_ok("repo", "add", "debian", packages / "stone.index", "--unsigned", root=root)
    moss_ok("install", "-y", *NAMES, MAKERS[0], "moss-hooks", "moss", "worker", "tool", root=root)
    return root


def _pack_moss(place: Path, packages: Path) -> None:
    """moss with what it imports, as a package of Debian's Python."""
    target = place / "usr/lib/python3/dist-packages"
    target.mkdir(parents=True)
    for name in ("moss", "solver", "schema"):
        shutil.copytree(PROJECT / name, target / name, ignore=_LEFT_OUT)
    (site,) = (Path(path) for path in sys.path if path.endswith("site-packages"))
    for path in site.iterdir():
        if path.name.split(".")[0] in MODULES or path.name.endswith(".libs"):
            if path.is_dir():
                shutil.copytree(path, target / path.name, ignore=_LEFT_OUT)
            else:
                shutil.copy(path, target)
    (place / "usr/bin").mkdir()
    (place / "usr/bin/moss").write_text(_MOSS)
    (place / "usr/bin/moss").chmod(0o755)
    moss_ok("pack", place, "--name", "moss", "--version", "1", "-o", packages)


def offer(packages: Path, *labels: str) -> None:
    """Put packages of one's own into a repository: versions of `tool`, and `sick`, whose check of health fails."""
    for label in labels:
        name, version = label.split("-")
        files: dict[str, Content] = {"share/version": f"{version}\n"}
        if name == "sick":
            files = {
                f"{_UNITS}/sick.service": _SICK,
                f"{_UNITS}/boot-complete.target.requires/sick.service": Link("../sick.service"),
            }
        write_package(packages, metadata(name, version), files)
    moss_ok("index", packages)


_SAYING = r"""
state() {
    units=$(systemctl --failed --no-legend --plain | cut -d' ' -f1 | xargs)
    echo "STATE generation=$(cat /usr/.stateID) version=$(cat /usr/share/version) failed=[$units]" \
        "active=$(moss --json state list | python3 -c "$listed") entries=$(ls /efi/loader/entries | xargs)"
}
listed='import json, sys
print(",".join(str(one["id"]) for one in json.load(sys.stdin)["data"] if one["active"]))'
end() { echo "ENDED"; sync; systemctl --no-block "$1"; }
"""
"""For scripts: `state` says what runs and what moss takes it for; `end poweroff` and `end reboot`."""
ENDED = b"ENDED"


def goods(place: Path, script: str, packages: Path | None = None) -> Path:
    """The second disk: a script, and a repository."""
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir()
    if packages is not None:
        shutil.copytree(packages, place / "packages")
    (place / "do").write_text(_SAYING + script)
    image = place.with_suffix(".img")
    image.unlink(missing_ok=True)
    command = ["mkfs.ext4", "-q", "-F", "-L", "goods", "-d", place, image, "32M"]
    subprocess.run(command, check=True, capture_output=True)
    return image


class ImageMachine:
    """A machine that has a disk by `image disk`, and firmware that remembers."""

    def __init__(self, disk: Path) -> None:
        self.disk, self._variables = disk, disk.with_suffix(".vars")
        shutil.copy(disks.VARIABLES, self._variables)

    def run(
        self, second: Path | None, *, until: bytes = ENDED, kill_after: float = 60, seconds: float = 600
    ) -> list[dict[str, str]]:
        """Switch it on and let it run, however often it boots, until it says that; what it said of its state, each
        time that it did."""
        return states(self.console(second, until=until, kill_after=kill_after, seconds=seconds))

    def console(self, second: Path | None, *, until: bytes, kill_after: float = 60, seconds: float = 600) -> bytes:
        words = [word for word in disks._QEMU if word != "-no-reboot"]
        words += ["-drive", f"if=pflash,format=raw,readonly=on,file={disks.FIRMWARE}"]
        words += ["-drive", f"if=pflash,format=raw,file={self._variables}"]
        for number, path in enumerate(path for path in (self.disk, second) if path is not None):
            words += ["-drive", f"if=none,id=d{number},file={path},format=raw,cache=unsafe"]
            words += ["-device", f"nvme,drive=d{number},serial=m{number}"]
        console = disks.console_of(words, until=until, kill_after=kill_after, seconds=seconds)
        print(console.decode(errors="replace"))  # shown where a test fails
        return console

    def read(self, root: Path) -> None:
        """Take the root off the disk, as the machine left it: the journal is played, as a boot does."""
        shutil.rmtree(root, ignore_errors=True)
        root.mkdir()
        image = self.disk.with_suffix(".root")
        start, size = _partition(self.disk, 2)
        _run("dd", f"if={self.disk}", f"of={image}", f"bs={MIB}", f"skip={start // MIB}", f"count={size // MIB}",
             "conv=sparse")  # fmt: skip
        subprocess.run(["e2fsck", "-fp", image], check=False, capture_output=True)
        _run("debugfs", "-R", f"rdump / {root}", image)
        _restore_set_ids(root, image)
        image.unlink()

    def read_esp(self, place: Path) -> None:
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir()
        start, _ = _partition(self.disk, 1)
        environment = {**os.environ, "MTOOLS_SKIP_CHECK": "1"}
        for name in ("loader", "EFI"):
            command = ["mcopy", "-s", "-i", f"{self.disk}@@{start}", f"::/{name}", place]
            subprocess.run(command, check=True, env=environment, capture_output=True)


_SET_ID = re.compile(r" *\d+ +10([2-7][0-7]{3}) \(\d+\) +\d+ +\d+ +\d+ +\S+ \S+ (.+?) *")
"""A line of debugfs's `ls -l` for a file with setuid, setgid or the sticky bit."""


def _restore_set_ids(root: Path, image: Path) -> None:
    """debugfs changes a file's owner last, which takes these bits away: as they are on the disk."""
    script = image.with_suffix(".script")
    directories = [Path(top).relative_to(root) for top, _, _ in os.walk(root)]
    script.write_text("".join(f'ls -l "/{one}"\n' for one in directories))
    command = ["debugfs", "-f", str(script), str(image)]
    told = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    here = root
    for line in told.splitlines():
        if line.startswith("debugfs: ls -l "):
            here = root / line.partition('"/')[2].rstrip('"')
        elif found := _SET_ID.fullmatch(line):
            (here / found[2]).chmod(int(found[1], 8))
    script.unlink()


def states(console: bytes) -> list[dict[str, str]]:
    """What a machine said of its state."""
    lines = re.findall(r"STATE (generation=[^\n]*)", console.decode(errors="replace"))
    return [dict(re.findall(r"(\w+)=(.*?)\s*(?= \w+=|$)", line)) for line in lines]


def _partition(disk: Path, number: int) -> tuple[int, int]:
    """Where it begins and how long it is, in bytes."""
    told = subprocess.run(["sfdisk", "--json", disk], check=True, capture_output=True, text=True).stdout
    found = json.loads(told)["partitiontable"]["partitions"][number - 1]
    return found["start"] * 512, found["size"] * 512


def _run(*command: object) -> None:
    subprocess.run([str(word) for word in command], check=True, capture_output=True)
