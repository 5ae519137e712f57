"""The hook in real initrds: made by Debian's initramfs-tools and dracut, in a root that moss made of their packages."""

import os
import subprocess
from pathlib import Path

import pytest

from moss.operations.booting import write_hooks
from tests.boot import disks
from tests.boot.disks import Disk
from tests.boot.menus import Machine
from tests.boot.test_real_boots import words
from tests.debian.closure import ESSENTIAL, AptUnavailable, closure
from tests.debian.test_walk import moss_ok, publish

MAKERS = {
    "initramfs-tools": (
        "cp /usr/lib/modules/{kernel}/config /boot/config-{kernel} && mkinitramfs -o /var/tmp/initrd {kernel}"
    ),
    "dracut": (
        "dracut --quiet --no-hostonly --no-early-microcode --add moss --omit systemd --kver {kernel} /var/tmp/initrd"
    ),
    # An initrd made of systemd units, the switch among them by its own unit and not by dracut's hook.
    "systemd": (
        "mkdir -p /var/tmp/wants && ln -sf ../moss-fstx.service /var/tmp/wants/moss-fstx.service && "
        "dracut --quiet --no-hostonly --no-early-microcode --omit moss --add systemd --kver {kernel}"
        " --include /usr/lib/moss /usr/lib/moss"
        " --include /usr/lib/systemd/system/moss-fstx.service /usr/lib/systemd/system/moss-fstx.service"
        " --include /var/tmp/wants /usr/lib/systemd/system/initrd-root-fs.target.wants"
        ' --install "mv mkdir rmdir mount touch sync" /var/tmp/initrd'
    ),
}
NAMES = (
    *ESSENTIAL,
    *(
        "initramfs-tools-core",
        "dracut-core",
        "busybox",
        "kmod",
        "mount",
        "systemd",
        "udev",
        "linux-image-cloud-amd64",
        "zstd",
    ),
)

pytestmark = [
    pytest.mark.boots,
    pytest.mark.skipif(os.geteuid() != 0, reason="chroot needs root"),
    pytest.mark.skipif(disks.missing() is not None, reason=str(disks.missing())),
]


@pytest.fixture(scope="module")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A root that has both makers, a kernel with its modules, and moss's hooks as a package."""
    place = tmp_path_factory.mktemp("workshop")
    root, packages = place / "root", place / "packages"
    try:
        publish(packages, closure(NAMES))
    except AptUnavailable as fault:
        pytest.skip(str(fault))
    write_hooks(str(place / "hooks/usr"))
    moss_ok("pack", place / "hooks", "--name", "test-hooks", "--version", "1", "-o", packages)
    moss_ok("index", packages)
    moss_ok("repo", "add", "debian", packages / "stone.index", "--unsigned", root=root)
    moss_ok("install", "-y", *NAMES, "test-hooks", root=root)
    (root / "var/tmp").mkdir(parents=True, exist_ok=True)
    return root


def made_initrd(maker: str, root: Path) -> tuple[str, bytes]:
    """The kernel's version, and the initrd that the maker made for it."""
    (kernel,) = os.listdir(root / "usr/lib/modules")
    script = (
        f"for name in boot dev proc sys; do mkdir -p {root}/$name; done; mount --rbind /dev {root}/dev; "
        f"mount -t proc proc {root}/proc; mount -t sysfs sys {root}/sys; "
        f"chroot {root} /bin/sh -c 'export PATH=/usr/sbin:/usr/bin; depmod -a {kernel} && ldconfig && {MAKERS[maker]}'"
    ).format(kernel=kernel)
    command = ["unshare", "--mount", "--propagation", "private", "sh", "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    made = root / "var/tmp/initrd"
    assert done.returncode == 0 and made.exists() and made.stat().st_size > 0, done.stdout + done.stderr
    content = made.read_bytes()
    made.unlink()
    return kernel, content


@pytest.mark.parametrize("maker", sorted(MAKERS))
def test_an_initrd_of_debians_makers_boots_the_chosen_generation(maker: str, workshop: Path, tmp_path: Path) -> None:
    kernel, initrd = made_initrd(maker, workshop)
    image = (workshop / f"usr/lib/modules/{kernel}/vmlinuz").read_bytes()
    goods = disks.stock(tmp_path / "packages", (kernel, image), disks.static_busybox(tmp_path), initrd)
    machine = Machine(tmp_path, goods)
    machine.begin()
    for label in ("tool-1", "tool-2"):
        machine.make("base-1", "linux-6", label)
    for name in ("dev", "proc", "sys", "run"):
        (machine.root / name).mkdir(exist_ok=True)
    disk = Disk(tmp_path / "disk.img", machine)
    disk.write()
    assert disk.start(words(1, "ro rd.skipfsck fsck.mode=skip")) == "BOOTED generation=1 tool=one"
    assert disk.start(words(2, "ro rd.skipfsck fsck.mode=skip")) == "BOOTED generation=2 tool=two"
    disk.read()
    with machine.open() as system:
        assert system.active == 2
