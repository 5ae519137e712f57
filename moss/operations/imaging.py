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
from typing import IO

from moss.architecture import native_architecture
from moss.boot.keeping import Proposed
from moss.db import bundles
from moss.db import repositories as recorded
from moss.declared import Declared
from moss.effects import as_moss_error
from moss.errors import MossError, NotFound, PermissionRefused, UsageError
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
from moss.operations.trees import whole_layout
from moss.root import DECLARED_ENTRIES, GenerationId
from moss.store import Store
from solver.values import value

_LEFT_OUT = tuple(f"usr/{name}" for name in sorted(DECLARED_ENTRIES))
_FREE_SHARE = 4
"""Of what a disk's root holds, a fourth more is left free, and this much at the least:"""
_FREE_LEAST = 256 * MIB
_OWN_DIRECTORIES = ("etc/moss", ".moss/trust")
"""What goes with a system to its image: the admin's words to moss, and what repositories have signed."""


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


def write_tar_image(system: System, generation: Generation, target: Target) -> int:
    """Bytes of its files."""
    with as_moss_error("make the image"), _plain_root(system, generation) as root:
        system.reporter.stage("writing the archive")
        return write_tar(root, target, mtime=generation.created_at, left_out=_LEFT_OUT)


def write_oci_image(
    system: System, generation: Generation, target: IO[bytes], spool: IO[bytes], name: str, command: tuple[str, ...]
) -> str:
    """The manifest's digest, SHA-256."""
    native = native_architecture()
    config = OciConfig(
        ARCHITECTURES.get(native, native),
        datetime.fromtimestamp(generation.created_at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        name,
        command,
        ("PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin",),
        {"org.opencontainers.image.version": str(generation.id)},
    )
    with as_moss_error("make the image"), _plain_root(system, generation) as root:
        system.reporter.stage("writing the layer")
        return write_oci(root, target, spool, config, mtime=generation.created_at, left_out=_LEFT_OUT)


def write_disk_image(
    system: System, generation: Generation, path: str, *, size: int | None, words: str
) -> DiskImage:
    """Make a new file at `path`. `size`: of the whole disk in bytes; None: as large as it takes, and some room.
    `words` go onto the kernel's command line. NotFound where the generation has no kernel."""
    if os.geteuid() != 0:
        raise PermissionRefused("only root can make a disk whose files have the owners they must", remedies=["sudo"])
    check_tools()
    if os.path.lexists(path):
        raise UsageError(f"{path} exists already", remedies=["name a new file", f"rm {path}"])
    with as_moss_error("make the image"), _scratch(system) as scratch:
        root, esp = os.path.join(scratch, "root"), os.path.join(scratch, "esp")
        root_id = new_root_id()
        _own_system(system, generation, scratch, root, f"root=PARTUUID={root_id} rw {words}".strip())
        os.mkdir(esp)
        with open_to_change(root, system.reporter, command="moss image disk", effects=system.effects) as made:
            proposed = propose_boot_sync(made, esp)
            _refuse_without_kernel(generation, proposed)
            sync_boot(made, proposed, remember=False)
        layout = _layout(root, esp, size, root_id)
        system.reporter.stage("writing the disk")
        try:
            write_disk(path, layout, root, esp)
        except BaseException:
            if os.path.exists(path):
                os.unlink(path)
            raise
        entries = tuple(sorted(os.listdir(os.path.join(esp, "loader/entries"))))
        return DiskImage(generation.id, layout.size, entries)


def _layout(root: str, esp: str, size: int | None, root_id: str) -> DiskLayout:
    esp_size = max(ESP_LEAST, -(-bytes_below(esp) * 2 // MIB) * MIB)
    held = bytes_below(root)
    wanted = -(-(held + held // _FREE_SHARE + _FREE_LEAST) // MIB) * MIB
    root_type = ROOT_TYPES.get(native_architecture())
    if root_type is None:
        raise MossError(f"no type of partition is known for {native_architecture()}", remedies=["use image tar"])
    if size is not None:
        wanted = size // MIB * MIB - esp_size - 2 * MIB
        if wanted < held:
            least = (held + esp_size) * 11 // 10 // MIB
            raise UsageError(f"{size} bytes are too few for this generation", remedies=[f"--size {least}M"])
    return DiskLayout(esp_size, wanted, root_type, root_id)


def _refuse_without_kernel(generation: Generation, proposed: Proposed) -> None:
    if not proposed.wanted.entries:
        raise NotFound(
            f"generation {generation.id} has no kernel to boot",
            because=["a kernel is at /usr/lib/modules/VERSION/vmlinuz or /usr/lib/kernel/VERSION/vmlinuz"],
            remedies=["install one: moss install linux-image-…", "image tar and image oci need none"],
        )


@contextmanager
def _scratch(system: System) -> Iterator[str]:
    """An empty directory on the root's file system; it goes when this ends."""
    place = system.root.below(".moss", "image")
    system.effects.remove_tree(place)
    system.effects.mkdir(place, 0o700)
    try:
        yield place
    finally:
        system.effects.remove_tree(place)


@contextmanager
def _plain_root(system: System, generation: Generation) -> Iterator[str]:
    with _scratch(system) as scratch, Store(system.root.store, system.effects) as store:
        root = os.path.join(scratch, "root")
        usr = os.path.join(root, "usr")
        system.reporter.stage(f"making the tree of generation {generation.id}")
        system.effects.mkdir(root, 0o755)
        materialise(whole_layout(system, generation.id), store, usr, Declared(generation.id), system.effects)
        apply_skeleton(propose_skeleton(root, usr), root, system.effects)
        changes = propose_local_changes(root, usr, {})
        apply_local_changes(changes, root, system.effects)
        for warning in (*changes.warnings, *run_in_root(system, root, generation.id)):
            system.reporter.warning(warning)
        yield root


def _own_system(system: System, generation: Generation, scratch: str, root: str, command_line: str) -> None:
    """A system of its own in `root`, whose first generation is this one."""
    bundle = os.path.join(scratch, "bundle")
    with open(bundle, "xb") as file:
        export(system, propose_export(system, generation.id), file, spool_directory=scratch, level=1)
    for name in _OWN_DIRECTORIES:
        source = system.root.below(*name.split("/"))
        if os.path.isdir(source):
            shutil.copytree(source, os.path.join(root, name), symlinks=True)
    os.makedirs(os.path.join(root, "etc/kernel"), exist_ok=True)
    with open(os.path.join(root, "etc/kernel/cmdline"), "x", encoding="utf-8") as words:
        words.write(f"{command_line}\n")
    opening = open_to_change(root, system.reporter, command="moss image disk", effects=system.effects)
    with opening as made, open(bundle, "rb") as file:
        opened = open_vouched(made, file, "the generation", unsigned=True)
        plan, arrival = propose_bundle(made, opened)
        outcome = commit(made, plan, [arrival])
        warnings = outcome.due(made) if outcome.due is not None else ()
        with made.record.transaction():
            for repository in recorded.repositories(system.record):
                recorded.add(made.record, repository, made.clock())
            for key in bundles.pinned_keys(system.record):
                bundles.pin(made.record, key)
        for warning in (*outcome.warnings, *warnings):
            system.reporter.warning(warning)
    os.unlink(bundle)
