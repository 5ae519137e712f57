"""Power cuts during an update, on a machine that moss runs: it boots afterwards, to a generation on record.

    python -m tests.boot.power_cuts [CUTS]        20 when left out; needs root, QEMU, apt

The machine is made of Debian packages, Python and moss among them, and boots by kernel and initrd of the entry
that a boot loader would take. It begins an update by itself; QEMU is killed at a random instant of it.
"""

import os
import random
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.boot import disks
from tests.boot.disks import Disk
from tests.boot.menus import Machine
from tests.builders import File, metadata, write_package
from tests.debian.closure import closure
from tests.debian.test_walk import PROJECT, moss_ok, publish
from tests.trees import differences

PYTHON = "python3.11"
NAMES = (
    "base-files",
    "base-passwd",
    "libc-bin",
    "libstdc++6",
    "python3-minimal",
    f"lib{PYTHON}-stdlib",
    "busybox-static",
)
MODULES = (
    *("apsw", "lz4", "pycard", "pysat", "pysolvers", "typer", "xxhash", "zstandard"),
    *("typing_extensions", "shellingham"),
)
LEFT_OUT = shutil.ignore_patterns("__pycache__", "tests", "sqlite_extra*", "*_tool*")
INIT = """\
#!/usr/bin/busybox sh
export PATH=/usr/bin:/usr/sbin HOME=/root PYTHONDONTWRITEBYTECODE=1
exec >/dev/console 2>&1 </dev/console
read -r tool </usr/share/tool
read -r generation </usr/.stateID
echo "BOOTED generation=$generation tool=$tool"
read -r words </proc/cmdline
case $words in *test.update*)
    mount -t tmpfs tmpfs /tmp
    echo UPDATING
    python3 -m moss update -y --no-progress --color never
    echo "UPDATED $?"
    ;;
esac
busybox sync
busybox poweroff -f
"""


def why_not() -> str | None:
    """Why it cannot be done here."""
    if sys.version_info[:2] != (3, 11):
        return "moss's own modules here are for another Python than Debian's"
    return disks.missing() or (None if os.geteuid() == 0 else "it needs root")


def made(place: Path) -> Disk:
    """Generation 1 with tool 1, and an update to tool 2 and more on offer, in a repository on the machine itself."""
    root, packages = place / "root", place / "root/srv/packages"
    publish(packages, closure(NAMES))
    kernel, image = disks.debian_kernel(place)
    busybox = disks.static_busybox(place)
    modules = f"lib/modules/{kernel}"
    contents = {
        "test-init": {"lib/test-init": File(INIT.encode(), 0o755)},
        "linux": {f"{modules}/vmlinuz": image, f"{modules}/initrd": disks.initrd(place, busybox)},
        "tool": {"share/tool": "one\n", **{f"share/old/{n}": f"old {n}" for n in range(200)}},
    }
    for name, files in contents.items():
        write_package(packages, metadata(name, "1"), files)
    _pack_moss(place, packages)
    moss_ok("index", packages)
    (root / "etc/kernel").mkdir(parents=True)
    (root / "etc/kernel/cmdline").write_text("root=/dev/nvme0n1p2 rw init=/usr/lib/test-init loglevel=4\n")
    moss_ok("repo", "add", "own", packages / "stone.index", "--unsigned", root=root)
    moss_ok("boot", "sync", "-y", "--esp", _made(root / "boot"), root=root)
    moss_ok("install", "-y", *NAMES, *contents, "moss", root=root)
    write_package(
        packages, metadata("tool", "2"), {"share/tool": "two\n", **{f"share/new/{n}": f"new {n}" for n in range(400)}}
    )
    moss_ok("index", packages)
    for name in ("dev", "proc", "sys", "tmp", "run"):
        _made(root / name)
    _say(root, "/boot", "/srv/packages/stone.index")
    machine = Machine.__new__(Machine)
    machine.root, machine.boot = root, root / "boot"
    disk = Disk(place / "disk.img", machine)
    disk.write()
    return disk


def _made(directory: Path) -> Path:
    directory.mkdir(exist_ok=True)
    return directory


