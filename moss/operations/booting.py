"""Boot entries on request: how they stand, bringing them up to date, and what an initrd needs."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from moss.boot import keeping, loader
from moss.boot.entry import FoundEntry
from moss.boot.keeping import Proposed
from moss.boot.place import BootPlace, look
from moss.db import boot
from moss.db.trees import next_to_boot
from moss.effects import as_moss_error
from moss.errors import MossError, NotFound, UsageError
from moss.operations.system import System
from moss.resources import initrd_directory
from moss.root import GenerationId
from moss.store import Store
from solver.values import value

_COMPILER = ("-Os", "-static", "-nostdlib", "-Wl,-z,noseparate-code", "-s")
_HOOKS = (
    # What moss has, where it goes below /usr, and whether it can be run.
    ("moss-fstx", "lib/moss/moss-fstx", True),
    ("dracut/module-setup.sh", "lib/dracut/modules.d/90moss/module-setup.sh", True),
    ("dracut/moss-pivot.sh", "lib/dracut/modules.d/90moss/moss-pivot.sh", True),
    ("initramfs-tools/hook", "share/initramfs-tools/hooks/moss", True),
    ("initramfs-tools/init-bottom", "share/initramfs-tools/scripts/init-bottom/moss", True),
    ("moss-fstx.service", "lib/systemd/system/moss-fstx.service", False),
)
_HELPER = "lib/moss/moss-exchange"


@value
class EntryState:
    """An entry that is on $BOOT or should be."""

    file_name: str
    generation: GenerationId | None
    kernel: str
    is_first: bool
    tries: str
    """`+3-1`, as in the file's name; empty where nothing is counted."""
    standing: str
    """`ok`, `missing`, `outdated`, `spent` or `left over`."""


@value
class BootStatus:
    """How the boot entries of a system stand."""

    place: BootPlace | None
    """None: this system keeps none."""
    entries: tuple[EntryState, ...] = ()
    others: tuple[str, ...] = ()
    """File names of entries that moss did not make."""
    free: int = 0
    """Bytes on $BOOT."""
    loaders: tuple[tuple[str, str | None], ...] = ()
    """Programs on the EFI system partition, with systemd-boot's version."""
    fixed_default: str | None = None
    """The entry that loader.conf insists on."""


def boot_status(system: System) -> BootStatus:
    """How the boot entries stand; NotFound where $BOOT is not there."""
    place = keeping.boot_place(system.root, system.record)
    if place is None:
        return BootStatus(None)
    with as_moss_error(f"look at {place.boot}"), Store(system.root.store, system.effects) as store:
        if not os.path.isdir(place.boot):
            raise NotFound(f"{place.boot} is not there", remedies=[f"mount {place.boot}", "moss boot forget"])
        wanted = keeping.wish_entries(system.root, system.record, store, next_to_boot(system.record))
        found = look(place)
        return BootStatus(
            place,
            tuple(_states(wanted, found.entries)),
            tuple(one.file_name for one in found.entries if not one.is_made_for(wanted.system)),
            found.free,
            tuple(loader.installed_loaders(place)),
            loader.fixed_default(place),
        )


def propose_boot_sync(system: System, esp: str | None = None, boot_directory: str | None = None) -> Proposed:
    """What bringing the entries up to date would do, where they are kept or, from now on, in `esp`.

    UsageError where nobody has said, and nothing shows, where they are kept.
    """
    place = _place(system, esp, boot_directory)
    with as_moss_error("look at the boot entries"), Store(system.root.store, system.effects) as store:
        return keeping.propose(system.root, system.record, store, place, next_to_boot(system.record))


def _place(system: System, esp: str | None, boot_directory: str | None) -> BootPlace:
    if esp is not None:
        return BootPlace(os.path.abspath(esp), os.path.abspath(boot_directory or esp))
    if boot_directory is not None:
        raise UsageError("--boot needs --esp beside it", remedies=["moss boot sync --esp DIRECTORY --boot DIRECTORY"])
    place = keeping.boot_place(system.root, system.record)
    if place is not None:
        return place
    why = "for another root than the running one, you say where they go"
    raise UsageError(
        f"{system.root.path} keeps no boot entries",
        because=["no EFI system partition is mounted" if system.root.is_host else why],
        remedies=["moss boot sync --esp DIRECTORY"],
    )


def sync_boot(system: System, proposed: Proposed, *, remember: bool) -> None:
    """Do it, durably. `remember`: entries are kept there from now on."""
    if remember:
        boot.say_place(system.record, proposed.place.esp, proposed.place.boot)
        system.effects.commit_point("place of boot entries said")
    with Store(system.root.store, system.effects) as store:
        keeping.apply(proposed, store, system.effects)


def forget_boot(system: System) -> bool:
    """Keep no boot entries any more; what is there stays. Whether the person had said where they are."""
    was_said = boot.forget_place(system.record)
    system.effects.commit_point("place of boot entries forgotten")
    return was_said


def write_hooks(directory: str) -> tuple[list[str], bool]:
    """Write what an initrd needs to switch generations, as it goes below /usr, into a new directory.

    The files, and whether the helper that exchanges in one step is among them: it is compiled where a C
    compiler is there.
    """
    source = Path(initrd_directory())
    if os.path.lexists(directory):
        raise UsageError(f"{directory} exists already", remedies=["name a new directory"])
    with as_moss_error(f"write {directory}"):
        for name, place, runs in _HOOKS:
            target = Path(directory, place)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes((source / name).read_bytes())
            target.chmod(0o755 if runs else 0o644)
        compiled = _compile_helper(source / "moss-exchange.c", Path(directory, _HELPER))
    return [place for _, place, _ in _HOOKS] + ([_HELPER] if compiled else []), compiled


def _compile_helper(source: Path, target: Path) -> bool:
    compiler = shutil.which("cc")
    if compiler is None:
        return False
    done = subprocess.run([compiler, *_COMPILER, "-o", target, source], check=False, capture_output=True, text=True)
    if done.returncode != 0:
        raise MossError(
            f"{source} could not be compiled", because=done.stderr.splitlines()[:5], remedies=["repair the C compiler"]
        )
    return True


def _states(wanted: keeping.Wanted, found: tuple[FoundEntry, ...]) -> Iterator[EntryState]:
    ours = {one.stem: one for one in found if one.is_made_for(wanted.system)}
    for entry in sorted(wanted.entries, key=lambda one: (not one.is_first, -one.generation, one.kernel)):
        there = ours.pop(entry.stem, None)
        standing = "missing" if there is None else "ok" if there.text == entry.text else "outdated"
        if there is not None and there.is_spent:
            standing = "spent"
        file_name, tries = (f"{entry.stem}.conf", "") if there is None else (there.file_name, there.tries)
        yield EntryState(file_name, entry.generation, entry.kernel, entry.is_first, tries, standing)
    for one in ours.values():
        yield EntryState(one.file_name, one.generation, "", one.is_first, one.tries, "left over")
