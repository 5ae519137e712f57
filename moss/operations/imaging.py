"""Images of a generation: a root is made of it in a scratch directory, and the image of that.

    tar, oci    the tree, the links into it, and /etc and /var as they begin: a plain root without moss's own state
    disk        a whole system: the generation as the first one of a new record, its repositories and keys, its
                boot entries on an EFI system partition
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import IO, BinaryIO

from moss.architecture import native_architecture
from moss.boot.content import kernels_of
from moss.boot.loader import has_loader
from moss.db import bundles
from moss.db import repositories as recorded
from moss.declared import Declared
from moss.effects import as_moss_error
from moss.errors import MossError, NoSpace, NotFound, PermissionRefused, UsageError
from moss.generation import Generation
from moss.image.disk import ESP_LEAST, MIB, ROOT_TYPES, DiskLayout, bytes_below, check_tools, new_root_id, write_disk
from moss.image.oci import ARCHITECTURES, OciConfig, write_oci
from moss.image.tar import Target, write_tar
from moss.local import apply_local_changes, propose_local_changes
from moss.local.skeleton import apply_skeleton, propose_skeleton
from moss.materialise import materialise
from moss.operations.booting import propose_boot_sync, sync_boot
from moss.operations.bundled import open_vouched, propose_bundle
from moss.operations.commit import commit
from moss.operations.exporting import export, propose_export
from moss.operations.queries import generation_packages
from moss.operations.system import System, open_to_change
from moss.operations.system_triggers import run_in_root
from moss.operations.transaction import Outcome
from moss.operations.trees import whole_layout
from moss.operations.trigger_outcomes import written_for
from moss.root import DECLARED_ENTRIES, GenerationId
from moss.store import Store
from solver.values import value

_LEFT_OUT = tuple(f"usr/{name}" for name in sorted(DECLARED_ENTRIES))
_FREE_SHARE = 4
"""Of what a disk's root holds, a fourth more is left free, and this much at the least:"""
_FREE_LEAST = 256 * MIB
_OWN_DIRECTORIES = ("etc/moss", ".moss/trust")
"""What goes with a system to its image: the admin's words to moss, and what repositories have signed."""

_WITHOUT_INITRD = (
    "the kernel {} has no initrd: it boots where it can mount the root by itself, always the same generation"
)


@value
class DiskImage:
    """What was written."""

    generation: GenerationId
    size: int
    """Bytes of the file; most of what is free takes none on a file system with holes."""
    kernels: tuple[str, ...]
    """The boot entries, by file name."""


def find_generation(system: System, number: GenerationId | None) -> Generation:
    """The generation of an image; the active one. NotFound where its packages are not on record any more."""
    wanted = number if number is not None else system.active
    if wanted is None:
        raise NotFound(f"{system.root.path} has no generation yet", remedies=["moss install PACKAGE"])
    generation, selected = generation_packages(system, wanted)
    if not selected:
        raise NotFound(f"generation {wanted} has no packages on record", remedies=["moss state list"])
    return generation


def write_tar_image(system: System, generation: Generation, target: Target, *, made_at: int) -> int:
    """Bytes of its files. `made_at`: the one time of everything in it, in seconds since 1970."""
    with _plain_root(system, generation) as root:
        system.reporter.stage("writing the archive")
        return write_tar(root, target, mtime=made_at, left_out=_LEFT_OUT)


