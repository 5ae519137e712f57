"""What the crash tests play with: packages, places, and moss run in a child that may be stopped at any effect.

The packages meet each other in every way that a tree knows: files become directories and back, a link
stands where another package has a directory, two packages share files, one is setuid, some bring files
for /etc, users and groups.
"""

import importlib
import os
import pkgutil
import shutil
import signal
import sqlite3
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import moss
import solver
from moss.cli.main import main
from moss.effects import Effects
from moss.indexing import index
from moss.observed_effects import Moment, ObservedEffects
from moss.operations import system as composition
from tests.builders import Content, Dir, File, Link, metadata, write_package
from tests.triggers.shells import BUSYBOX, shell_files

PACKAGES: dict[str, dict[str, Content]] = {
    "tool-1": {
        "bin/tool": "version one", "bin/become": File(b"privileged", 0o4755), "share/tool/notes": "text",
        "lib/tool/deep/file": "deep", "share/turn": "a file", "lib/back/a": "a directory", "lib/same": "the same",
        "share/factory/etc/tool.conf": "one\n", "share/factory/etc/tool.d/old": "old\n",
        "lib/tmpfiles.d/tool.conf": "C /etc/tool.conf\nC /etc/tool.d\nd /var/lib/tool 0750\n",
    },
    "tool-2": {
        "bin/tool": "version two", "bin/become": File(b"privileged too", 0o4755), "share/turn/now/a": "a directory",
        "lib/back": Link("tool"), "lib/tool/none": "", "lib/same": "the same",
        "share/factory/etc/tool.conf": "two\n", "share/factory/etc/tool.d/new": "new\n",
        "lib/tmpfiles.d/tool.conf": "C /etc/tool.conf\nC /etc/tool.d\nd /var/lib/tool 0700\nL /etc/link - - - - x\n",
        "lib/sysusers.d/tool.conf": "u tool -\n",
    },
    "more-1": {"bin/more": "more", "lib/more/none": "", "lib64/more/file": "in lib64", "lib/same": "the same"},
    "more-2": {"bin/more": "still more", "lib64/more/file": "in lib64", "share/more/text": "x" * 100},
    "other-1": {
        "bin/other": "other", "share/other/big": "b" * 9000, "share/other/closed": Dir(0o700),
        "share/other/closed/in": "inside", "lib/tmpfiles.d/other.conf": "d /var/lib/other\n",
    },
    "linker-1": {"lib64": Link("lib"), "bin/linker": "linker"},
    "left-1": {"bin/left": "left"},
    "right-1": {"bin/right": "right", "share/right/none": ""},
    "last-1": {"bin/last": "last", "share/last/a/b/c": "c"},
    "linux-1": {
        "lib/os-release": "ID=testos\n", "lib/kernel/6.1/vmlinuz": "kernel 6.1",
        "lib/kernel/6.1/10-all.initrd": "initrd 6.1",
        "lib/systemd/boot/efi/systemd-bootx64.efi": b"MZ #### LoaderInfo: systemd-boot 252.1-1 ####\0",
    },
    "linux-2": {
        "lib/os-release": "ID=testos\n", "lib/kernel/6.2/vmlinuz": "kernel 6.2",
        "lib/kernel/6.2/10-all.initrd": "initrd 6.2",
        "lib/systemd/boot/efi/systemd-bootx64.efi": b"MZ #### LoaderInfo: systemd-boot 253.1-1 ####\0",
    },
    "shell-1": shell_files() if BUSYBOX is not None else {},
    "maker-1": {"share/moss/triggers/tx.d/maker.yaml": """
name: maker
handlers: {list: {run: /usr/bin/sh, args: [-c, 'for one in /usr/bin/*; do echo ${one##*/}; done > /usr/share/made']}}
paths: {/usr/bin/*: {handlers: [list]}}
"""},
}  # fmt: skip
"""The trigger of `maker` writes share/made: the names of all programs."""


for _package in (moss, solver):  # now, and not in every child
    for _module in pkgutil.walk_packages(_package.__path__, f"{_package.__name__}."):
        if not _module.name.endswith("__main__"):
            importlib.import_module(_module.name)


DEPENDS = {"left": ("right",)}


BY_HAND = "// by hand"
"""Behind the one thing that a person has put into the system model."""

BOOT = "partition"
"""The directory of a root that stands for its boot partition, where it has one."""


class Ended(NamedTuple):
    """How a command ended, and what it said."""

    code: int
    said: str


STOPPED = 77
"""How a child ends that was stopped at an effect."""
BROKEN = 99
"""How it ends with a traceback."""


class Stop(NamedTuple):
    """An effect to stop before or after."""

    number: int
    """Of the observation: two for each effect."""
    moment: Moment
    kind: str
    target: str
    phase: str


class _Stopping(ObservedEffects):
    """Ends the process at one observation, so that nothing cleans up, or requests it to end; notes each until then."""

    def __init__(self, at: int | None, notes: int | None = None, request: signal.Signals | None = None) -> None:
        super().__init__(apply_owners=os.geteuid() == 0)
        self._at = at
        self._request = request
        self._notes = notes
        self._number = 0
        self._phase = "alone"

    def observe(self, moment: Moment, kind: str, target: str) -> None:
        if self._number == self._at and self._request is None:
            os._exit(STOPPED)
        if self._notes is not None:
            os.write(self._notes, f"{moment}\t{kind}\t{target}\t{self._phase}\n".encode())
        if moment == "after":
            self._phase = _phase_after(self._phase, kind, target)
        self._number += 1
        if self._number - 1 == self._at and self._request is not None:
            os.kill(os.getpid(), self._request)


