"""Machine A of real Debian packages, with three generations: for tests and benchmarks of bundles."""

import sys
from pathlib import Path
from typing import NamedTuple

from tests.bench.measuring import MOSS, run
from tests.debian.closure import closure, downloaded

PROGRAM = [sys.executable, "-m", "moss"]
BASE = [
    "base-files", "base-passwd", "bash", "coreutils", "dash", "debianutils", "diffutils", "dpkg", "findutils",
    "grep", "gzip", "hostname", "libc-bin", "login", "mawk", "ncurses-bin", "perl-base", "sed", "tar", "util-linux",
]  # fmt: skip
MORE = [
    "python3", "git", "vim-tiny", "curl", "build-essential", "cmake", "ca-certificates", "bash-completion",
    "manpages", "netbase", "media-types", "publicsuffix", "tzdata", "less", "nano", "gdb", "imagemagick",
    "openssh-client", "rsync", "tmux",
]  # fmt: skip
NAMES = [*BASE, *MORE]
NEWER = ["bash-completion", "ca-certificates", "manpages", "media-types", "netbase", "publicsuffix", "tzdata"]
"""Packages of a later suite that fit into this one."""
LATER = "trixie"


class Machine(NamedTuple):
    root: Path
    stones: Path
    packages: int


def machine_a(folder: Path) -> Machine:
    """Generation 1 is small, 2 has everything, 3 is without one package. Raises AptUnavailable."""
    debs = closure(NAMES)
    machine = Machine(folder / "a", folder / "stones", len(debs))
    publish(machine, debs)
    run([*MOSS, "-q", "-D", machine.root, "repo", "add", "debian", machine.stones / "stone.index", "--unsigned"])
    run([*MOSS, "-q", "-D", machine.root, "install", "-y", *BASE])
    run([*MOSS, "-q", "-D", machine.root, "install", "-y", *MORE])
    run([*MOSS, "-q", "-D", machine.root, "remove", "-y", "tmux"])
    return machine


def publish(machine: Machine, debs: list[str]) -> None:
    run([*MOSS, "-q", "convert", *debs, "-o", machine.stones])
    run([*MOSS, "-q", "index", machine.stones])


def publish_newer(machine: Machine) -> None:
    """What an update finds: packages of a later suite. Raises AptUnavailable."""
    publish(machine, downloaded(NEWER, suite=LATER))