def write_oci_image(
    system: System,
    generation: Generation,
    target: IO[bytes],
    spool: IO[bytes],
    name: str,
    command: tuple[str, ...],
    *,
    made_at: int,
) -> str:
    """The manifest's digest, SHA-256. `made_at` as for `write_tar_image`."""
    native = native_architecture()
    config = OciConfig(
        ARCHITECTURES.get(native, native),
        datetime.fromtimestamp(made_at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        name,
        command,
        ("PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin",),
        {"org.opencontainers.image.version": str(generation.id)},
    )
    with _plain_root(system, generation) as root:
        system.reporter.stage("writing the layer")
        return write_oci(root, target, spool, config, mtime=made_at, left_out=_LEFT_OUT)


def write_disk_image(
    system: System, generation: Generation, path: str, *, size: int | None, words: str
) -> DiskImage:
    """Make a new file at `path`. `size`: of the whole disk in bytes; None: as large as it takes, and some room.
    `words` go onto the kernel's command line. NotFound where the generation has no kernel or no boot loader; NoSpace
    where it does not fit into `size`, or onto the file system that `path` is on."""
    _check_possible(system, generation, path)
    with as_moss_error("make the image"), _scratch(system) as scratch:
        root, esp = os.path.join(scratch, "root"), os.path.join(scratch, "esp")
        root_id = new_root_id()
        make_own_system(system, generation, scratch, root, f"root=PARTUUID={root_id} rw {words}".strip())
        os.mkdir(esp)
        with open_to_change(root, system.reporter, command="moss image disk", effects=system.effects) as made:
            proposed = propose_boot_sync(made, esp)
            sync_boot(made, proposed, remember=False)
        for entry in proposed.wanted.entries:
            if not entry.initrds:
                system.reporter.warning(_WITHOUT_INITRD.format(entry.kernel))
        layout = _layout(root, esp, size, root_id)
        _check_room(path, bytes_below(root) + bytes_below(esp))
        system.reporter.stage("writing the disk")
        try:
            write_disk(path, layout, root, esp)
        except BaseException:  # also Ctrl-C: half a disk is none
            if os.path.exists(path):
                os.unlink(path)
            raise
        entries = tuple(sorted(os.listdir(os.path.join(esp, "loader/entries"))))
        return DiskImage(generation.id, layout.size, entries)


def _check_possible(system: System, generation: Generation, path: str) -> None:
    """What can be known before minutes of work."""
    if os.geteuid() != 0:
        raise PermissionRefused("only root can make a disk whose files have the owners they must", remedies=["sudo"])
    check_tools()
    if os.path.lexists(path):
        raise UsageError(f"{path} exists already", remedies=["name a new file", f"rm {path}"])
    directory = os.path.dirname(path) or "."
    if not os.path.isdir(directory):
        raise NotFound(f"there is no directory {directory} for the disk", remedies=[f"mkdir -p {directory}"])
    if native_architecture() not in ROOT_TYPES:
        raise MossError(f"no type of partition is known for {native_architecture()}", remedies=["use image tar"])
    if next(kernels_of(system.record, generation), None) is None:
        raise NotFound(
            f"generation {generation.id} has no kernel to boot",
            because=["a kernel is at /usr/lib/modules/VERSION/vmlinuz or /usr/lib/kernel/VERSION/vmlinuz"],
            remedies=["install one: moss install linux-image-…", "image tar and image oci need none"],
        )
    if not has_loader(system.record, generation.id):
        raise NotFound(
            f"generation {generation.id} has no boot loader, so a disk of it would not boot",
            because=["systemd-boot is at /usr/lib/systemd/boot/efi/systemd-boot*.efi"],
            remedies=["install it: moss install systemd-boot-efi", "image tar and image oci need none"],
        )


def _check_room(path: str, needed: int) -> None:
    directory = os.path.dirname(path) or "."
    status = os.statvfs(directory)
    free = status.f_bavail * status.f_frsize
    if free < needed:
        raise NoSpace(
            f"the disk takes {-(-needed // MIB)} MiB, and {directory} has {free // MIB} MiB free",
            remedies=["name a file on another file system", f"look with: df -h {directory}"],
        )


def _layout(root: str, esp: str, size: int | None, root_id: str) -> DiskLayout:
    esp_size = max(ESP_LEAST, -(-bytes_below(esp) * 2 // MIB) * MIB)
    held = bytes_below(root)
    wanted = -(-(held + held // _FREE_SHARE + _FREE_LEAST) // MIB) * MIB
    if size is not None:
        wanted = size // MIB * MIB - esp_size - 2 * MIB
        if wanted < held:
            least = -(-(held + esp_size) * 11 // (10 * MIB))
            raise UsageError(
                f"a disk of {size // MIB} MiB is too small for this generation: it takes {least} MiB",
                remedies=[f"--size {least}M", "leave --size out"],
            )
    return DiskLayout(esp_size, wanted, ROOT_TYPES[native_architecture()], root_id)


@contextmanager
def _scratch(system: System) -> Iterator[str]:
    """An empty directory on the root's file system; it goes when this ends."""
    place = system.root.image
    system.effects.remove_tree(place)
    system.effects.mkdir(place, 0o700)
    try:
        yield place
    finally:
        system.effects.remove_tree(place)


@contextmanager
def _plain_root(system: System, generation: Generation) -> Iterator[str]:
    with _scratch(system) as scratch:
        root = os.path.join(scratch, "root")
        with as_moss_error("make the image"):
            _make_plain_root(system, generation, root)
        yield root


def _make_plain_root(system: System, generation: Generation, root: str) -> None:
    usr = os.path.join(root, "usr")
    system.reporter.stage(f"making the tree of generation {generation.id}")
    system.effects.mkdir(root, 0o755)
    with Store(system.root.store, system.effects) as store:
        materialise(whole_layout(system, generation.id), store, usr, Declared(generation.id), system.effects)
    apply_skeleton(propose_skeleton(root, usr), root, system.effects)
    changes = propose_local_changes(root, usr, {})
    apply_local_changes(changes, root, system.effects)
    for warning in (*changes.warnings, *run_in_root(system, root, generation.id)):
        system.reporter.warning(warning)


def make_own_system(system: System, generation: Generation, scratch: str, root: str, command_line: str) -> None:
    """A system of its own in `root`, whose first generation is this one."""
    bundle = os.path.join(scratch, "bundle")
    with open(bundle, "xb") as file:
        export(system, propose_export(system, generation.id), file, spool_directory=scratch, level=1)
    _bring_own_files(system, root, command_line)
    opening = open_to_change(root, system.reporter, command="moss image disk", effects=system.effects)
    with opening as made, open(bundle, "rb") as file:
        outcome = _make_of_bundle(system, generation, made, file)
        warnings = outcome.due(made) if outcome.due is not None else ()
        _know_the_same(system, made)
        for warning in (*outcome.warnings, *warnings):
            system.reporter.warning(warning)
    os.unlink(bundle)


def _bring_own_files(system: System, root: str, command_line: str) -> None:
    for name in _OWN_DIRECTORIES:
        source = system.root.below(*name.split("/"))
        if os.path.isdir(source):
            shutil.copytree(source, os.path.join(root, name), symlinks=True)
    os.makedirs(os.path.join(root, "etc/kernel"), exist_ok=True)
    with open(os.path.join(root, "etc/kernel/cmdline"), "x", encoding="utf-8") as words:
        words.write(f"{command_line}\n")


def _make_of_bundle(system: System, generation: Generation, made: System, bundle: BinaryIO) -> Outcome:
    """Its packages come in the bundle, and what triggers wrote for it here from the store."""
    plan, arrival = propose_bundle(made, open_vouched(made, bundle, "the generation", unsigned=True))
    with Store(system.root.store, system.effects) as store:
        written = written_for(system, generation.id, store)
        return commit(made, plan, [arrival], triggered_elsewhere=written)


def _know_the_same(system: System, made: System) -> None:
    """The same repositories, and the same keys."""
    with made.record.transaction():
        for repository in recorded.repositories(system.record):
            recorded.add(made.record, repository, made.clock())
        for key in bundles.pinned_keys(system.record):
            bundles.pin(made.record, key)
