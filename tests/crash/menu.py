"""A boot menu that must always boot: what is on $BOOT, read as a boot loader and an initrd read it.

$BOOT is the directory `partition` of the root. It is a file system of its own: no sync of another one reaches it.
"""

import os
import re
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

from tests.builders import File
from tests.crash.world import BOOT, PACKAGES
from tests.trees import found_tree


def unbootable(root: Path, tree_of: Callable[[frozenset[str]], dict[str, tuple[object, ...]]]) -> Iterator[str]:
    """What a machine that starts now would stumble over: an entry names a file that is not whole, or no whole tree."""
    for name, entry in _entries(root).items():
        found = re.search(r"moss\.fstx=(\d+)$", entry.get("options", ""))
        if found is None or not {"linux", "initrd", "version"} <= entry.keys():
            yield f"menu: {name} is not whole"
            continue
        number = int(found[1])
        usr = _trees(root).get(number)
        if usr is None:
            yield f"menu: {name} has no tree"
            continue
        labels = _labels(root, number)
        wanted, there = tree_of(labels), found_tree(usr, owners=os.geteuid() == 0)
        there.pop(".stateID", None)
        there.pop(".system-model.kdl", None)
        if labels and wanted != there:
            yield f"menu: the tree of {name} is not whole: {sorted(wanted.items() ^ there.items())[:1]}"
        kernel = usr / "lib/kernel" / entry["version"].partition(".")[2]
        for field, source in (("linux", "vmlinuz"), ("initrd", "10-all.initrd")):
            path = root / BOOT / entry[field].lstrip("/")
            if not path.exists() or path.read_bytes() != _read(kernel / source):
                yield f"menu: {name} names {entry[field]}, which is not whole"
    programs = {_bytes(content) for package in PACKAGES.values() for content in package.values()}
    for path in (root / BOOT / "EFI").glob("*/*.[Ee][Ff][Ii]"):
        if path.read_bytes() not in programs:
            yield f"menu: {path.relative_to(root)} is not whole"


def unsettled(root: Path) -> Iterator[str]:
    """What recovery has left wrong: a generation without its entry, files that nothing names."""
    if not (root / BOOT).is_dir():
        return
    with closing(sqlite3.connect(f"file:{root}/.moss/db/moss.db?mode=ro", uri=True)) as record:
        if not record.execute("SELECT count(*) FROM boot_place").fetchone()[0]:
            return
        complete = [number for (number,) in record.execute("SELECT id FROM generation WHERE status = 'complete'")]
    entries = _entries(root)
    trees = _trees(root)
    wanted = {
        (str(number), kernel.name)
        for number in complete
        if number in trees and (trees[number] / "lib/kernel").is_dir()
        for kernel in (trees[number] / "lib/kernel").iterdir()
    }
    versions = {tuple(one["version"].split(".", 1)) for one in entries.values()}
    if versions != wanted:
        yield f"menu: there are entries for {sorted(versions)}, must be for {sorted(wanted)}"
    named = {one[field].lstrip("/") for one in entries.values() for field in ("linux", "initrd")}
    files = {str(path.relative_to(root / BOOT)) for path in (root / BOOT).rglob("*") if path.is_file()}
    for path in sorted(files):
        if path.endswith(".moss-new") or (path.startswith("EFI/testos/") and path not in named):
            yield f"menu: nothing needs {path}"


def _read(path: Path) -> bytes | None:
    return path.read_bytes() if path.exists() else None


def _entries(root: Path) -> dict[str, dict[str, str]]:
    folder = root / BOOT / "loader/entries"
    found = {}
    for path in sorted(folder.glob("*.conf")) if folder.is_dir() else ():
        lines = path.read_text(errors="replace").splitlines()
        fields = [line.split(None, 1) for line in lines if line.strip() and not line.startswith("#")]
        found[path.name] = {field[0]: field[1].strip() for field in fields if len(field) == 2}
    return found


def _trees(root: Path) -> dict[int, Path]:
    """By the number that each says, as the initrd looks for them."""
    found = {}
    for usr in (*sorted((root / ".moss/root").glob("*/usr")), root / "usr"):
        state = usr / ".stateID"
        if state.is_file() and state.read_text(errors="replace").strip().isdigit():
            found[int(state.read_text())] = usr
    return found


def _labels(root: Path, number: int) -> frozenset[str]:
    with closing(sqlite3.connect(root / ".moss/db/moss.db")) as record:
        rows = record.execute(
            "SELECT name, version FROM selection JOIN package ON package.id = package WHERE generation = ?", (number,)
        ).fetchall()
    return frozenset(f"{name}-{version}" for name, version in rows)


def _bytes(content: object) -> bytes:
    if isinstance(content, File):
        content = content.content
    return content.encode() if isinstance(content, str) else content if isinstance(content, bytes) else b""