def _pack_moss(place: Path, packages: Path) -> None:
    """moss with what it imports, as a package of Debian's Python."""
    target = place / "moss/usr/lib/python3/dist-packages"
    target.mkdir(parents=True)
    for name in ("moss", "solver", "schema"):
        shutil.copytree(PROJECT / name, target / name, ignore=LEFT_OUT)
    (site,) = (Path(path) for path in sys.path if path.endswith("site-packages"))
    for path in site.iterdir():
        if path.name.split(".")[0] in MODULES or path.name.endswith(".libs"):
            if path.is_dir():
                shutil.copytree(path, target / path.name, ignore=LEFT_OUT)
            else:
                shutil.copy(path, target)
    moss_ok("pack", place / "moss", "--name", "moss", "--version", "1", "-o", packages)


def _say(root: Path, boot: str, index: str) -> None:
    """Write down where things are as the machine itself sees them, or as we do."""
    with sqlite3.connect(root / ".moss/db/moss.db") as record:
        record.execute("UPDATE boot_place SET esp = ?, boot = ?", (boot, boot))
        record.execute("UPDATE repository SET uri = ?", (f"file://{index}",))
    record.close()


def cut(disk: Disk, seconds: float) -> str:
    """One update, cut off that many seconds after it began, and the boot after it; what ran then."""
    disk.start(_first_options(disk, "test.update"), until=b"UPDATING", kill_after=seconds)
    disk.read()
    ran = disk.start(_first_options(disk))
    disk.read()
    root = disk.machine.root
    _say(root, str(root / "boot"), str(root / "srv/packages/stone.index"))
    moss_ok("repo", "update", root=root) if _is_clean(root) else None
    active = int((root / "usr/.stateID").read_text())
    assert ran == f"BOOTED generation={active} tool={'one' if active == 1 else 'two'}", ran
    assert differences(root, active) == []
    return ran


def _is_clean(root: Path) -> bool:
    """Recover, as the next command does; it may have to be said twice."""
    command = [sys.executable, "-m", "moss", "-D", str(root), "repo", "update"]
    done = subprocess.run(command, cwd=PROJECT, check=False, capture_output=True, text=True)
    assert done.returncode in (0, 13), done.stderr
    return done.returncode == 13


def _first_options(disk: Disk, more: str = "") -> str:
    """The command line of the entry that a boot loader would take."""
    first = disk.machine.menu()[0]
    (entry,) = [one for one in disk.machine.entries().values() if one["options"].endswith(f"moss.fstx={first}")]
    return f"{more} {entry['options']}"


def whole_update(disk: Disk) -> float:
    """Let it go through once; how long it takes, in seconds."""
    started = time.monotonic()
    disk.start(_first_options(disk), until=b"BOOTED")
    boot = time.monotonic() - started
    started = time.monotonic()
    assert disk.start(_first_options(disk, "test.update"), until=b"UPDATED 0") == "UPDATED 0"
    return max(time.monotonic() - started - boot, 1.0)


def main(cuts: int, place: Path, seed: int = 7) -> list[str]:
    """Cut so often, each time from the same disk; what ran after each."""
    chance = random.Random(seed)
    disk = made(place)
    saved = place / "saved.img"
    subprocess.run(["cp", "--sparse=always", disk.path, saved], check=True)
    seconds = whole_update(disk)
    results = []
    for number in range(cuts):
        subprocess.run(["cp", "--sparse=always", saved, disk.path], check=True)
        disk.read()
        earliest = 0.7 if number % 2 else 0.0  # every second one near the switch and what follows it
        after = chance.uniform(earliest, 1.1) * seconds
        results.append(cut(disk, after))
        print(f"cut {number + 1}: {after:.2f} s into an update of {seconds:.1f} s: {results[-1]}")
    return results


if __name__ == "__main__":
    reason = why_not()
    if reason is not None:
        sys.exit(reason)
    with tempfile.TemporaryDirectory() as folder:
        main(int(sys.argv[1]) if len(sys.argv) > 1 else 20, Path(folder))
