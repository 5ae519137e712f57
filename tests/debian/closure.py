"""Real Debian packages for tests: the closure of some names, downloaded through the machine's own apt.

    debs = closure(["bash", "coreutils"])                   # the suite this machine uses
    debs = closure(["libc6"], suite="trixie")               # another one, from the same mirror
    debs = downloaded(["bash"], suite="sid")                # those packages alone, without what they need

apt resolves against an empty status, so that nothing counts as installed: name essential packages
yourself. Everything is kept in a folder of its own (`MOSS_TEST_CACHE`, else one below the system's
temporary directory); nothing of the machine's apt is changed, and no root rights are needed. The same
question is answered from that folder the next time, without asking apt, for as long as the files are there.

As a program: `python tests/debian/closure.py [--suite S] NAME…` prints one path a line.
"""

import argparse
import fcntl
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

SECONDS_FOR_APT = 900
ESSENTIAL = (
    "base-files", "base-passwd", "bash", "bsdutils", "coreutils", "dash", "debianutils", "diffutils",
    "dpkg", "findutils", "grep", "gzip", "hostname", "init-system-helpers", "libc-bin", "login", "mawk",
    "ncurses-base", "ncurses-bin", "perl-base", "sed", "sysvinit-utils", "tar", "util-linux",
)  # fmt: skip
"""What Debian takes for granted, and what no package's dependencies therefore name."""

ARCHIVE_KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
_SUITE = re.compile(r"[a-z][a-z0-9-]*")
_TARGET_FIELDS = "$(CREATED_BY)|$(LABEL)|$(REPO_URI)|$(CODENAME)"


class AptUnavailable(Exception):
    """There is no apt here, or it could not reach its mirror: a test that needs it skips with this text."""


def closure(names: Sequence[str], *, suite: str | None = None, cache: str | None = None) -> list[str]:
    """The paths of the .debs of `names` and of everything they depend on, sorted by file name.

    Recommended packages are left out. Raises AptUnavailable when apt cannot give them.
    """
    return _Apt.for_suite(suite, cache).debs("install", names)


def downloaded(names: Sequence[str], *, suite: str | None = None, cache: str | None = None) -> list[str]:
    """The paths of the .debs of exactly `names` (`name` or `name=version`), sorted by file name."""
    return _Apt.for_suite(suite, cache).debs("download", names)


def lists_of(components: Sequence[str], architectures: Sequence[str], *, suite: str, cache: str | None = None) -> str:
    """A folder of apt's lists of a suite, for these components and architectures, fetched when it is first asked for.

    Raises AptUnavailable when apt cannot give them.
    """
    apt = _Apt.for_suite(suite, cache)
    folder = os.path.join(apt.folder, f"lists-{suite}-{'-'.join((*components, *architectures))}")
    os.makedirs(os.path.join(folder, "partial"), exist_ok=True)
    with _only_one(apt.folder):
        missing = [
            one
            for one in (f"{component}_binary-{arch}_Packages" for component in components for arch in architectures)
            if not any(f"_dists_{suite}_{one}" in name for name in os.listdir(folder))
        ]
        if missing:
            apt.fetch_lists(folder, components, architectures)
    return folder


def cache_folder() -> str:
    """Where downloads are kept between runs."""
    default = os.path.join(tempfile.gettempdir(), f"moss-debian-{os.getuid()}")
    return os.environ.get("MOSS_TEST_CACHE", default)


