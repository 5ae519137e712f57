"""What a generation boots with, found in its layout: kernels, initrds, fragments of the command line.

As upstream has it, `/usr/lib/kernel/<version>/` holds `vmlinuz`, `*.initrd` and `*.cmdline`; Debian's kernels
are at `/usr/lib/modules/<version>/vmlinuz`, an initrd made for them beside it.
"""

import os
import time
from collections.abc import Iterator

from moss.boot.commandline import command_line
from moss.boot.entry import BootEntry, file_word
from moss.boot.place import root_device_option
from moss.db import boot
from moss.db.boot import KERNELS, MODULES, BootFile
from moss.db.connection import Database
from moss.generation import Generation
from moss.root import Root
from moss.store import Store, asset_name
from solver.values import value

_FRAGMENT = ".cmdline"
_LARGEST_TEXT = 64 << 10
_BLESS = ["lib/systemd/system/systemd-bless-boot.service"]
"""What lets a generation say that it has come up, so that tries can be counted."""
_PANIC = "panic=10"
"""A kernel that panics must boot again for the next try to be counted."""


@value
class Kernel:
    """A kernel with what it is started with."""

    version: str
    image: BootFile
    initrds: tuple[BootFile, ...]
    fragments: tuple[BootFile, ...]


@value
class BootContent:
    """A generation as a boot loader sees it."""

    entries: tuple[BootEntry, ...]
    files: dict[str, BootFile]
    """What the entries name, by path on $BOOT."""


def boot_content(
    root: Root,
    database: Database,
    store: Store,
    generation: Generation,
    system: str,
    os_release: tuple[str, str],
    *,
    is_first: bool,
) -> BootContent:
    """The entries of a generation, one for each kernel; none where it has no kernel."""
    os_id, os_name = os_release
    vendor = _texts(store, boot.files_in(database, generation.id, f"{KERNELS}/cmdline.d", _FRAGMENT))
    files: dict[str, BootFile] = {}
    entries = []
    assessed = boot.file_at(database, generation.id, _BLESS) is not None
    for kernel in kernels_of(database, generation):
        paths = [_path(os_id, one) for one in (kernel.image, *kernel.initrds)]
        files.update(zip(paths, (kernel.image, *kernel.initrds), strict=True))
        own = _texts(store, list(kernel.fragments))
        base = f"{_PANIC} {_base(root)}" if assessed else _base(root)  # what comes later in a line counts
        options = command_line(base, vendor, _admin_fragments(root), own, generation.id)
        linux, *initrds = (f"/{path}" for path in paths)
        entries.append(
            BootEntry(
                system, os_id, os_name, generation.id, _day(generation.created_at), kernel.version,
                linux, tuple(initrds), options, is_first, assessed,
            )
        )  # fmt: skip
    return BootContent(tuple(entries), files)


def kernels_of(database: Database, generation: Generation) -> Iterator[Kernel]:
    """Every kernel that a generation has, by version."""
    for version, image in boot.kernel_images(database, generation.id):
        own, modules = f"{KERNELS}/{version}", f"{MODULES}/{version}"
        initrds = boot.files_in(database, generation.id, own, ".initrd")
        if not initrds:
            beside = boot.file_at(database, generation.id, [f"{modules}/initrd", f"{modules}/initrd.img"])
            initrds = [] if beside is None else [beside]
        fragments = boot.files_in(database, generation.id, own, _FRAGMENT)
        yield Kernel(version, image, tuple(initrds), tuple(fragments))


def read_whole(store: Store, file: BootFile) -> bytes:
    """A file's content; empty while its generation is only being staged, and the store does not have it yet."""
    try:
        return b"".join(read_asset(store, file))
    except FileNotFoundError:
        return b""


def read_asset(store: Store, file: BootFile) -> Iterator[bytes]:
    """A file's content, piece by piece."""
    if not file.size:  # the store keeps no empty files
        return
    opened = os.open(asset_name(file.asset), os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=store.fd)
    with open(opened, "rb") as content:
        while chunk := content.read(1 << 20):
            yield chunk


def _path(os_id: str, file: BootFile) -> str:
    return f"EFI/{file_word(os_id)}/{file.asset.digest.hex()}/{file_word(os.path.basename(file.path))}"


def os_release(database: Database, store: Store, generation: Generation) -> tuple[str, str] | None:
    """`ID` and `PRETTY_NAME`, or the specification's defaults; None where it is not in the store yet."""
    file = boot.file_at(database, generation.id, ["lib/os-release"])
    text = "" if file is None else _text(store, file)
    if file is not None and not text:
        return None
    said: dict[str, str] = {}
    for line in text.splitlines():
        name, sign, text = line.strip().partition("=")
        if sign and not name.startswith("#"):
            said[name] = text.strip("\"'")
    return said.get("ID") or "linux", said.get("PRETTY_NAME") or "Linux"


def _texts(store: Store, files: list[BootFile]) -> dict[str, str]:
    return {os.path.basename(file.path): _text(store, file) for file in files}


def _text(store: Store, file: BootFile) -> str:
    return read_whole(store, file)[:_LARGEST_TEXT].decode("utf-8", "replace")


def _base(root: Root) -> str:
    """What the admin wrote in /etc/kernel/cmdline, or the running system's own root device."""
    path = root.below("etc", "kernel", "cmdline")
    if os.path.exists(path):
        return _read(path)
    return root_device_option() if root.is_host else ""


def _admin_fragments(root: Root) -> dict[str, str | None]:
    directory = root.below("etc", "kernel", "cmdline.d")
    try:
        names = sorted(name for name in os.listdir(directory) if name.endswith(_FRAGMENT))
    except (FileNotFoundError, NotADirectoryError):
        return {}
    found: dict[str, str | None] = {}
    for name in names:
        path = os.path.join(directory, name)
        masked = os.path.islink(path) and os.readlink(path) == "/dev/null"
        found[name] = None if masked else _read(path)
    return found


def _read(path: str) -> str:
    with open(path, "rb") as file:
        return file.read(_LARGEST_TEXT).decode("utf-8", "replace")


def _day(moment: int) -> str:
    return time.strftime("%Y-%m-%d", time.gmtime(moment))
