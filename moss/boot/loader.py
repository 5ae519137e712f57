"""The boot loader itself: systemd-boot is put on the EFI system partition when a package has it.

EFI/systemd/systemd-bootx64.efi    written where it is missing or older
EFI/BOOT/BOOTX64.EFI               the same, unless it is another boot loader: then it is left alone
loader/loader.conf                 written where it is missing, never changed
"""

import os
import re
from collections.abc import Iterable, Iterator
from typing import TypeAlias

from moss.boot.carry_out import write_file
from moss.boot.content import read_asset, read_whole
from moss.boot.place import BootPlace
from moss.boot.plan import ASIDE
from moss.db import boot
from moss.db.boot import BootFile
from moss.db.connection import Database
from moss.effects import Effects
from moss.root import GenerationId
from moss.store import Store
from solver.values import value
from solver.version import Scheme, VersionError, compare

Content: TypeAlias = Iterable[bytes]

_SOURCE = "lib/systemd/boot/efi"
_PROGRAM = re.compile(r"systemd-boot(?P<machine>[a-z0-9]+)\.efi(?:\.signed)?")
_MARK = re.compile(rb"#### LoaderInfo: systemd-boot ([^\x00#]+?) ####")
_LARGEST = 8 << 20
_PROGRAMS = ("EFI/systemd", "EFI/BOOT")
_CONFIGURATION = "loader/loader.conf"
_FIRST_CONFIGURATION = b"# Which entry boots first is decided by the entries themselves: moss sorts them.\ntimeout 3\n"
_DEFAULT = re.compile(r"^\s*default\s+(\S+)", re.MULTILINE)


@value
class LoaderFile:
    """A file of the boot loader that must be written."""

    path: str
    """On the EFI system partition."""
    source: BootFile | None
    """None: the first loader.conf."""
    version: str


def has_loader(database: Database, generation: GenerationId) -> bool:
    """Whether a generation has a boot loader that moss can put on an EFI system partition."""
    return any(_PROGRAM.fullmatch(os.path.basename(one.path)) for one in _programs(database, generation))


def loader_files(
    database: Database, store: Store, place: BootPlace, generation: GenerationId
) -> tuple[LoaderFile, ...]:
    """What is missing or older than what the generation has; nothing where it has no boot loader."""
    due: dict[str, LoaderFile] = {}
    for program in _programs(database, generation):
        name = _PROGRAM.fullmatch(os.path.basename(program.path))
        if name is None:
            continue
        offered = _version(read_whole(store, program))
        machine = name["machine"]
        for path in (f"EFI/systemd/systemd-boot{machine}.efi", f"EFI/BOOT/BOOT{machine.upper()}.EFI"):
            if offered is not None and _is_due(os.path.join(place.esp, path), offered):
                due[path] = LoaderFile(path, program, offered)
    if due and not os.path.lexists(os.path.join(place.esp, _CONFIGURATION)):
        due[_CONFIGURATION] = LoaderFile(_CONFIGURATION, None, "")
    return tuple(due[path] for path in sorted(due))


def _programs(database: Database, generation: GenerationId) -> list[BootFile]:
    """A signed one comes last, and is what a machine with Secure Boot starts."""
    return [one for ending in (".efi", ".signed") for one in boot.files_in(database, generation, _SOURCE, ending)]


def loader_leftovers(place: BootPlace) -> tuple[str, ...]:
    """What an interrupted moss wrote aside where the boot loader is, on the EFI system partition."""
    found = []
    for directory in (*_PROGRAMS, os.path.dirname(_CONFIGURATION)):
        try:
            names = sorted(os.listdir(os.path.join(place.esp, directory)))
        except (FileNotFoundError, NotADirectoryError):
            continue
        found += [f"{directory}/{name}" for name in names if name.endswith(ASIDE)]
    return tuple(found)


def write_loader(
    leftovers: Iterable[str], files: Iterable[LoaderFile], place: BootPlace, store: Store, effects: Effects
) -> None:
    """Write them, durably; a machine that loses power meanwhile has the old or the new one."""
    esp = os.open(place.esp, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for path in leftovers:
            effects.unlink(path, dir_fd=esp)
        for file in files:
            content = (_FIRST_CONFIGURATION,) if file.source is None else read_asset(store, file.source)
            write_file(file.path, content, esp, effects)
    finally:
        os.close(esp)


def installed_loaders(place: BootPlace) -> Iterator[tuple[str, str | None]]:
    """The programs on the partition, each with systemd-boot's version, or None where it is something else."""
    for directory in _PROGRAMS:
        try:
            names = sorted(os.listdir(os.path.join(place.esp, directory)))
        except (FileNotFoundError, NotADirectoryError):
            continue
        for name in names:
            if name.lower().endswith(".efi"):
                yield f"{directory}/{name}", _version_at(os.path.join(place.esp, directory, name))


def fixed_default(place: BootPlace) -> str | None:
    """The entry that loader.conf names as the default, when it names one: it beats the order of the menu."""
    try:
        with open(os.path.join(place.esp, _CONFIGURATION), "rb") as file:
            said = _DEFAULT.search(file.read(_LARGEST).decode("utf-8", "replace"))
    except FileNotFoundError:
        return None
    return said[1] if said and not said[1].endswith("*") else None


def _is_due(path: str, offered: str) -> bool:
    if not os.path.lexists(path):
        return True
    there = _version_at(path)
    if there is None:
        return False
    try:
        return compare(Scheme.DEB, there, offered) < 0
    except VersionError:
        return False


def _version_at(path: str) -> str | None:
    with open(path, "rb") as file:
        return _version(file.read(_LARGEST))


def _version(program: bytes) -> str | None:
    found = _MARK.search(program)
    return found[1].decode("ascii", "replace").strip() if found else None
