"""Debian's main indexes for the benchmarks: the machine's own, and newer suites fetched beside it.

Newer suites come from the mirror that the machine's apt uses, into a folder of the benchmark's own.
"""

import os
import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from moss.debian.index import read_index
from moss.debian.universe import IndexCompiler
from moss.foreign.apt import plain_pieces

PEER = "/usr/bin/python3"

COMPILE = """
import gc, resource, sys, time
from pathlib import Path
gc.disable()  # as moss does
from tests.bench.debian_suites import universe_of
begin, wall = time.process_time(), time.perf_counter()
index, target, repository = sys.argv[1:]
Path(target).write_bytes(universe := universe_of(Path(index), repository))
cpu, wall = time.process_time() - begin, time.perf_counter() - wall
from solver import Universe
print(cpu, wall, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, len(Universe.from_bytes(universe)))
"""
"""An index into a universe."""


def universe_of(index: Path, repository: str) -> bytes:
    """What `moss repo update` compiles an index to."""
    compiler = IndexCompiler(repository)
    for paragraph in read_index(plain_pieces(str(index)), str(index), ("amd64", "all")):
        compiler.take(paragraph)
    return bytes(compiler.compiled().universe)


@dataclass(frozen=True)
class Suite:
    """An index as text, and what each side makes of it."""

    packages: Path

    @property
    def universe(self) -> Path:
        return self.packages.with_suffix(".universe")

    @property
    def solv(self) -> Path:
        return self.packages.with_suffix(".solv")

    def compile_command(self) -> list[str]:
        return [sys.executable, "-c", COMPILE, str(self.packages), str(self.universe), self.packages.stem]

    def cache_command(self) -> list[str]:
        return ["sh", "-c", f"deb2solv -r {self.packages} > {self.solv}"]


def own_suite(scratch: Path) -> tuple[Suite, str, str]:
    """The largest main index that apt has here, the mirror it came from, and its suite."""
    line = "$(CREATED_BY)|$(COMPONENT)|$(FILENAME)|$(REPO_URI)|$(CODENAME)"
    found = [tuple(text.split("|")) for text in _output("apt-get", "indextargets", "--format", line).splitlines()]
    main = [(Path(file), uri, name) for by, part, file, uri, name in found if (by, part) == ("Packages", "main")]
    main = [one for one in main if one[0].exists()]
    if not main:
        sys.exit("no Debian index here: run apt-get update, or name Packages files")
    file, mirror, name = max(main, key=lambda one: one[0].stat().st_size)
    return Suite(_plain(file, scratch / f"{name}.packages")), mirror, name


def newer_suites(scratch: Path, mirror: str, names: Sequence[str]) -> list[Suite]:
    """The main indexes of other suites; none, and a word on it, where they cannot be fetched."""
    lists, sources = scratch / "lists", scratch / "sources.list"
    (lists / "partial").mkdir(parents=True)
    sources.write_text("".join(f"deb {mirror} {name} main\n" for name in names))
    options = {"Dir::Etc::sourcelist": sources, "Dir::Etc::sourceparts": "/dev/null", "Dir::State::lists": lists}
    options |= {"Dir::Cache::pkgcache": "", "Dir::Cache::srcpkgcache": "", "Acquire::Languages": "none"}
    given = [word for name, value in options.items() for word in ("-o", f"{name}={value}")]
    fetched = subprocess.run(["apt-get", "update", *given], check=False, capture_output=True, text=True)
    files = {name: next(lists.glob(f"*_dists_{name}_main_binary-*_Packages*"), None) for name in names}
    if fetched.returncode or None in files.values():
        print(f"{', '.join(names)} cannot be fetched: {fetched.stderr.strip()}")
        return []
    return [Suite(_plain(file, scratch / f"{name}.packages")) for name, file in files.items() if file]


def make_installed(suite: Suite, keys: Iterable[str], target: Path) -> Suite:
    """The paragraphs of some packages as an index of its own, as an installed system."""
    wanted = set(keys)
    found = [text for text in suite.packages.read_text().split("\n\n") if _key(text) in wanted]
    target.write_text("\n\n".join(found) + "\n")
    return Suite(target)


def make_older(system: Suite, count: int, scratch: Path) -> tuple[Suite, Suite]:
    """A system of which so many packages are older, where nothing in it asks for the version they
    had; and those packages alone, which no index has."""
    found = system.packages.read_text().strip().split("\n\n")
    asked = "\n".join(line for text in found for line in text.splitlines() if "Depends: " in line)
    free = [at for at, text in enumerate(found) if f" {_field(text, 'Package')} (" not in asked]
    chosen = free[:: max(1, len(free) // count)][:count]
    for at in chosen:
        version, key = _field(found[at], "Version"), _field(found[at], "SHA256")
        found[at] = found[at].replace(f"Version: {version}", f"Version: {version}~older").replace(key, key[::-1])
    older, lost = Suite(scratch / "older.packages"), Suite(scratch / "lost.packages")
    older.packages.write_text("\n\n".join(found) + "\n")
    lost.packages.write_text("\n\n".join(found[at] for at in chosen) + "\n")
    return older, lost


def keys_of(suite: Suite) -> list[str]:
    """The keys of all packages of an index."""
    texts = suite.packages.read_text().split("\n\n")
    return [_key(text) for text in texts if _field(text, "SHA256")]


def names_of(suite: Suite) -> set[str]:
    """The names of all packages of an index."""
    return {name for text in suite.packages.read_text().split("\n\n") if (name := _field(text, "Package"))}


def _key(paragraph: str) -> str:
    return f"sha256:{_field(paragraph, 'SHA256')}"


def _field(paragraph: str, name: str) -> str:
    for line in paragraph.splitlines():
        if line.startswith(f"{name}: "):
            return line[len(name) + 2 :].strip()
    return ""


def _plain(index: Path, target: Path) -> Path:
    with target.open("wb") as file:
        subprocess.run(["/usr/lib/apt/apt-helper", "cat-file", str(index)], stdout=file, check=True)
    return target


def _output(*command: str) -> str:
    environment = {**os.environ, "LC_ALL": "C"}
    return subprocess.run(command, check=True, capture_output=True, text=True, env=environment).stdout
