"""Whether a tree is exactly what a generation's packages say, found out without moss's own code.

Reads the record with the standard library's sqlite3, follows directory links by itself, and compares
type, mode, owner, link target and content digest of every path.
"""

import os
import posixpath
import sqlite3
import stat
import struct
from contextlib import closing
from pathlib import Path
from typing import Any

import xxhash

from tests.omitting import omissions_in, omitted

OWN_ENTRIES = {".stateID", ".system-model.kdl"}
"""What moss itself puts into a tree."""

REGULAR, SYMLINK, DIRECTORY, NOTHING = 1, 2, 3, 8
EMPTY = "99aa06d3014798d86001c324468d497f"
"""XXH3-128 of nothing."""

Expected = tuple[int, int, int, int, str]
"""kind, mode, uid, gid, and a digest (with extended attributes, if any) or link target."""


def active_generation(root: Path) -> int:
    return int((root / "usr" / ".stateID").read_text())


def expected_tree(root: Path, generation: int) -> dict[str, Expected]:
    """Every path below /usr that the generation must have, directories included."""
    database = sqlite3.connect(f"file:{root}/.moss/db/moss.db?mode=ro", uri=True)
    rows = database.execute(
        "SELECT package.name, path, kind, mode, layout.uid, layout.gid,"
        " hex(asset.digest) || hex(asset.xattrs), link_target"
        " FROM selection JOIN package ON package.id = selection.package"
        " JOIN layout ON layout.package = package.id LEFT JOIN asset ON asset.id = layout.asset"
        " WHERE selection.generation = ? "
        # What triggers wrote comes last, each after those that it says it is after.
        " ORDER BY CASE WHEN made_by IS NULL THEN 0"
        " ELSE 1 + coalesce(json_array_length(statement, '$.relations.replaces'), 0) END, package.name, path",
        (generation,),
    ).fetchall()
    filters = database.execute(
        "SELECT omissions FROM generation JOIN path_filter ON path_filter.id = path_filter WHERE generation.id = ?",
        (generation,),
    ).fetchall()
    database.close()
    rows = _left(rows, omissions_in(filters[0][0]) if filters else [])
    links = {
        path: target for name, path, kind, *_, target in rows if kind == SYMLINK and not name.startswith("trigger(")
    }
    tree: dict[str, Expected] = {}
    for package, path, kind, mode, uid, gid, digest, target in rows:
        parent, name = posixpath.split(path)
        real = posixpath.join(real_directory(parent, links), name)
        found = (kind, stat.S_IMODE(mode), uid, gid, (digest or "").lower() or target or "")
        known = tree.get(real)
        # A package's directory stands beside another's, or lies behind a link; a trigger's takes the place of a file.
        gives_way = known is not None and (known[0] == DIRECTORY or not package.startswith("trigger("))
        if gives_way and kind == DIRECTORY and found[1:4] == (0o755, 0, 0):
            continue
        tree[real] = found
    tree = {path: found for path, found in tree.items() if found[0] != NOTHING}
    for path in list(tree):
        parent = posixpath.dirname(path)
        while parent and parent not in tree:
            tree[parent] = (DIRECTORY, 0o755, 0, 0, "")
            parent = posixpath.dirname(parent)
    return tree


def _left(rows: list[Any], omissions: list[dict[str, Any]]) -> list[Any]:
    """The rows of packages without what is left out of each."""
    if not omissions:
        return rows
    packages: dict[str, dict[str, bool]] = {}
    for name, path, kind, *_ in rows:
        packages.setdefault(name, {})[path] = kind == DIRECTORY
    going = {name: omitted(paths, omissions) for name, paths in packages.items()}
    return [row for row in rows if row[1] not in going[row[0]]]


def real_directory(path: str, links: dict[str, str]) -> str:
    """Where a directory is, when parts of its path are links within /usr."""
    done = ""
    for part in filter(None, path.split("/")):
        done = posixpath.join(done, part)
        for _ in range(40):
            target = links.get(done)
            if target is None:
                break
            absolute = posixpath.normpath(posixpath.join("/usr", posixpath.dirname(done), target))
            assert absolute.startswith("/usr/"), f"{done} leads out of /usr"
            done = absolute.removeprefix("/usr/")
    return done


def store_differences(root: Path) -> list[str]:
    """Contents that some tree needs and the store lacks, and those that it has for none, a line for each."""
    with closing(sqlite3.connect(f"file:{root}/.moss/db/moss.db?mode=ro", uri=True)) as database:
        numbers = database.execute(
            "SELECT id FROM generation WHERE status = 'complete' UNION SELECT generation FROM spare"
        ).fetchall()
    needed = {
        what[:32]
        for (number,) in numbers
        for kind, _, _, _, what in expected_tree(root, number).values()
        if kind == REGULAR
    } - {EMPTY}
    found = {path.name[:32] for path in (root / ".moss/assets").glob("*/*")}
    return [
        *(f"the store lacks {digest}" for digest in sorted(needed - found)),
        *(f"the store has {digest} for nothing" for digest in sorted(found - needed)),
    ]


def found_tree(usr: Path, *, owners: bool) -> dict[str, Expected]:
    """Every path below a directory as it is; owners are 0 where they were not applied."""
    tree: dict[str, Expected] = {}
    for directory, subdirectories, files in os.walk(usr):
        for name in [*subdirectories, *files]:
            full = os.path.join(directory, name)
            status = os.lstat(full)
            owner = (status.st_uid, status.st_gid) if owners else (0, 0)
            path = os.path.relpath(full, usr)
            mode = stat.S_IMODE(status.st_mode)
            if stat.S_ISLNK(status.st_mode):
                tree[path] = (SYMLINK, 0o777, *owner, os.readlink(full))
            elif stat.S_ISDIR(status.st_mode):
                tree[path] = (DIRECTORY, mode, *owner, "")
            else:
                assert stat.S_ISREG(status.st_mode), f"{full} is neither file, link nor directory"
                tree[path] = (REGULAR, mode, *owner, content_digest(full) + extended_attributes(full))
    return tree


def extended_attributes(path: str) -> str:
    """Those that are a file's own, as the record writes them, in hexadecimal."""
    written = b""
    for name in sorted(os.listxattr(path)):
        if name == "security.capability" or name.startswith("user."):
            value = os.getxattr(path, name)
            written += struct.pack(">BH", len(name), len(value)) + name.encode() + value
    return written.hex()


def content_digest(path: str) -> str:
    hasher = xxhash.xxh3_128()
    with open(path, "rb") as file:
        while chunk := file.read(1 << 20):
            hasher.update(chunk)
    return hasher.hexdigest()


def differences(root: Path, generation: int | None = None, usr: Path | None = None) -> list[str]:
    """What is wrong with a tree, a line for each path; nothing when it is as it must be."""
    owners = os.geteuid() == 0
    expected = expected_tree(root, active_generation(root) if generation is None else generation)
    if not owners:
        expected = {path: (kind, mode, 0, 0, what) for path, (kind, mode, _, _, what) in expected.items()}
    found = found_tree(usr or root / "usr", owners=owners)
    for path in OWN_ENTRIES:
        found.pop(path, None)
    lines = [f"{path} is missing" for path in sorted(expected.keys() - found.keys())]
    lines += [f"{path} is foreign" for path in sorted(found.keys() - expected.keys())]
    lines += [
        f"{path} is {found[path]}, must be {expected[path]}"
        for path in sorted(expected.keys() & found.keys())
        if found[path] != expected[path]
    ]
    return lines
