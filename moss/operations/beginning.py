"""The beginning of a root: where its packages come from, and what a root of Debian's packages needs beside them."""

import os

from moss.db.repositories import repositories
from moss.debian.source import PREFIX as APT
from moss.errors import CorruptData, NetworkFailure, NotFound, TrustFailure, UsageError
from moss.operations.machine_sources import Source
from moss.operations.refreshing import merge_offers, update_repositories
from moss.operations.repositories import add_repository
from moss.operations.system import System
from moss.root import Root

MACHINES_OWN = "apt"
"""The source that means: as this machine's apt has it."""
ESSENTIAL = (
    "base-files", "base-passwd", "bash", "bsdutils", "coreutils", "dash", "debianutils", "diffutils", "findutils",
    "grep", "gzip", "hostname", "libc-bin", "login", "mawk", "ncurses-base", "ncurses-bin", "perl-base", "sed", "tar",
    "util-linux",
)  # fmt: skip
"""What Debian takes for granted (Essential: yes) without dpkg and init scripts: no package's needs name it."""
MACHINES_SOURCES = "/etc/apt"


def refuse_others(directory: str) -> None:
    """UsageError where a directory holds what is not of a root that moss began: it would lie among a system's
    directories."""
    try:
        there = set(os.listdir(directory)) - {"lost+found"}  # of a file system that was just made
    except OSError:  # it is new; or what is wrong with it is told when it is opened
        return
    if there and not os.path.isdir(Root.at(directory).state_directory):
        some = ", ".join(sorted(there)[:3])
        raise UsageError(
            f"{directory} is not empty",
            because=[f"it holds {some}" + (f" and {len(there) - 3} more" if len(there) > 3 else "")],
            remedies=["name a new directory"],
        )


def refuse_used(system: System) -> None:
    """UsageError where a root has a generation already."""
    if system.active is not None:
        raise UsageError(
            f"{system.root.path} is a system already, at generation {system.active}",
            remedies=[f"moss -D {system.root.path} install PACKAGE", "name a new directory"],
        )


def begin(system: System, sources: list[Source]) -> bool:
    """Add the sources that are not there yet and read what they offer; whether Debian's packages are among it. What
    was done stays when a later source fails: the same command goes on."""
    known = {one.name for one in repositories(system.record)}
    for one in sources:
        if one.name not in known:
            _add(system, one)
    again = [one.name for one in sources if one.name in known]
    if again:
        update_repositories(system, again)
    merge_offers(system)
    return any(one.uri.startswith(APT) for one in repositories(system.record))


def _add(system: System, source: Source) -> None:
    trust = _keyring(system, source) if source.keys else source.trust
    try:
        add_repository(
            system, source.name, source.uri, trust=trust, unsigned=source.unsigned, narrowing=source.narrowing,
            mirrors=source.mirrors, max_staleness=source.max_staleness, merge=False,
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