@dataclass(frozen=True, slots=True)
class _Apt:
    """apt with a status, lists and archives of its own."""

    folder: str
    suite: str | None

    @classmethod
    def for_suite(cls, suite: str | None, cache: str | None) -> "_Apt":
        if suite is not None and not _SUITE.fullmatch(suite):
            raise ValueError(f"{suite!r} is not a suite's name")
        if shutil.which("apt-get") is None:
            raise AptUnavailable("apt-get is not on this machine")
        return cls(os.path.abspath(cache or cache_folder()), suite)

    def debs(self, verb: str, names: Sequence[str]) -> list[str]:
        os.makedirs(os.path.join(self.folder, "archives", "partial"), exist_ok=True)
        with _only_one(self.folder):
            known = self._remembered(verb, names)
            if known is None:
                self._prepare()
                known = self._fetch(verb, names)
                self._remember(verb, names, known)
        return sorted(os.path.join(self.folder, "archives", name) for name in known)

    def _answer_file(self, verb: str, names: Sequence[str]) -> str:
        question = json.dumps([verb, self.suite, sorted(names)])
        return os.path.join(self.folder, f"answer-{hashlib.sha256(question.encode()).hexdigest()[:16]}.json")

    def _remembered(self, verb: str, names: Sequence[str]) -> dict[str, int] | None:
        """File name to size in bytes, when this was asked before and every file is still whole."""
        try:
            with open(self._answer_file(verb, names)) as answer:
                known: dict[str, int] = json.load(answer)
        except FileNotFoundError:
            return None
        return known if not self._missing(known) else None

    def _remember(self, verb: str, names: Sequence[str], known: dict[str, int]) -> None:
        with open(self._answer_file(verb, names), "w") as answer:
            json.dump(known, answer, indent=1)

    def _missing(self, known: dict[str, int]) -> list[str]:
        return [name for name, size in known.items() if self._size_here(name) != size]

    def _size_here(self, name: str) -> int | None:
        path = os.path.join(self.folder, "archives", name)
        return os.stat(path).st_size if os.path.exists(path) else None

    def _fetch(self, verb: str, names: Sequence[str]) -> dict[str, int]:
        try:
            uris = self._print_uris(verb, names)
        except AptUnavailable:
            if self.suite is None:
                raise
            self._update()
            uris = self._print_uris(verb, names)
        known = dict(_printed_files(uris))
        if not known:
            raise AptUnavailable(f"apt names no files for {' '.join(names)}")
        if self._missing(known):
            download = ("--download-only",) if verb == "install" else ()
            self._run(verb, *download, *names, directory=os.path.join(self.folder, "archives"))
        if missing := self._missing(known):
            raise AptUnavailable(f"apt did not bring {', '.join(missing)}")
        return known

    def _print_uris(self, verb: str, names: Sequence[str]) -> str:
        return self._run(verb, "--print-uris", *names, directory=os.path.join(self.folder, "asking"))

    def _prepare(self) -> None:
        # `apt-get download --print-uris` is silent about files in its directory, and `install` about those
        # in its archives: questions are asked where there are none.
        os.makedirs(os.path.join(self.folder, "asking", "partial"), exist_ok=True)
        self._write_status()
        if self.suite is None:
            return
        os.makedirs(os.path.join(self._lists, "partial"), exist_ok=True)
        if not os.path.exists(self._sources):
            self._write_sources(self._sources, ("main",))
        if not any(name.endswith("_InRelease") for name in os.listdir(self._lists)):
            self._update()

    @property
    def _sources(self) -> str:
        return os.path.join(self.folder, f"{self.suite}.list")

    @property
    def _lists(self) -> str:
        return os.path.join(self.folder, f"lists-{self.suite}")

    def fetch_lists(self, folder: str, components: Sequence[str], architectures: Sequence[str]) -> None:
        sources = os.path.join(folder, "sources.list")
        self._write_sources(sources, components)
        self._write_status()
        said = [f"APT::Architectures::={one}" for one in architectures]
        said += [f"Dir::Etc::sourcelist={sources}", "Dir::Etc::sourceparts=-", f"Dir::State::lists={folder}/"]
        self._run("update", *(word for one in said for word in ("-o", one)))

    def _write_sources(self, file: str, components: Sequence[str]) -> None:
        signed = f" [signed-by={ARCHIVE_KEYRING}]" if os.path.exists(ARCHIVE_KEYRING) else ""
        with open(file, "w") as sources:
            sources.write(f"deb{signed} {_mirror_of_this_machine()} {self.suite} {' '.join(components)}\n")

    def _write_status(self) -> None:
        """Nothing is installed."""
        with open(os.path.join(self.folder, "EMPTY"), "w"):
            pass

    def _update(self) -> None:
        self._run("update")

    def _run(self, *words: str, directory: str | None = None) -> str:
        archives = directory or self.folder
        options = {
            "Dir::State::status": os.path.join(self.folder, "EMPTY"),
            "Dir::State::extended_states": os.path.join(self.folder, "EMPTY"),
            "Dir::Cache": self.folder,
            "Dir::Cache::archives": archives + "/",
            "Debug::NoLocking": "1",
            "APT::Install-Recommends": "0",
            "APT::Sandbox::User": "",
            "Acquire::Retries": "2",
            "Acquire::http::Timeout": "30",
            "Acquire::Languages": "none",
        }
        if self.suite is not None:
            options |= {
                "Dir::Etc::sourcelist": self._sources,
                "Dir::Etc::sourceparts": "-",
                "Dir::State::lists": self._lists + "/",
            }
        flags = [word for name, value in options.items() for word in ("-o", f"{name}={value}")]
        return _output(["apt-get", "-q", "-y", *flags, *words], archives)


def _output(command: Sequence[str], directory: str) -> str:
    environment = {**os.environ, "LC_ALL": "C", "DEBIAN_FRONTEND": "noninteractive"}
    try:
        ended = subprocess.run(
            command,
            cwd=directory,
            env=environment,
            capture_output=True,
            text=True,
            timeout=SECONDS_FOR_APT,
            check=False,
        )
    except subprocess.TimeoutExpired as late:
        raise AptUnavailable(f"apt took longer than {SECONDS_FOR_APT} seconds") from late
    if ended.returncode != 0:
        complaints = "; ".join(line for line in ended.stderr.splitlines() if line.startswith("E:"))
        raise AptUnavailable(complaints or ended.stderr.strip() or f"apt ended with {ended.returncode}")
    return ended.stdout


def _printed_files(uris: str) -> Iterator[tuple[str, int]]:
    """File names and sizes from `'URI' NAME SIZE HASH` lines."""
    for line in uris.splitlines():
        words = line.split()
        if len(words) >= 3 and words[0].startswith("'"):
            yield words[1], int(words[2])


def _mirror_of_this_machine() -> str:
    """The address the machine itself takes Debian from."""
    lines = _output(["apt-get", "indextargets", "--format", _TARGET_FIELDS], "/").splitlines()
    for created_by, label, uri, codename in (line.split("|") for line in lines if line.count("|") == 3):
        if created_by == "Packages" and label == "Debian" and "-" not in codename:
            return uri
    raise AptUnavailable("this machine's apt has no lists of a Debian mirror (apt-get update makes them)")


@contextmanager
def _only_one(folder: str) -> Iterator[None]:
    """Two runs at once take turns: apt is told not to lock."""
    with open(os.path.join(folder, "turn"), "w") as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)
        yield


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description="Download the closure of Debian packages; print the paths.")
    parser.add_argument("names", nargs="+", metavar="NAME")
    parser.add_argument("--suite", help="bookworm, trixie, sid, …; else the machine's own")
    parser.add_argument("--alone", action="store_true", help="only the named packages, not what they need")
    chosen = parser.parse_args(arguments)
    try:
        take = downloaded if chosen.alone else closure
        debs = take(chosen.names, suite=chosen.suite)
    except AptUnavailable as absent:
        print(f"closure: {absent}", file=sys.stderr)
        return 5
    print("\n".join(debs))
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
