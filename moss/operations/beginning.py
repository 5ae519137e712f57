"""The beginning of a root: where its packages come from, and what a root of Debian's packages needs beside them."""

import os
from collections.abc import Iterator

from moss.db.repositories import repositories
from moss.debian.machine_sources import MachineSource, parse_sources
from moss.debian.source import PREFIX as APT
from moss.effects import Effects, as_moss_error
from moss.errors import NotFound, UsageError
from moss.operations.repositories import Narrowing, add_repository, update_repositories
from moss.operations.system import System
from moss.resources import debian_triggers
from solver.values import value

MACHINES_OWN = "apt"
"""The source that means: as this machine's apt has it."""
ESSENTIAL = (
    "base-files", "base-passwd", "bash", "bsdutils", "coreutils", "dash", "debianutils", "diffutils", "findutils",
    "grep", "gzip", "hostname", "libc-bin", "login", "mawk", "ncurses-base", "ncurses-bin", "perl-base", "sed", "tar",
    "util-linux",
)  # fmt: skip
"""What Debian takes for granted (Essential: yes) without dpkg and init scripts: no package's needs name it."""
_SOURCES = "/etc/apt"


@value
class Source:
    """Where packages are to come from."""

    name: str
    uri: str
    trust: str | None = None
    unsigned: bool = False
    narrowing: Narrowing = Narrowing()


def machine_sources(directory: str = _SOURCES) -> list[Source]:
    """What this machine's apt uses, a repository for each place. NotFound where it uses nothing."""
    found: list[Source] = []
    for said in _machines(directory):
        if not said.uri.startswith(("http://", "https://")):
            continue
        name = said.uri.rstrip("/").rpartition("/")[2] or "apt"
        names = {one.name for one in found}
        number = 2
        while name in names:
            name = f"{name.rstrip('0123456789')}{number}"
            number += 1
        arch = said.architectures[0] if len(said.architectures) == 1 else ""
        narrowing = Narrowing(suites=said.suites, components=said.components, architecture=arch)
        found.append(Source(name, f"{APT}{said.uri}", said.keyring or None, False, narrowing))
    if not found:
        raise NotFound(
            f"{directory} names no mirror on the network that apt would use",
            remedies=["name the mirror: --from apt+https://HOST/debian --suite NAME --component main"],
        )
    return found


def _machines(directory: str) -> Iterator[MachineSource]:
    paths = [os.path.join(directory, "sources.list")]
    more = os.path.join(directory, "sources.list.d")
    if os.path.isdir(more):
        paths += [os.path.join(more, name) for name in sorted(os.listdir(more))]
    for path in paths:
        if path.endswith((".list", ".sources")) and os.path.isfile(path):
            with as_moss_error(f"read {path}"), open(path, encoding="utf-8", errors="replace") as file:
                yield from parse_sources(file.read(), path)


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
            add_repository(
                system, one.name, one.uri, trust=one.trust, unsigned=one.unsigned, narrowing=one.narrowing
            )
    again = [one.name for one in sources if one.name in known]
    if again:
        update_repositories(system, again)
    is_debian = any(one.uri.startswith(APT) for one in repositories(system.record))
    triggers = system.root.below("etc", "moss", "triggers")
    if is_debian and not os.path.isdir(triggers):
        with as_moss_error(f"write {triggers}"):
            _put_triggers(system, triggers)
    return is_debian


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
