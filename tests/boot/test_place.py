"""Where $BOOT is found on a running machine: by what is mounted and by the types of partitions."""

import os
from pathlib import Path

import pytest

from moss.boot.place import (
    ESP_TYPE,
    XBOOTLDR_TYPE,
    BootPlace,
    find_boot_place,
    is_writable,
    look,
    root_device_option,
)

ROOT = "24 1 259:2 / / rw,relatime shared:1 - ext4 /dev/nvme0n1p2 rw"
LINUX_TYPE = "4f68bce3-e8cd-4db1-96e7-fbcaf984b709"


def machine(folder: Path, mounts: list[tuple[str, str, str]], types: dict[str, str]) -> tuple[str, str]:
    """A mountinfo with these (device, point, kind), and udev's data about partitions."""
    lines = [
        f"{30 + n} 24 {device} / {point} rw shared:2 - {kind} /dev/x rw"
        for n, (device, point, kind) in enumerate(mounts)
    ]
    mountinfo, data = folder / "mountinfo", folder / "data"
    mountinfo.write_text("\n".join([ROOT, *lines, ""]))
    data.mkdir()
    for device, kind in types.items():
        (data / f"b{device}").write_text(f"E:ID_FS_TYPE=vfat\nE:ID_PART_ENTRY_TYPE={kind.upper()}\n")
    return str(mountinfo), str(data)


@pytest.mark.parametrize(
    ("mounts", "types", "found"),
    [
        ([], {}, None),
        ([("259:1", "/efi", "vfat")], {"259:1": ESP_TYPE}, BootPlace("/efi", "/efi")),
        (
            [("259:1", "/efi", "vfat"), ("259:3", "/boot", "ext4")],
            {"259:1": ESP_TYPE, "259:3": XBOOTLDR_TYPE},
            BootPlace("/efi", "/boot"),
        ),
        # A partition of another type is no boot partition, wherever it is mounted.
        ([("259:4", "/boot", "ext4")], {"259:4": LINUX_TYPE}, None),
        ([("259:5", "/media/stick", "vfat")], {"259:5": LINUX_TYPE}, None),
        # XBOOTLDR alone holds no boot loader.
        ([("259:3", "/boot", "ext4")], {"259:3": XBOOTLDR_TYPE}, None),
        ([("259:1", "/boot/my\\040esp", "vfat")], {"259:1": ESP_TYPE}, BootPlace("/boot/my esp", "/boot/my esp")),
        # Nobody knows its type, and it is not where such a partition is by custom.
        ([("259:9", "/media/stick", "vfat")], {}, None),
    ],
)
def test_boot_partitions_are_known_by_their_type(
    tmp_path: Path, mounts: list[tuple[str, str, str]], types: dict[str, str], found: BootPlace | None
) -> None:
    assert find_boot_place(*machine(tmp_path, mounts, types)) == found


def test_what_is_on_it_is_read_with_its_leftovers(tmp_path: Path) -> None:
    entries, kernel = tmp_path / "loader/entries", tmp_path / "EFI/testos" / ("ab" * 16)
    entries.mkdir(parents=True)
    kernel.mkdir(parents=True)
    (entries / "a.conf").write_text("title A\n")
    (entries / ".b.conf.moss-new").write_text("half")
    (entries / "notes.txt").write_text("not an entry")
    (kernel / "vmlinuz").write_bytes(b"12345")
    (kernel / ".initrd.moss-new").write_bytes(b"ha")
    found = look(BootPlace(str(tmp_path), str(tmp_path)))
    assert [one.file_name for one in found.entries] == ["a.conf"]
    assert found.files == {f"EFI/testos/{'ab' * 16}/vmlinuz": 5}
    assert set(found.leftovers) == {"loader/entries/.b.conf.moss-new", f"EFI/testos/{'ab' * 16}/.initrd.moss-new"}
    assert is_writable(str(tmp_path))


def test_the_root_device_is_said_by_its_uuid(tmp_path: Path) -> None:
    mountinfo, _ = machine(tmp_path, [], {})
    by_uuid = tmp_path / "by-uuid"
    by_uuid.mkdir()
    assert root_device_option(mountinfo, str(by_uuid)) == ""
    null = os.stat("/dev/null").st_rdev
    Path(mountinfo).write_text(f"24 1 {os.major(null)}:{os.minor(null)} / / rw - ext4 /dev/x rw\n")
    (by_uuid / "0f1e").symlink_to("/dev/null")
    (by_uuid / "gone").symlink_to("/dev/not-there")
    assert root_device_option(mountinfo, str(by_uuid)) == "root=UUID=0f1e"
