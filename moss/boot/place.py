"""Where $BOOT is: the extended boot partition (XBOOTLDR) if there is one, else the EFI system partition.

On the running system both are found among the mounted file systems, by the type of their partition; for
another root they are directories that the person named. Nothing here writes.
"""

import os
import stat
from collections.abc import Iterator

from moss.boot.entry import FoundEntry
from moss.boot.plan import ASIDE, Found
from solver.values import value

ESP_TYPE = "c12a7328-f81f-11d2-ba4b-00a0c93ec93b"
XBOOTLDR_TYPE = "bc13c2ff-59e6-4262-a352-b275fd6f7172"
ENTRIES = "loader/entries"

_USUAL = ("/efi", "/boot/efi", "/boot")
_LARGEST_ENTRY = 64 << 10


@value
class BootPlace:
    """Directories that are, or stand for, partitions."""

    esp: str
    """Where the boot loader itself goes."""
    boot: str
    """$BOOT: where entries, kernels and initrds go."""


@value
class Mounted:
    """A mounted file system that could be one of the two."""

    point: str
    device: str
    """`major:minor`."""
    kind: str


def find_boot_place(mountinfo: str = "/proc/self/mountinfo", devices: str = "/run/udev/data") -> BootPlace | None:
    """The running machine's, among what is mounted; None where no EFI system partition is."""
    esp = boot = None
    for mounted in _mounted(mountinfo):
        kind = _partition_type(mounted.device, devices)
        if kind == XBOOTLDR_TYPE:
            boot = boot or mounted.point
        elif kind == ESP_TYPE or (kind is None and mounted.kind == "vfat" and _looks_like_esp(mounted.point)):
            esp = esp or mounted.point
    if esp is None:
        return None
    return BootPlace(esp, boot or esp)


def look(place: BootPlace) -> Found:
    """What is on $BOOT. OSError where it cannot be read."""
    status = os.statvfs(place.boot)
    entries, files, leftovers = [], {}, []
    for name in _names(os.path.join(place.boot, ENTRIES)):
        path = os.path.join(place.boot, ENTRIES, name)
        if name.endswith(ASIDE):
            leftovers.append(f"{ENTRIES}/{name}")
        elif name.endswith(".conf"):
            entries.append(FoundEntry(name, _text(path)))
    for path, size in _files_below(place.boot):
        if path.endswith(ASIDE):
            leftovers.append(path)
        else:
            files[path] = size
    return Found(tuple(entries), files, tuple(leftovers), status.f_bavail * status.f_frsize, status.f_frsize)


def is_writable(directory: str) -> bool:
    return os.access(directory, os.W_OK | os.X_OK) and not os.statvfs(directory).f_flag & os.ST_RDONLY


def root_device_option(mountinfo: str = "/proc/self/mountinfo", by_uuid: str = "/dev/disk/by-uuid") -> str:
    """`root=UUID=…` of the running system; empty where its file system has none that is known."""
    device = next((fields.device for fields in _every_mount(mountinfo) if fields.point == "/"), "")
    for name in _names(by_uuid):
        try:
            found = os.stat(os.path.join(by_uuid, name)).st_rdev
        except OSError:
            continue
        if device == f"{os.major(found)}:{os.minor(found)}":
            return f"root=UUID={name}"
    return ""


def _mounted(mountinfo: str) -> Iterator[Mounted]:
    yield from (one for one in _every_mount(mountinfo) if one.kind in ("vfat", "ext4", "autofs") and one.point != "/")


def _every_mount(mountinfo: str) -> Iterator[Mounted]:
    with open(mountinfo, encoding="utf-8", errors="surrogateescape") as lines:
        for line in lines:
            before, _, after = line.partition(" - ")
            fields, kind = before.split(" "), after.split(" ")[0]
            yield Mounted(fields[4].encode().decode("unicode_escape"), fields[2], kind)


def _partition_type(device: str, devices: str) -> str | None:
    """The GPT type of a partition, as udev found it; None where nobody knows."""
    try:
        with open(os.path.join(devices, f"b{device}"), encoding="utf-8") as lines:
            for line in lines:
                name, _, value = line.rstrip("\n").partition("=")
                if name == "E:ID_PART_ENTRY_TYPE":
                    return value.lower()
    except OSError:
        pass
    return None


def _looks_like_esp(point: str) -> bool:
    return point in _USUAL and any(os.path.isdir(os.path.join(point, name)) for name in ("EFI", "efi", "loader"))


def _files_below(boot: str) -> Iterator[tuple[str, int]]:
    """Files two levels below `EFI`, where kernels and initrds are."""
    for efi in _names(boot):
        if efi.lower() != "efi":
            continue
        for vendor in _names(os.path.join(boot, efi)):
            for folder in _names(os.path.join(boot, efi, vendor)):
                for name in _names(os.path.join(boot, efi, vendor, folder)):
                    path = f"{efi}/{vendor}/{folder}/{name}"
                    status = os.stat(os.path.join(boot, path), follow_symlinks=False)
                    if stat.S_ISREG(status.st_mode):
                        yield path, status.st_size


def _names(directory: str) -> list[str]:
    try:
        return sorted(os.listdir(directory))
    except (FileNotFoundError, NotADirectoryError):
        return []


def _text(path: str) -> str:
    with open(path, "rb") as file:
        return file.read(_LARGEST_ENTRY).decode("utf-8", "replace")
