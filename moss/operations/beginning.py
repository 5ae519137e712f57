"""The beginning of a root: where its packages come from, and what a root of Debian's packages needs beside them."""

import os

from moss.db.repositories import repositories
from moss.debian.source import PREFIX as APT
from moss.effects import Effects, as_moss_error
from moss.errors import CorruptData, NetworkFailure, NotFound, TrustFailure, UsageError
from moss.operations.machine_sources import Source
from moss.operations.repositories import add_repository, update_repositories
from moss.operations.system import System
from moss.resources import debian_triggers

MACHINES_OWN = "apt"
"""The source that means: as this machine's apt has it."""
ESSENTIAL = (
    "base-files", "base-passwd", "bash", "bsdutils", "coreutils", "dash", "debianutils", "diffutils", "findutils",
    "grep", "gzip", "hostname", "libc-bin", "login", "mawk", "ncurses-base", "ncurses-bin", "perl-base", "sed", "tar",
    "util-linux",
)  # fmt: skip
"""What Debian takes for granted (Essential: yes) without dpkg and init scripts: no package's needs name it."""
MACHINES_SOURCES = "/etc/apt"


def refuse_used(system: System) -> None:
    """UsageError where a root has a generation already."""
    if system.active is not None:
        raise UsageError(
            f"{system.root.path} is a system already, at generation {system.active}",
            remedies=[f"moss -D {system.root.path} install PACKAGE", "name a new directory"],
        )


def begin(system: System, sources: list[Source]) -> bool:
    """Add the sources that are not there yet, read what they offer, and put Debian's triggers in place where Debian's
    packages come; whether they do. What was done stays when a later source fails: the same command goes on."""
    known = {one.name for one in repositories(system.record)}
    for one in sources:
        if one.name not in known:
            _add(system, one)
    again = [one.name for one in sources if one.name in known]
    if again:
        update_repositories(system, again)
    is_debian = any(one.uri.startswith(APT) for one in repositories(system.record))
    triggers = system.root.below("etc", "moss", "triggers")
    if is_debian and not os.path.isdir(triggers):
        with as_moss_error(f"write {triggers}"):
            _put_triggers(system, triggers)
    return is_debian


def _add(system: System, source: Source) -> None:
    trust = _keyring(system, source) if source.keys else source.trust
    try:
        add_repository(
            system, source.name, source.uri, trust=trust, unsigned=source.unsigned, narrowing=source.narrowing,
            mirrors=source.mirrors, max_staleness=source.max_staleness,
        )  # fmt: skip
    except (CorruptData, NetworkFailure, NotFound, TrustFailure) as fault:
        if source.written_in:
            fault.because = (*fault.because, f"this machine's apt is told of it in {source.written_in}")
            other = "name one mirror: --from apt+https://HOST/debian --suite NAME --component main"
            fault.remedies = (*fault.remedies, "look whether apt itself can use it: apt update", other)
        raise


def _keyring(system: System, source: Source) -> str:
    """Keys that are in no file of their own go into one of the root's."""
    folder = system.root.below("etc", "moss", "keyrings")
    for place in (system.root.below("etc"), system.root.below("etc", "moss"), folder):
        if not os.path.isdir(place):
            system.effects.mkdir(place)
    path = os.path.join(folder, f"{source.name}.gpg")
    system.effects.replace_file(path, source.keys)
    return path


def _put_triggers(system: System, directory: str) -> None:
    """The admin's folder of triggers comes whole, or not at all: where it is, init leaves it alone."""
    effects, aside = system.effects, f"{directory}.moss-new"
    parent = os.path.dirname(directory)
    if os.path.isdir(aside):
        effects.remove_tree(aside)
    for missing in (os.path.dirname(parent), parent):
        if not os.path.isdir(missing):
            effects.mkdir(missing)
            effects.fsync(os.path.dirname(missing))
    _write_folder(effects, debian_triggers(), aside)
    effects.rename(aside, directory)
    effects.fsync(parent)


def _write_folder(effects: Effects, source: str, target: str) -> None:
    effects.mkdir(target)
    for entry in sorted(os.scandir(source), key=lambda one: one.name):
        name = os.path.join(target, entry.name)
        if entry.is_dir():
            _write_folder(effects, entry.path, name)
            continue
        with open(entry.path, "rb") as file:
            effects.write_new(name, file.read(), sync=True)
    effects.fsync(target)
