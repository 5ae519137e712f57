"""Disks to boot in QEMU, made without loop devices or mounts, and booting them.

    GPT: an EFI system partition (mkfs.vfat, mcopy) and a root (mkfs.ext4 -d, which keeps hard links)

Everything that goes onto them was installed by moss, but for the firmware.
"""

import os
import re
import select
import shutil
import subprocess
import time
from pathlib import Path

from moss.operations.booting import write_hooks
from tests.boot.menus import OS_RELEASE, Machine, Shop
from tests.builders import Content
from tests.debian.closure import closure

TOOLS = ("qemu-system-x86_64", "mkfs.vfat", "mcopy", "mkfs.ext4", "debugfs", "sfdisk", "cpio", "dpkg-deb", "cc")
FIRMWARE, VARIABLES = Path("/usr/share/OVMF/OVMF_CODE_4M.fd"), Path("/usr/share/OVMF/OVMF_VARS_4M.fd")
LOADER = Path("/usr/lib/systemd/boot/efi/systemd-bootx64.efi")
COMMAND_LINE = "root=/dev/nvme0n1p2 rw console=ttyS0 panic=2 loglevel=4 init=/usr/lib/test-init\n"

_BOOTED = b"BOOTED [^\n]*\n"
_SECONDS = 240
"""A machine that has not said by then what is waited for never will."""
_ESP_MIB, _ROOT_MIB = 64, 512
_CONTROL = re.compile(rb"\x1b\[[0-9;?=]*[A-Za-z]|\x1b[c()][0-9A-Z]?|[\r\x00]")

INITRD_INIT = """\
#!/bin/sh
export PATH=/bin
mount -t proc proc /proc; mount -t sysfs sys /sys; mount -t devtmpfs dev /dev
exec >/dev/console 2>&1 </dev/console
root= init=/sbin/init mode=ro
read -r words </proc/cmdline
for word in $words; do case $word in root=*) root=${word#root=};; init=*) init=${word#init=};; rw) mode=rw;; esac; done
n=0; while [ ! -b "$root" ] && [ $n -lt 200 ]; do n=$((n+1)); sleep 0.1; done
mount -o $mode "$root" /sysroot || exit 1
sh /moss-fstx /sysroot
for name in dev proc sys; do mount -o move /$name /sysroot/$name; done
exec switch_root /sysroot "$init"
"""
TEST_INIT = """\
#!/usr/bin/busybox sh
export PATH=/usr/bin:/usr/sbin
exec >/dev/console 2>&1 </dev/console
read -r tool </usr/share/tool
read -r generation </usr/.stateID
echo "BOOTED generation=$generation tool=$tool"
busybox sync
busybox poweroff -f
"""


def missing() -> str | None:
    """Why nothing can be booted here; None where it can."""
    lacking = [tool for tool in TOOLS if shutil.which(tool) is None]
    lacking += [str(path) for path in (FIRMWARE, VARIABLES, LOADER) if not path.exists()]
    return f"to boot a disk it takes {', '.join(lacking)}" if lacking else None


def debian_kernel(folder: Path) -> tuple[str, bytes]:
    """Version and image of Debian's kernel for clouds, in which NVMe and ext4 are built in."""
    (package,) = [path for path in closure(["linux-image-cloud-amd64"]) if "/linux-image-6" in path]
    return _unpacked(package, folder, r"vmlinuz-(.+)")


def static_busybox(folder: Path) -> bytes:
    (package,) = [path for path in closure(["busybox-static"]) if "/busybox-static" in path]
    return _unpacked(package, folder, r"(busybox)")[1]


def _unpacked(package: str, folder: Path, name: str) -> tuple[str, bytes]:
    place = folder / Path(package).name
    subprocess.run(["dpkg-deb", "-x", package, place], check=True)
    for path in sorted(place.rglob("*")):
        found = re.fullmatch(name, path.name)
        if found and path.is_file() and not path.is_symlink():
            return found[1], path.read_bytes()
    raise AssertionError(f"{package} has no {name}")


