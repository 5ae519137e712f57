"""Capabilities found in a tree: what its files offer to others, and what they need.

ELF DT_SONAME                     soname(file(isa))       DT_NEEDED: needs the same
ELF PT_INTERP                     needs interpreter(path(isa))
ld-*.so*                          interpreter and soname, by every path a loader is known by
bin/*, sbin/*                     binary, sysbinary
*.pc                              pkgconfig, below lib32 pkgconfig32
FooConfig.cmake foo-config.cmake  cmake
dist-info METADATA                python, named as PEP 503 says
"""

import re
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from moss.capability import Capability, CapabilityKind
from moss.digest import ContentDigest
from moss.layout import Entry, EntryKind
from moss.scan.elf import MAGIC, Dynamic, MalformedElfError, ReadableAt, read_dynamic

__all__ = ["ReadableAt", "Scanned", "scan"]


class Scanned(NamedTuple):
    """What was found, each once and sorted by its text `kind(name)`."""

    provides: tuple[Capability, ...]
    depends: tuple[Capability, ...]
    """What the files need and the tree itself does not provide."""
    notes: tuple[str, ...]
    """Files that could not be understood, and why: nothing was taken from them."""


def scan(entries: Iterable[Entry], open_content: Callable[[ContentDigest], ReadableAt]) -> Scanned:
    """Scan a package's paths. Of a content the first bytes are read, of ELF files the dynamic section
    too. A file that makes no sense is a note, never an error."""
    provides: set[Capability] = set()
    depends: set[Capability] = set()
    notes: list[str] = []
    for entry in entries:
        if entry.kind not in (EntryKind.REGULAR, EntryKind.SYMLINK):
            continue
        provides.update(_named_by_path(entry.path))
        if entry.digest is None:
            continue
        content = open_content(entry.digest)
        if _METADATA.search(entry.path):
            provides.update(_python(content))
            continue
        start = content.read_at(0, _START)
        if start[:4] != MAGIC or entry.path.startswith("lib/debug/"):
            continue
        try:
            dynamic = read_dynamic(content, start)
        except MalformedElfError as error:
            notes.append(f"{entry.path} is a malformed ELF file: {error}")
            continue
        if dynamic is not None:
            provides.update(_provided_by_elf(entry.path, dynamic))
            depends.update(_needed_by_elf(dynamic))
    return Scanned(_in_order(provides), _in_order(depends - provides), tuple(notes))


_START = 1024  # holds the ELF header and, in all but odd files, the program headers
_MAX_METADATA = 64 * 1024

_METADATA = re.compile(r"\.dist-info/METADATA\Z|\.egg-info/PKG-INFO\Z")
_PC = re.compile(r"(?:\A|.*/)pkgconfig/([^/]+)\.pc\Z")
_CMAKE = re.compile(r"(?:\A|.*/)([^/]+?)(?:Config|-config)\.cmake\Z")
_NAMED_LIBRARY = re.compile(r"lib(?:32|64|x32)?/(?:[a-z0-9_]+-linux-[a-z0-9]+/)?([^/]+\.so(?:\.[^/]+)?)\Z")
_PYTHON_NAME = re.compile(rb"^Name:[ \t]*([A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)[ \t]*\r?$", re.M)
_LOADER_DIRECTORIES = ("/usr/lib64", "/lib64", "/lib")


def _in_order(capabilities: set[Capability]) -> tuple[Capability, ...]:
    return tuple(sorted(capabilities, key=lambda capability: capability.full_text))


def _named_by_path(path: str) -> Iterator[Capability]:
    """What a path alone says, whatever is there."""
    directory, _, name = path.rpartition("/")
    if directory == "bin":
        yield Capability(CapabilityKind.BINARY, name)
    elif directory == "sbin":
        yield Capability(CapabilityKind.SYSBINARY, name)
    elif name.endswith(".pc"):
        if match := _PC.match(path):
            in_lib32 = path.startswith("lib32/")
            yield Capability(CapabilityKind.PKGCONFIG32 if in_lib32 else CapabilityKind.PKGCONFIG, match[1])
    elif name.endswith(".cmake") and (match := _CMAKE.match(path)):
        yield Capability(CapabilityKind.CMAKE, match[1])


def _python(content: ReadableAt) -> Iterator[Capability]:
    header = content.read_at(0, _MAX_METADATA).replace(b"\r\n", b"\n").partition(b"\n\n")[0]
    if match := _PYTHON_NAME.search(header):
        yield Capability(CapabilityKind.PYTHON, re.sub(r"[-_.]+", "-", match[1].decode()).lower())


def _provided_by_elf(path: str, elf: Dynamic) -> Iterator[Capability]:
    directory, _, name = path.rpartition("/")
    if not elf.is_library:
        return
    soname = elf.soname
    if soname is None and (match := _NAMED_LIBRARY.match(path)):
        soname = match[1]
    if soname is not None:
        yield Capability(CapabilityKind.SONAME, f"{soname}({elf.isa})")
    for loader in {name, soname or name}:
        if loader.startswith("ld-") and ".so" in loader:
            for place in (*_LOADER_DIRECTORIES, f"/usr/{directory}"):
                yield Capability(CapabilityKind.INTERPRETER, f"{place}/{loader}({elf.isa})")
                yield Capability(CapabilityKind.SONAME, f"{place}/{loader}({elf.isa})")


def _needed_by_elf(elf: Dynamic) -> Iterator[Capability]:
    for name in elf.needed:
        yield Capability(CapabilityKind.SONAME, f"{name}({elf.isa})")
    if elf.interpreter is not None:
        yield Capability(CapabilityKind.INTERPRETER, f"{elf.interpreter}({elf.isa})")
