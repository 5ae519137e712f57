"""A disk that boots, in a file: a GPT with an EFI system partition (FAT32) and a root (ext4).

Everything is written at its place in the file by mkfs.ext4 (`-d` takes a directory and keeps hard links), mkfs.vfat,
mcopy and sfdisk: no loop device, no mount.
"""

import os
import shutil
import subprocess
import uuid
from collections.abc import Sequence

from moss.errors import MossError, NoSpace, NotFound
from solver.values import value

MIB = 1 << 20
ESP_LEAST = 64 * MIB
_SECTOR = 512
_TABLE = MIB
"""Before the first and behind the last partition, for the tables."""
_ESP_TYPE = "C12A7328-F81F-11D2-BA4B-00A0C93EC93B"
ROOT_TYPES = {
    "x86_64": "4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709",
    "aarch64": "B921B045-1DF0-41C3-AF44-4C6F280D3FAE",
    "riscv": "72EC70A6-CF74-40E6-BD49-4BDA08E8F224",
    "386": "44479540-F297-41B2-9AF7-D131D5F0458A",
}
"""Partition types by moss's words for architectures: the Discoverable Partitions Specification."""
_TOOLS = {"mkfs.ext4": "e2fsprogs", "mkfs.vfat": "dosfstools", "mcopy": "mtools", "sfdisk": "fdisk"}
"""With the Debian package of each."""


@value
class DiskLayout:
    """Sizes in bytes, multiples of a MiB, and the root partition's identity."""

    esp: int
    root: int
    root_type: str
    root_id: str

    @property
    def root_start(self) -> int:
        return _TABLE + self.esp

    @property
    def size(self) -> int:
        return self.root_start + self.root + _TABLE


def new_root_id() -> str:
    """A partition's identity: random, as a GPT wants it."""
    return str(uuid.uuid4())


def check_tools() -> None:
    """NotFound names all that is missing, and the packages that have it."""
    missing = [name for name in _TOOLS if shutil.which(name, path=_path()) is None]
    if missing:
        packages = " ".join(dict.fromkeys(_TOOLS[name] for name in missing))
        raise NotFound(
            f"to make a disk it takes {', '.join(missing)}, which are not here",
            remedies=[f"on Debian: apt install {packages}"],
        )


def bytes_below(directory: str) -> int:
    """What the files of a tree take on a disk, each once, with their inodes."""
    seen: set[int] = set()
    total = 0
    for top, directories, files in os.walk(directory):
        for name in (*directories, *files):
            status = os.lstat(os.path.join(top, name))
            if status.st_ino not in seen:
                seen.add(status.st_ino)
                total += -(-status.st_size // 4096) * 4096 + 512
    return total


def write_disk(path: str, layout: DiskLayout, root: str, esp: str) -> None:
    """Make the file, which must not exist; durable when this returns. NoSpace where `root` or `esp` does not fit."""
    with open(path, "xb") as file:
        file.truncate(layout.size)
    table = (
        "label: gpt\n"
        f"start={_TABLE // _SECTOR}, size={layout.esp // _SECTOR}, type={_ESP_TYPE}, name=ESP\n"
        f"start={layout.root_start // _SECTOR}, size={layout.root // _SECTOR}, type={layout.root_type},"
        f" uuid={layout.root_id}, name=root\n"
    )
    _run(["sfdisk", "-q", path], "the partition table", table)
    _run(
        # One sector a cluster: with larger ones a small partition has too few of them for FAT32.
        ["mkfs.vfat", "-F", "32", "-s", "1", "-n", "ESP", f"--offset={_TABLE // _SECTOR}", path,
         str(layout.esp // 1024)],
        "the EFI system partition",
    )  # fmt: skip
    for name in sorted(os.listdir(esp)):
        _run(["mcopy", "-s", "-i", f"{path}@@{_TABLE}", os.path.join(esp, name), "::"], "the EFI system partition")
    _run(
        ["mkfs.ext4", "-q", "-F", "-L", "root", "-d", root, "-E", f"offset={layout.root_start}", path,
         f"{layout.root // 1024}k"],
        "the root",
    )  # fmt: skip
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _run(command: Sequence[str], what: str, text: str = "") -> None:
    environment = {**os.environ, "PATH": _path(), "MTOOLS_SKIP_CHECK": "1", "LC_ALL": "C"}
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=False, env=environment)
    if done.returncode == 0:
        return
    said = (done.stderr or done.stdout).strip().splitlines()[-5:]
    if any("No space left" in line for line in said):  # where the file is; a full partition has words of its own
        raise NoSpace(f"no room for {what} in the file", because=said, remedies=["look with: df -h"])
    if any("full" in line or "Could not allocate" in line for line in said):
        raise NoSpace(f"{what} is too small for what it must hold", because=said, remedies=["say a larger --size"])
    raise MossError(f"{what} could not be made: {command[0]} failed", because=said, remedies=["look at what it says"])


def _path() -> str:
    """Where Debian has such tools, an ordinary user's PATH does not lead."""
    return f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin"