def initrd(folder: Path, busybox: bytes, *, method: str = "exchange", mv: str = "") -> bytes:
    """An initrd of busybox, the script and, for `exchange`, its helper. `mv`: a script to run instead of mv."""
    place = folder / f"initrd-{method}{'-slow' if mv else ''}"
    for name in ("bin", "proc", "sys", "dev", "sysroot"):
        (place / name).mkdir(parents=True, exist_ok=True)
    hooks = folder / f"hooks-{method}{'-slow' if mv else ''}"
    write_hooks(str(hooks))
    script = (hooks / "lib/moss/moss-fstx").read_text()
    (place / "moss-fstx").write_text(script.replace('mv "', '/bin/slow-mv "') if mv else script)
    if method == "exchange":
        shutil.copy(hooks / "lib/moss/moss-exchange", place / "bin")
    _executable(place / "bin/busybox", busybox)
    _executable(place / "init", INITRD_INIT.encode())
    for applet in ("sh", "mount", "mv", "mkdir", "rmdir", "sleep", "switch_root", "touch", "sync"):
        (place / "bin" / applet).symlink_to("busybox")
    if mv:  # busybox runs its own mv whatever the PATH says
        _executable(place / "bin/slow-mv", mv.encode())
    names = "\n".join(sorted(str(path.relative_to(place)) for path in [place, *place.rglob("*")]))
    done = subprocess.run(
        ["cpio", "-o", "-H", "newc", "--quiet"], cwd=place, input=names.encode(), capture_output=True, check=True
    )
    return done.stdout