_PHASES = {
    "transaction begun": "staging",
    "generation staged": "making",
    "ready to switch": "switching",
    "transaction done": "done",
    "left to the next boot": "done",
    "transaction undone": "alone",
}


def _phase_after(phase: str, kind: str, target: str) -> str:
    if kind == "commit_point":
        return _PHASES.get(target, phase)
    if phase == "switching" and target.endswith("/usr") and kind in ("exchange", "rename"):
        return "switched"
    return phase


def in_child(act: Callable[[], int], said: Path) -> int:
    """Do something in a child process, its words in a file; how it ended."""
    child = os.fork()
    if child == 0:
        code = BROKEN
        try:
            out = os.open(said, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            os.dup2(out, 1)
            os.dup2(out, 2)
            sys.stdout = os.fdopen(1, "w", closefd=False)
            sys.stderr = os.fdopen(2, "w", closefd=False)
            signal.signal(signal.SIGINT, signal.default_int_handler)  # also where a shell had it ignored
            code = act()
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status)


def run(
    root: Path, *words: str, effects: Callable[[], Effects] | None = None, said: Path | None = None
) -> Ended:
    """A moss command in a child process; `said` is a file that nobody else uses, for its words."""
    said = said or root.with_name(f"{root.name}.said")

    def act() -> int:
        if effects is not None:
            composition.default_effects = effects
        return main(["-D", str(root), *words])

    code = in_child(act, said)
    return Ended(code, said.read_text(errors="replace"))


def run_and_stop(root: Path, words: Sequence[str], at: int) -> Ended:
    """A command that is stopped at the `at`-th observation, over all of its openings of the system."""
    stopping = _Stopping(at)
    return run(root, *words, effects=lambda: stopping)


def run_and_request(root: Path, words: Sequence[str], at: int, request: signal.Signals) -> Ended:
    """A command that gets a signal at the `at`-th observation."""
    stopping = _Stopping(at, request=request)
    return run(root, *words, effects=lambda: stopping)


def stops_of(root: Path, words: Sequence[str]) -> tuple[Ended, list[Stop]]:
    """Run a command to its end: how it ended, and every place where it could have been stopped."""
    notes = root.with_name(f"{root.name}.notes")
    fd = os.open(notes, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    try:
        stopping = _Stopping(None, fd)
        ended = run(root, *words, effects=lambda: stopping)
    finally:
        os.close(fd)
    found = []
    for number, line in enumerate(notes.read_text().splitlines()):
        moment, kind, target, phase = line.split("\t")
        assert moment == "before" or moment == "after"
        found.append(Stop(number, moment, kind, target, phase))
    return ended, found


@dataclass
class Place:
    """A folder with a repository and a root."""

    folder: Path
    labels: set[str] = field(default_factory=set)
    damaged: bool = False
    """Something was wrong before, and stays so until it is mended."""
    held: str | None = None
    """A directory below the root that a process has open during all that is tried."""

    @property
    def root(self) -> Path:
        return self.folder / "root"

    @property
    def packages(self) -> Path:
        return self.folder / "packages"

    def publish(self, *labels: str) -> None:
        for label in labels:
            name, version = label.split("-")
            write_package(self.packages, metadata(name, version, depends=DEPENDS.get(name, ())), PACKAGES[label])
        index(str(self.packages))

    def moss(self, *words: str) -> None:
        ended = run(self.root, *words)
        assert ended.code == 0, f"moss {' '.join(words)}: {ended}"

    def install(self, *names: str) -> None:
        self.moss("install", "-y", *names)

    def write(self, path: str, text: str) -> None:
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.unlink(missing_ok=True)  # never through a hard link into the store
        target.write_text(text)

    def stop(self, words: Sequence[str], phase: str, kind: str, within: str = "", nth: int = 0) -> None:
        """Interrupt a command after the nth effect of a kind in a phase."""
        copy = self.folder / "measured"
        copy_tree(self.root, copy)
        here(copy)
        _, stops = stops_of(copy, words)
        shutil.rmtree(copy)
        chosen = [
            stop for stop in stops
            if (stop.moment, stop.kind, stop.phase) == ("after", kind, phase) and within in stop.target
        ]  # fmt: skip
        ended = run_and_stop(self.root, words, chosen[nth].number)
        assert ended.code == STOPPED, ended


def copy_tree(source: Path, target: Path) -> None:
    """A copy with the same hard links among its files, owners and modes."""
    if not source.exists():
        return
    pid = os.posix_spawnp("cp", ["cp", "-a", str(source), str(target)], os.environ)
    _, status = os.waitpid(pid, 0)
    assert status == 0


def here(root: Path) -> None:
    """Let the record of a root that was copied say where its $BOOT is now."""
    with closing(sqlite3.connect(root / ".moss/db/moss.db")) as record, record:
        if record.execute("SELECT count(*) FROM sqlite_master WHERE name = 'boot_place'").fetchone()[0]:
            record.execute("UPDATE boot_place SET esp = ?, boot = ?", (str(root / BOOT),) * 2)


@contextmanager
def holding(directory: Path | None) -> Iterator[int | None]:
    """Keep a directory open, as a shell that stands in it does."""
    if directory is None:
        yield None
        return
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield fd
    finally:
        os.close(fd)