def _executable(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    path.chmod(0o755)


def stock(folder: Path, kernel: tuple[str, bytes], busybox: bytes, initrd_image: bytes) -> Shop:
    """Packages of a system that boots, says what it is, and powers off."""
    version, image = kernel
    shop = Shop(folder)
    modules = f"lib/modules/{version}"
    shop.stock("base-1", {"lib/os-release": OS_RELEASE, "lib/test-init": _script(TEST_INIT), "bin/busybox": busybox})
    shop.stock("linux-6", {f"{modules}/vmlinuz": image, f"{modules}/initrd": initrd_image})
    shop.stock("loader-1", {"lib/systemd/boot/efi/systemd-bootx64.efi": LOADER.read_bytes()})
    shop.stock("tool-1", {"share/tool": "one\n"})
    shop.stock("tool-2", {"share/tool": "two\n"})
    shop.stock("tool-3", {"share/tool": "three\n"})
    return shop


def _script(text: str) -> Content:
    from tests.builders import File

    return File(text.encode(), 0o755)


class Disk:
    """A machine's root and $BOOT as a disk."""

    def __init__(self, path: Path, machine: Machine) -> None:
        self.path, self.machine = path, machine
        self.variables = path.with_suffix(".vars")
        shutil.copy(VARIABLES, self.variables)

    def write(self, *, root: bool = True) -> None:
        """Put both onto the disk; only $BOOT without `root`."""
        work = self.path.parent
        esp = work / "esp.img"
        esp.unlink(missing_ok=True)
        _run("truncate", "-s", f"{_ESP_MIB}M", esp)
        _run("mkfs.vfat", "-F", "32", "-n", "ESP", esp)
        for name in sorted(os.listdir(self.machine.boot)):
            _run("mcopy", "-s", "-i", esp, self.machine.boot / name, "::")
        if root:
            self.path.unlink(missing_ok=True)
            _run("truncate", "-s", f"{_ESP_MIB + _ROOT_MIB + 2}M", self.path)
            table = (
                f"label: gpt\nstart=1MiB, size={_ESP_MIB}MiB, type=C12A7328-F81F-11D2-BA4B-00A0C93EC93B\n"
                f"start={_ESP_MIB + 1}MiB, size={_ROOT_MIB}MiB, type=4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709\n"
            )
            subprocess.run(["sfdisk", "-q", self.path], input=table.encode(), check=True)
            image = work / "root.img"
            image.unlink(missing_ok=True)
            _run("mkfs.ext4", "-q", "-F", "-d", self.machine.root, image, f"{_ROOT_MIB}M")
            _run("dd", f"if={image}", f"of={self.path}", "bs=1M", f"seek={_ESP_MIB + 1}", "conv=notrunc,sparse")
            image.unlink()
        _run("dd", f"if={esp}", f"of={self.path}", "bs=1M", "seek=1", "conv=notrunc")
        esp.unlink()

    def read(self) -> None:
        """Take the root back from the disk, as a machine that was switched off left it."""
        image = self.path.parent / "read.img"
        _run("dd", f"if={self.path}", f"of={image}", "bs=1M", f"skip={_ESP_MIB + 1}", f"count={_ROOT_MIB}")
        subprocess.run(["e2fsck", "-fp", image], check=False, capture_output=True)  # plays the journal, as a boot does
        shutil.rmtree(self.machine.root)
        self.machine.root.mkdir()
        _run("debugfs", "-R", f"rdump / {self.machine.root}", image)
        (self.machine.root / "lost+found").rmdir()
        image.unlink()

    def boot(self, *, keys: bytes, until: bytes = _BOOTED) -> str:
        """Switch it on, press keys when the menu shows, and wait; the line that `until` found."""
        firmware = [
            *("-drive", f"if=pflash,format=raw,readonly=on,file={FIRMWARE}"),
            *("-drive", f"if=pflash,format=raw,file={self.variables}"),
        ]
        return run_machine([*_QEMU, *self._drive, *firmware], keys=keys, until=until)

    def start(self, words: str, *, until: bytes = _BOOTED, kill_after: float | None = None) -> str:
        """Start the first entry's kernel and initrd with another command line, which saves the firmware's time."""
        entry = next(iter(self.machine.entries().values()))
        linux, initrd_path = (self.machine.boot / entry[field].lstrip("/") for field in ("linux", "initrd"))
        kernel = ["-kernel", str(linux), "-initrd", str(initrd_path), "-append", f"{words} console=ttyS0 panic=-1"]
        return run_machine([*_QEMU, *self._drive, *kernel], until=until, kill_after=kill_after)

    @property
    def _drive(self) -> list[str]:
        drive = f"if=none,id=d,file={self.path},format=raw,cache=unsafe"
        return ["-drive", drive, "-device", "nvme,drive=d,serial=m"]


_QEMU = (
    *("qemu-system-x86_64", "-M", "q35", "-accel", "tcg,thread=multi,tb-size=256", "-cpu", "max", "-smp", "2"),
    *("-m", "1024", "-nodefaults", "-display", "none", "-serial", "stdio", "-no-reboot", "-device", "virtio-rng-pci"),
)
_MENU = b"Reboot Into Firmware"
"""What systemd-boot shows last in its menu."""


def run_machine(command: list[str], *, until: bytes, keys: bytes = b"", kill_after: float | None = None) -> str:
    """Run QEMU until its console says what is waited for, and on until it ends; with `kill_after`, it is killed
    that many seconds later, as a power cut would. The line that was waited for."""
    found = re.search(until, console_of(command, until=until, keys=keys, kill_after=kill_after))
    assert found is not None
    return found[0].decode().strip()


def console_of(
    command: list[str],
    *,
    until: bytes,
    keys: bytes = b"",
    kill_after: float | None = None,
    seconds: float = _SECONDS,
) -> bytes:
    """The same; all that the console said, without what moves a terminal's cursor."""
    machine = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert machine.stdout is not None and machine.stdin is not None
    said, deadline, found = b"", time.monotonic() + seconds, None
    try:
        while time.monotonic() < deadline:
            if select.select([machine.stdout], [], [], 0.2)[0]:
                piece = os.read(machine.stdout.fileno(), 65536)
                if not piece:
                    break
                said += piece
            plain = _CONTROL.sub(b"", said)
            if keys and _MENU in plain:
                machine.stdin.write(keys)
                machine.stdin.flush()
                keys = b""
            if found is None:
                found = re.search(until, plain)
                if found and kill_after is not None:
                    deadline = time.monotonic() + kill_after
    finally:
        machine.kill()
        machine.wait(30)
    plain = _CONTROL.sub(b"", said)
    assert found, f"the machine said:\n{plain.decode(errors='replace')[-3000:]}"
    return plain


def _run(*command: object) -> None:
    done = subprocess.run([str(word) for word in command], check=False, capture_output=True, text=True)
    assert done.returncode == 0, (command, done.stderr)
